"""Taps and riders from CSV files, for pricing without a database (docs/tariff-authors.md shows both)."""

import csv
import io
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID

from fare.gtfs.table import Notice
from fare.rules.bill import Bill
from fare.rules.carried import Carried
from fare.rules.facts import CARD_MEDIUM, DayFacts, Entitlement, FareTap, HeldPass, PurseMove
from fare.rules.fold import days_of, fold_days
from fare.rules.simulation import History
from fare.rules.tariff import TariffBook
from kernel.ids import CardId, FareAccountId, OperatorId, TapId, uuid8
from kernel.money import MalformedAmountError, Money
from kernel.service_day import service_day
from kernel.wire.cardinfo import Concession
from kernel.wire.tap import ClockState, Phase, Purpose

TAP_COLUMNS: Final = (
    "rider", "card", "at", "purpose", "route", "stop", "place", "trip", "operator", "medium", "category", "phase",
    "counter", "direction",
)  # fmt: skip
RIDER_COLUMNS: Final = (
    "rider", "category", "category_from", "category_to", "pass_product", "pass_scope", "pass_from", "pass_until",
    "debt_from", "debt_until", "money_at", "money_amount",
)  # fmt: skip
_PURPOSES: Final = {
    "on": Purpose.BOARD, "off": Purpose.ALIGHT, "auto": Purpose.AUTO, "inspect": Purpose.INSPECT,
}  # fmt: skip
_PHASES: Final = {"": Phase.DONE, "done": Phase.DONE, "torn": Phase.TORN, "recovered": Phase.RECOVERED}


@dataclass(frozen=True, slots=True)
class NamedTap:
    """A tap and where it stands in its file, by the rider's name."""

    rider: str
    row: int
    tap: FareTap


@dataclass(frozen=True, slots=True)
class Rider:
    """What riders.csv says of one rider."""

    passes: tuple[HeldPass, ...] = ()
    entitlements: tuple[Entitlement, ...] = ()
    in_debt: tuple[tuple[datetime, datetime], ...] = ()
    purse: tuple[PurseMove, ...] | None = None


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
    offset it is local to the tariff's zone. Without counters a rider's taps count up in file order.
    """
    notices: list[Notice] = []
    taps: list[NamedTap] = []
    counts: dict[str, int] = defaultdict(int)
    for number, row in _rows(text, file, TAP_COLUMNS, ("rider", "at", "purpose"), notices):
        at = _instant(row["at"], book)
        purpose, phase = _PURPOSES.get(row["purpose"]), _PHASES.get(row["phase"])
        category = _category(row["category"], book)
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
        if wrong:
            continue
        if at is None or purpose is None or phase is None or category is None:
            continue
        rider, card = row["rider"], row["card"] or row["rider"]
        counts[card] += 1
        counter = int(row["counter"]) if row["counter"] else counts[card]
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


def read_riders(
    text: str, book: TariffBook, file: str = "riders.csv"
) -> tuple[dict[str, Rider], tuple[Notice, ...]]:
    """Return what a CSV text says of riders: categories with dates, passes, and times in debt; one row a fact."""
    notices: list[Notice] = []
    riders: dict[str, Rider] = defaultdict(Rider)
    for number, row in _rows(text, file, RIDER_COLUMNS, ("rider",), notices):
        known = riders[row["rider"]]
        passes, entitlements, debts, purse = known.passes, known.entitlements, known.in_debt, known.purse
        if row["category"]:
            category = _category(row["category"], book)
            start, end = _day(row["category_from"]), _day(row["category_to"])
            if category is None:
                notices.append(
                    Notice(file, number, "category", "unexpected_enum_value", f"“{row['category']}”")
                )
                continue
            entitlements = (*entitlements, Entitlement(category, start or date.min, end))
        if row["pass_product"]:
            since, until = _instant(row["pass_from"], book), _instant(row["pass_until"], book)
            if row["pass_product"] not in book.passes:
                detail = f"“{row['pass_product']}” is not in passes.txt"
                notices.append(Notice(file, number, "pass_product", "foreign_key_violation", detail))
                continue
            if since is None or until is None:
                notices.append(
                    Notice(file, number, "pass_from", "invalid_date", "a pass has its two instants")
                )
                continue
            name = uuid8("pass-file", row["rider"], number)
            passes = (*passes, HeldPass(name, row["pass_product"], row["pass_scope"], since, until))
        if row["debt_from"]:
            since, until = _instant(row["debt_from"], book), _instant(row["debt_until"] or "9999-01-01", book)
            if since is None or until is None:
                notices.append(Notice(file, number, "debt_from", "invalid_date", "a debt has its start"))
                continue
            debts = (*debts, (since, until))
        if row["money_at"]:
            moved, amount = _instant(row["money_at"], book), _amount(row["money_amount"], book)
            if moved is None or amount is None:
                field, code = (
                    ("money_at", "invalid_date")
                    if moved is None
                    else ("money_amount", "invalid_currency_amount")
                )
                notices.append(Notice(file, number, field, code, f"“{row[field]}”"))
                continue
            purse = (*(purse or ()), PurseMove(moved, amount))
        riders[row["rider"]] = Rider(passes, entitlements, debts, purse)
    return dict(riders), tuple(notices)


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
            in_debt=rider.in_debt, purse=rider.purse,
        )  # fmt: skip
        found.append(PricedRider(name, fold_days(days, book)))
    return tuple(found)


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
        )
        for name in sorted(by_rider)
    )


def tap_rows(taps: tuple[NamedTap, ...]) -> dict[UUID, int]:
    """Return each tap's row in its file."""
    return {one.tap.tap_id: one.row for one in taps}


def _rows(
    text: str, file: str, columns: tuple[str, ...], required: tuple[str, ...], notices: list[Notice]
) -> list[tuple[int, dict[str, str]]]:
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    header = [name.strip() for name in next(reader, [])]
    notices.extend(
        Notice(file, 1, name, "unknown_column", f"the columns are {', '.join(columns)}")
        for name in header
        if name not in columns
    )
    notices.extend(
        Notice(file, 1, name, "missing_required_column", "the column must be there")
        for name in required
        if name not in header
    )
    if notices:
        return []
    found = []
    for number, line in enumerate(reader, start=2):
        if not any(line):
            continue
        if len(line) != len(header):
            detail = f"{len(line)} cells under {len(header)} columns"
            notices.append(Notice(file, number, "", "invalid_row_length", detail))
            continue
        row = dict.fromkeys(columns, "") | dict(zip(header, (cell.strip() for cell in line), strict=True))
        missing = [name for name in required if not row[name]]
        notices.extend(
            Notice(file, number, name, "missing_required_field", "the cell is empty") for name in missing
        )
        if not missing:
            found.append((number, row))
    return found


def _instant(text: str, book: TariffBook) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    placed = found.replace(tzinfo=book.zone) if found.tzinfo is None else found
    return placed.astimezone(UTC)


def _amount(text: str, book: TariffBook) -> int | None:
    try:
        return Money.parse(text, book.currency).minor
    except MalformedAmountError:
        return None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _category(text: str, book: TariffBook) -> int | None:
    """Return a category by the card's name for it, or by a rider_category_id of the tariff; None for neither."""
    found = Concession.__members__.get(text.upper() or "NORMAL")
    return book.rider_categories.get(text) if found is None else int(found)
