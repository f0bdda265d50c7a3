"""A naive ledger in memory: lists and dictionaries, one entry at a time. What the real one must equal."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from ledger.rules.entry import Entry
from ledger.rules.hold import Hold


@dataclass
class NaiveHold:
    hold: Hold
    state: str = "open"
    posted: int = 0


@dataclass
class NaiveLedger:
    """Guarded accounts by id; entries with the day they were booked on; holds; closed days."""

    guarded: set[UUID]
    entries: dict[UUID, tuple[Entry, date]] = field(default_factory=dict)
    holds: dict[UUID, NaiveHold] = field(default_factory=dict)
    frozen: set[UUID] = field(default_factory=set)
    closed: set[UUID] = field(default_factory=set)
    closed_through: date = date(2019, 12, 31)

    def balance(self, account: UUID) -> int:
        """Return credits less debits, by adding everything up."""
        return sum(
            line.amount.minor * ((line.credit == account) - (line.debit == account))
            for entry, _ in self.entries.values()
            for line in entry.lines
        )

    def held(self, account: UUID, now: datetime) -> int:
        """Return what open holds that have not expired would take."""
        return sum(
            each.hold.amount.minor
            for each in self.holds.values()
            if each.state == "open" and each.hold.expires_at > now and each.hold.debit == account
        )

    def state_of(self, hold_id: UUID, now: datetime) -> str:
        """Return a hold's state as the clock says."""
        each = self.holds[hold_id]
        return "expired" if each.state == "open" and each.hold.expires_at <= now else each.state

    def post(self, entry: Entry, day: date, now: datetime) -> str:
        """Book one entry or say why not."""
        known = self.entries.get(entry.entry_id)
        if known is not None:
            return "duplicate" if known[0] == entry else "reused"
        for line in entry.lines:
            for account in (line.debit, line.credit):
                if account in self.frozen:
                    return "frozen"
                if account in self.closed:
                    return "closed"
        moves: dict[UUID, int] = {}
        for line in entry.lines:
            moves[line.debit] = moves.get(line.debit, 0) - line.amount.minor
            moves[line.credit] = moves.get(line.credit, 0) + line.amount.minor
        for account, move in moves.items():
            if (
                account in self.guarded
                and move < 0
                and self.balance(account) - self.held(account, now) + move < 0
            ):
                return "floor"
        self.entries[entry.entry_id] = (entry, day)
        return "posted"

    def day_for(self, home: date) -> date:
        """Return the day an entry of this home day is booked on."""
        return max(home, date.fromordinal(self.closed_through.toordinal() + 1))
