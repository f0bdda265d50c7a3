"""Paper tickets that attendants hand out: issued, collected or voided, and accounted for by series."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field

from parking import meter
from parking.places import place_in_force
from parking.rules.tickets import SeriesAccount, TicketEnd
from service.api import parking_shift_documents as shown
from service.api.parking import actor_text
from service.api.parking_shifts import Name, ShiftWindow
from service.auth import require_operator, requires
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("parking_tickets", __name__, tag="Parking", url_prefix="/v1/parking")
OPERATOR: Final = Role.PARKING_OPERATOR
Number = Annotated[int, Field(ge=0, le=10**15)]


class TicketsIssued(BaseModel):
    """Numbers of one series, handed out."""

    model_config = ConfigDict(extra="forbid")

    series: Name
    numbers: Annotated[list[Number], Field(min_length=1, max_length=meter.MOST_TICKETS)]
    place_id: Name
    shift_id: UUID | None = None


class TicketsEnded(BaseModel):
    """Numbers of one series, collected at the exit or voided (then `note` says why)."""

    model_config = ConfigDict(extra="forbid")

    series: Name
    numbers: Annotated[list[Number], Field(min_length=1, max_length=meter.MOST_TICKETS)]
    place_id: Name
    end: Literal["collected", "voided"]
    note: Annotated[str, Field(max_length=500)] = ""


@blueprint.post("/tickets")
@requires(OPERATOR)
@blueprint.input(TicketsIssued, location="json")
@blueprint.output(shown.TicketsIssuedBody)
def issue_tickets(json_data: TicketsIssued) -> dict[str, Any]:
    """Write which ticket numbers were handed out; telling it again changes nothing."""
    running = services()
    now = running.clock.now()
    with running.database.begin() as tx:
        require_operator(place_in_force(tx, json_data.place_id, now=now).operator_id)
        new = meter.issue_tickets(
            tx,
            json_data.series,
            tuple(json_data.numbers),
            place_id=json_data.place_id,
            shift_id=json_data.shift_id,
            actor=actor_text(),
            now=now,
        )
    return {"series": json_data.series, "issued": new, "known": len(set(json_data.numbers)) - new}


@blueprint.post("/tickets/ends")
@requires(OPERATOR)
@blueprint.input(TicketsEnded, location="json")
@blueprint.output(shown.TicketsEndedBody)
def end_tickets(json_data: TicketsEnded) -> dict[str, Any]:
    """Write which tickets were collected or voided; each ends once."""
    running = services()
    now = running.clock.now()
    with running.database.begin() as tx:
        place = place_in_force(tx, json_data.place_id, now=now)
        require_operator(place.operator_id)
        ended = meter.end_tickets(
            tx,
            json_data.series,
            tuple(json_data.numbers),
            TicketEnd(json_data.end),
            operator_id=place.operator_id,
            note=json_data.note,
            actor=actor_text(),
            now=now,
        )
    return {"series": json_data.series, "ended": ended, "known": len(set(json_data.numbers)) - ended}


@blueprint.get("/tickets/series")
@requires(OPERATOR, Role.AUDITOR)
@blueprint.input(ShiftWindow, location="query")
@blueprint.output(shown.TicketSeriesListBody)
def list_series(query_data: ShiftWindow) -> dict[str, Any]:
    """Account for a place's tickets: issued = collected + voided + open, and the numbers that are missing."""
    running = services()
    now = running.clock.now()
    since, until = query_data.span(now)
    with running.database.read() as tx:
        require_operator(place_in_force(tx, query_data.place_id, now=now).operator_id)
        found = meter.account_tickets(tx, query_data.place_id, since=since, until=until)
    return {"series": [_accounted(each) for each in found]}


def _accounted(each: SeriesAccount) -> dict[str, Any]:
    return {
        "series": each.series,
        "first": each.first,
        "last": each.last,
        "issued": each.issued,
        "collected": each.collected,
        "voided": each.voided,
        "open": each.open,
        "missing": each.missing,
        "gaps": [{"first": first, "last": last} for first, last in each.gaps],
    }
