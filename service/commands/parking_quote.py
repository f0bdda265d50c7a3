"""`lienthong parking quote`: the price of a stay from data files alone, with its proof."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from kernel.errors import DomainError
from kernel.ground import Ground
from kernel.money import Money
from parking.rules.book import RateBook
from parking.rules.cover import Discount
from parking.rules.errors import NoRateError
from parking.rules.park_proof import cuts_json, ride_ground
from parking.rules.quote import Basis, Quote, priced_end, quote_between, quote_timeless
from parking.rules.rate import RateTable
from parking.rules.right import AssignedRight
from parking.rules.told import charged, find_spec, told_discounts, told_json, told_right
from service.commands.parking_input import RATES, instant, load, refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    place_id: str
    vehicle_class: str
    user: str
    entered: str | None
    left: str
    paid_until: str | None
    units: tuple[str, ...]
    rides: tuple[str, ...]
    rights: tuple[str, ...]
    basis: Basis


@click.command("quote")
@RATES
@click.option("--place", "place_id", required=True, help="Where: a place_id of places.csv, or a gate.")
@click.option("--class", "vehicle_class", required=True, help="What: a class_id of vehicle_classes.csv.")
@click.option("--user", default="casual", show_default=True, help="Who: casual, regular, …")
@click.option("--from", "entered", help="Entry, e.g. 2026-11-18T09:00 (the place's time).")
@click.option("--to", "left", required=True, help="Exit, e.g. 2026-11-18T14:01.")
@click.option("--paid-until", help="Until when it was paid ahead: exit grace and unused time count.")
@click.option("--unit", "units", multiple=True, metavar="NAME=COUNT", help="Counted units, e.g. kWh=12.345.")
@click.option(
    "--right",
    "rights",
    multiple=True,
    metavar="SPEC[;FROM;TO]",
    help="A pass, permit or coupon the driver holds: a spec_id, at any time or between two.",
)
@click.option(
    "--ride",
    "rides",
    multiple=True,
    metavar="TIME[;WORD…]",
    help="A ride with the same card, e.g. '2026-11-18T09:20;network:metro_2a;operator:hanoi-metro'.",
)
@click.option(
    "--lost-ticket", "basis", flag_value=Basis.LOST_TICKET.value, help="The entry is not known: its price."
)
@click.option(
    "--no-show", "basis", flag_value=Basis.NO_SHOW.value, help="Reserved, and nobody came: its fee."
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the price proof as JSON; what is refused as well."
)
def quote(rates: Path, basis: str | None, *, as_json: bool, **asked: Any) -> None:
    """Price a stay and show every line of the price, from data files alone.

    \b
    Example, 5 hours in Đống Đa (165,000 VND by decision 44/2017):
      lienthong parking quote --place dong-da-01 --class car_le9 \\
        --from 2026-11-18T09:00 --to 2026-11-18T14:00

    With --right and --ride it shows what they take off, with --paid-until what is still due.
    """  # noqa: D301 click reads \b
    book = load(rates, as_json=as_json)
    try:
        _answer(book, _Asked(**asked, basis=Basis(basis or Basis.STAY.value)), as_json=as_json)
    except DomainError as error:
        refuse({"problem": type(error).__name__, "detail": str(error)}, str(error), as_json=as_json)
    except click.BadParameter as error:
        if not as_json:
            raise
        text = error.format_message()
        refuse({"problem": "BadParameter", "detail": text}, text, as_json=True, status=error.exit_code)


def _answer(book: RateBook, asked: _Asked, *, as_json: bool) -> None:
    place = book.place_of_gate(asked.place_id) or book.place(asked.place_id)
    if asked.entered is None and asked.basis is not Basis.LOST_TICKET:
        raise click.BadParameter("is missing: only a lost ticket has no entry", param_hint="--from")
    left_at = instant(asked.left, place.zone)
    entered_at = left_at if asked.entered is None else instant(asked.entered, place.zone)
    table = book.table_for(place.place_id, asked.vehicle_class, entered_at, user=asked.user)
    paid: Quote | None = None
    if asked.paid_until is not None:
        until = instant(asked.paid_until, place.zone)
        paid, left_at = quote_between(table, entered_at, until), priced_end(table, until, left_at)
    if asked.basis is Basis.STAY:
        found = quote_between(table, entered_at, left_at, extras=_units(asked.units))
    else:
        found = _timeless(table, asked, entered_at, left_at)
    rides = [_ride(each, place.zone) for each in asked.rides]
    rights = [_right(book, each, number, found) for number, each in enumerate(asked.rights)]
    cuts = told_discounts(found, book, place.place_id, asked.vehicle_class, rights, rides)
    if not as_json:
        _show(found, cuts, paid)
        return
    proof: dict[str, object] = {
        "place_id": place.place_id,
        "vehicle_class": asked.vehicle_class,
        "user": asked.user,
        **found.to_json(),
    }
    if rides:
        proof |= {"park_and_ride": cuts_json(cuts), "charged": charged(found, cuts).to_json()}
    if rights:
        proof |= told_json(rights, found, cuts)
    if paid is not None:
        due, back = _still(charged(found, cuts), paid.total)
        proof |= {"paid_ahead": paid.total.to_json(), "due": due.to_json(), "to_give_back": back.to_json()}
    click.echo(json.dumps(proof, ensure_ascii=False, indent=2))


def _timeless(table: RateTable, asked: _Asked, entered_at: datetime, left_at: datetime) -> Quote:
    role = table.lost_ticket if asked.basis is Basis.LOST_TICKET else table.no_show
    if role is None:
        name = "lostTicket" if asked.basis is Basis.LOST_TICKET else "noShow"
        raise NoRateError(
            place_id=asked.place_id,
            vehicle_class=asked.vehicle_class,
            user=asked.user,
            entered_at=entered_at.astimezone(table.zone).isoformat(),
            reason=f"rate table {table.table_id} has no collection of role {name}",
        )
    return quote_timeless(table, asked.basis, entered_at, left_at)


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
    return ride_ground(instant(at, zone), words)


def _right(book: RateBook, text: str, number: int, found: Quote) -> AssignedRight:
    spec_id, *times = text.split(";")
    spec = find_spec(book, spec_id, found)
    if spec is None:
        known = ", ".join(sorted(book.rights.keys() - set(book.earned))) or "none"
        raise click.BadParameter(f"“{spec_id}” is not to be had on the date of the entry; known: {known}")
    if len(times) not in {0, 2}:
        raise click.BadParameter(f"“{text}” is not SPEC or SPEC;FROM;TO")
    zone = found.table.zone
    first, last = (instant(each, zone) for each in times) if times else (None, None)
    return told_right(spec, number, found, first, last)


def _still(price: Money, paid: Money) -> tuple[Money, Money]:
    nothing = Money.zero(price.currency)
    return max(price - paid, nothing), max(paid - price, nothing)


def _show(found: Quote, cuts: Sequence[Discount], paid: Quote | None) -> None:
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
        by = "a right paid for before" if cut.covered else f"{cut.funder or 'the operator'} pays"
        click.echo(f"  {f'{cut.rule}: {by}':<72}{cut.amount!s:>16}")
    price = charged(found, cuts)
    if cuts:
        click.echo(f"  {'to pay':<72}{price!s:>16}")
    if paid is not None:
        due, back = _still(price, paid.total)
        click.echo(f"  {'paid ahead':<72}{paid.total!s:>16}")
        click.echo(f"  {'to give back' if back else 'still due':<72}{(back or due)!s:>16}")
    since = f" as of {table.edition}" if table.edition else ""
    click.echo(f"rates {table.version}, table {table.table_id}{since}")
