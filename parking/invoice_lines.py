"""What a book day's stays ask of the e-invoices: one draft a stay and operator."""

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
from parking.store.invoice_stays import stream_charged_stays

TITLE: Final = "Trông giữ xe tại {place}"


def invoice_drafts(tx: Connection, book_day: date) -> Iterator[Draft]:
    """Yield a draft for each stay and operator whose charge changed on `book_day`, in the order they began.

    The subject is the stay. No plate is named: we keep a parked vehicle's only as a keyed hash.
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


def _local(at: datetime | None) -> str:
    return at.astimezone(ZONE).isoformat(timespec="minutes") if at else ""
