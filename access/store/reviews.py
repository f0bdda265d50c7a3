"""SQL over review cases and their evidence. Local tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One case as stored."""

    case_id: UUID
    kind: str
    subject: str
    card_id: UUID | None
    device_id: UUID | None
    detail: dict[str, str]
    opened_at: datetime


def open_cases(tx: Connection, rows: Sequence[CaseRow]) -> dict[tuple[str, str], UUID]:
    """Store these cases unless one of the same (kind, subject) is open; return the open case's id of each."""
    keys = {"kinds": [row.kind for row in rows], "subjects": [row.subject for row in rows]}
    tx.execute(
        text(
            "INSERT INTO review_case (case_id, kind, subject, card_id, device_id, detail, opened_at)"
            " SELECT id, kind, subject, card, device, CAST(detail AS jsonb), at"
            " FROM unnest(CAST(:ids AS uuid[]), CAST(:kinds AS text[]), CAST(:subjects AS text[]),"
            " CAST(:cards AS uuid[]), CAST(:devices AS uuid[]), CAST(:details AS text[]),"
            " CAST(:opened AS timestamptz[])) AS c (id, kind, subject, card, device, detail, at)"
            " ON CONFLICT (kind, subject) WHERE closed_at IS NULL DO NOTHING"
        ),
        {
            **keys,
            "ids": [row.case_id for row in rows],
            "cards": [row.card_id for row in rows],
            "devices": [row.device_id for row in rows],
            "details": [json.dumps(row.detail) for row in rows],
            "opened": [row.opened_at for row in rows],
        },
    )
    found = tx.execute(
        text(
            "SELECT c.kind, c.subject, c.case_id FROM review_case c"
            " JOIN unnest(CAST(:kinds AS text[]), CAST(:subjects AS text[])) AS w (kind, subject)"
            " USING (kind, subject) WHERE c.closed_at IS NULL"
        ),
        keys,
    )
    return {(row.kind, row.subject): row.case_id for row in found}


def add_evidence(tx: Connection, rows: Sequence[tuple[UUID, str, UUID]], *, at: datetime) -> None:
    """Attach (case, what, device) to cases; what is attached already stays."""
    tx.execute(
        text(
            "INSERT INTO case_evidence (case_id, evidence, device_id, received_at)"
            " SELECT id, what, device, :at FROM unnest(CAST(:ids AS uuid[]), CAST(:what AS text[]),"
            " CAST(:devices AS uuid[])) AS e (id, what, device)"
            " ON CONFLICT ON CONSTRAINT case_evidence_pk DO NOTHING"
        ),
        {
            "ids": [row[0] for row in rows],
            "what": [row[1] for row in rows],
            "devices": [row[2] for row in rows],
            "at": at,
        },
    )


def count_devices(tx: Connection, case_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return from how many different devices each case's evidence comes."""
    rows = tx.execute(
        text(
            "SELECT case_id, count(DISTINCT device_id) AS devices FROM case_evidence"
            " WHERE case_id = ANY(CAST(:ids AS uuid[])) GROUP BY case_id"
        ),
        {"ids": list(case_ids)},
    )
    return {row.case_id: row.devices for row in rows}


def list_open(tx: Connection, kind: str | None, limit: int) -> list[tuple[CaseRow, int]]:
    """Return open cases with how many pieces of evidence each has, oldest first."""
    rows = tx.execute(
        text(
            "SELECT case_id, kind, subject, card_id, device_id, detail, opened_at,"
            " (SELECT count(*) FROM case_evidence e WHERE e.case_id = c.case_id) AS pieces"
            " FROM review_case c WHERE closed_at IS NULL AND (CAST(:kind AS text) IS NULL OR kind = :kind)"
            " ORDER BY opened_at, case_id LIMIT :limit"
        ),
        {"kind": kind, "limit": limit},
    )
    return [(CaseRow(*row[:7]), row.pieces) for row in rows]


def close(tx: Connection, case_id: UUID, *, outcome: str, by: str, at: datetime) -> CaseRow | None:
    """Close an open case and return it as it was; None when there is none."""
    row = tx.execute(
        text(
            "UPDATE review_case SET closed_at = :at, closed_by = :by, outcome = :outcome"
            " WHERE case_id = :id AND closed_at IS NULL"
            " RETURNING case_id, kind, subject, card_id, device_id, detail, opened_at"
        ),
        {"id": case_id, "at": at, "by": by, "outcome": outcome},
    ).one_or_none()
    return CaseRow(*row) if row else None


@dataclass(frozen=True, slots=True)
class Found:
    """A case and how it ended; empty and None while it is open."""

    case: CaseRow
    outcome: str
    closed_by: str
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of a case's evidence: a tap id or a record's hash, and the device it came from."""

    evidence: str
    device_id: UUID
    received_at: datetime


def find(tx: Connection, case_id: UUID) -> Found | None:
    """Return a case, open or closed, or None."""
    row = tx.execute(
        text(
            "SELECT case_id, kind, subject, card_id, device_id, detail, opened_at, coalesce(outcome, ''),"
            " coalesce(closed_by, ''), closed_at FROM review_case WHERE case_id = :id"
        ),
        {"id": case_id},
    ).one_or_none()
    return Found(CaseRow(*row[:7]), row[7], row[8], row[9]) if row else None


def list_pieces(tx: Connection, case_id: UUID) -> list[Piece]:
    """Return a case's evidence in the order it came."""
    rows = tx.execute(
        text(
            "SELECT evidence, device_id, received_at FROM case_evidence WHERE case_id = :id"
            " ORDER BY received_at, evidence"
        ),
        {"id": case_id},
    )
    return [Piece(*row) for row in rows]


def any_other_forged(tx: Connection, card_id: UUID, case_id: UUID, *, outcome: str, kind: str) -> bool:
    """Return whether another case about the card ended with an outcome of this beginning, or is open and of this kind
    with evidence from two devices.
    """
    return bool(
        tx.execute(
            text(
                "SELECT EXISTS (SELECT FROM review_case c WHERE card_id = :card AND case_id <> :case AND"
                " (left(outcome, length(:outcome)) = :outcome OR closed_at IS NULL AND kind = :kind AND"
                " (SELECT count(DISTINCT device_id) FROM case_evidence e WHERE e.case_id = c.case_id) > 1))"
            ),
            {"card": card_id, "case": case_id, "outcome": outcome, "kind": kind},
        ).scalar_one()
    )
