"""Work the exceptions queue of reconciliation: owners, matches by hand, and write-offs that two people sign."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row

from kernel.ids import EntryId, uuid8
from kernel.money import Money, currency
from kernel.service_day import local_date
from ledger.accounts import open_accounts
from ledger.post import post
from ledger.rails.bank_tally import difference_hint
from ledger.reconcile import counter_account
from ledger.rules import chart
from ledger.rules.book_day import ZONE
from ledger.rules.entry import Entry, Line, Refused
from ledger.rules.reconcile import (
    Match,
    NothingProposedError,
    Resolution,
    Rule,
    SamePersonError,
    UnbalancedMatchError,
    UnknownExceptionError,
    UnmatchableError,
    Waiting,
    Why,
)
from ledger.store import recon_books as books
from ledger.store import recon_match as match
from ledger.store import recon_open
from ledger.store import recon_queue as store

_KIND: Final = "reconcile.ended"
_RELATIONS: Final = (("ledger", "bank"), ("ledger", "provider"), ("provider", "bank"))


def list_exceptions(
    tx: Connection, *, now: datetime, why: Why | None = None, limit: int = 100
) -> tuple[Waiting, ...]:
    """Return open exceptions, oldest first, with age, owner, what is suggested and what somebody proposed."""
    return tuple(
        Waiting(
            exception_id=row.exception_id,
            item_id=row.item_id,
            side=row.side,
            why=Why(row.reason),
            amount=Money(row.amount, currency(row.currency)),
            occurred_on=row.occurred_on,
            reference=row.reference or row.qr_reference,
            detail=row.detail,
            opened_at=row.opened_at,
            age=now - row.opened_at,
            assigned_to=row.assigned_to,
            proposed="" if row.proposed is None else f"{row.proposed} by {row.proposer}",
        )
        for row in store.list_open(tx, why=why, limit=limit)
    )


def assign(tx: Connection, exception_ids: Iterable[UUID], owner: str) -> int:
    """Give exceptions an owner; return how many. UnknownExceptionError when one is not open."""
    rows = _lock(tx, tuple(exception_ids))
    return store.assign(tx, [row.exception_id for row in rows], owner)


def propose(
    tx: Connection,
    exception_ids: Iterable[UUID],
    resolution: Resolution,
    *,
    note: str,
    actor: str,
    now: datetime,
) -> int:
    """Propose to write exceptions off or to move them to suspense; nothing is booked before another agrees.

    Return how many. UnknownExceptionError; UnmatchableError for what has no money at the bank to move.
    """
    assert resolution in {Resolution.WRITTEN_OFF, Resolution.TO_SUSPENSE}, "what a person may propose"
    rows = _lock(tx, tuple(exception_ids))
    for row in rows:
        if resolution is Resolution.TO_SUSPENSE and row.side != "bank":
            raise UnmatchableError(item_id=str(row.item_id), reason="only the bank's money goes to suspense")
        store.insert_proposal(tx, row.exception_id, resolution.value, note, actor, now)
    return len(rows)


def approve(
    tx: Connection, exception_ids: Iterable[UUID], *, actor: str, now: datetime
) -> tuple[EntryId | None, ...]:
    """End exceptions as proposed and book it; return the entries' ids in order of the exceptions' ids.

    SamePersonError when the same person proposed it; NothingProposedError; UnknownExceptionError. All or none.
    """
    match.lock(tx)
    rows = _lock(tx, tuple(exception_ids))
    for row in rows:
        if row.proposed is None:
            raise NothingProposedError(exception_id=str(row.exception_id))
        if row.proposer == actor:
            raise SamePersonError(actor=actor)
    made = []
    for row in rows:
        entry_id = _book_end(tx, row, now)
        store.insert_end(tx, row.exception_id, row.proposed, entry_id, actor, now)
        made.append(entry_id)
    return tuple(made)


def _book_end(tx: Connection, row: Row[Any], now: datetime) -> EntryId | None:
    """Book the end of an exception: the difference, or suspense, against the bank or the pool it stands in."""
    unit = currency(row.currency)
    if row.side == "provider":
        return None  # a row of the provider's file moved no money of ours
    bank, difference = chart.bank_guarantee(unit), chart.recon_difference(unit)
    if row.side == "bank":
        other = chart.suspense(row.reason, unit) if row.proposed == "to_suspense" else difference
        debit, credit = bank, other
    else:
        debit, credit = difference, counter_account(row.pool, unit)
    if row.amount < 0:
        debit, credit = credit, debit
    open_accounts(tx, (debit, credit), now)
    entry = Entry(
        entry_id=EntryId(uuid8(_KIND, row.exception_id)),
        kind=_KIND,
        lines=(Line(debit.account_id, credit.account_id, Money(abs(row.amount), unit)),),
        owner_id=bank.owner_id,
        service_day=min(row.occurred_on, local_date(now, ZONE)),
        effective_at=now,
        cause=f"exception:{row.exception_id}",
        narrative=f"reconcile.{row.proposed}",
        metadata={"reason": row.reason},
    )
    outcome = post(tx, (entry,), now)[0]
    assert not isinstance(outcome, Refused), "these accounts are never shut"
    return entry.entry_id


def match_by_hand(
    tx: Connection, match_id: UUID, item_ids: Sequence[UUID], *, note: str, actor: str, now: datetime
) -> int:
    """Match movements of two sides that come to the same amount, under an id the caller minted; return the edges.

    One movement on at least one of the sides. The same id again changes nothing (0). UnmatchableError for one
    that is unknown, matched already, or of a third side; UnbalancedMatchError when the sums differ by more than
    the tolerance.
    """
    match.lock(tx)
    if not books.insert_act(tx, match_id, "matched", note, actor, now):
        return 0
    rows = books.get_items(tx, item_ids)
    known = {row.item_id for row in rows}
    for wanted in item_ids:
        if wanted not in known:
            raise UnmatchableError(item_id=str(wanted), reason="there is no such movement")
    for row in rows:
        if row.held:
            raise UnmatchableError(item_id=str(row.item_id), reason="it is matched already")
    sides = {row.side for row in rows}
    relation = next((pair for pair in _RELATIONS if set(pair) == sides), None)
    if relation is None:
        raise UnmatchableError(item_id=str(match_id), reason="a match has movements of just two sides")
    left, right = ([row for row in rows if row.side == side] for side in relation)
    if min(len(left), len(right)) != 1:
        raise UnmatchableError(item_id=str(match_id), reason="one side has a single movement")
    fee = sum(row.fee for row in left) if relation[0] == "provider" else 0
    sums = sum(row.amount for row in left) - fee, sum(row.amount for row in right)
    units = {row.currency for row in rows}
    if len(units) != 1 or abs(sums[0] - sums[1]) > match.tolerance(tx, rows[0].currency):
        hint = difference_hint(sums[1] - sums[0], ()) if len(units) == 1 else "two currencies do not add up"
        raise UnbalancedMatchError(left=sums[0], right=sums[1], hint=hint or "they must agree")
    pairs = [(one.item_no, other.item_no) for one in left for other in right]
    books.insert_edges(tx, "-".join(relation), pairs, match_id, now)
    recon_open.matched(tx, "-".join(relation), [row.item_no for row in left], [row.item_no for row in right])
    return len(pairs)


def undo_match(tx: Connection, match_id: UUID, *, note: str, actor: str, now: datetime) -> int:
    """Take a match out of force, made by hand or by rule; return how many edges. Repeating it changes nothing.

    What was booked for it is taken back by the next reconciliation's entry, and its movements stand in the
    queue again. UnmatchableError when there is no such match.
    """
    match.lock(tx)
    ended = books.end_match(tx, match_id)
    if not books.insert_act(tx, match_id, "undone", note, actor, now):
        return 0
    if not ended:
        raise UnmatchableError(item_id=str(match_id), reason="there is no such match")
    for relation in sorted({edge.relation for edge in ended}):
        edges = [edge for edge in ended if edge.relation == relation]
        recon_open.unmatched(
            tx, relation, [edge.left_no for edge in edges], [edge.right_no for edge in edges]
        )
    return len(ended)


def list_matches(tx: Connection, item_id: UUID) -> tuple[Match, ...]:
    """Return a movement's matches, newest first, with what people did with them. UnmatchableError for an unknown one."""
    if not books.get_items(tx, (item_id,)):
        raise UnmatchableError(item_id=str(item_id), reason="there is no such movement")
    rows = books.list_matches(tx, item_id)
    acts: dict[UUID, list[tuple[str, str, datetime, str]]] = {}
    for act in books.list_acts(tx, [row.match_id for row in rows]):
        acts.setdefault(act.match_id, []).append((act.act, act.actor, act.at, act.note))
    return tuple(
        Match(
            match_id=row.match_id,
            relation=row.relation,
            rule=Rule(row.rule),
            live=row.live,
            made_at=row.made_at,
            item_id=row.item_id,
            side=row.side,
            amount=Money(row.amount, currency(row.currency)),
            occurred_on=row.occurred_on,
            reference=row.reference or row.qr_reference,
            acts=tuple(acts.get(row.match_id, ())),
        )
        for row in rows
    )


def _lock(tx: Connection, exception_ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    rows = store.lock_open(tx, exception_ids)
    lacking = set(exception_ids) - {row.exception_id for row in rows}
    for missing in sorted(lacking):
        raise UnknownExceptionError(exception_id=str(missing))
    return rows
