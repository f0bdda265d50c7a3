"""Reconcile books, provider and bank: match what is the same, queue what is left with a reason, book what has settled.

Every step is a transaction of its own that looks at what is there, so that it may be killed, repeated or run twice at
once. Closed book days stay closed: what is booked late lands in the open day, linked to its statement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from kernel.ids import EntryId, uuid8
from kernel.money import VND, Currency, Money, currency
from kernel.service_day import local_date
from ledger.accounts import open_accounts
from ledger.post import post
from ledger.rules import chart
from ledger.rules.account import AccountSpec
from ledger.rules.book_day import ZONE
from ledger.rules.entry import Entry, Line, Refused
from ledger.rules.reconcile import Difference, Figures, permille
from ledger.store import pay_backs, payouts, recon_open, settlements, subsidies, tills
from ledger.store import recon_books as books
from ledger.store import recon_left as left
from ledger.store import recon_match as match
from ledger.store import recon_queue as queue
from ledger.store.recon_open import Fresh

ACTOR: Final = "reconcile"
_KIND: Final = "reconcile.settled"


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a reconciliation and how many movements it concerned."""

    name: str
    count: int


Tell = Callable[[Step], object]
StepWork = Callable[[Connection, datetime, Tell], object]


def steps() -> tuple[StepWork, ...]:
    """Return the parts in order. The caller commits each by itself; each tells what it has done on the way."""
    return _refresh, _match_provider, _match_bank, _book


def _refresh(tx: Connection, now: datetime, tell: Tell) -> None:
    match.lock(tx)
    tell(Step("movements of the books", match.refresh_ledger(tx, now) + subsidies.expect_seen(tx, now)))


def _match_provider(tx: Connection, now: datetime, tell: Tell) -> None:
    match.lock(tx)
    fresh = recon_open.list_arrivals(tx)
    if fresh.pools:  # else no provider ever sent a file
        _match_keys(tx, match.LEDGER_PROVIDER, fresh, now, tell)
        recon_open.keep_provider(tx, fresh)


def _match_bank(tx: Connection, now: datetime, tell: Tell) -> None:
    """Match the bank by key, then what is left over in every other way, and queue what nothing explains."""
    match.lock(tx)
    _match_keys(tx, match.LEDGER_BANK, recon_open.take_arrivals(tx), now, tell)
    left.set_aside(tx)
    minor = match.tolerance(tx, VND.code)
    tell(Step("payouts", left.match_payouts(tx, now, minor=minor)))
    tell(Step("batches", left.match_batched(tx, now, minor=minor)))
    tell(Step("splits", left.match_split(tx, now, minor=minor)))
    tell(Step("by amount, time and text", left.match_text(tx, now)))
    recon_open.keep_bank(tx)
    opened, _ = queue.judge(tx, now, ACTOR)
    tell(Step("exceptions opened", opened))


def _match_keys(tx: Connection, relation: match.Relation, fresh: Fresh, now: datetime, tell: Tell) -> None:
    minor = match.tolerance(tx, VND.code)
    for rule, count in match.match_relation(tx, relation, fresh, now, minor=minor):
        tell(Step(f"{relation.name} by {rule.value}", count))


def _book(tx: Connection, now: datetime, tell: Tell) -> None:
    tell(Step("bookings", book_settled(tx, now)))


def counter_account(pool: str, unit: Currency) -> AccountSpec:
    """Return the account that a bank movement of this pool settles."""
    match pool:
        case pay_backs.POOL:
            return chart.refund_payable(unit)
        case tills.POOL:
            return chart.cash_office(unit)
        case payouts.POOL:
            return chart.payout_transit(unit)
        case _ if pool.startswith(subsidies.PREFIX):
            return chart.funder_receivable(pool.removeprefix(subsidies.PREFIX), unit)
        case _:
            return chart.provider_clearing(pool, unit)


def book_settled(tx: Connection, now: datetime) -> int:
    """Book what the matches of each statement come to beyond what is booked, by pool; return how many entries.

    Asks the statements whose matches changed since they were booked.

    Dr bank, Cr clearing for what came in; Dr provider fees, Cr clearing for what the provider kept. A match that
    was undone makes the difference negative: the accounts swap.
    """
    match.lock(tx)
    entries = 0
    for row in (row for source in recon_open.take_due(tx) for row in books.list_unbooked(tx, source)):
        unit = currency(row.currency)
        bank, clearing = chart.bank_guarantee(unit), counter_account(row.pool, unit)
        fees = chart.provider_fees(row.pool, unit)
        open_accounts(tx, (bank, clearing, *((fees,) if row.fee else ())), now)
        moved = ((bank, int(row.net)), (fees, int(row.fee)))
        day = row.last_on or local_date(now, ZONE)
        entry = Entry(
            entry_id=EntryId(uuid8("reconcile", row.source_id, row.pool, row.booking_no)),
            kind=_KIND,
            lines=tuple(_line(account, clearing, minor, unit) for account, minor in moved if minor),
            owner_id=bank.owner_id,
            service_day=day,
            effective_at=now,
            cause=f"statement:{row.source_id}",
            narrative=_KIND,
            metadata={"pool": row.pool, "booking": str(row.booking_no)},
        )
        outcome = post(tx, (entry,), now)[0]
        assert not isinstance(outcome, Refused), "bank and clearing accounts are never shut"
        books.insert_booking(tx, row, bank.owner_id, entry.entry_id, now)
        entries += 1
    return entries


def _line(debit: AccountSpec, credit: AccountSpec, minor: int, unit: Currency) -> Line:
    """Return the line that moves a signed amount from `debit` to `credit`."""
    one, other = (debit, credit) if minor > 0 else (credit, debit)
    return Line(one.account_id, other.account_id, Money(abs(minor), unit))


def read_figures(tx: Connection, unit: Currency = VND) -> Figures:
    """Return where reconciliation stands. Needs a transaction that may make a temporary table."""
    left.set_aside(tx, recon_open.peek(tx))
    row = books.get_figures(tx, unit.code)
    days = settlements.list_days(tx, unit, limit=1)
    settled = settlements.find_day(tx, days[0], unit) if days else None
    moved, open_amount, unexplained = int(row.moved), int(row.queued_amount), int(row.unexplained_amount)
    matched = moved - open_amount - unexplained
    return Figures(
        movements=row.movements,
        moved=Money(moved, unit),
        matched=row.movements - row.queued - row.unexplained,
        matched_amount=Money(matched, unit),
        matched_permille=permille(matched, moved),
        queued=row.queued,
        queued_amount=Money(open_amount, unit),
        unexplained=row.unexplained,
        unexplained_amount=Money(unexplained, unit),
        oldest=row.oldest,
        by_reason=tuple(
            (one.reason, one.movements, Money(int(one.total), unit)) for one in books.sum_open(tx, unit.code)
        ),
        suspense=tuple(
            (one.reason, Money(int(one.total), unit)) for one in books.sum_suspense(tx, unit.code)
        ),
        quarantined_files=row.quarantined_files,
        chain_gaps=row.chain_gaps,
        bank_closing=tuple(
            (one.account, Money(one.closing, unit), one.last_on) for one in books.list_closings(tx, unit.code)
        ),
        differences=tuple(
            Difference(on=one.day, books=Money(int(one.books), unit), bank=Money(int(one.bank), unit))
            for one in books.sum_differences(tx, unit.code)
        ),
        coverage=None if settled is None else settled.coverage,
        operators=()
        if settled is None
        else tuple(
            (one.operator_id, one.net, one.to_pay)
            for one in settlements.list_settlements(tx, days[0], unit, settled.settled_at)
        ),
    )
