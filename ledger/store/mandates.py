"""Mandates and their charges in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from kernel.ids import FareAccountId
from kernel.money import Money, currency
from ledger.rules.mandate import Charge, Mandate, MandateId, MandateState, Outcome


def insert(tx: Connection, mandate: Mandate) -> None:
    """Write a mandate down."""
    tx.execute(
        text(
            "INSERT INTO ledger_mandate (fare_account_id, mandate_id, provider, token, below, amount, a_month, "
            "currency, given_at, state, failures, changed_at) VALUES (:rider, :mandate_id, :provider, :token, "
            ":below, :amount, :a_month, :unit, :at, :state, 0, :at)"
        ),
        {
            "rider": mandate.fare_account_id,
            "mandate_id": mandate.mandate_id,
            "provider": mandate.provider,
            "token": mandate.token,
            "below": mandate.below.minor,
            "amount": mandate.amount.minor,
            "a_month": mandate.a_month.minor,
            "unit": mandate.amount.currency.code,
            "at": mandate.given_at,
            "state": mandate.state.value,
        },
    )


def lock(tx: Connection, rider: FareAccountId, mandate_id: UUID) -> Mandate | None:
    """Return a mandate, locked until this transaction ends, or None."""
    row = tx.execute(
        text(
            "SELECT * FROM ledger_mandate WHERE fare_account_id = :rider AND mandate_id = :mandate_id FOR UPDATE"
        ),
        {"rider": rider, "mandate_id": mandate_id},
    ).one_or_none()
    return None if row is None else _mandate(row)


def list_of(tx: Connection, rider: FareAccountId) -> tuple[Mandate, ...]:
    """Return a rider's mandates, oldest first."""
    rows = tx.execute(
        text("SELECT * FROM ledger_mandate WHERE fare_account_id = :rider ORDER BY given_at, mandate_id"),
        {"rider": rider},
    )
    return tuple(_mandate(row) for row in rows)


def list_active(tx: Connection) -> Sequence[tuple[FareAccountId, MandateId]]:
    """Return the keys of mandates that top up, in order."""
    rows = tx.execute(
        text(
            "SELECT fare_account_id, mandate_id FROM ledger_mandate WHERE state = 'active' "
            "ORDER BY fare_account_id, mandate_id"
        )
    )
    return [(FareAccountId(row.fare_account_id), MandateId(row.mandate_id)) for row in rows]


def set_state(tx: Connection, mandate: Mandate, state: MandateState, failures: int, now: datetime) -> None:
    """Write a mandate's state; the row is locked by the caller."""
    tx.execute(
        text(
            "UPDATE ledger_mandate SET state = :state, failures = :failures, changed_at = :now "
            "WHERE fare_account_id = :rider AND mandate_id = :mandate_id"
        ),
        {
            "state": state.value,
            "failures": failures,
            "now": now,
            "rider": mandate.fare_account_id,
            "mandate_id": mandate.mandate_id,
        },
    )


def find_last(tx: Connection, mandate: Mandate) -> Row[Any] | None:
    """Return the newest charge of a mandate, or None."""
    return tx.execute(
        text(
            "SELECT charge_no, intent_id, outcome FROM ledger_mandate_charge WHERE fare_account_id = :rider "
            "AND mandate_id = :mandate_id ORDER BY charge_no DESC LIMIT 1"
        ),
        {"rider": mandate.fare_account_id, "mandate_id": mandate.mandate_id},
    ).one_or_none()


def insert_charge(tx: Connection, mandate: Mandate, charge_no: int, intent_id: UUID, now: datetime) -> None:
    """Write a new charge down, to be handed over."""
    tx.execute(
        text(
            "INSERT INTO ledger_mandate_charge (fare_account_id, mandate_id, charge_no, intent_id, amount, outcome, "
            "made_at) VALUES (:rider, :mandate_id, :charge_no, :intent_id, :amount, 'open', :now)"
        ),
        {
            "rider": mandate.fare_account_id,
            "mandate_id": mandate.mandate_id,
            "charge_no": charge_no,
            "intent_id": intent_id,
            "amount": mandate.amount.minor,
            "now": now,
        },
    )


def end_charge(tx: Connection, mandate: Mandate, charge_no: int, outcome: Outcome, now: datetime) -> None:
    """Write down what became of a charge."""
    tx.execute(
        text(
            "UPDATE ledger_mandate_charge SET outcome = :outcome, ended_at = :now WHERE fare_account_id = :rider "
            "AND mandate_id = :mandate_id AND charge_no = :charge_no"
        ),
        {
            "outcome": outcome.value,
            "now": now,
            "rider": mandate.fare_account_id,
            "mandate_id": mandate.mandate_id,
            "charge_no": charge_no,
        },
    )


def sum_since(tx: Connection, mandate: Mandate, since: datetime) -> Money:
    """Return what was charged since an instant and did not fail."""
    found: int = tx.execute(
        text(
            "SELECT coalesce(sum(amount), 0) FROM ledger_mandate_charge WHERE fare_account_id = :rider "
            "AND mandate_id = :mandate_id AND made_at >= :since AND outcome <> 'failed'"
        ),
        {"rider": mandate.fare_account_id, "mandate_id": mandate.mandate_id, "since": since},
    ).scalar_one()
    return Money(int(found), mandate.amount.currency)


def list_unhanded(tx: Connection) -> tuple[Charge, ...]:
    """Return open charges that nobody has handed to their provider, oldest first."""
    rows = tx.execute(
        text(
            "SELECT m.*, c.charge_no, c.intent_id, c.outcome, c.made_at FROM ledger_mandate_charge c "
            "JOIN ledger_mandate m USING (fare_account_id, mandate_id) "
            "WHERE c.handed_at IS NULL AND c.outcome = 'open' AND m.state <> 'revoked' "
            "ORDER BY c.made_at, c.intent_id"
        )
    )
    return tuple(
        Charge(
            mandate=_mandate(row),
            charge_no=row.charge_no,
            intent_id=row.intent_id,
            outcome=Outcome(row.outcome),
            made_at=row.made_at,
        )
        for row in rows
    )


def set_handed(tx: Connection, charge: Charge, now: datetime) -> None:
    """Write down that a charge was handed over."""
    tx.execute(
        text(
            "UPDATE ledger_mandate_charge SET handed_at = :now WHERE fare_account_id = :rider "
            "AND mandate_id = :mandate_id AND charge_no = :charge_no AND handed_at IS NULL"
        ),
        {
            "now": now,
            "rider": charge.mandate.fare_account_id,
            "mandate_id": charge.mandate.mandate_id,
            "charge_no": charge.charge_no,
        },
    )


def list_failed(tx: Connection, since: datetime, until: datetime) -> Sequence[Row[Any]]:
    """Return charges that failed in (since, until], with the state their mandate is in."""
    return tx.execute(
        text(
            "SELECT c.fare_account_id, c.intent_id, c.amount, m.currency, m.state FROM ledger_mandate_charge c "
            "JOIN ledger_mandate m USING (fare_account_id, mandate_id) "
            "WHERE c.outcome = 'failed' AND c.ended_at > :since AND c.ended_at <= :until ORDER BY c.intent_id"
        ),
        {"since": since, "until": until},
    ).all()


def _mandate(row: Row[Any]) -> Mandate:
    unit = currency(row.currency)
    return Mandate(
        mandate_id=MandateId(row.mandate_id),
        fare_account_id=FareAccountId(row.fare_account_id),
        provider=row.provider,
        token=row.token,
        below=Money(row.below, unit),
        amount=Money(row.amount, unit),
        a_month=Money(row.a_month, unit),
        given_at=row.given_at,
        state=MandateState(row.state),
        failures=row.failures,
    )
