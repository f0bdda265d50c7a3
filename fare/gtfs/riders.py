"""Riders from a CSV file, for pricing without a database: what each is, holds, owes, and where it parked."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from fare.gtfs.fact_rows import amount_of, category_of, day_of, instant_of, read_facts
from fare.gtfs.table import Notice
from fare.rules.facts import Entitlement, HeldPass, PurseMove
from fare.rules.tariff import TariffBook
from kernel.ground import Ground, GroundKind
from kernel.ids import CardId, FareAccountId, uuid8

RIDER_COLUMNS: Final = (
    "rider", "category", "category_from", "category_to", "pass_product", "pass_scope", "pass_from", "pass_until",
    "debt_from", "debt_until", "money_at", "money_amount", "parked_at", "parked_from", "parked_until", "parked_by",
    "parked_card",
)  # fmt: skip
_GROUNDS: Final = {"": GroundKind.STAY, "stay": GroundKind.STAY, "right": GroundKind.RIGHT}


@dataclass(frozen=True, slots=True)
class Rider:
    """What riders.csv says of one rider."""

    passes: tuple[HeldPass, ...] = ()
    entitlements: tuple[Entitlement, ...] = ()
    in_debt: tuple[tuple[datetime, datetime], ...] = ()
    purse: tuple[PurseMove, ...] | None = None
    parked: tuple[Ground, ...] = ()


def read_riders(
    text: str, book: TariffBook, file: str = "riders.csv"
) -> tuple[dict[str, Rider], tuple[Notice, ...]]:
    """Return what a CSV text says of riders, one row a fact: categories with dates, passes, debts, money, parking."""
    notices: list[Notice] = []
    riders: dict[str, Rider] = defaultdict(Rider)
    for number, row in read_facts(text, file, RIDER_COLUMNS, ("rider",), notices):
        known = riders[row["rider"]]
        passes, entitlements, debts, purse = known.passes, known.entitlements, known.in_debt, known.purse
        parked = known.parked
        if row["category"]:
            category = category_of(row["category"], book)
            start, end = day_of(row["category_from"]), day_of(row["category_to"])
            if category is None:
                notices.append(
                    Notice(file, number, "category", "unexpected_enum_value", f"“{row['category']}”")
                )
                continue
            entitlements = (*entitlements, Entitlement(category, start or date.min, end))
        if row["pass_product"]:
            since, until = instant_of(row["pass_from"], book), instant_of(row["pass_until"], book)
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
            since, until = (
                instant_of(row["debt_from"], book),
                instant_of(row["debt_until"] or "9999-01-01", book),
            )
            if since is None or until is None:
                notices.append(Notice(file, number, "debt_from", "invalid_date", "a debt has its start"))
                continue
            debts = (*debts, (since, until))
        if row["money_at"]:
            moved, amount = instant_of(row["money_at"], book), amount_of(row["money_amount"], book)
            if moved is None or amount is None:
                field, code = (
                    ("money_at", "invalid_date")
                    if moved is None
                    else ("money_amount", "invalid_currency_amount")
                )
                notices.append(Notice(file, number, field, code, f"“{row[field]}”"))
                continue
            purse = (*(purse or ()), PurseMove(moved, amount))
        if row["parked_at"]:
            ground, field = _parked(row, number, book)
            if ground is None:
                code = "unexpected_enum_value" if field == "parked_by" else "invalid_date"
                notices.append(Notice(file, number, field, code, f"“{row[field]}”"))
                continue
            parked = (*parked, ground)
        riders[row["rider"]] = Rider(passes, entitlements, debts, purse, parked)
    return dict(riders), tuple(notices)


def _parked(row: dict[str, str], number: int, book: TariffBook) -> tuple[Ground | None, str]:
    """Return a stay or right of a row, or None and the field that is wrong. An empty `parked_until`: still parked."""
    since = instant_of(row["parked_from"], book)
    until = instant_of(row["parked_until"], book) if row["parked_until"] else None
    kind = _GROUNDS.get(row["parked_by"])
    for field, wrong in (
        ("parked_from", since is None),
        (
            "parked_until",
            bool(row["parked_until"]) and (until is None or (since is not None and until < since)),
        ),
        ("parked_by", kind is None),
    ):
        if wrong:
            return None, field
    assert since is not None and kind is not None, "looked at above"  # noqa: PT018 one thought
    card = row["parked_card"] or row["rider"]
    ground = Ground(
        fare_account_id=FareAccountId(uuid8("rider-file", row["rider"])),
        kind=kind,
        ref=uuid8("parked-file", row["rider"], number),
        medium=CardId(uuid8("card-file", card)) if kind is GroundKind.STAY else None,
        since=since,
        until=until,
        words=frozenset(row["parked_at"].split(";")),
    )
    return ground, ""
