"""`lienthong evidence`: what became of every tap, what came late, what waits, and running it again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import click

from access.exceptions import House

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from fare.rules.tariff import TariffBook

DAY = click.DateTime(["%Y-%m-%d"])
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
HOUSE = click.option(
    "--house", type=click.Choice([house.value for house in House]), help="Only this house's."
)


@click.group()
def evidence() -> None:
    """Account for every tap: conservation, late arrivals, the exception queue and its reruns."""


@evidence.command()
@click.argument("day", type=DAY)
@JSON
def conservation(day: datetime, as_json: bool) -> None:
    """Show what became of every record of service day DAY, by device: accepted = priced + in exception.

    Gaps name the device that still holds the records. Ends with 1 while anything is unaccounted for.

    \b
    Example:
      lienthong evidence conservation 2026-11-18
    """  # noqa: D301  (click reads \b)
    from service.api.evidence import conservation_document
    from service.conservation import conserve

    with _reading() as (tx, book):
        found = conserve(tx, day.date(), book=book)
    if as_json:
        click.echo(json.dumps(conservation_document(found), ensure_ascii=False, indent=1))
    elif not found.devices:
        click.echo(f"No device has anything of {found.service_day}.")
    else:
        for one in found.devices:
            click.echo(
                f"{one.operator_id:<14} {one.name:<20} accepted {one.accepted:>7,} = priced {one.priced:>7,}"
                f" + nothing due {sum(one.nothing.values()):>5,} + in exception {sum(one.in_exception.values()):>5,}"
                + (f" + UNACCOUNTED {one.unaccounted:,}" if one.unaccounted else "")
            )
            for why, count in sorted({**one.nothing, **one.in_exception}.items()):
                click.echo(f"    {why}: {count:,}")
            for why, count in sorted(one.set_aside.items()):
                click.echo(f"    set aside, {why}: {count:,}")
            for gap in one.gaps:
                click.echo(f"    still holds {gap.first:,} to {gap.last:,} of journal {gap.journal_id}")
            if one.missing_taps:
                click.echo(f"    cards remember {one.missing_taps:,} more taps here")
        for account in found.disagreeing:
            click.echo(f"bill and lines DISAGREE: account {account}")
        verdict = "conserved" if found.conserved else "NOT CONSERVED"
        click.echo(f"{found.service_day}: {sum(one.accepted for one in found.devices):,} records, {verdict}")
    if not found.conserved:
        raise SystemExit(1)


@evidence.command()
@click.option("--days", type=click.IntRange(1, 400), default=7, show_default=True, help="Received since.")
@click.option("--hours", type=click.IntRange(0, 9_600), default=24, show_default=True, help="Late from here.")
@JSON
def late(days: int, hours: int, as_json: bool) -> None:
    """List what came late, by device and service day, with its age and what it changed.

    \b
    Example:
      lienthong evidence late --days 7 --hours 24
    """  # noqa: D301  (click reads \b)
    from ledger.rules.book_day import ZONE
    from service.api.evidence import late_document
    from service.commands import context
    from service.conservation import late as found_late

    now = context.clock().now()
    with _reading() as (tx, book):
        found = found_late(
            tx, book=book, now=now, since=now - timedelta(days=days), later_than=timedelta(hours=hours)
        )
    if as_json:
        click.echo(json.dumps({"late": [late_document(one) for one in found]}, ensure_ascii=False, indent=1))
        return
    for one in found:
        waits = f", {one.waiting:,} wait" if one.waiting else ""
        click.echo(
            f"{one.service_day}  {one.name:<20} {one.records:>6,} records{waits}; up to {_hours(one.longest)} late,"
            f" the last came {one.last_received_at.astimezone(ZONE):%Y-%m-%d %H:%M} ({_hours(one.age)} ago);"
            f" its day then rose by {one.raised:,} and fell by {one.lowered:,}"
        )
    click.echo(f"{sum(one.records for one in found):,} late records" if found else "Nothing came late.")


@evidence.command("exceptions")
@HOUSE
@click.option("--reason", help="Only of this reason.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@JSON
def list_exceptions(house: str | None, reason: str | None, limit: int, as_json: bool) -> None:
    """List what cannot be priced or placed, the oldest first, with its reason and age.

    \b
    Example:
      lienthong evidence exceptions --house fare --reason pricing-fault
    """  # noqa: D301  (click reads \b)
    from access import exceptions
    from service.api.exceptions import exception_document
    from service.commands import context

    with context.database() as database, database.read() as tx:
        found = exceptions.list_open(
            tx,
            now=context.clock().now(),
            house=House(house) if house else None,
            reason=reason,
            limit=limit,
        )
        counts = exceptions.count_open(tx)
    if as_json:
        click.echo(
            json.dumps(
                {"exceptions": [exception_document(one) for one in found]}, ensure_ascii=False, indent=1
            )
        )
        return
    for one in found:
        again = "" if exception_document(one)["rerunnable"] else "  (takes a decision)"
        click.echo(
            f"{one.exception_id}  {_hours(one.age):>6}  {one.raised.house.value:<8} {one.raised.reason:<20}"
            f" {one.raised.ref}{again}"
        )
    for (of, why), count in counts.items():
        click.echo(f"open: {of.value} {why} {count:,}")
    if not counts:
        click.echo("Nothing waits.")


@evidence.command()
@click.argument("exception_id", type=click.UUID, required=False)
@HOUSE
@click.option("--reason", help="All of this reason instead of one.")
@click.option("--why", required=True, help="Kept with who did it.")
@JSON
def rerun(exception_id: UUID | None, house: str | None, reason: str | None, why: str, as_json: bool) -> None:
    """Run one exception again, or with --reason all of one reason; ends with 1 when any waits on.

    From stored evidence, however late. A tap that only a plausibility check stopped is let through first.

    \b
    Examples:
      lienthong evidence rerun 0192f0c1-6a3e-7b21-9d00-5f1d2c3b4a59 --why "tariff published since"
      lienthong evidence rerun --house fare --reason pricing-fault --why "repaired"
    """  # noqa: D301  (click reads \b)
    from fare.publish import Shelf
    from service.api.exceptions import rerun_document
    from service.commands import context
    from service.jobs.rerun import Outcome, rerun_many, rerun_one

    if (exception_id is None) == (reason is None):
        raise click.UsageError("name one exception, or all of one --reason")
    clock, by = context.clock(), context.actor()
    with context.database() as database:
        shelf = Shelf(context.keyring().bundle_key.public)
        if exception_id is not None:
            one = exception_id
            done = [database.run(lambda tx: rerun_one(tx, one, shelf=shelf, by=by, why=why, now=clock.now()))]
        else:
            chosen = House(house) if house else None
            done = list(
                rerun_many(database, shelf=shelf, by=by, why=why, now=clock.now, house=chosen, reason=reason)
            )
    if as_json:
        click.echo(json.dumps({"reruns": [rerun_document(each) for each in done]}, indent=1))
    else:
        for each in done:
            click.echo(f"{each.exception_id}  {each.reason}: {each.outcome.value}, {each.entries} entries")
        click.echo(
            f"{len(done)} run again" if done else "Nothing of that waits, or nothing that a rerun cures."
        )
    if any(each.outcome is Outcome.WAITS for each in done):
        raise SystemExit(1)


def _hours(span: timedelta) -> str:
    hours = int(span.total_seconds()) // 3600
    return f"{hours // 24}d {hours % 24}h" if hours >= 48 else f"{hours}h"


@contextmanager
def _reading() -> Iterator[tuple[Connection, TariffBook]]:
    """Yield a read-only transaction and the tariff in force; a click error where none is published."""
    from fare.publish import Shelf
    from service.commands import context

    with context.database() as database, database.read() as tx:
        yield tx, Shelf(context.keyring().bundle_key.public).books(tx).current()
