"""The append-only audit trail: who changed what, in the transaction that changed it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Connection, text

from kernel.ids import uuid7


class ActorKind(StrEnum):
    """What kind of caller acted."""

    STAFF = "staff"
    CREDENTIAL = "credential"
    DEVICE = "device"
    RIDER = "rider"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted; for a command line the account of the operating system."""

    kind: ActorKind
    actor_id: str

    @property
    def name(self) -> str:
        """As the books of a house name who acted: the kind and the id."""
        return f"{self.kind}:{self.actor_id}"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the trail."""

    audit_id: UUID
    at: datetime
    actor: Actor
    action: str
    subject_kind: str
    subject_id: str
    request_id: str
    detail: Mapping[str, object]


def record(
    tx: Connection,
    *,
    actor: Actor,
    action: str,
    subject_kind: str,
    subject_id: str,
    now: datetime,
    request_id: str = "",
    detail: Mapping[str, object] | None = None,
) -> UUID:
    """Write one line and return its id. `action` is "house.verb"; `detail` is JSON without personal identifiers."""
    audit_id = uuid7(now)
    tx.execute(
        text(
            "INSERT INTO audit_trail"
            " (audit_id, at, actor_kind, actor_id, action, subject_kind, subject_id, request_id, detail)"
            " VALUES (:id, :at, :kind, :actor, :action, :subject_kind, :subject_id, :request_id, CAST(:detail AS jsonb))"
        ),
        {
            "id": audit_id,
            "at": now,
            "kind": actor.kind.value,
            "actor": actor.actor_id,
            "action": action,
            "subject_kind": subject_kind,
            "subject_id": subject_id,
            "request_id": request_id,
            "detail": json.dumps(dict(detail or {}), ensure_ascii=False, sort_keys=True),
        },
    )
    return audit_id


def list_latest(tx: Connection, *, limit: int = 100) -> tuple[AuditEntry, ...]:
    """Return the newest lines first."""
    rows = tx.execute(
        text(
            "SELECT audit_id, at, actor_kind, actor_id, action, subject_kind, subject_id, request_id, detail"
            " FROM audit_trail ORDER BY at DESC, audit_id DESC LIMIT :limit"
        ),
        {"limit": limit},
    )
    return tuple(
        AuditEntry(
            row.audit_id,
            row.at,
            Actor(ActorKind(row.actor_kind), row.actor_id),
            row.action,
            row.subject_kind,
            row.subject_id,
            row.request_id,
            row.detail,
        )
        for row in rows
    )
