"""Unused paid time goes with what parked, where the table says so: it covers the next stay until the paid time ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from kernel.ids import uuid8
from kernel.money import Money
from parking.rules.book import RateBook
from parking.rules.edges import UnusedPaidTime
from parking.rules.errors import NoRateError, UncoveredTimeError, UnknownVehicleClassError
from parking.rules.rate import RateTable
from parking.rules.right import AssignedRight, RightKind, RightSpecification
from parking.rules.stay import Stay

UNUSED: Final = "unused-paid-time"


@dataclass(frozen=True, slots=True)
class PaidAhead:
    """A stay that was paid ahead and has ended: when, until when it was paid, by which table, to whom."""

    stay_id: UUID
    left_at: datetime
    paid_until: datetime
    table_id: str
    operator_id: str


def carries(table: RateTable) -> bool:
    """Return whether a table's unused paid time goes with what parked."""
    return table.edges.unused_paid_time is UnusedPaidTime.TRANSFER


def table_that_carries(stay: Stay, book: RateBook) -> RateTable | None:
    """Return the table that prices a stay, where paid time of an earlier one may cover it."""
    place = book.places.get(stay.place_id)
    if place is None or stay.entered_at is None:
        return None
    try:
        table = book.table_for(
            stay.place_id, stay.vehicle_class or place.default_class, stay.events[0].at, user=stay.user
        )
    except (NoRateError, UncoveredTimeError, UnknownVehicleClassError):
        return None
    return table if carries(table) else None


def carried(stay: Stay, book: RateBook, earlier: Iterable[PaidAhead]) -> tuple[AssignedRight, ...]:
    """Return what earlier stays of the same plate, ticket or card leave to this one.

    Only time paid by the same table and to the same operator; what was paid for it stays with the earlier stay.
    """
    table = table_that_carries(stay, book)
    if table is None or stay.entered_at is None:
        return ()
    entered, operator = stay.entered_at, book.places[stay.place_id].operator_id
    spec = RightSpecification(
        spec_id=UNUSED,
        kind=RightKind.PERMIT,
        name=UNUSED,
        place_id=stay.place_id,
        vehicle_class="",
        price=Money.zero(table.currency),
    )
    return tuple(
        AssignedRight(
            right_id=uuid8(UNUSED, each.stay_id, stay.stay_id),
            spec=spec,
            valid_from=each.left_at,
            valid_to=each.paid_until,
            assigned_at=each.left_at,
            stay_id=stay.stay_id,
        )
        for each in earlier
        if each.table_id == table.table_id and each.operator_id == operator
        if each.stay_id != stay.stay_id and each.left_at <= entered < each.paid_until
    )
