"""The operator's meters: leakage per shift, the honest cashless share, and what witnesses counted."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from parking import meter as verbs
from parking.meter import ShiftReading
from parking.places import place_in_force
from parking.store.turns import Count
from service import audit
from service.api import parking_shift_documents as shown
from service.api.bodies import again
from service.api.parking_shifts import ShiftWindow
from service.auth import principal, require_operator, requires
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("parking_meters", __name__, tag="Parking", url_prefix="/v1/parking")
OPERATOR: Final = Role.PARKING_OPERATOR
Name = Annotated[str, Field(min_length=1, max_length=80)]


class Counted(BaseModel):
    """What a gate or camera counted in a time, or how many vehicles were `present` at its end."""

    model_config = ConfigDict(extra="forbid")

    count_id: UUID
    place_id: Name
    source: Literal["gate", "camera", "present"]
    turns: Annotated[int, Field(ge=0, le=10**6)]
    begun_at: AwareDatetime
    ended_at: AwareDatetime


class LeakageWindow(ShiftWindow):
    """A place, a time, and the share of turns below which a shift alerts (millionths)."""

    least_capture_millionths: Annotated[int, Field(ge=0, le=1_000_000)] = verbs.LEAST_CAPTURE


class CashlessWindow(ShiftWindow):
    """A place, a time, and the total that a report prints: it is refused where the parts do not make it."""

    printed_total: Annotated[int, Field(ge=0)] | None = None


@blueprint.post("/counts")
@requires(OPERATOR)
@blueprint.input(Counted, location="json")
@blueprint.output(shown.CountKeptBody, status_code=201)
@blueprint.doc(responses=again(shown.CountKeptBody))
def create_count(json_data: Counted) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Keep what a witness counted."""
    running = services()
    now, caller = running.clock.now(), principal().actor
    with running.database.begin() as tx:
        place = place_in_force(tx, json_data.place_id, now=now)
        require_operator(place.operator_id)
        new = Count(
            **json_data.model_dump(),
            operator_id=place.operator_id,
            actor=f"{caller.kind.value}:{caller.actor_id}",
            recorded_at=now,
        )
        kept, again = verbs.tell_count(tx, new, now=now)
        if not again:
            audit.record(
                tx,
                actor=caller,
                action="parking.count",
                subject_kind="parking_count",
                subject_id=str(kept.count_id),
                now=now,
                detail={"place_id": kept.place_id, "source": kept.source},
            )
    body = {"count_id": str(kept.count_id), "source": kept.source, "turns": kept.turns}
    return (body, 200, {"Idempotency-Hit": "true"}) if again else (body, 201, {})


@blueprint.get("/leakage")
@requires(OPERATOR, Role.AUDITOR)
@blueprint.input(LeakageWindow, location="query")
@blueprint.output(shown.LeakageBody)
def get_leakage(query_data: LeakageWindow) -> dict[str, Any]:
    """Read the leakage meter: what witnesses saw against what was paid, per shift and attendant."""
    running = services()
    now = running.clock.now()
    since, until = query_data.span(now)
    with running.database.read() as tx:
        require_operator(place_in_force(tx, query_data.place_id, now=now).operator_id)
        found = verbs.read_leakage(
            tx,
            query_data.place_id,
            since=since,
            until=until,
            now=now,
            least_capture_millionths=query_data.least_capture_millionths,
        )
    return {
        "place_id": query_data.place_id,
        "alerts": sum(each.reading.alert for each in found),
        "shifts": [_reading(each) for each in found],
    }


@blueprint.get("/cashless")
@requires(OPERATOR, Role.AUDITOR)
@blueprint.input(CashlessWindow, location="query")
@blueprint.output(shown.CashlessBody)
def get_cashless(query_data: CashlessWindow) -> dict[str, Any]:
    """Return the honest cashless share: cash, cash by proxy and cashless apart; free turns are none of them."""
    running = services()
    now = running.clock.now()
    since, until = query_data.span(now)
    with running.database.read() as tx:
        require_operator(place_in_force(tx, query_data.place_id, now=now).operator_id)
        found = verbs.read_cashless(
            tx,
            query_data.place_id,
            since=since,
            until=until,
            now=now,
            printed_total=query_data.printed_total,
        )
    return {
        "place_id": query_data.place_id,
        "since": since.isoformat(),
        "until": until.isoformat(),
        "turns": found.turns,
        "cashless": found.cashless,
        "cash": found.cash,
        "cash_by_proxy": found.cash_by_proxy,
        "share_millionths": found.share_millionths,
    }


def _reading(each: ShiftReading) -> dict[str, Any]:
    reading, seen = each.reading, each.reading.seen
    return {
        "shift_id": seen.shift,
        "attendant": seen.attendant,
        "state": each.shift.state.value,
        "gate_turns": seen.gate_turns,
        "camera_turns": seen.camera_turns,
        "tickets_issued": seen.tickets_issued,
        "turns_seen": reading.turns_seen,
        "turns_paid": seen.turns_paid,
        "turns_excused": seen.turns_excused,
        "turns_unpaid": reading.turns_unpaid,
        "witnesses_apart": reading.witnesses_apart,
        "capture_millionths": reading.capture_millionths,
        "expected": seen.expected.to_json(),
        "received": seen.received.to_json(),
        "missing": reading.missing.to_json(),
        "variance": each.shift.variance.to_json() if each.shift.variance is not None else None,
        "alert": reading.alert,
    }
