"""What parks, as the API is told of it: kept as a keyed hash only, so no plate and no ticket number is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from access.keyring import Keyring
from kernel.ids import uuid8
from parking.rules.plate import PlateMatch, near_plates, normal_plate


class Medium(BaseModel):
    """What parks: a plate, or the number of a ticket. Stored as a keyed hash only."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["plate", "ticket"]
    value: Annotated[str, Field(min_length=1, max_length=80)]


def subject(keyring: Keyring, medium: Medium) -> UUID:
    """Return what a plate or ticket is called in stays; PlateInvalidError."""
    value = normal_plate(medium.value) if medium.kind == "plate" else medium.value
    return _subject(keyring, medium.kind, value)


def subjects_like(keyring: Keyring, medium: Medium) -> Mapping[UUID, PlateMatch]:
    """Return the subject of a medium, and those of plates with one small difference; PlateInvalidError."""
    found = {subject(keyring, medium): PlateMatch.SAME}
    if medium.kind == "plate":
        for near in near_plates(normal_plate(medium.value)):
            found[_subject(keyring, medium.kind, near)] = PlateMatch.MINOR
    return found


def _subject(keyring: Keyring, kind: str, value: str) -> UUID:
    return uuid8("parks", kind, keyring.lookup(f"parking {kind}".encode(), value.encode()))
