"""Payouts with their lines in the audit trail, from the guarantee account that the settings name."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from kernel.money import Money
from kernel.service_day import local_date
from ledger import payout as verbs
from ledger.payout import Payout
from ledger.rails.pain001 import Party
from ledger.rules.book_day import ZONE
from ledger.rules.payout import PayoutEvent
from service import audit
from service.audit import Actor
from service.settings import Settings


def centre_of(settings: Settings) -> Party:
    """Return whose account operators are paid from: the guarantee account's."""
    return Party(
        name=settings.topup_account_name, account=settings.topup_account, bank=settings.topup_bank_bin
    )


def prepare(tx: Connection, book_day: date, *, settings: Settings, by: Actor, now: datetime) -> Payout:
    """Plan a settled day's payout, to be executed on the next day."""
    made = verbs.prepare(
        tx,
        book_day,
        execute_on=local_date(now, ZONE) + timedelta(days=1),
        centre=centre_of(settings),
        by=by.name,
        now=now,
    )
    _record(tx, "prepare", made, by, now)
    return made


def decide(
    tx: Connection,
    payout_id: UUID,
    event: PayoutEvent,
    *,
    by: Actor,
    now: datetime,
    note: str = "",
    confirmed: Money | None = None,
) -> Payout:
    """Take a payout one step on."""
    made = verbs.decide(tx, payout_id, event, by=by.name, now=now, note=note, confirmed=confirmed)
    _record(tx, event.value, made, by, now)
    return made


def release(
    tx: Connection, payout_id: UUID, *, settings: Settings, by: Actor, now: datetime
) -> tuple[Payout, bytes]:
    """Release an approved payout; again: the same file."""
    made, content = verbs.release(tx, payout_id, centre=centre_of(settings), by=by.name, now=now)
    _record(tx, "release", made, by, now)
    return made, content


def _record(tx: Connection, action: str, made: Payout, by: Actor, now: datetime) -> None:
    audit.record(
        tx,
        actor=by,
        action=f"payout.{action}",
        subject_kind="payout",
        subject_id=str(made.row.payout_id),
        now=now,
        detail={"book_day": made.row.book_day.isoformat(), "total": made.total.to_json()},
    )
