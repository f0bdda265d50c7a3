"""Riders' money as dated facts: what came in and what was spent otherwise, each with its own effective time.

Whoever folds a balance of its own (DESIGN §8.2) leaves out the kind of entry that it makes itself.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection

from kernel.ids import FareAccountId
from kernel.money import Currency
from ledger.rules import chart
from ledger.store import dated_money as store


@dataclass(frozen=True, slots=True)
class Move:
    """What one line added to a rider's money, debts counted against it; negative where it took."""

    at: datetime
    minor: int


def list_moves(
    tx: Connection, owners: Sequence[FareAccountId], *, without: str, unit: Currency
) -> dict[FareAccountId, tuple[Move, ...]]:
    """Return each owner's moves in order of their effective time; a line within the owner's own accounts is none."""
    found: dict[FareAccountId, list[Move]] = defaultdict(list)
    mine: dict[UUID, frozenset[UUID]] = {
        owner: frozenset(
            account(owner, unit).account_id for account in (chart.rider_stored_value, chart.rider_receivable)
        )
        for owner in owners
    }
    for owner, debit, credit, amount, at in store.list_lines(tx, owners, without=without, unit=unit.code):
        minor = (credit in mine[owner]) * amount - (debit in mine[owner]) * amount
        if minor:
            found[FareAccountId(owner)].append(Move(at, minor))
    return {owner: tuple(moves) for owner, moves in found.items()}


def list_moved(
    tx: Connection, *, since: datetime, until: datetime, from_book_day: date, without: str, unit: Currency
) -> tuple[FareAccountId, ...]:
    """Return the riders with a move effective in [since, until), booked on `from_book_day` or later."""
    owners = store.list_owners(
        tx, since=since, until=until, from_book_day=from_book_day, without=without, unit=unit.code
    )
    return tuple(FareAccountId(owner) for owner in owners)
