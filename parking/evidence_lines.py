"""What of a book day's bills an operator's evidence holds: the charges of its stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from sqlalchemy import Connection

from ledger.rules.evidence import Charge
from parking.settle_lines import HOUSE
from parking.store import book_day as store


def evidence_charges(tx: Connection, book_day: date, operator: str) -> Iterator[Charge]:
    """Yield every difference that was booked for an operator's stays on a day."""
    for row in store.stream_lines(tx, book_day, operator):
        yield Charge(HOUSE, *row)
