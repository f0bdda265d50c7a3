"""What a book day's stays came to per operator and place: the lines that a settlement is made of."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Final

from sqlalchemy import Connection

from kernel.ids import OperatorId
from kernel.money import Money, currency
from ledger.rules.settlement import SettleLine
from parking.rules.bill import Component
from parking.store import stays as store

HOUSE: Final = "parking"


def settle_lines(tx: Connection, book_day: date) -> tuple[SettleLine, ...]:
    """Return a line for each operator and place with anything booked on `book_day`, in that order.

    The place stands as `route_id` and `trips` counts stays. Amounts are the differences booked that day, so
    corrections of earlier stays are in them. A discount that nobody funds is the operator's own gift: like a
    pass, it moves no money.
    """
    sums: dict[tuple[str, str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in store.list_book_day(tx, book_day):
        total = sums[row.operator_id, row.place_id, row.currency]
        total["trips"] += row.stays
        if row.component == Component.CHARGED.value:
            total["collected"] += row.raised
            total["refunded"] += row.lowered
        elif row.component == Component.DISCOUNTED.value and row.funded:
            total["discounted"] += row.raised - row.lowered
        else:
            total["pass_covered"] += row.raised - row.lowered
    return tuple(_line(*key, total) for key, total in sorted(sums.items()))


def _line(operator: str, place_id: str, code: str, total: dict[str, int]) -> SettleLine:
    unit = currency(code)
    face = total["discounted"] + total["pass_covered"] + total["collected"] - total["refunded"]
    return SettleLine(
        house=HOUSE,
        operator_id=OperatorId(operator),
        mode=HOUSE,
        route_id=place_id,
        trips=total["trips"],
        face_value=Money(face, unit),
        waived=Money.zero(unit),
        discounted=Money(total["discounted"], unit),
        pass_covered=Money(total["pass_covered"], unit),
        cap_covered=Money.zero(unit),
        collected=Money(total["collected"], unit),
        refunded=Money(total["refunded"], unit),
    )
