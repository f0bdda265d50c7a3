"""The slow path's judgement, entry by entry in the caller's order: id, then account state, then floor (§8.12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final
from uuid import UUID

from kernel.ids import LedgerAccountId
from kernel.money import Money
from ledger.rules.account import AccountState, OwnerKind
from ledger.rules.batch import rows_of
from ledger.rules.entry import Duplicate, Entry, Line, Outcome, Posted, Reason, Refused
from ledger.rules.errors import IdReusedError, UnknownAccountError, WrongCurrencyError, WrongOwnerError
from ledger.rules.row import Row

EntryKey = tuple[UUID, UUID]

# The columns of a body in the order they are compared, and what the caller calls each.
_BODY: Final = (
    ("kind", "kind"),
    ("line_count", "lines"),
    ("debit_id", "lines"),
    ("credit_id", "lines"),
    ("amount", "lines"),
    ("currency", "lines"),
    ("service_day", "service_day"),
    ("effective_at", "effective_at"),
    ("cause", "cause"),
    ("narrative", "narrative"),
    ("corrects", "corrects"),
    ("metadata", "metadata"),
)


@dataclass(frozen=True, slots=True)
class Facts:
    """An account as the judge needs it; the balance part is None for append-only accounts."""

    account_id: LedgerAccountId
    owner_id: UUID
    owner_kind: OwnerKind
    currency: str
    state: AccountState
    normal: int
    posted: int | None = None
    pending: int = 0
    floor: int = 0

    @property
    def guarded(self) -> bool:
        """Return whether the account keeps a balance with a floor."""
        return self.posted is not None


@dataclass(frozen=True, slots=True)
class Booked:
    """An entry that is stored already."""

    rows: tuple[Row, ...]

    @property
    def first(self) -> Row:
        """Return its first line, which speaks for all in what they share."""
        return self.rows[0]


def differing_field(entry: Entry, booked: Booked) -> str | None:
    """Return the first field in which an entry differs from what was booked under its id; None when equal."""
    asked = rows_of(entry, booked.first.book_day, booked.first.posted_at)
    for column, name in _BODY:
        if any(getattr(a, column) != getattr(b, column) for a, b in zip(asked, booked.rows, strict=False)):
            return name
    return None


def judge(
    entries: Sequence[Entry],
    days: Sequence[date],
    now: datetime,
    *,
    booked: Mapping[EntryKey, Booked],
    accounts: Mapping[UUID, Facts],
) -> tuple[Outcome, ...]:
    """Return the outcome of each entry as if they were posted one after the other.

    `days` is the book day of each; `booked` what is stored under their ids; `accounts` the facts of every
    account they name that exists. Raises IdReusedError, UnknownAccountError, WrongCurrencyError and
    WrongOwnerError: then nothing of the batch may be booked.
    """
    known = dict(booked)
    state = dict(accounts)
    outcomes: list[Outcome] = []
    for entry, day in zip(entries, days, strict=True):
        key = (entry.owner_id, entry.entry_id)
        earlier = known.get(key)
        if earlier is not None:
            field = differing_field(entry, earlier)
            if field is not None:
                raise IdReusedError(id=str(entry.entry_id), field=field)
            outcomes.append(Duplicate(entry.entry_id, earlier.first.book_day, earlier.first.posted_at))
            continue
        refused = _refusal_by_state(entry, state) or _apply(entry, state)
        if refused is not None:
            outcomes.append(refused)
            continue
        known[key] = Booked(rows_of(entry, day, now))
        outcomes.append(Posted(entry.entry_id, day, now))
    return tuple(outcomes)


def _facts(entry: Entry, line: Line, account: LedgerAccountId, state: Mapping[UUID, Facts]) -> Facts:
    facts = state.get(account)
    if facts is None:
        raise UnknownAccountError(account_id=str(account))
    code = line.amount.currency.code
    if facts.currency != code:
        raise WrongCurrencyError(account_id=str(account), expected=facts.currency, given=code)
    if (facts.guarded or facts.owner_kind is OwnerKind.RIDER) and facts.owner_id != entry.owner_id:
        raise WrongOwnerError(
            account_id=str(account), expected=str(facts.owner_id), given=str(entry.owner_id)
        )
    return facts


def _refusal_by_state(entry: Entry, state: Mapping[UUID, Facts]) -> Refused | None:
    refused: Refused | None = None
    for number, line in enumerate(entry.lines, 1):
        for account in (line.debit, line.credit):
            facts = _facts(entry, line, account, state)
            if facts.state is not AccountState.OPEN and refused is None:
                reason = Reason.FROZEN if facts.state is AccountState.FROZEN else Reason.CLOSED
                refused = Refused(entry.entry_id, reason, number, account)
    return refused


def _apply(entry: Entry, state: dict[UUID, Facts]) -> Refused | None:
    """Move the entry's lines over the guarded balances; put everything back and refuse at the floor.

    An entry is one step: its lines net out before the floor is looked at, and the line named is the last
    one that takes from the account that falls short.
    """
    touched: dict[UUID, Facts] = {}
    for line in entry.lines:
        for account, sign in ((line.debit, -1), (line.credit, 1)):
            facts = touched.get(account) or state[account]
            if facts.posted is not None:
                moved = facts.posted + facts.normal * sign * line.amount.minor
                touched[account] = replace(facts, posted=moved)
    for named, facts in touched.items():
        assert facts.posted is not None
        before = state[named].posted
        assert before is not None
        short = facts.floor - (facts.posted - facts.pending)
        if short > 0 and facts.posted < before:
            number, line = next(
                (number, line)
                for number, line in reversed(tuple(enumerate(entry.lines, 1)))
                if named == (line.debit if facts.normal == 1 else line.credit)
            )
            return Refused(
                entry.entry_id,
                Reason.FLOOR,
                number,
                facts.account_id,
                Money(short, line.amount.currency),
            )
    state.update(touched)
    return None
