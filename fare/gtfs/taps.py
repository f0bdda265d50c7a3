"""Taps and riders from CSV files, for pricing without a database (docs/tariff-authors.md shows both)."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from fare.gtfs.fact_rows import category_of, instant_of, not_there, read_facts
from fare.gtfs.riders import Rider
from fare.gtfs.table import Notice
from fare.rules.bill import Bill
from fare.rules.carried import Carried
from fare.rules.facts import CARD_MEDIUM, Correction, DayFacts, FareTap
from fare.rules.fold import days_of, fold_days
from fare.rules.simulation import History
from fare.rules.tariff import TariffBook
from kernel.ids import CardId, FareAccountId, OperatorId, TapId, uuid8
from kernel.service_day import service_day
from kernel.wire.tap import ClockState, Phase, Purpose

TAP_COLUMNS: Final = (
    "rider", "card", "at", "purpose", "route", "stop", "place", "trip", "operator", "medium", "category", "phase",
    "counter", "direction",
)  # fmt: skip
_PURPOSES: Final = {
    "on": Purpose.BOARD, "off": Purpose.ALIGHT, "auto": Purpose.AUTO, "inspect": Purpose.INSPECT,
}  # fmt: skip
STORED_MEDIA: Final = frozenset({CARD_MEDIUM, "qr", "chip_id", "bank"})
"""What a stored tap may be made with, whether or not a tariff names it."""
_PHASES: Final = {"": Phase.DONE, "done": Phase.DONE, "torn": Phase.TORN, "recovered": Phase.RECOVERED}


@dataclass(frozen=True, slots=True)
class NamedTap:
    """A tap and where it stands in its file, by the rider's name."""

    rider: str
    row: int
    tap: FareTap


@dataclass(frozen=True, slots=True)
class PricedRider:
    """A rider's days from scratch: facts, what was taken over, and the bill."""

    rider: str
    days: tuple[tuple[DayFacts, Carried, Bill], ...]


def read_taps(
    text: str, book: TariffBook, file: str = "taps.csv"
) -> tuple[tuple[NamedTap, ...], tuple[Notice, ...]]:
    """Return the taps of a CSV text and what is wrong with it.

    Columns: TAP_COLUMNS, of which rider, at and purpose are required. `at` is an ISO instant; without an
    offset it is local to the tariff's zone. A card none of whose rows has a counter counts its taps by their time,
    those of one time as they stand; otherwise a row without one is the next after the row before.
    """
    notices: list[Notice] = []
    taps: list[NamedTap] = []
    counts: dict[str, int] = defaultdict(int)
    rows = read_facts(text, file, TAP_COLUMNS, ("rider", "at", "purpose"), notices)
    counted = {row["card"] or row["rider"] for _, row in rows if row["counter"]}
    times = {number: instant_of(row["at"], book) for number, row in rows}
    by_time = sorted(
        (number for number, row in rows if (row["card"] or row["rider"]) not in counted),
        key=lambda number: (times[number] or datetime.max.replace(tzinfo=UTC), number),
    )
    cards = {number: row["card"] or row["rider"] for number, row in rows}
    places: dict[int, int] = {}
    for number in by_time:
        counts[cards[number]] += 1
        places[number] = counts[cards[number]]
    for number, row in rows:
        at = times[number]
        purpose, phase = _PURPOSES.get(row["purpose"]), _PHASES.get(row["phase"])
        category = category_of(row["category"], book)
        for field, found, code in (
            ("at", at, "invalid_date"),
            ("purpose", purpose, "unexpected_enum_value"),
            ("phase", phase, "unexpected_enum_value"),
            ("category", category, "unexpected_enum_value"),
        ):
            if found is None:
                notices.append(Notice(file, number, field, code, f"“{row[field]}”"))
        wrong = [name for name in ("counter", "direction") if row[name] and not row[name].isdecimal()]
        notices.extend(Notice(file, number, name, "invalid_integer", f"“{row[name]}”") for name in wrong)
        notices.extend(not_there(file, number, "operator", row["operator"], "agency.txt", book.operators))
        if book.media and row["medium"] not in STORED_MEDIA:
            notices.extend(not_there(file, number, "medium", row["medium"], "fare_media.txt", book.media))
        if wrong:
            continue
        if at is None or purpose is None or phase is None or category is None:
            continue
        rider, card = row["rider"], row["card"] or row["rider"]
        if card in counted:
            counts[card] = int(row["counter"]) if row["counter"] else counts[card] + 1
        counter = counts[card] if card in counted else places[number]
        taps.append(
            NamedTap(
                rider,
                number,
                FareTap(
                    tap_id=TapId(uuid8("tap-file", card, counter)),
                    card_id=CardId(uuid8("card-file", card)),
                    counter=counter,
                    tapped_at=at,
                    purpose=purpose,
                    phase=phase,
                    operator_id=OperatorId(row["operator"]),
                    stop_id=row["stop"],
                    route_id=row["route"],
                    trip_id=row["trip"],
                    place=row["place"] or f"{row['route']}/{row['stop']}",
                    direction=int(row["direction"] or 0),
                    concession=category,
                    clock_state=ClockState.SYNCED,
                    proven_torn=phase is Phase.TORN,
                    medium=row["medium"] or CARD_MEDIUM,
                ),
            )
        )
    return tuple(taps), tuple(notices)


def unheard(
    taps: tuple[NamedTap, ...], riders: Mapping[str, Rider], file: str = "riders.csv"
) -> tuple[Notice, ...]:
    """Return a notice for every word of a rider on a ride that none of the taps began."""
    begun = {(one.rider, one.tap.tapped_at) for one in taps if one.tap.purpose is not Purpose.ALIGHT}
    return tuple(
        Notice(
            file, said.row, "said_on_at", "foreign_key_violation", "the rider has no tap-on at this instant"
        )
        for name, rider in riders.items()
        for said in rider.said
        if (name, said.on_at) not in begun
    )


def price_taps(
    taps: tuple[NamedTap, ...], riders: dict[str, Rider], book: TariffBook, as_of: datetime | None = None
) -> tuple[PricedRider, ...]:
    """Return every rider's bills from scratch, riders in order of name."""
    by_rider: dict[str, list[FareTap]] = defaultdict(list)
    for one in taps:
        by_rider[one.rider].append(one.tap)
    found = []
    for name in sorted(by_rider):
        rider = riders.get(name, Rider())
        account = FareAccountId(uuid8("rider-file", name))
        days = days_of(
            account, by_rider[name], book, passes=rider.passes, entitlements=rider.entitlements, as_of=as_of,
            in_debt=rider.in_debt, purse=rider.purse, parked=rider.parked, corrections=_said(rider, by_rider[name]),
        )  # fmt: skip
        found.append(PricedRider(name, fold_days(days, book)))
    return tuple(found)


def _said(rider: Rider, taps: list[FareTap]) -> tuple[Correction, ...]:
    return tuple(
        Correction(tap.tap_id, one.stop_id, one.left_at)
        for one in rider.said
        for tap in taps
        if tap.tapped_at == one.on_at and tap.purpose is not Purpose.ALIGHT
    )


def histories_of(
    taps: tuple[NamedTap, ...], riders: dict[str, Rider], book: TariffBook, days: tuple[date, date]
) -> tuple[History, ...]:
    """Return what riders did on the service days from the first to the last, for a simulation."""
    by_rider: dict[str, list[FareTap]] = defaultdict(list)
    for one in taps:
        if days[0] <= service_day(one.tap.tapped_at, book.day_starts, book.zone) <= days[1]:
            by_rider[one.rider].append(one.tap)
    return tuple(
        History(
            FareAccountId(uuid8("rider-file", name)),
            tuple(by_rider[name]),
            riders.get(name, Rider()).passes,
            riders.get(name, Rider()).entitlements,
            _said(riders.get(name, Rider()), by_rider[name]),
            riders.get(name, Rider()).parked,
        )
        for name in sorted(by_rider)
    )
