"""Take a provider's notification in: a payment credited once, or held in suspense with a reason and an age.

Two verbs, each a transaction of its own, so that a kill between them leaves work that is found again:
`store_notification` (the raw bytes, before anything is understood) and `apply_notification`.
Locks: the payment, its intents by id, the book day, the rider (by the caller's port), the ledger accounts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.errors import DomainError
from kernel.ids import EntryId, FareAccountId, uuid8
from kernel.money import Money
from kernel.service_day import local_date
from ledger.accounts import lock_balances, open_accounts, read_balances
from ledger.post import post
from ledger.rails.fold import find_references
from ledger.rails.notification import Notified, UnreadableNotificationError
from ledger.rails.providers import adapter
from ledger.rules import chart
from ledger.rules.book_day import ZONE, home_day
from ledger.rules.entry import Entry, Line, Refused
from ledger.rules.intent import TRANSITIONS, Intent, IntentEvent, IntentId, IntentState
from ledger.rules.topup import Credit, Payment, Reason, Suspend, Verdict, decide_payment, split_credit
from ledger.store import topup_intents as intents
from ledger.store import topup_payments as payments
from ledger.store.lines import share_days
from ledger.store.topup_payments import PaymentRow, SuspenseRow
from ledger.topup import Merchant

REPLAY_WINDOW: Final = timedelta(days=30)
CREDITED: Final = "credited"
DUPLICATE: Final = "duplicate"

LockRider = Callable[[Connection, FareAccountId], object]


class UnknownNotificationError(DomainError):
    """No stored notification has this id."""

    detail = "There is no stored notification {notification_id}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What one notification did.

    `outcome` is "credited", "duplicate" or a `Reason`'s value. For a credit, `cleared` went to the rider's
    receivable, `loaded` to the stored value, and `owed` is what the rider still owes.
    """

    outcome: str
    payment_id: UUID | None = None
    intent_id: IntentId | None = None
    fare_account_id: FareAccountId | None = None
    cleared: Money | None = None
    loaded: Money | None = None
    owed: Money | None = None
    repeated: bool = False


def notification_id(provider: str, raw: bytes) -> UUID:
    """Return the id of a raw body: the same bytes of the same provider are the same notification."""
    return uuid8("notification", provider, raw)


def store_notification(tx: Connection, provider: str, raw: bytes, now: datetime) -> UUID:
    """Store verified raw bytes, append-only, and queue them for `apply_notification`; return their id.

    The caller has verified the signature and commits before anything else is done. Bytes that are stored
    already are stored once.
    """
    found = notification_id(provider, raw)
    payments.insert_notification(tx, found, adapter(provider).name, raw, now)
    return found


def list_due(tx: Connection, *, limit: int = 100) -> tuple[UUID, ...]:
    """Return the oldest stored notifications that were never applied: what a kill left, or what failed."""
    return payments.list_due(tx, limit)


def apply_notification(
    tx: Connection,
    stored_id: UUID,
    *,
    merchant: Merchant,
    now: datetime,
    lock_rider: LockRider = lambda _tx, _account: None,
    replay_window: timedelta = REPLAY_WINDOW,
) -> Applied:
    """Give the payment of a stored notification its booked home; repeating it changes nothing.

    An exact payment in time is credited, the rider's receivable first. Any other payment to our account is
    booked in suspense by its reason, and everything that is not a plain credit or a repeat stands in the
    suspense queue. `lock_rider` locks the fare account, which this house does not know.
    UnknownNotificationError.
    """
    if not payments.take_due(tx, stored_id):
        outcome = payments.find_outcome(tx, stored_id)
        if outcome is None:
            raise UnknownNotificationError(notification_id=str(stored_id))
        return Applied(outcome=outcome[0], payment_id=outcome[1], repeated=True)
    provider, raw = payments.get_raw(tx, stored_id)
    try:
        told = adapter(provider).read(raw)
    except UnreadableNotificationError:
        _queue(tx, Reason.UNREADABLE, stored_id, now)
        payments.insert_outcome(tx, stored_id, Reason.UNREADABLE.value, None, now)
        return Applied(outcome=Reason.UNREADABLE.value)
    payment_id = uuid8("payment", provider, told.identity)
    payments.take_payment(tx, payment_id)
    known = payments.find_payment(tx, payment_id)
    if known is not None:
        applied = _repeat(tx, known, told, stored_id, now)
    else:
        named = intents.lock_named(tx, provider, find_references(told.description), told.order_code)
        verdict = decide_payment(
            Payment(told.accounts, told.amount, told.paid_at),
            named,
            our_accounts=merchant.accounts,
            now=now,
            replay_window=replay_window,
        )
        applied = _book(tx, provider, told, payment_id, stored_id, verdict, lock_rider, now)
    payments.insert_outcome(tx, stored_id, applied.outcome, payment_id, now)
    return applied


def _repeat(tx: Connection, known: PaymentRow, told: Notified, stored_id: UUID, now: datetime) -> Applied:
    intent_id = None if known.intent_id is None else IntentId(known.intent_id)
    if (known.amount, known.order_code) == (told.amount, told.order_code):
        return Applied(outcome=DUPLICATE, payment_id=known.payment_id, intent_id=intent_id, repeated=True)
    _queue(tx, Reason.CONTRADICTION, stored_id, now, known.payment_id, intent_id, told.amount)
    return Applied(outcome=Reason.CONTRADICTION.value, payment_id=known.payment_id, intent_id=intent_id)


def _book(
    tx: Connection,
    provider: str,
    told: Notified,
    payment_id: UUID,
    stored_id: UUID,
    verdict: Verdict,
    lock_rider: LockRider,
    now: datetime,
) -> Applied:
    entry_id = EntryId(uuid8("topup", payment_id))
    share_days(tx, {home_day(entry_id, now)})
    applied: Applied | None = None
    entry_owner: UUID | None = None
    if isinstance(verdict, Credit):
        entry_owner = verdict.intent.fare_account_id
        lock_rider(tx, verdict.intent.fare_account_id)
        applied = _credit(tx, provider, told, payment_id, entry_id, verdict.intent, now)
        if applied is None:
            verdict = Suspend(Reason.ACCOUNT_CLOSED, verdict.intent)
        else:
            _step(tx, verdict.intent, IntentEvent.PAID, now)
    if applied is None:
        assert isinstance(verdict, Suspend)
        entry_owner = _suspend(tx, provider, told, payment_id, entry_id, verdict, now)
        if verdict.intent is not None and verdict.intent.state is not IntentState.CREDITED:
            _step(tx, verdict.intent, IntentEvent.MISPAID, now)
        applied = Applied(
            outcome=verdict.reason.value,
            payment_id=payment_id,
            intent_id=None if verdict.intent is None else verdict.intent.intent_id,
            fare_account_id=None if verdict.intent is None else verdict.intent.fare_account_id,
        )
    payments.insert_payment(
        tx,
        PaymentRow(
            payment_id=payment_id,
            provider=provider,
            identity=told.identity,
            reference=told.reference,
            account=told.accounts[0],
            amount=told.amount,
            order_code=told.order_code,
            running_balance=None if told.running_balance is None else told.running_balance.minor,
            paid_at=told.paid_at,
            notification_id=stored_id,
            disposition=applied.outcome,
            intent_id=applied.intent_id,
            entry_owner_id=entry_owner,
            entry_id=None if entry_owner is None else entry_id,
        ),
        now,
    )
    if isinstance(verdict, Suspend):
        _queue(tx, verdict.reason, stored_id, now, payment_id, applied.intent_id, told.amount)
    return applied


def _credit(
    tx: Connection,
    provider: str,
    told: Notified,
    payment_id: UUID,
    entry_id: EntryId,
    intent: Intent,
    now: datetime,
) -> Applied | None:
    """Book the payment to the rider, the receivable first; None, with nothing booked, when the account is shut."""
    unit = told.amount.currency
    clearing = chart.provider_clearing(provider, unit)
    purse = chart.rider_stored_value(intent.fare_account_id, unit)
    debt = chart.rider_receivable(intent.fare_account_id, unit)
    open_accounts(tx, (clearing, purse, debt), now)
    # Whoever raises the receivable holds the stored value's row, so with that locked the debt stands still.
    lock_balances(tx, (purse.account_id,))
    owed = read_balances(tx, (debt.account_id,), now)[debt.account_id].posted
    cleared, loaded = split_credit(told.amount, owed)
    parts = ((debt.account_id, cleared), (purse.account_id, loaded))
    entry = Entry(
        entry_id=entry_id,
        kind="topup.credited",
        lines=tuple(Line(clearing.account_id, account, amount) for account, amount in parts if amount),
        owner_id=intent.fare_account_id,
        service_day=local_date(told.paid_at, ZONE),
        effective_at=told.paid_at,
        cause=f"payment:{payment_id}",
        narrative="topup.credited",
        metadata={"intent": str(intent.intent_id), "provider": provider},
    )
    if isinstance(post(tx, (entry,), now)[0], Refused):
        return None
    return Applied(
        outcome=CREDITED,
        payment_id=payment_id,
        intent_id=intent.intent_id,
        fare_account_id=intent.fare_account_id,
        cleared=cleared,
        loaded=loaded,
        owed=owed - cleared,
    )


def _suspend(
    tx: Connection,
    provider: str,
    told: Notified,
    payment_id: UUID,
    entry_id: EntryId,
    verdict: Suspend,
    now: datetime,
) -> UUID | None:
    """Book the payment in suspense and return the entry's owner; None for what is not money of ours."""
    if not verdict.reason.booked:
        return None
    clearing = chart.provider_clearing(provider, told.amount.currency)
    suspense = chart.suspense(verdict.reason.value, told.amount.currency)
    open_accounts(tx, (clearing, suspense), now)
    entry = Entry(
        entry_id=entry_id,
        kind="topup.suspended",
        lines=(Line(clearing.account_id, suspense.account_id, told.amount),),
        owner_id=suspense.owner_id,
        service_day=local_date(told.paid_at, ZONE),
        effective_at=told.paid_at,
        cause=f"payment:{payment_id}",
        narrative=f"topup.{verdict.reason.value}",
        metadata={"provider": provider}
        | ({} if verdict.intent is None else {"intent": str(verdict.intent.intent_id)}),
    )
    outcome = post(tx, (entry,), now)[0]
    assert not isinstance(outcome, Refused), "clearing and suspense accounts are never shut"
    return suspense.owner_id


def _step(tx: Connection, intent: Intent, event: IntentEvent, now: datetime) -> None:
    state = TRANSITIONS[intent.state][event]
    if state is not intent.state:
        intents.set_state(tx, intent.intent_id, state, now)


def _queue(
    tx: Connection,
    reason: Reason,
    stored_id: UUID,
    now: datetime,
    payment_id: UUID | None = None,
    intent_id: IntentId | None = None,
    amount: Money | None = None,
) -> None:
    payments.insert_suspense(
        tx,
        SuspenseRow(
            suspense_id=uuid8("suspense", stored_id, reason.value),
            reason=reason.value,
            notification_id=stored_id,
            payment_id=payment_id,
            intent_id=intent_id,
            amount=amount,
            booked=reason.booked,
            opened_at=now,
        ),
    )
