"""What of a book day's bills an operator's evidence holds: its charges, and what its routes earned of passes."""

from collections.abc import Iterator
from datetime import date

from sqlalchemy import Connection

from fare.settle_lines import HOUSE
from fare.store import book_day as store
from fare.store import earnings
from ledger.rules.evidence import Charge, PassPart


def evidence_charges(tx: Connection, book_day: date, operator: str) -> Iterator[Charge]:
    """Yield every difference that was booked for an operator's rides on a day."""
    for row in store.stream_lines(tx, book_day, operator):
        yield Charge(HOUSE, *row)


def evidence_passes(tx: Connection, book_day: date, operator: str) -> tuple[PassPart, ...]:
    """Return what an operator's routes earned of passes on a day."""
    return tuple(
        PassPart(part.product_id, part.route_id, part.basis, part.weight, part.minor)
        for part in earnings.list_route_parts(tx, book_day)
        if part.operator_id == operator
    )
