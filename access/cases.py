"""Review cases: what looks like fraud or a broken device is shown to a person, not acted on in silence (§8.13)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access.store import reviews
from access.store.reviews import CaseRow
from kernel.errors import DomainError
from kernel.ids import uuid7

INDEPENDENT_DEVICES: Final = 2
"""Bad MACs of one card from this many devices restrict it before any review; one alone never does (§8.13)."""


class CaseKind(StrEnum):
    """What a person is asked to look at."""

    MAC_INVALID = "mac-invalid"
    CODE_INVALID = "code-invalid"
    """A device delivered a tap of a QR or a token that nothing vouches for."""
    CODE_SHARED = "code-shared"
    """One QR code was let through by several readers within its minute: charged once, all of it in one case a medium."""
    COUNTER_TAKEN = "counter-taken"
    READER_CHAIN = "reader-chain"
    """The card's own memory of its last reader is not the reader whose tap holds the counter before."""
    PURSE_CHAIN = "purse-chain"
    """A tap found another sum in a purse than the card's tap before had left there."""
    TRIPS_CHAIN = "trips-chain"
    """A tap found something else under way on a card (file 05) than the card's tap before had left there."""
    LOAD_MISMATCH = "load-mismatch"
    """What a card proves was loaded is not what was asked for: by nobody, another sum, elsewhere, twice, or withdrawn."""
    READER_NOT_SIGNER = "reader-not-signer"
    CARD_MISMATCH = "card-mismatch"
    OTHER_CONTENT = "other-content"
    CHAIN_BROKEN = "chain-broken"
    NOT_COVERED = "not-covered"
    FOREIGN_RECORD = "foreign-record"


class CaseUnknownError(DomainError):
    """No open case has this id."""

    detail = "There is no open case {case_id}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """One piece of evidence for a case; `subject` is what makes it the same case as another piece's."""

    kind: CaseKind
    subject: str
    evidence: str
    device_id: UUID
    card_id: UUID | None = None
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenCase:
    """One open case of the review list and how many pieces of evidence it has."""

    case: CaseRow
    pieces: int


def suspect(tx: Connection, suspicions: Sequence[Suspicion], *, now: datetime) -> dict[tuple[str, str], int]:
    """Open or extend the cases and return, by (kind, subject), from how many devices each has evidence."""
    if not suspicions:
        return {}
    ordered = sorted(suspicions, key=lambda each: (each.kind, each.subject, each.evidence))
    first = {(each.kind.value, each.subject): each for each in reversed(ordered)}
    rows = [
        CaseRow(uuid7(now), kind, subject, each.card_id, each.device_id, dict(each.detail), now)
        for (kind, subject), each in sorted(first.items())
    ]
    ids = reviews.open_cases(tx, rows)
    reviews.add_evidence(
        tx,
        [(ids[each.kind.value, each.subject], each.evidence, each.device_id) for each in ordered],
        at=now,
    )
    devices = reviews.count_devices(tx, list(ids.values()))
    return {key: devices[case_id] for key, case_id in ids.items()}


def list_open(tx: Connection, *, kind: CaseKind | None = None, limit: int = 100) -> tuple[OpenCase, ...]:
    """Return the review list, oldest first."""
    return tuple(OpenCase(*row) for row in reviews.list_open(tx, kind.value if kind else None, limit))


def close(tx: Connection, case_id: UUID, *, outcome: str, actor: str, now: datetime) -> CaseRow:
    """Close a case with what the reviewer found and return it; CaseUnknownError when none is open."""
    closed = reviews.close(tx, case_id, outcome=outcome, by=actor, at=now)
    if closed is None:
        raise CaseUnknownError(case_id=str(case_id))
    return closed
