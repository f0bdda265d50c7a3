"""Attendants' shifts at a till."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from kernel.money import Money
from parking import shift as verbs
from parking.places import place_in_force
from parking.rules.shift import Shift, ShiftEvent, ShiftEventKind
from service import audit
from service.api import parking_shift_documents as shown
from service.api.bodies import again
from service.api.parking import actor_text
from service.api.topups import Amount
from service.auth import principal, require_operator, requires
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("parking_shifts", __name__, tag="Parking", url_prefix="/v1/parking")
OPERATOR: Final = Role.PARKING_OPERATOR
Name = Annotated[str, Field(min_length=1, max_length=80)]


class CashAmount(Amount):
    """Cash as it lies in a till: never less than nothing."""

    minor: Annotated[int, Field(ge=0, le=10**12)]


class ShiftOpened(BaseModel):
    """A shift. The caller mints `shift_id` (a UUID) and saves it before sending."""

    model_config = ConfigDict(extra="forbid")

    shift_id: UUID
    place_id: Name
    till: Name
    attendant: Name
    float: CashAmount


class Cash(BaseModel):
    """Cash carried to the safe, or counted in the till."""

    model_config = ConfigDict(extra="forbid")

    event_id: UUID
    amount: CashAmount


class Explained(BaseModel):
    """Why the count differs from what is expected."""

    model_config = ConfigDict(extra="forbid")

    event_id: UUID
    note: Annotated[str, Field(min_length=1, max_length=500)]


class Closed(BaseModel):
    """The second signature: not the one who counted."""

    model_config = ConfigDict(extra="forbid")

    event_id: UUID


class ShiftWindow(BaseModel):
    """A place and a time; without times the last 24 hours."""

    model_config = ConfigDict(extra="forbid")

    place_id: Name
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None

    def span(self, now: datetime) -> tuple[datetime, datetime]:
        """Return from when until when."""
        until = self.until or now
        return self.since or until - timedelta(days=1), until


@blueprint.post("/shifts")
@requires(OPERATOR)
@blueprint.input(ShiftOpened, location="json")
@blueprint.output(shown.ParkingShiftBody, status_code=201)
@blueprint.doc(responses=again(shown.ParkingShiftBody))
def open_shift(json_data: ShiftOpened) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Open a shift with its float; a till's last shift is closed first."""
    running = services()
    now = running.clock.now()
    with running.database.begin() as tx:
        require_operator(place_in_force(tx, json_data.place_id, now=now).operator_id)
        shift, again = verbs.open_shift(
            tx,
            json_data.shift_id,
            place_id=json_data.place_id,
            till=json_data.till,
            attendant=json_data.attendant,
            float_=Money.from_json(json_data.float.model_dump()),
            actor=actor_text(),
            now=now,
        )
        if not again:
            _record(tx, shift, "opened")
    return (_shown(shift), 200, {"Idempotency-Hit": "true"}) if again else (_shown(shift), 201, {})


@blueprint.post("/shifts/<uuid:shift_id>/drops")
@requires(OPERATOR)
@blueprint.input(Cash, location="json")
@blueprint.output(shown.ParkingShiftBody)
def drop_cash(shift_id: UUID, json_data: Cash) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Carry cash from the till to the safe: no more than the till should hold."""
    return _tell(shift_id, json_data.event_id, ShiftEventKind.DROPPED, amount=json_data.amount)


@blueprint.post("/shifts/<uuid:shift_id>/counts")
@requires(OPERATOR)
@blueprint.input(Cash, location="json")
@blueprint.output(shown.ParkingShiftBody)
def count_cash(shift_id: UUID, json_data: Cash) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Count the till: the attendant's signature. The answer shows the variance."""
    return _tell(shift_id, json_data.event_id, ShiftEventKind.COUNTED, amount=json_data.amount)


@blueprint.post("/shifts/<uuid:shift_id>/explanations")
@requires(OPERATOR)
@blueprint.input(Explained, location="json")
@blueprint.output(shown.ParkingShiftBody)
def explain_variance(shift_id: UUID, json_data: Explained) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Say why cash counted and cash expected differ."""
    return _tell(shift_id, json_data.event_id, ShiftEventKind.EXPLAINED, note=json_data.note)


@blueprint.post("/shifts/<uuid:shift_id>/close")
@requires(OPERATOR)
@blueprint.input(Closed, location="json")
@blueprint.output(shown.ParkingShiftBody)
def close_shift(shift_id: UUID, json_data: Closed) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Close a counted shift with a second person's signature; its cash is booked as kept by the operator."""
    return _tell(shift_id, json_data.event_id, ShiftEventKind.CLOSED)


@blueprint.get("/shifts/<uuid:shift_id>")
@requires(OPERATOR, Role.AUDITOR)
@blueprint.output(shown.ParkingShiftBody)
def get_shift(shift_id: UUID) -> dict[str, Any]:
    """Return a shift as it stands."""
    running = services()
    with running.database.read() as tx:
        shift = verbs.find_shift(tx, shift_id, now=running.clock.now())
        require_operator(shift.operator_id)
    return _shown(shift)


@blueprint.get("/shifts")
@requires(OPERATOR, Role.AUDITOR)
@blueprint.input(ShiftWindow, location="query")
@blueprint.output(shown.ParkingShiftsBody)
def list_shifts(query_data: ShiftWindow) -> dict[str, Any]:
    """Return a place's shifts, newest first."""
    running = services()
    now = running.clock.now()
    since, until = query_data.span(now)
    with running.database.read() as tx:
        require_operator(place_in_force(tx, query_data.place_id, now=now).operator_id)
        found = verbs.list_shifts(tx, query_data.place_id, since=since, until=until, now=now)
    return {"shifts": [_shown(each) for each in found]}


def _tell(
    shift_id: UUID, event_id: UUID, kind: ShiftEventKind, *, amount: Amount | None = None, note: str = ""
) -> tuple[dict[str, Any], int, dict[str, str]]:
    running = services()
    now = running.clock.now()
    event = ShiftEvent(
        event_id=event_id,
        kind=kind,
        at=now,
        actor=actor_text(),
        amount=None if amount is None else Money.from_json(amount.model_dump()),
        note=note,
    )
    with running.database.begin() as tx:
        require_operator(verbs.find_shift(tx, shift_id, now=now).operator_id)
        shift, again = verbs.tell_shift(tx, shift_id, event, now=now)
        if not again:
            _record(tx, shift, kind.value)
    return (_shown(shift), 200, {"Idempotency-Hit": "true"}) if again else (_shown(shift), 200, {})


def _record(tx: Connection, shift: Shift, what: str) -> None:
    audit.record(
        tx,
        actor=principal().actor,
        action=f"parking.shift_{what}",
        subject_kind="parking_shift",
        subject_id=str(shift.shift_id),
        now=services().clock.now(),
        detail={"place_id": shift.place_id, "till": shift.till},
    )


def _shown(shift: Shift) -> dict[str, Any]:
    return {
        "shift_id": str(shift.shift_id),
        "place_id": shift.place_id,
        "till": shift.till,
        "attendant": shift.attendant,
        "state": shift.state.value,
        "opened_at": shift.opened_at.isoformat(),
        "float": shift.float_.to_json(),
        "taken": shift.taken.to_json(),
        "dropped": shift.dropped.to_json(),
        "expected": shift.expected.to_json(),
        "counted": shift.counted.to_json() if shift.counted is not None else None,
        "counted_at": shift.counted_at.isoformat() if shift.counted_at else None,
        "counted_by": shift.counted_by or None,
        "variance": shift.variance.to_json() if shift.variance is not None else None,
        "explanation": shift.explanation or None,
        "closed_at": shift.closed_at.isoformat() if shift.closed_at else None,
        "closed_by": shift.closed_by or None,
    }
