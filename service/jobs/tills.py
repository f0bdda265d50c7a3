"""Cash in the field and in the office, with its lines in the audit trail."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from access import issue
from kernel.ids import FareAccountId
from kernel.money import Money
from ledger import cash_office
from ledger import till as verbs
from ledger.rules.till import Till, TillShift
from ledger.till import ToppedUp
from service import audit
from service.audit import Actor
from service.jobs.debts import settle_debts


def add(tx: Connection, made: Till, *, by: Actor, now: datetime) -> None:
    """Add a till."""
    verbs.add_till(tx, made, actor=by.actor_id, now=now)
    _record(tx, "add", made.name, by, now, kind=made.kind.value, most=made.most.minor)


def open_shift(
    tx: Connection, shift_id: UUID, *, till: str, agent: str, float_: Money, by: Actor, now: datetime
) -> TillShift:
    """Open an agent's shift with its float."""
    shift = verbs.open_shift(tx, shift_id, till=till, agent=agent, float_=float_, actor=by.actor_id, now=now)
    _record(tx, "open", till, by, now, agent=agent, float=float_.minor)
    return shift


def top_up(
    tx: Connection, topup_id: UUID, *, till: str, serial: int, amount: Money, by: Actor, now: datetime
) -> ToppedUp:
    """Load the card with this serial for cash, then what linked accounts and families owe is paid."""
    rider = FareAccountId(issue.get_card(tx, serial=serial).fare_account_id)
    done = verbs.top_up(
        tx,
        topup_id,
        till=till,
        rider=rider,
        amount=amount,
        actor=by.actor_id,
        now=now,
        lock_rider=lambda held, one: issue.raise_versions(held, (one,)),
    )
    if not done.again:
        settle_debts(tx, (rider,), cause=f"till:{topup_id}", now=now)
    _record(tx, "topup", till, by, now, serial=serial, amount=amount.minor, topup_id=str(topup_id))
    return done


def remit(tx: Connection, event_id: UUID, *, till: str, amount: Money, by: Actor, now: datetime) -> TillShift:
    """Hand cash in to the office."""
    shift = verbs.remit(tx, event_id, till=till, amount=amount, actor=by.actor_id, now=now)
    _record(tx, "remit", till, by, now, amount=amount.minor)
    return shift


def count(tx: Connection, event_id: UUID, *, till: str, amount: Money, by: Actor, now: datetime) -> TillShift:
    """Count what lies in the till."""
    shift = verbs.count(tx, event_id, till=till, amount=amount, actor=by.actor_id, now=now)
    _record(tx, "count", till, by, now, amount=amount.minor)
    return shift


def close(tx: Connection, event_id: UUID, *, till: str, by: Actor, now: datetime) -> TillShift:
    """Close a shift that another person counted."""
    shift = verbs.close(tx, event_id, till=till, actor=by.actor_id, now=now)
    _record(tx, "close", till, by, now)
    return shift


def make_good(
    tx: Connection, event_id: UUID, *, agent: str, amount: Money, by: Actor, now: datetime
) -> Money:
    """Take from an agent what counts lacked; return what still lacks."""
    left = cash_office.make_good(tx, event_id, agent=agent, amount=amount, now=now)
    _record(tx, "make_good", agent, by, now, amount=amount.minor)
    return left


def carry(tx: Connection, deposit_id: UUID, amount: Money, *, slip: str, by: Actor, now: datetime) -> None:
    """Note cash carried from the office to the bank; negative: drawn for floats."""
    cash_office.carry(tx, deposit_id, amount, reference=slip, now=now)
    _record(tx, "deposit", str(deposit_id), by, now, amount=amount.minor, slip=slip)


def _record(tx: Connection, verb: str, subject: str, by: Actor, now: datetime, **detail: object) -> None:
    audit.record(
        tx,
        actor=by,
        action=f"till.{verb}",
        subject_kind="till",
        subject_id=subject,
        now=now,
        detail=detail,
    )
