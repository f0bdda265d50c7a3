"""`lienthong parking`: check and publish rate files, price a stay from them, recompute a price proof."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import click

from kernel.errors import DomainError
from kernel.ground import Ground
from kernel.money import Money
from parking.proof import check_proof
from parking.rate_dir import HANOI, load_rate_dir, read_rate_dir
from parking.rules.book import RateBook
from parking.rules.cover import Discount
from parking.rules.errors import RateFilesInvalidError
from parking.rules.park_proof import cuts_for, cuts_json, ride_ground
from parking.rules.quote import Quote, priced_end, quote_between
from service.commands.parking_export import export
from service.commands.parking_webhooks import webhooks

RATES = click.option(
    "--rates",
    type=click.Path(path_type=Path, file_okay=False),
    default=HANOI,
    show_default="Hanoi's own",
    help="Directory of rate files (docs/parking-rates.md).",
)


@click.group()
def parking() -> None:
    """Check and publish parking rates, price a stay with them, prove a price (docs/parking-rates.md)."""


parking.add_command(webhooks)
parking.add_command(export)


@parking.command("check")
@RATES
def check(rates: Path) -> None:
    """Check rate files and name every problem by file, row and field.

    \b
    Example: lienthong parking check --rates parking/rates/hanoi
    """  # noqa: D301 click reads \b
    book = _load(rates)
    click.echo(f"{book.version}: {len(book.places)} places, {len(book.classes)} vehicle classes, no problems")


@parking.command("quote")
@RATES
@click.option("--place", "place_id", required=True, help="Where: a place_id of places.csv, or a gate.")
@click.option("--class", "vehicle_class", required=True, help="What: a class_id of vehicle_classes.csv.")
@click.option("--user", default="casual", show_default=True, help="Who: casual, regular, …")
@click.option("--from", "entered", required=True, help="Entry, e.g. 2026-11-18T09:00 (the place's time).")
@click.option("--to", "left", required=True, help="Exit, e.g. 2026-11-18T14:01.")
@click.option("--paid-until", help="Until when it was paid ahead: exit grace and unused time count.")
@click.option("--unit", "units", multiple=True, metavar="NAME=COUNT", help="Counted units, e.g. kWh=12.345.")
@click.option(
    "--ride",
    "rides",
    multiple=True,
    metavar="TIME[;WORD…]",
    help="A ride with the same card, e.g. '2026-11-18T09:20;network:metro_2a;operator:hanoi-metro'.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the price proof as JSON.")
def quote(
    rates: Path,
    place_id: str,
    vehicle_class: str,
    user: str,
    entered: str,
    left: str,
    paid_until: str | None,
    units: Sequence[str],
    rides: Sequence[str],
    as_json: bool,
) -> None:
    """Price a stay and show every line of the price, from data files alone.

    \b
    Example, 5 hours in Đống Đa (165,000 VND by decision 44/2017):
      lienthong parking quote --place dong-da-01 --class car_le9 \\
        --from 2026-11-18T09:00 --to 2026-11-18T14:00

    With --ride it shows what park and ride takes off, by products of kind park_and_ride.
    """  # noqa: D301 click reads \b
    book = _load(rates)
    try:
        place = book.place_of_gate(place_id) or book.place(place_id)
        entered_at, left_at = _instant(entered, place.zone), _instant(left, place.zone)
        table = book.table_for(place.place_id, vehicle_class, entered_at, user=user)
        if paid_until is not None:
            left_at = priced_end(table, _instant(paid_until, place.zone), left_at)
        found = quote_between(table, entered_at, left_at, extras=_units(units))
        told = [_ride(each, place.zone) for each in rides]
        cuts = cuts_for(found, book, place.place_id, vehicle_class, told) if told else ()
    except DomainError as error:
        _refuse({"problem": type(error).__name__, "detail": str(error)}, str(error), as_json=as_json)
    proof = {"place_id": place.place_id, "vehicle_class": vehicle_class, "user": user, **found.to_json()}
    if rides:
        proof |= {"park_and_ride": cuts_json(cuts), "charged": _charged(found, cuts).to_json()}
    if as_json:
        click.echo(json.dumps(proof, ensure_ascii=False, indent=2))
    else:
        _show(found, cuts)


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

    book, now, actor = _load(rates), context.clock().now(), context.actor()
    zone = next(iter(book.places.values())).zone
    with context.database() as database, database.begin() as tx:
        done = publish_rates(
            tx,
            read_rate_dir(rates),
            prepared_by=prepared_by,
            approved_by=approved_by,
            effective_at=_instant(begins, zone) if begins else None,
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
    click.echo(f"{done.version} {told} from {done.effective_at.isoformat()}")


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
    book = _load(rates)
    try:
        differences = check_proof(json.load(proof), book)
    except json.JSONDecodeError as error:
        _refuse({}, f"the proof is not JSON: {error}", as_json=False)
    except DomainError as error:
        _refuse({}, str(error), as_json=False)
    for each in differences:
        click.echo(each)
    if differences:
        sys.exit(1)
    click.echo("holds: every line and the total recompute to the same amounts")


def _load(rates: Path) -> RateBook:
    try:
        return load_rate_dir(rates)
    except RateFilesInvalidError as error:
        problems = error.fields["problems"]
        assert isinstance(problems, tuple), "the error carries its problems"
        for problem in problems:
            click.echo(str(problem), err=True)
        click.echo(f"{len(problems)} problems; nothing was priced", err=True)
        sys.exit(2)


def _instant(text: str, zone: ZoneInfo) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"“{text}” is not a time such as 2026-11-18T09:00") from None
    return (found if found.tzinfo is not None else found.replace(tzinfo=zone)).astimezone(UTC)


def _units(units: Sequence[str]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for each in units:
        name, _, count = each.partition("=")
        if not name or not (count.isascii() and count.replace(".", "", 1).isdigit()):
            raise click.BadParameter(f"“{each}” is not NAME=COUNT, such as kWh=12.345")
        found[name] = found.get(name, Decimal(0)) + Decimal(count)
    return found


def _ride(text: str, zone: ZoneInfo) -> Ground:
    at, *words = text.split(";")
    known = ("network", "operator", "route", "stop")
    for word in words:
        sort, _, name = word.partition(":")
        if sort not in known or not name:
            raise click.BadParameter(f"“{word}” is not one of {', '.join(f'{each}:…' for each in known)}")
    return ride_ground(_instant(at, zone), words)


def _charged(found: Quote, cuts: Sequence[Discount]) -> Money:
    return found.total - sum((each.amount for each in cuts), Money.zero(found.total.currency))


def _refuse(body: dict[str, str], text: str, *, as_json: bool) -> NoReturn:
    if as_json:
        click.echo(json.dumps(body, ensure_ascii=False, indent=2))
    click.echo(text, err=True)
    sys.exit(1)


def _show(found: Quote, cuts: Sequence[Discount]) -> None:
    table = found.table
    click.echo(f"{table.name} — {table.decision}")
    for line in found.lines():
        start, end = line.start.astimezone(table.zone), line.end.astimezone(table.zone)
        count = line.units if line.quantity is None else line.quantity
        each = f"{count} × {line.unit_price}" if line.unit_price is not None else ""
        what = line.description or line.kind.value
        click.echo(f"  {start:%d/%m %H:%M}–{end:%d/%m %H:%M}  {what:<24}{each:>24}{line.amount!s:>16}")
    click.echo(f"  {'total':<72}{found.total!s:>16}")
    for cut in cuts:
        click.echo(f"  {f'{cut.rule}: {cut.funder} pays':<72}{cut.amount!s:>16}")
    if cuts:
        click.echo(f"  {'to pay':<72}{_charged(found, cuts)!s:>16}")
    click.echo(f"rates {table.version}, table {table.table_id} as of {table.edition}")
