"""Parking: quotes with their proof, sessions that no tap tells of, and places with what is free."""

from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from kernel.ids import FareAccountId
from parking import enter as verbs
from parking.places import place_in_force
from parking.rules.bill import StayBill
from parking.rules.park_proof import cuts_json
from parking.rules.session import State, state_at
from parking.sessions import Session, find_session, operator_of
from parking.settled import list_settled
from service import audit, parks
from service.api import parking_documents as shown
from service.api.bodies import again
from service.auth import principal, public, require_operator, requires
from service.services import services
from service.settled_words import settled_body
from service.staff import Role

blueprint: Final = APIBlueprint("parking", __name__, tag="Parking", url_prefix="/v1/parking")
OPERATOR: Final = Role.PARKING_OPERATOR
Name = Annotated[str, Field(min_length=1, max_length=80)]


class QuoteAsked(BaseModel):
    """A stay to price."""

    model_config = ConfigDict(extra="forbid")

    place_id: Name
    vehicle_class: Name
    user: Name = "casual"
    entered_at: AwareDatetime
    left_at: AwareDatetime
    units: dict[Name, Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=3)]] = Field(
        default_factory=dict, description='What is counted and not timed, such as {"kWh": "12.345"}.'
    )


class EnterAsked(BaseModel):
    """An entry. The caller mints `event_id` (a UUID) and saves it before sending.

    With `fare_account_id` the stay is charged to that account; without, it is paid at the exit.
    """

    model_config = ConfigDict(extra="forbid")

    event_id: UUID
    place_id: Name
    vehicle_class: Name
    user: Name = "casual"
    medium: parks.Medium
    fare_account_id: UUID | None = None
    entered_at: AwareDatetime | None = None


class ExtendAsked(BaseModel):
    """A longer stay."""

    model_config = ConfigDict(extra="forbid")

    event_id: UUID
    until: AwareDatetime


class LeaveAsked(BaseModel):
    """An exit; `quoted_at` is the `asked_at` of the quote that the driver saw."""

    model_config = ConfigDict(extra="forbid")

    event_id: UUID
    left_at: AwareDatetime | None = None
    quoted_at: AwareDatetime | None = None


@blueprint.post("/quotes")
@public("prices are public, and a quote tells of nobody")
@blueprint.input(QuoteAsked, location="json")
@blueprint.output(shown.ParkingQuoteBody)
def create_quote(json_data: QuoteAsked) -> dict[str, Any]:
    """Price a stay by the rates in force at its begin; the answer is the price proof."""
    running = services()
    with running.database.read() as tx:
        found = verbs.quote_stay(
            tx,
            json_data.place_id,
            json_data.vehicle_class,
            json_data.entered_at,
            json_data.left_at,
            user=json_data.user,
            units=json_data.units,
            asked_at=running.clock.now(),
        )
    return {
        "place_id": json_data.place_id,
        "vehicle_class": json_data.vehicle_class,
        "user": json_data.user,
        **found.to_json(),
    }


@blueprint.post("/sessions")
@requires(OPERATOR)
@blueprint.input(EnterAsked, location="json")
@blueprint.output(shown.ParkingSessionBody, status_code=201)
@blueprint.doc(responses=again(shown.ParkingSessionBody))
def create_session(json_data: EnterAsked) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Begin a session. The same event again gets the first answer, with 200 and `Idempotency-Hit: true`."""
    running = services()
    now = running.clock.now()
    entering = verbs.Entering(
        event_id=json_data.event_id,
        place_id=json_data.place_id,
        vehicle_class=json_data.vehicle_class,
        user=json_data.user,
        subject=parks.subject(running.keyring, json_data.medium),
        account=FareAccountId(json_data.fare_account_id) if json_data.fare_account_id else None,
        at=json_data.entered_at or now,
    )
    with running.database.begin() as tx:
        require_operator(place_in_force(tx, json_data.place_id, now=now).operator_id)
        made = verbs.enter(tx, entering, actor=actor_text(), now=now)
        record(tx, "parking.enter", made)
    return answer(made, 201)


@blueprint.post("/sessions/<uuid:session_id>/extend")
@requires(OPERATOR)
@blueprint.input(ExtendAsked, location="json")
@blueprint.output(shown.ParkingSessionBody)
def extend_session(session_id: UUID, json_data: ExtendAsked) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Extend a session to an instant."""
    running = services()
    now = running.clock.now()
    with running.database.begin() as tx:
        require_operator(operator_of(tx, session_id))
        made = verbs.extend(
            tx, session_id, event_id=json_data.event_id, until=json_data.until, actor=actor_text(), now=now
        )
        record(tx, "parking.extend", made)
    return answer(made, 200)


@blueprint.post("/sessions/<uuid:session_id>/leave")
@requires(OPERATOR)
@blueprint.input(LeaveAsked, location="json")
@blueprint.output(shown.ParkingSessionBody)
def leave_session(session_id: UUID, json_data: LeaveAsked) -> tuple[dict[str, Any], int, dict[str, str]]:
    """End a session; what it costs is charged to its account, or due at the exit."""
    running = services()
    now = running.clock.now()
    with running.database.begin() as tx:
        require_operator(operator_of(tx, session_id))
        made = verbs.leave(
            tx,
            session_id,
            event_id=json_data.event_id,
            at=json_data.left_at or now,
            quoted_at=json_data.quoted_at,
            actor=actor_text(),
            now=now,
        )
        record(tx, "parking.leave", made)
    return answer(made, 200)


@blueprint.get("/sessions/<uuid:session_id>")
@requires(OPERATOR, Role.AUDITOR)
@blueprint.output(shown.ParkingSessionSettledBody)
def get_session(session_id: UUID) -> dict[str, Any]:
    """Return a session with the proof of its price (while it runs, of what leaving now would cost).

    `settlement` says whether its money is settled or held, since when, by whose word, and why it is held.
    """
    running = services()
    now = running.clock.now()
    with running.database.read() as tx:
        require_operator(operator_of(tx, session_id))
        found = find_session(tx, session_id, now=now)
        settled = list_settled(tx, [found.row], now=now)[session_id]
    return {**session_body(found), "settlement": settled_body(settled)}


def actor_text() -> str:
    """Return the caller as an event names its actor."""
    actor = principal().actor
    return f"{actor.kind.value}:{actor.actor_id}"


def record(tx: Connection, action: str, made: Session, note: str = "") -> None:
    """Write a change of a session into the audit trail, once."""
    if not made.again:
        audit.record(
            tx,
            actor=principal().actor,
            action=action,
            subject_kind="parking_session",
            subject_id=str(made.row.stay_id),
            now=services().clock.now(),
            detail={"place_id": made.row.place_id, "state": made.row.state}
            | ({"note": note} if note else {}),
        )


def answer(made: Session, status: int) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Return a session as the API answers it: a repeated call says so and is never a second creation."""
    return (
        (session_body(made), 200, {"Idempotency-Hit": "true"})
        if made.again
        else (session_body(made), status, {})
    )


def session_body(found: Session) -> dict[str, Any]:
    """Return a session as the API shows it, with the proof of its price."""
    row, bill = found.row, found.bill
    priced = bill if bill.quote is not None or found.asked is None else found.asked
    quote = priced.quote
    return {
        "session_id": str(row.stay_id),
        "place_id": row.place_id,
        "operator_id": row.operator_id,
        "vehicle_class": row.vehicle_class,
        "state": state_at(State(row.state), row.paid_until, found.asked_at).value,
        "cases": row.cases.split(),
        "entered_at": row.entered_at.isoformat() if row.entered_at else None,
        "left_at": row.left_at.isoformat() if row.left_at else None,
        "held_until": row.held_until.isoformat() if row.held_until else None,
        "paid_until": row.paid_until.isoformat() if row.paid_until else None,
        "payment": _payment(row.guest, bool(bill.lines)),
        "lines": _lines(bill),
        "asked_at": found.asked_at.isoformat() if found.asked else None,
        "leave_now": _leave_now(found.asked),
        "proof": None
        if quote is None
        else {
            "place_id": row.place_id,
            "vehicle_class": priced.priced_class,
            "user": priced.stay.user,
            **quote.to_json(),
            "park_and_ride": cuts_json(priced.cuts),
        },
    }


def _lines(bill: StayBill) -> list[dict[str, Any]]:
    return [
        {
            "component": line.component.value,
            "funder": line.funder,
            "rule": line.rule,
            "amount": line.amount.to_json(),
        }
        for line in bill.lines
    ]


def _leave_now(asked: StayBill | None) -> dict[str, Any] | None:
    """Return what leaving at `asked_at` would cost and who would pay it; None for a session that does not run."""
    if asked is None:
        return None
    charged = asked.charged()
    return {
        "charged": charged.to_json() if charged is not None else None,
        "lines": _lines(asked),
        "reason": asked.reason or None,
    }


def _payment(guest: bool, ended: bool) -> str:
    if not ended:
        return "open"
    return "due_at_exit" if guest else "account"
