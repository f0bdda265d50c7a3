"""Enforcement: is this plate, card or ticket paid, until when and by what; and what an officer saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.errors import DomainError
from parking.places import place_in_force
from parking.publish_rates import Rates
from parking.rules.check import Checked, Running, check
from parking.rules.errors import UnknownPlaceError
from parking.rules.plate import PlateMatch
from parking.rules.session import State, state_at
from parking.sessions import AHEAD
from parking.store import observations as store
from parking.store.keys import list_running
from parking.store.observations import Observation
from parking.store.payments import list_paid_until
from parking.store.stays import list_stays

LONGEST_LIST: Final = 500


class ObservationIdReusedError(DomainError):
    """An observation of this id says something else."""

    detail = "{observation_id} was used before with another {field}."


class ObservationTimeError(DomainError):
    """An observation from the future, or older than the check can speak for."""

    detail = "An observation at {observed_at} cannot be checked now: {reason}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen. `confidence_pct` is the camera's own (100 for a person); `image_ref` names a picture kept elsewhere."""

    observation_id: UUID
    place_id: str
    subjects: Mapping[UUID, PlateMatch]
    observed_at: datetime
    confidence_pct: int = 100
    image_ref: str = ""
    note: str = ""

    @property
    def subject(self) -> UUID:
        """Return what was read, exactly as it was read."""
        return next(subject for subject, match in self.subjects.items() if match is PlateMatch.SAME)


# An observation is judged by what is known now; older ones would be judged by what came later.
FRESH: Final = timedelta(minutes=15)


def check_vehicle(
    tx: Connection, place_id: str, subjects: Mapping[UUID, PlateMatch], *, now: datetime
) -> Checked:
    """Return what the running sessions of these subjects say at a place now; UnknownPlaceError.

    `subjects` holds the one asked about as SAME, and those of plates nearly like it as MINOR.
    """
    rates = Rates(tx)
    book = rates.at(now)
    if book is None:
        raise UnknownPlaceError(place_id=place_id)
    book.place(place_id)
    rows = list_stays(tx, list_running(tx, subjects))
    paid = list_paid_until(tx, [row for row in rows if row.guest and row.paid_until is not None])
    found = tuple(
        Running(
            session_id=row.stay_id,
            place_id=row.place_id,
            state=state_at(State(row.state), row.paid_until, now),
            here=book.is_within(row.place_id, place_id) or book.is_within(place_id, row.place_id),
            match=subjects[row.subject],
            guest=row.guest,
            entered_at=row.entered_at,
            paid_until=paid.get(row.stay_id),
            until=row.paid_until,
        )
        for row in rows
    )
    return check(found, at=now)


def observe(tx: Connection, seen: Seen, *, observed_by: str, now: datetime) -> tuple[Observation, bool]:
    """Store what was seen with what the check says, and whether it was stored before.

    UnknownPlaceError, ObservationTimeError, ObservationIdReusedError. The first answer stands for ever: evidence is
    never judged again.
    """
    known = store.find_observation(tx, seen.observation_id)
    if known is not None:
        return _again(known, seen), True
    if seen.observed_at > now + AHEAD:
        raise ObservationTimeError(observed_at=seen.observed_at.isoformat(), reason="it lies in the future")
    if seen.observed_at < now - FRESH:
        raise ObservationTimeError(
            observed_at=seen.observed_at.isoformat(),
            reason=f"it is older than {FRESH // timedelta(minutes=1)} minutes",
        )
    place = place_in_force(tx, seen.place_id, now=now)
    said = check_vehicle(tx, seen.place_id, seen.subjects, now=now)
    new = Observation(
        observation_id=seen.observation_id,
        place_id=seen.place_id,
        operator_id=place.operator_id,
        subject=seen.subject,
        observed_at=seen.observed_at,
        verdict=said.verdict.value,
        may_notify=said.may_notify,
        session_id=said.running.session_id if said.running else None,
        confidence_pct=seen.confidence_pct,
        image_ref=seen.image_ref,
        note=seen.note,
        observed_by=observed_by,
        recorded_at=now,
    )
    if not store.insert_observation(tx, new):
        known = store.find_observation(tx, seen.observation_id)
        assert known is not None, "its id is taken"
        return _again(known, seen), True
    return new, False


def list_observed(
    tx: Connection, place_id: str, *, since: datetime, until: datetime
) -> tuple[Observation, ...]:
    """Return a place's observations in `[since, until)`, newest first, at most LONGEST_LIST."""
    return store.list_observations(tx, place_id, since=since, until=until, limit=LONGEST_LIST)


def _again(known: Observation, seen: Seen) -> Observation:
    for name in ("place_id", "subject", "observed_at", "confidence_pct", "image_ref", "note"):
        if getattr(known, name) != getattr(seen, name):
            raise ObservationIdReusedError(observation_id=str(known.observation_id), field=name)
    return known
