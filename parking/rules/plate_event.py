"""A camera's reading at a gate, and which session it belongs to: card in and plate out is one stay."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final
from uuid import UUID

from parking.rules.plate import PlateMatch

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
    """A running session of the place: by what it entered, when, and the plate that a camera joined to it."""

    session_id: UUID
    subject: UUID
    entered_at: datetime
    plate: UUID | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """The session that a reading belongs to, and how surely."""

    session_id: UUID
    match: PlateMatch


def join_entry(seen: PlateSeen, inside: Collection[Inside]) -> Joined | None:
    """Return the session that entered by another means as the camera read the plate: the nearest without a plate."""
    for each in inside:
        if seen.subject in {each.subject, each.plate}:
            return Joined(each.session_id, PlateMatch.SAME)
    near = [each for each in inside if each.plate is None and abs(each.entered_at - seen.at) <= JOIN_WITHIN]
    if not near:
        return None
    best = min(near, key=lambda each: (abs(each.entered_at - seen.at), each.session_id.bytes))
    return Joined(best.session_id, PlateMatch.SAME)


def join_exit(seen: PlateSeen, inside: Collection[Inside], near: Mapping[UUID, PlateMatch]) -> Joined | None:
    """Return the running session whose plate this is; a plate nearly like it only where no other session is.

    `near` holds the plates one small difference away, as MINOR. Two sessions nearly alike are nobody's.
    """
    earlier = [each for each in inside if each.entered_at <= seen.at + JOIN_WITHIN]
    same = [each for each in earlier if seen.subject in {each.plate, each.subject}]
    if same:
        return Joined(min(same, key=lambda each: each.entered_at).session_id, PlateMatch.SAME)
    alike = [
        each
        for each in earlier
        if PlateMatch.MINOR in {near.get(each.subject), near.get(each.plate) if each.plate else None}
    ]
    return Joined(alike[0].session_id, PlateMatch.MINOR) if len(alike) == 1 else None
