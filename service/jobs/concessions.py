"""Concessions proven and ended: recorded, put on the audit trail, and the rides that they touch billed anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Connection

from access import issue
from access.issue import UnknownCardError
from access.keyring import Keyring
from fare import entitlement
from fare.entitlement import Proven
from fare.publish import Shelf
from fare.rules.attestation import IdentityService
from kernel.ids import FareAccountId
from kernel.service_day import local_date
from kernel.wire.cardinfo import Concession
from ledger.rules.book_day import ZONE
from service import audit
from service.audit import Actor
from service.jobs.refold import record_and_refold

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whose concession, who asks, and what billing needs."""

    account: FareAccountId
    entitlement_id: UUID
    by: Actor
    now: datetime
    shelf: Shelf
    late_days: int
    request_id: str = ""


def prove(
    tx: Connection, asked: Asked, proof: str, *, service: IdentityService, keyring: Keyring
) -> tuple[Proven, int]:
    """Record what a proof says; return it and how many entries its rides came to. As `entitlement.prove` refuses."""

    def record() -> Proven:
        made = entitlement.prove(
            tx,
            asked.account,
            proof.encode(),
            entitlement_id=asked.entitlement_id,
            service=service,
            keyring=keyring,
            actor=asked.by.actor_id,
            now=asked.now,
        )
        if not made.again:
            concession = Concession(made.entitlement.concession).name
            _audit(tx, asked, "proven", {"concession": concession, "verifier": made.verifier})
        return made

    return _billed(tx, asked, record)


def end(tx: Connection, asked: Asked, *, last_day: date, reason: str) -> tuple[bool, int]:
    """Record an entitlement's last day; return whether that is new, and how many entries its rides came to."""

    def record() -> bool:
        made = entitlement.end(
            tx,
            asked.account,
            asked.entitlement_id,
            last_day=last_day,
            reason=reason,
            actor=asked.by.actor_id,
            now=asked.now,
        )
        if made:
            detail = {"entitlement": str(asked.entitlement_id), "last_day": last_day.isoformat()}
            _audit(tx, asked, "ended", detail)
        return made

    return _billed(tx, asked, record)


def _billed(tx: Connection, asked: Asked, record: Callable[[], Made]) -> tuple[Made, int]:
    if not issue.list_versions(tx, (asked.account,)):
        raise UnknownCardError
    # How far back a proof reaches is known only once it is read: bill anew what may still be.
    since = local_date(asked.now, ZONE) - timedelta(days=asked.late_days)
    return record_and_refold(
        tx, asked.account, since, record, shelf=asked.shelf, now=asked.now, late_days=asked.late_days
    )


def _audit(tx: Connection, asked: Asked, what: str, detail: dict[str, str]) -> None:
    audit.record(
        tx,
        actor=asked.by,
        action=f"fare.entitlement.{what}",
        subject_kind="fare_account",
        subject_id=str(asked.account),
        now=asked.now,
        request_id=asked.request_id,
        detail=detail,
    )
