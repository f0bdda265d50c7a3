"""What a book day's stays and rights ask of the e-invoices: one draft a stay, or a right that was sold, and operator."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Final

from sqlalchemy import Connection

from kernel.ids import OperatorId
from kernel.money import Money, currency
from ledger.rules.book_day import ZONE
from ledger.rules.invoice import Draft
from parking.settle_lines import HOUSE
from parking.store.invoice_stays import stream_charged_rights, stream_charged_stays

TITLE: Final = "Trông giữ xe tại {place}"
RIGHT_TITLE: Final = "Vé trông giữ xe theo kỳ tại {place}"


def invoice_drafts(tx: Connection, book_day: date) -> Iterator[Draft]:
    """Yield a draft for each stay, then each right, whose charge changed on `book_day`, in the order they began.

    The subject is the stay or the right. A right is invoiced by the place's operator for its whole price on the day
    of its sale, and for what was kept of it once it was given back. No plate is named: we keep a parked vehicle's
    only as a keyed hash.
    """
    for row in stream_charged_stays(tx, book_day):
        told = {"place": row.place_id, "entered": _local(row.entered_at), "left": _local(row.left_at)}
        yield Draft(
            operator_id=OperatorId(row.operator_id),
            house=HOUSE,
            subject_id=row.stay_id,
            happened_at=row.first_at,
            total=Money(row.charged_minor, currency(row.currency)),
            title=TITLE.format(place=row.place_id),
            plate=None,
            facts={name: value for name, value in told.items() if value},
        )
    for sold in stream_charged_rights(tx, book_day):
        yield Draft(
            operator_id=OperatorId(sold.operator_id),
            house=HOUSE,
            subject_id=sold.right_id,
            happened_at=sold.assigned_at,
            total=Money(sold.charged_minor, currency(sold.currency)),
            title=RIGHT_TITLE.format(place=sold.place_id),
            plate=None,
            facts={
                "place": sold.place_id,
                "product": sold.spec_id,
                "valid_from": _local(sold.valid_from),
                "valid_to": _local(sold.valid_to),
            },
        )


def _local(at: datetime | None) -> str:
    return at.astimezone(ZONE).isoformat(timespec="minutes") if at else ""
