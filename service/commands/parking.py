"""`lienthong parking`: check and publish rate files, price a stay from them, recompute a price proof."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from kernel.errors import DomainError
from parking.proof import check_proof
from parking.rate_dir import read_rate_dir
from service.commands.parking_export import export
from service.commands.parking_input import RATES, instant, load, refuse
from service.commands.parking_proposals import proposals
from service.commands.parking_quote import quote
from service.commands.parking_webhooks import webhooks


@click.group()
def parking() -> None:
    """Check and publish parking rates, price a stay with them, prove a price (docs/parking-rates.md)."""


parking.add_command(quote)
parking.add_command(webhooks)
parking.add_command(export)
parking.add_command(proposals)


@parking.command("check")
@RATES
def check(rates: Path) -> None:
    """Check rate files and name every problem by file, row and field.

    \b
    Example: lienthong parking check --rates parking/rates/hanoi
    """  # noqa: D301 click reads \b
    book = load(rates)
    click.echo(f"{book.version}: {len(book.places)} places, {len(book.classes)} vehicle classes, no problems")


@parking.command("publish")
@RATES
@click.option("--prepared-by", required=True, help="Who made them, e.g. mai@example.org.")
@click.option("--approved-by", required=True, help="Who approved them: another person.")
@click.option("--from", "begins", default="", help="When they begin to hold; without it, now.")
def publish(rates: Path, prepared_by: str, approved_by: str, begins: str) -> None:
    """Publish rates from an instant on, unchangeably: stays that begin from then on are priced by them.

    The first rates ever also hold for the time before, within the dates of their rows.

    \b
    Example:
      lienthong parking publish --from 2026-12-01T00:00 --prepared-by mai@example.org --approved-by tuan@example.org
    """  # noqa: D301 click reads \b
    from parking.publish_rates import publish_rates
    from service import audit
    from service.commands import context

    book, now, actor = load(rates), context.clock().now(), context.actor()
    zone = next(iter(book.places.values())).zone
    with context.database() as database, database.begin() as tx:
        done = publish_rates(
            tx,
            read_rate_dir(rates),
            prepared_by=prepared_by,
            approved_by=approved_by,
            effective_at=instant(begins, zone) if begins else None,
            now=now,
        )
        if not done.again:
            audit.record(
                tx,
                actor=actor,
                action="parking.publish",
                subject_kind="rates",
                subject_id=done.version,
                now=now,
                detail={
                    "effective_at": done.effective_at.isoformat(),
                    "prepared_by": prepared_by,
                    "approved_by": approved_by,
                },
            )
    told = "were published already and hold" if done.again else "hold"
    until = f" until {done.until.astimezone(zone).isoformat()}, when others take over" if done.until else ""
    click.echo(f"{done.version} {told} from {done.effective_at.astimezone(zone).isoformat()}{until}")
    if done.until:
        click.echo("To go back to them, publish files that differ: a table's other name is enough.")


@parking.command("sweep")
def sweep() -> None:
    """Write down who never came for a reservation, stop sessions without a gate whose paid time ended, even out pools.

    And bill again what park and ride makes due: rides of who parked by phone, stays whose ride was told of late.

    Run it every minute by a timer; repeating it changes nothing.

    \b
    Example: lienthong parking sweep
    """  # noqa: D301 click reads \b
    from fare.publish import Shelf
    from service.commands import context
    from service.jobs import parking_sweep

    with context.database() as database:
        shelf = Shelf(context.keyring().bundle_key.public)
        done = parking_sweep.sweep(database, shelf=shelf, clock=context.clock())
    click.echo(
        f"{done.no_shows} reservations lapsed, {done.stopped} sessions stopped,"
        f" {done.evened} accounts of pools and {done.met} of park and ride billed again,"
        f" {done.rejoined} readings joined to sessions told of late"
    )


@parking.command("prove")
@RATES
@click.argument("proof", type=click.File("r", encoding="utf-8"))
def prove(rates: Path, proof: Any) -> None:
    """Recompute a price proof (the JSON of `quote`, or of the API) and say whether it holds.

    \b
    Example: lienthong parking quote … --json | lienthong parking prove -
    """  # noqa: D301 click reads \b
    book = load(rates)
    try:
        differences = check_proof(json.load(proof), book)
    except json.JSONDecodeError as error:
        refuse({}, f"the proof is not JSON: {error}", as_json=False)
    except DomainError as error:
        refuse({}, str(error), as_json=False)
    for each in differences:
        click.echo(each)
    if differences:
        sys.exit(1)
    click.echo("holds: every line and the total recompute to the same amounts")
