"""Top up by itself: a rider's mandate, charged once each time the balance falls below what the rider said.

A charge is a top-up intent like any other: the provider is asked to pay it, the payment is notified and credited as
every payment is, and one that is not paid before its intent ends has failed. So nothing here moves money.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from uuid import UUID

from sqlalchemy import Connection

from kernel.ids import FareAccountId, uuid8
from kernel.service_day import day_window, local_date
from ledger import topup
from ledger.accounts import open_accounts, read_balances
from ledger.rules import chart
from ledger.rules.book_day import ZONE
from ledger.rules.errors import IdReusedError
from ledger.rules.intent import Intent, IntentId, IntentState
from ledger.rules.mandate import (
    Charge,
    Mandate,
    MandateEvent,
    MandateState,
    Outcome,
    UnknownMandateError,
    check_terms,
    failed,
    step,
    triggers,
)
from ledger.rules.topup import check_amount
from ledger.store import mandates as store
from ledger.topup import Asked, Merchant

_SAME = ("provider", "token", "below", "amount", "a_month")


def give(tx: Connection, mandate: Mandate) -> tuple[Mandate, bool]:
    """Write a mandate down under the id its rider minted; return it as it stands, and whether it was given before.

    IdReusedError, TopupAmountError, MandateTermsError. The fare account is locked by the caller.
    """
    known = store.lock(tx, mandate.fare_account_id, mandate.mandate_id)
    if known is not None:
        for field in _SAME:
            if getattr(known, field) != getattr(mandate, field):
                raise IdReusedError(id=str(mandate.mandate_id), field=field)
        return known, True
    check_amount(mandate.amount)
    check_terms(mandate)
    store.insert(tx, mandate)
    return mandate, False


def revoke(tx: Connection, rider: FareAccountId, mandate_id: UUID, *, now: datetime) -> None:
    """End a mandate for good; again changes nothing. What was handed to the provider may still be paid.

    UnknownMandateError.
    """
    mandate = _lock(tx, rider, mandate_id)
    if mandate.state is not MandateState.REVOKED:
        store.set_state(tx, mandate, step(mandate, MandateEvent.REVOKE), mandate.failures, now)


def resume(tx: Connection, rider: FareAccountId, mandate_id: UUID, *, now: datetime) -> None:
    """Let a paused mandate go on, its failures forgotten; an active one stays so.

    UnknownMandateError, MandateStateError when it was revoked.
    """
    mandate = _lock(tx, rider, mandate_id)
    if mandate.state is not MandateState.ACTIVE:
        store.set_state(tx, mandate, step(mandate, MandateEvent.RESUME), 0, now)


def charge(
    tx: Connection,
    rider: FareAccountId,
    mandate_id: UUID,
    *,
    merchant: Merchant,
    lifetime: timedelta,
    now: datetime,
) -> Intent | None:
    """Judge a mandate's last charge, and make the next where the balance is below what the rider said.

    Return the new charge's intent, None where none is due: one at a time, never beyond the month's limit. The
    mandate's row is locked, so that two runs at once make one charge. UnknownMandateError.
    """
    mandate = _judge(tx, _lock(tx, rider, mandate_id), now)
    last = store.find_last(tx, mandate)
    if last is not None and last.outcome == Outcome.OPEN.value:
        return None
    unit = mandate.amount.currency
    purse = chart.rider_stored_value(rider, unit)
    open_accounts(tx, (purse,), now)
    balance = read_balances(tx, (purse.account_id,), now)[purse.account_id].available
    month = day_window(local_date(now, ZONE).replace(day=1), time(), ZONE)
    if not triggers(mandate, balance, store.sum_since(tx, mandate, month.start)):
        return None
    charge_no = 1 if last is None else last.charge_no + 1
    asked = Asked(
        intent_id=IntentId(uuid8("mandate", mandate.mandate_id, charge_no)),
        fare_account_id=rider,
        amount=mandate.amount,
        provider=mandate.provider,
    )
    made = topup.create_intent(tx, asked, merchant=merchant, lifetime=lifetime, now=now)
    store.insert_charge(tx, mandate, charge_no, asked.intent_id, now)
    return made.intent


def _judge(tx: Connection, mandate: Mandate, now: datetime) -> Mandate:
    """Write down whether the last charge was paid, or has failed, and return the mandate as that leaves it."""
    last = store.find_last(tx, mandate)
    if last is None or last.outcome != Outcome.OPEN.value:
        return mandate
    state = topup.get_intent(tx, last.intent_id).shown_state(now)
    if state is IntentState.CREDITED:
        outcome, event, failures = Outcome.PAID, MandateEvent.PAID, 0
    elif state is IntentState.EXPIRED:
        outcome, event, failures = Outcome.FAILED, failed(mandate), mandate.failures + 1
    else:
        return mandate
    store.end_charge(tx, mandate, last.charge_no, outcome, now)
    if mandate.state is MandateState.ACTIVE:
        store.set_state(tx, mandate, step(mandate, event), failures, now)
    return _lock(tx, mandate.fare_account_id, mandate.mandate_id)


def list_active(tx: Connection) -> tuple[tuple[FareAccountId, UUID], ...]:
    """Return the keys of mandates that top up."""
    return tuple(store.list_active(tx))


def list_of(tx: Connection, rider: FareAccountId) -> tuple[Mandate, ...]:
    """Return a rider's mandates, oldest first."""
    return store.list_of(tx, rider)


def list_unhanded(tx: Connection) -> tuple[Charge, ...]:
    """Return charges that their provider has not been asked for yet."""
    return store.list_unhanded(tx)


def set_handed(tx: Connection, one: Charge, now: datetime) -> None:
    """Write down that the provider took a charge."""
    store.set_handed(tx, one, now)


def list_failed(
    tx: Connection, since: datetime, until: datetime
) -> tuple[tuple[FareAccountId, UUID, dict[str, object]], ...]:
    """Return charges that failed in (since, until]: whose, which intent, and what to tell."""
    return tuple(
        (
            FareAccountId(row.fare_account_id),
            row.intent_id,
            {"minor": row.amount, "currency": row.currency, "state": row.state},
        )
        for row in store.list_failed(tx, since, until)
    )


def _lock(tx: Connection, rider: FareAccountId, mandate_id: UUID) -> Mandate:
    found = store.lock(tx, rider, mandate_id)
    if found is None:
        raise UnknownMandateError(mandate_id=str(mandate_id))
    return found
