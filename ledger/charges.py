"""A rider's charge: all that was booked for one cause (a tap, a stay, a pass), and what corrected it since."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from kernel.ids import FareAccountId
from kernel.money import Money, currency
from ledger import reverse
from ledger.rules import chart
from ledger.rules.dispute import NotAChargeError, is_refund, may_be_charge, taken_minor
from ledger.rules.row import Row
from ledger.store import disputes as store


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge: the lines that took from the rider, all that changed it since, and what is left of it.

    `charged` leaves out what disputes gave back; `left` is without that too. One tap may be charged by several
    entries: for each operator's share, and again when later evidence made the ride dearer.
    """

    owner_id: FareAccountId
    lines: tuple[Row, ...]
    corrections: tuple[Row, ...]
    charged: Money
    left: Money

    @property
    def entry_id(self) -> UUID:
        """Return the first entry that charged, which stands for the charge."""
        return self.lines[0].entry_id

    @property
    def cause(self) -> str:
        """Return what caused the charge, as its house wrote it."""
        return self.lines[0].cause


def find_charge(
    tx: Connection, account: FareAccountId, *, entry_id: UUID | None = None, cause: str = ""
) -> Charge | None:
    """Return a rider's charge by one of its entries or by its cause, also where nothing is left of it."""
    if entry_id is not None:
        named = reverse.find_entry(tx, account, entry_id)
        cause = named[0].cause if named else ""
        rows = store.lines_of_cause(tx, account, cause) if cause else named
    else:
        rows = store.lines_of_cause(tx, account, cause)
    if not rows or not may_be_charge(cause):
        return None
    rows = tuple(row for row in rows if row.currency == rows[0].currency)
    entries: dict[UUID, list[Row]] = {}
    for row in (*rows, *store.lines_that_correct(tx, account, {row.entry_id for row in rows})):
        lines = entries.setdefault(row.entry_id, [])
        if row not in lines:
            lines.append(row)
    charging = [lines for lines in entries.values() if not is_refund(lines[0]) and _taken(lines, account) > 0]
    if not charging:
        return None
    taking = {lines[0].entry_id for lines in charging}
    everything = [row for lines in entries.values() for row in lines]
    unit = currency(rows[0].currency)
    return Charge(
        account,
        tuple(row for row in everything if row.entry_id in taking),
        tuple(row for row in everything if row.entry_id not in taking),
        Money(_taken([row for row in everything if not is_refund(row)], account), unit),
        Money(_taken(everything, account), unit),
    )


def get_charge(
    tx: Connection, account: FareAccountId, *, entry_id: UUID | None = None, cause: str = ""
) -> Charge:
    """Return a rider's charge of which something is left; NotAChargeError."""
    found = find_charge(tx, account, entry_id=entry_id, cause=cause)
    if found is None or found.left.minor <= 0:
        raise NotAChargeError(reference=cause or str(entry_id))
    return found


def _taken(rows: Iterable[Row], account: FareAccountId) -> int:
    rows = list(rows)
    if not rows:
        return 0
    unit = currency(rows[0].currency)
    specs = (chart.rider_stored_value(account, unit), chart.rider_receivable(account, unit))
    return taken_minor(rows, frozenset(spec.account_id for spec in specs))
