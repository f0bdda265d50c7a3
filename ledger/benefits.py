"""Tell grounds for benefits, read them, and remember whose bills a changed one may change (decision 0040).

Businesses that never import each other meet here: each tells that its own facts exist and reads that the other's do.
Whoever composes the two takes what is due and bills it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from kernel.ground import Ground, GroundKind
from kernel.ids import FareAccountId, uuid8
from ledger.store import benefits as store

__all__ = ["Due", "Ground", "GroundKind", "list_due_accounts", "list_grounds", "take_due", "tell"]


@dataclass(frozen=True, slots=True)
class Due:
    """A ground came, went or changed: the other business's bills of the account in `[since, until]` may change."""

    fare_account_id: FareAccountId
    kind: GroundKind
    since: datetime
    until: datetime | None


def tell(
    tx: Connection,
    kind: GroundKind,
    refs: Iterable[tuple[FareAccountId, UUID]],
    grounds: Iterable[Ground],
    *,
    now: datetime,
) -> int:
    """Say which of these facts are so now, and return how many changed; the accounts are locked by the caller.

    A ref of `refs` without a ground is so no longer. Telling the same again changes nothing.
    """
    wanted = {(each.fare_account_id, each.ref): each for each in grounds}
    assert all(each.kind is kind for each in wanted.values()), "one kind at a time"
    known = store.list_newest(tx, kind, {*refs, *wanted})
    rows: list[store.NewGround] = []
    dues: list[store.NewDue] = []
    for key in sorted({*wanted, *known}):
        old, new = known.get(key), wanted.get(key)
        before = old.ground if old is not None and old.holds else None
        if new == before:
            continue
        shown = new or before
        assert shown is not None, "one of them is there, or they were the same"
        revision = old.revision + 1 if old else 1
        rows.append(store.NewGround(shown, revision, new is not None))
        spans = [each for each in (before, new) if each is not None]
        ends = [each.until for each in spans]
        until = None if None in ends else max(each for each in ends if each is not None)
        due_id = uuid8("benefit due", *key, kind.value, revision)
        dues.append(store.NewDue(due_id, key[0], kind, min(each.since for each in spans), until))
    store.insert_grounds(tx, rows, now=now)
    store.insert_dues(tx, dues, now=now)
    return len(rows)


def list_grounds(
    tx: Connection, accounts: Sequence[FareAccountId], kinds: Iterable[GroundKind], *, since: datetime
) -> dict[FareAccountId, tuple[Ground, ...]]:
    """Return the grounds of these accounts that hold at an instant or later, oldest first; accounts without: absent."""
    found: dict[FareAccountId, list[Ground]] = {}
    for each in store.list_holding(tx, accounts, kinds, since=since):
        found.setdefault(each.fare_account_id, []).append(each)
    return {account: tuple(grounds) for account, grounds in found.items()}


def take_due(tx: Connection, accounts: Iterable[FareAccountId]) -> tuple[Due, ...]:
    """Return what is due of these locked accounts, and forget it; the caller bills it in the same transaction."""
    return tuple(
        Due(each.fare_account_id, each.kind, each.since, each.until) for each in store.take_dues(tx, accounts)
    )


def list_due_accounts(tx: Connection, *, limit: int = 1_000) -> tuple[FareAccountId, ...]:
    """Return accounts of which something is due, in id order."""
    return store.list_due_accounts(tx, limit=limit)
