"""Payment intents in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from kernel.ids import FareAccountId
from kernel.money import Money, currency
from ledger.rules.intent import Intent, IntentId, IntentState

_COLUMNS = (
    "intent_id, provider, fare_account_id, amount, currency, reference, order_code, qr, "
    "created_at, expires_at, state"
)


def insert(tx: Connection, intent: Intent) -> bool:
    """Insert an intent; False, with nothing written, when its id, reference or order code is taken."""
    done = tx.execute(
        text(
            "INSERT INTO ledger_topup_intent (intent_id, provider, fare_account_id, amount, currency, reference, "
            "order_code, qr, created_at, expires_at, state, changed_at) VALUES (:intent_id, :provider, "
            ":fare_account_id, :amount, :currency, :reference, :order_code, :qr, :created_at, :expires_at, "
            ":state, :created_at) ON CONFLICT DO NOTHING"
        ),
        {
            "intent_id": intent.intent_id,
            "provider": intent.provider,
            "fare_account_id": intent.fare_account_id,
            "amount": intent.amount.minor,
            "currency": intent.amount.currency.code,
            "reference": intent.reference,
            "order_code": intent.order_code,
            "qr": intent.qr,
            "created_at": intent.created_at,
            "expires_at": intent.expires_at,
            "state": intent.state.value,
        },
    )
    return done.rowcount == 1


def find(tx: Connection, intent_id: UUID) -> Intent | None:
    """Return the intent of this id, or None."""
    row = tx.execute(
        text(f"SELECT {_COLUMNS} FROM ledger_topup_intent WHERE intent_id = :intent_id"),
        {"intent_id": intent_id},
    ).one_or_none()
    return None if row is None else _intent(row)


def lock_named(
    tx: Connection, provider: str, references: Sequence[str], order_code: int | None
) -> tuple[Intent, ...]:
    """Lock, in id order, the intents of a provider with one of these references or this order code; return them."""
    rows = tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM ledger_topup_intent WHERE provider = :provider "
            "AND (reference = ANY(:references) OR order_code = :order_code) ORDER BY intent_id FOR UPDATE"
        ),
        {"provider": provider, "references": list(references), "order_code": order_code},
    )
    return tuple(_intent(row) for row in rows)


def list_unpaid(
    tx: Connection, provider: str, *, asked_before: datetime, ended_after: datetime, limit: int
) -> tuple[Intent, ...]:
    """Return a provider's intents without their payment, the soonest to end first."""
    rows = tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM ledger_topup_intent WHERE provider = :provider AND state <> :credited "
            "AND created_at <= :before AND expires_at > :after ORDER BY expires_at, intent_id LIMIT :limit"
        ),
        {
            "provider": provider,
            "credited": IntentState.CREDITED.value,
            "before": asked_before,
            "after": ended_after,
            "limit": limit,
        },
    )
    return tuple(_intent(row) for row in rows)


def set_state(tx: Connection, intent_id: UUID, state: IntentState, now: datetime) -> None:
    """Write an intent's next state; the row is locked by the caller."""
    tx.execute(
        text("UPDATE ledger_topup_intent SET state = :state, changed_at = :now WHERE intent_id = :intent_id"),
        {"state": state.value, "now": now, "intent_id": intent_id},
    )


def lapse(tx: Connection, state: IntentState, to: IntentState, now: datetime, limit: int) -> int:
    """Move up to `limit` intents in `state` whose window has ended to `to`; return how many."""
    done = tx.execute(
        text(
            "UPDATE ledger_topup_intent i SET state = :to, changed_at = :now FROM ("
            "SELECT intent_id FROM ledger_topup_intent WHERE state = :state AND expires_at <= :now "
            "ORDER BY intent_id LIMIT :limit FOR UPDATE SKIP LOCKED) due WHERE i.intent_id = due.intent_id"
        ),
        {"state": state.value, "to": to.value, "now": now, "limit": limit},
    )
    return done.rowcount


def _intent(row: Row[Any]) -> Intent:
    return Intent(
        intent_id=IntentId(row.intent_id),
        provider=row.provider,
        fare_account_id=FareAccountId(row.fare_account_id),
        amount=Money(row.amount, currency(row.currency)),
        reference=row.reference,
        order_code=row.order_code,
        qr=row.qr,
        created_at=row.created_at,
        expires_at=row.expires_at,
        state=IntentState(row.state),
    )
