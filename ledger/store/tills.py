"""Tills, their shifts and what happened in them, and cash taken to the bank, in SQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, text

from kernel.ids import uuid8
from kernel.money import Money, currency
from ledger.rules.till import ShiftId, Till, TillEvent, TillFact, TillKind, TillShift
from ledger.store import expected

POOL: Final = "cash"


def lock(tx: Connection, till: str) -> None:
    """Wait until nobody else works at this till; held until this transaction ends."""
    key = int.from_bytes(uuid8("till", till).bytes[:8], "big", signed=True)
    tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def find_till(tx: Connection, name: str) -> Till | None:
    """Return a conductor's, kiosk's or station's till, or None."""
    row = tx.execute(
        text("SELECT till, kind, most, currency FROM ledger_till WHERE till = :name"), {"name": name}
    ).one_or_none()
    return None if row is None else _till(row)


def list_tills(tx: Connection) -> tuple[Till, ...]:
    """Return all tills of conductors, kiosks and stations by name."""
    return tuple(_till(row) for row in tx.execute(text("SELECT * FROM ledger_till ORDER BY till")))


def find_owner(tx: Connection, name: str) -> str | None:
    """Return the operator whose car parks' till this is, or None."""
    found: str | None = tx.execute(
        text("SELECT operator_id FROM ledger_operator_till WHERE till = :name"), {"name": name}
    ).scalar_one_or_none()
    return found


def insert_operator_till(tx: Connection, name: str, *, operator_id: str, actor: str, now: datetime) -> None:
    """Write down whose till a car park's is."""
    tx.execute(
        text(
            "INSERT INTO ledger_operator_till (till, operator_id, added_by, added_at) "
            "VALUES (:till, :operator, :actor, :now)"
        ),
        {"till": name, "operator": operator_id, "actor": actor, "now": now},
    )


def insert_till(tx: Connection, till: Till, actor: str, now: datetime) -> None:
    """Write a till down."""
    tx.execute(
        text(
            "INSERT INTO ledger_till (till, kind, most, currency, added_by, added_at) "
            "VALUES (:till, :kind, :most, :unit, :actor, :now)"
        ),
        {
            "till": till.name,
            "kind": till.kind.value,
            "most": till.most.minor,
            "unit": till.most.currency.code,
            "actor": actor,
            "now": now,
        },
    )


def insert_shift(tx: Connection, shift: TillShift) -> None:
    """Write a shift down as it was opened."""
    tx.execute(
        text(
            "INSERT INTO ledger_till_shift (shift_id, till, shift_no, agent, float_minor, currency, opened_by, "
            "opened_at) SELECT :shift_id, :till, coalesce(max(shift_no), 0) + 1, :agent, :float_, :unit, :by, :at "
            "FROM ledger_till_shift WHERE till = :till"
        ),
        {
            "shift_id": shift.shift_id,
            "till": shift.till,
            "agent": shift.agent,
            "float_": shift.float_.minor,
            "unit": shift.float_.currency.code,
            "by": shift.opened_by,
            "at": shift.opened_at,
        },
    )


def find_last_shift(tx: Connection, till: str) -> TillShift | None:
    """Return the newest shift of a till as it was opened, or None."""
    row = tx.execute(
        text("SELECT * FROM ledger_till_shift WHERE till = :till ORDER BY shift_no DESC LIMIT 1"),
        {"till": till},
    ).one_or_none()
    return None if row is None else _shift(row)


def find_shift(tx: Connection, shift_id: UUID) -> TillShift | None:
    """Return a shift as it was opened, or None."""
    row = tx.execute(
        text("SELECT * FROM ledger_till_shift WHERE shift_id = :shift_id"), {"shift_id": shift_id}
    ).one_or_none()
    return None if row is None else _shift(row)


def list_facts(tx: Connection, shift: TillShift) -> tuple[TillFact, ...]:
    """Return what happened in a shift, in order."""
    unit = shift.float_.currency
    rows = tx.execute(
        text("SELECT * FROM ledger_till_event WHERE shift_id = :shift_id ORDER BY event_no"),
        {"shift_id": shift.shift_id},
    )
    return tuple(
        TillFact(
            event_id=row.event_id,
            event=TillEvent(row.event),
            amount=Money(row.amount, unit),
            actor=row.actor,
            at=row.at,
            expected=None if row.expected is None else Money(row.expected, unit),
        )
        for row in rows
    )


def find_fact(tx: Connection, event_id: UUID) -> Row[Any] | None:
    """Return the shift, event and amount under an event's id, or None."""
    return tx.execute(
        text("SELECT shift_id, event, amount FROM ledger_till_event WHERE event_id = :event_id"),
        {"event_id": event_id},
    ).one_or_none()


def insert_fact(tx: Connection, shift: TillShift, fact: TillFact) -> None:
    """Write an event of a shift down."""
    tx.execute(
        text(
            "INSERT INTO ledger_till_event (event_id, shift_id, event_no, event, amount, expected, actor, at) "
            "SELECT :event_id, :shift_id, coalesce(max(event_no), 0) + 1, :event, :amount, "
            "CAST(:expected AS bigint), :actor, :at FROM ledger_till_event WHERE shift_id = :shift_id"
        ),
        {
            "event_id": fact.event_id,
            "shift_id": shift.shift_id,
            "event": fact.event.value,
            "amount": fact.amount.minor,
            "expected": None if fact.expected is None else fact.expected.minor,
            "actor": fact.actor,
            "at": fact.at,
        },
    )


def sum_deposits(tx: Connection, unit: str) -> int:
    """Return what was taken to the bank and is not booked there yet."""
    found: int = tx.execute(
        text(
            "SELECT coalesce((SELECT sum(amount) FROM ledger_recon_item WHERE side = 'ledger' AND pool = :pool "
            "AND currency = :unit), 0) - coalesce((SELECT sum(net) FROM ledger_recon_booking WHERE pool = :pool "
            "AND currency = :unit), 0)"
        ),
        {"pool": POOL, "unit": unit},
    ).scalar_one()
    return int(found)


def insert_deposit(
    tx: Connection, deposit_id: UUID, amount: Money, reference: str, now: datetime
) -> Row[Any] | None:
    """Tell reconciliation of cash to expect at the bank; return the earlier one of this id, None when it is new."""
    known = tx.execute(
        text("SELECT amount, reference FROM ledger_recon_item WHERE item_id = :id"), {"id": deposit_id}
    ).one_or_none()
    if known is None:
        expected.insert(
            tx,
            deposit_id,
            pool=POOL,
            source_id=deposit_id,
            minor=amount.minor,
            currency=amount.currency.code,
            now=now,
            reference=reference,
        )
    return known


def _till(row: Row[Any]) -> Till:
    return Till(row.till, TillKind(row.kind), Money(row.most, currency(row.currency)))


def _shift(row: Row[Any]) -> TillShift:
    unit = currency(row.currency)
    return TillShift(
        shift_id=ShiftId(row.shift_id),
        till=row.till,
        agent=row.agent,
        float_=Money(row.float_minor, unit),
        opened_by=row.opened_by,
        opened_at=row.opened_at,
        topped_up=Money.zero(unit),
        remitted=Money.zero(unit),
    )
