"""A camera's reading at a gate, and which session it belongs to: card in and plate out is one stay."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final
from uuid import UUID

from parking.rules.plate import PlateMatch
from parking.rules.stay import PASSBACK

# A camera and a card reader at one gate see one vehicle within this time of each other.
JOIN_WITHIN: Final = timedelta(minutes=2)
LEAST_CONFIDENCE_PCT: Final = 80  # below it a reading opens and ends nothing on its own


class Direction(Enum):
    """Which way the vehicle passed."""

    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateSeen:
    """One reading. `subject` is the plate's keyed hash; `image_ref` names a picture that is kept elsewhere."""

    event_id: UUID
    gate_id: str
    subject: UUID
    direction: Direction
    at: datetime
    confidence_pct: int
    image_ref: str = ""


@dataclass(frozen=True, slots=True)
class Inside:
    """A session of the place: by what it entered, when, when it left, the plate that a camera joined to it, whose it is."""

    session_id: UUID
    subject: UUID
    entered_at: datetime
    left_at: datetime | None = None
    plate: UUID | None = None
    guest: bool = True

    def is_there(self, at: datetime) -> bool:
        """Return whether an exit at an instant may be its own: it runs, or its exit is the same or a later one."""
        return self.left_at is None or at <= self.left_at + PASSBACK


@dataclass(frozen=True, slots=True)
class Joined:
    """The session that a reading belongs to, and how surely."""

    session_id: UUID
    match: PlateMatch


def join_entry(seen: PlateSeen, inside: Collection[Inside]) -> Joined | None:
    """Return the session that entered by another means as the camera read the plate: the nearest without a plate."""
    for each in inside:
        if seen.subject in {each.subject, each.plate} and _is_new(seen, each):
            return Joined(each.session_id, PlateMatch.SAME)
    near = [each for each in inside if each.plate is None and abs(each.entered_at - seen.at) <= JOIN_WITHIN]
    if not near:
        return None
    best = min(near, key=lambda each: (abs(each.entered_at - seen.at), each.session_id.bytes))
    return Joined(best.session_id, PlateMatch.SAME)


def join_exit(seen: PlateSeen, inside: Collection[Inside], near: Mapping[UUID, PlateMatch]) -> Joined | None:
    """Return the session whose plate this is; a plate nearly like it only where no other session is.

    `near` holds the plates one small difference away, as MINOR. Two sessions nearly alike are nobody's.
    """
    earlier = [each for each in inside if each.entered_at <= seen.at + JOIN_WITHIN and each.is_there(seen.at)]
    same = [each for each in earlier if seen.subject in {each.plate, each.subject}]
    if same:
        return Joined(max(same, key=_age).session_id, PlateMatch.SAME)
    alike = [
        each
        for each in earlier
        if PlateMatch.MINOR in {near.get(each.subject), near.get(each.plate) if each.plate else None}
    ]
    return Joined(alike[0].session_id, PlateMatch.MINOR) if len(alike) == 1 else None


def join_late(strays: Collection[PlateSeen], carded: Collection[Inside]) -> dict[UUID, UUID]:
    """Return, by reading, the card's session that it belongs to, now that all these sessions are known.

    What was read coming in joins the nearest card's entry that has no plate yet; what was read going out then ends the
    latest session of its plate that it can end. The result depends on the two sets alone.
    """
    plates = {each.session_id: each.plate for each in carded if each.plate is not None}
    found: dict[UUID, UUID] = {}
    pairs = sorted(
        (
            (seen, each)
            for seen in strays
            if seen.direction is Direction.IN
            for each in carded
            if abs(each.entered_at - seen.at) <= JOIN_WITHIN
        ),
        key=lambda pair: (
            abs(pair[1].entered_at - pair[0].at),
            pair[0].at,
            pair[0].event_id.bytes,
            _age(pair[1]),
        ),
    )
    for seen, each in pairs:
        if seen.event_id not in found and each.session_id not in plates:
            found[seen.event_id] = each.session_id
            plates[each.session_id] = seen.subject
    for seen in strays:
        if seen.direction is Direction.IN:
            continue
        own = [
            each
            for each in carded
            if plates.get(each.session_id) == seen.subject
            and each.entered_at <= seen.at + JOIN_WITHIN
            and each.is_there(seen.at)
        ]
        if own:
            found[seen.event_id] = max(own, key=_age).session_id
    return found


def _is_new(seen: PlateSeen, each: Inside) -> bool:
    """Return whether a session is the one that this reading begins: it runs, or it began about then.

    A guest who is seen coming in again has left meanwhile, and nobody saw it. A card's next tap says so itself.
    """
    if each.left_at is not None:
        return abs(each.entered_at - seen.at) <= JOIN_WITHIN
    return not each.guest or each.subject != seen.subject or seen.at <= each.entered_at + PASSBACK


def _age(each: Inside) -> tuple[datetime, bytes]:
    return each.entered_at, each.session_id.bytes
