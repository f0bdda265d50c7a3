"""A reviewer decides a case, and what follows happens in the same transaction (DESIGN §8.13)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from access import cases, deny, enrol
from access.deny import DenyReason
from access.rules.finding import CONSEQUENCES, Finding
from access.store import cards, reviews
from access.store.cards import Card
from access.store.reviews import CaseRow, Piece
from kernel.errors import DomainError
from kernel.ids import CardId, DeviceId


class FindingDoesNotFitError(DomainError):
    """The finding is about a card or a device that the case does not name."""

    detail = "Case {case_id} names no {missing}; it cannot be closed as {finding}."


@dataclass(frozen=True, slots=True)
class Decided:
    """What followed. `free_replacement` says that the holder may have a new card at no charge."""

    case: CaseRow
    finding: Finding
    restricted: bool
    lifted: bool
    suspended: bool
    free_replacement: bool


@dataclass(frozen=True, slots=True)
class CaseFile:
    """One case, open or closed, with its pieces and the card it is about, where that is one of ours."""

    case: CaseRow
    pieces: tuple[Piece, ...]
    card: Card | None
    denied_for: tuple[DenyReason, ...]
    outcome: str
    closed_by: str
    closed_at: datetime | None


def get_case(tx: Connection, case_id: UUID) -> CaseFile:
    """Return a case with everything a reviewer needs; CaseUnknownError."""
    found = reviews.find(tx, case_id)
    if found is None:
        raise cases.CaseUnknownError(case_id=str(case_id))
    card = _card(tx, found.case)
    return CaseFile(
        case=found.case,
        pieces=tuple(reviews.list_pieces(tx, case_id)),
        card=card,
        denied_for=deny.reasons(tx, card.serial) if card else (),
        outcome=found.outcome,
        closed_by=found.closed_by,
        closed_at=found.closed_at,
    )


def decide(
    tx: Connection, case_id: UUID, finding: Finding, *, reason: str, actor: str, now: datetime
) -> Decided:
    """Close a case with a finding and do what follows from it.

    CaseUnknownError where none is open; FindingDoesNotFitError where the finding is about a card, or a device, that
    the case does not name. Lifting a restriction lifts no other reason for which the card is denied, and none that
    another open or decided case still stands for.
    """
    follows = CONSEQUENCES[finding]
    closed = cases.close(tx, case_id, outcome=f"{finding}: {reason}", actor=actor, now=now)
    card = _card(tx, closed)
    if follows.restrict_card is True and card is None:
        raise FindingDoesNotFitError(case_id=str(case_id), missing="card of ours", finding=finding.value)
    if follows.suspend_device and closed.device_id is None:
        raise FindingDoesNotFitError(case_id=str(case_id), missing="device", finding=finding.value)
    restricted = lifted = suspended = False
    if card is not None and follows.restrict_card is True:
        restricted = deny.deny(tx, (card.serial,), reason=DenyReason.FORGED, cause=str(case_id), now=now) > 0
    if card is not None and follows.restrict_card is False and not _stands(tx, card, case_id):
        lifted = deny.clear(tx, (card.serial,), reason=DenyReason.FORGED, cause=str(case_id), now=now) > 0
    if closed.device_id is not None and follows.suspend_device:
        suspended = enrol.suspend(tx, DeviceId(closed.device_id), reason=reason, actor=actor, now=now)
    return Decided(closed, finding, restricted, lifted, suspended, follows.free_replacement)


def replaces_free(tx: Connection, card_id: CardId) -> bool:
    """Return whether this card's holder gets a replacement at no charge: it is restricted as forged (§8.13)."""
    card = cards.find_card(tx, card_id=card_id)
    return card is not None and DenyReason.FORGED in deny.reasons(tx, card.serial)


def describe(decided: Decided) -> Mapping[str, object]:
    """Return what an audit line says of a decision."""
    return {
        "finding": decided.finding.value,
        "restricted": decided.restricted,
        "lifted": decided.lifted,
        "suspended": decided.suspended,
        "free_replacement": decided.free_replacement,
    }


def _card(tx: Connection, case: CaseRow) -> Card | None:
    # A case may be about a card that was never issued here: it has an id and no row.
    return cards.find_card(tx, card_id=CardId(case.card_id)) if case.card_id is not None else None


def _stands(tx: Connection, card: Card, case_id: UUID) -> bool:
    """Whether another case about the card says, or may still say, that it was forged."""
    return reviews.any_other_forged(
        tx, card.card_id, case_id, outcome=f"{Finding.CARD_FORGED}: ", kind=cases.CaseKind.MAC_INVALID.value
    )
