"""Statements to funders with their lines in the audit trail."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection

from kernel.money import Money
from ledger import subsidy as verbs
from ledger.rules.subsidy import Subsidy, SubsidyEvent
from service import audit
from service.audit import Actor


def prepare(
    tx: Connection, subsidy_id: UUID, *, funder: str, through_on: date, by: Actor, now: datetime
) -> Subsidy:
    """Put what a funder was not asked for yet into a statement."""
    made = verbs.prepare(tx, subsidy_id, funder=funder, through_on=through_on, by=by.name, now=now)
    _record(tx, "prepare", made, by, now)
    return made


def decide(
    tx: Connection,
    subsidy_id: UUID,
    event: SubsidyEvent,
    *,
    by: Actor,
    now: datetime,
    note: str = "",
    confirmed: Money | None = None,
) -> Subsidy:
    """Take a statement one step on."""
    made = verbs.decide(tx, subsidy_id, event, by=by.name, now=now, note=note, confirmed=confirmed)
    _record(tx, event.value, made, by, now)
    return made


def _record(tx: Connection, action: str, made: Subsidy, by: Actor, now: datetime) -> None:
    audit.record(
        tx,
        actor=by,
        action=f"subsidy.{action}",
        subject_kind="subsidy",
        subject_id=str(made.subsidy_id),
        now=now,
        detail={"funder": made.funder, "reference": made.reference, "total": made.total.to_json()},
    )
