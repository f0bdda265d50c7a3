"""What a book day's stays came to per operator, place and day, and what funders owe for them."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Final

from sqlalchemy import Connection

from kernel.ids import OperatorId
from kernel.money import Money, currency
from ledger.rules.settlement import Claim, HouseDay, SettleLine
from parking.rules.bill import Component
from parking.store import book_day as store

HOUSE: Final = "parking"


def settle_lines(tx: Connection, book_day: date) -> HouseDay:
    """Return a line for each operator, place and day of stays with anything booked on `book_day`, and the claims.

    The place stands as `route_id` and `trips` counts stays. Amounts are the differences booked that day, so
    corrections of earlier stays stand on lines of their own. A discount that nobody funds is the operator's own
    gift: like a pass, it moves no money.
    """
    sums: dict[tuple[str, str, date, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in store.list_totals(tx, book_day):
        total = sums[row.operator_id, row.place_id, row.stay_day, row.currency]
        total["trips"] += row.stays
        if row.component == Component.CHARGED.value:
            total["collected"] += row.raised
            total["refunded"] += row.lowered
        elif row.component == Component.DISCOUNTED.value and row.funded:
            total["discounted"] += row.raised - row.lowered
        else:
            total["pass_covered"] += row.raised - row.lowered
    claims = tuple(
        Claim(
            house=HOUSE,
            operator_id=OperatorId(row.operator_id),
            route_id=row.place_id,
            service_day=row.stay_day,
            funder=row.funder,
            component=row.component,
            rule=row.rule,
            rides=row.stays,
            amount=Money(row.minor, currency(row.currency)),
        )
        for row in store.list_claims(tx, book_day)
    )
    return HouseDay(tuple(_line(*key, total) for key, total in sorted(sums.items())), claims)


def _line(operator: str, place_id: str, day: date, code: str, total: dict[str, int]) -> SettleLine:
    unit = currency(code)
    zero = Money.zero(unit)
    face = total["discounted"] + total["pass_covered"] + total["collected"] - total["refunded"]
    return SettleLine(
        house=HOUSE,
        operator_id=OperatorId(operator),
        mode=HOUSE,
        route_id=place_id,
        service_day=day,
        trips=total["trips"],
        face_value=Money(face, unit),
        waived=zero,
        discounted=Money(total["discounted"], unit),
        pass_covered=Money(total["pass_covered"], unit),
        cap_covered=zero,
        collected=Money(total["collected"], unit),
        refunded=Money(total["refunded"], unit),
        pass_revenue=zero,
        shared=zero,
        fees=zero,
    )
