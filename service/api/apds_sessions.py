"""Sessions and observations as APDS v4 objects: read, made and changed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response
from sqlalchemy import Connection

from kernel.ids import FareAccountId, uuid8
from parking import apds_use as encode
from parking import check, enter
from parking.apds.shapes import PAGE, Json, page
from parking.correct import correct
from parking.elements import Elements, UnknownElementError, check_version
from parking.places import place_in_force
from parking.rules.session import EventKind
from parking.rules.settled import Settled
from parking.sessions import AHEAD, find_session, is_told, lock_session, operator_of
from parking.settled import list_settled
from parking.store import observations as observation_store
from parking.store.changes import Between, list_changed
from parking.store.stays import StayRow
from service.api import apds_use_documents as shown
from service.api.apds_places import READERS, elements
from service.api.apds_words import (
    Filter,
    NamedVersion,
    Observation,
    Session,
    SessionChange,
    TimedFilter,
    Version,
    account_of,
    answer,
    check_known,
    done,
    instant,
    note,
    subject_of,
    subjects_like,
)
from service.api.bodies import again
from service.api.parking import actor_text, record
from service.auth import require_operator, requires, scope
from service.services import services
from service.settled_words import settled_body
from service.staff import Role

blueprint: Final = APIBlueprint("apds_sessions", __name__, tag="APDS", url_prefix="/v1/apds")
OPERATOR: Final = Role.PARKING_OPERATOR
_SOON: Final = timedelta(seconds=1)  # a change of this very instant is in the list, too


@blueprint.get("/sessions")
@requires(*READERS)
@blueprint.input(TimedFilter, location="query", arg_name="asked")
@blueprint.output(shown.ApdsSessionsBody)
def list_sessions(asked: TimedFilter) -> Response:
    """Return the sessions of the caller's places, the latest change first, each with where its money stands."""
    with services().database.read() as tx:
        seen = elements(tx)
        rows, total = list_changed(
            tx,
            scope(),
            since=asked.since(),
            until=seen.at + _SOON,
            place_ids=asked.places(),
            began=Between(instant(asked.start_after), instant(asked.start_before)),
            ended=Between(instant(asked.end_after), instant(asked.end_before)),
            offset=asked.offset,
            limit=PAGE,
        )
        settled = list_settled(tx, rows, now=seen.at)
    found = [_session(row, seen, settled[row.stay_id]) for row in rows]
    return answer(page(found, offset=asked.offset, total=total, at=seen.at))


@blueprint.post("/sessions")
@requires(OPERATOR)
@blueprint.input(Session, location="json")
@blueprint.output(shown.ApdsDoneBody, status_code=201)
@blueprint.doc(responses=again(shown.ApdsDoneBody))
def create_session(json_data: Session) -> Response:
    """Begin a session by a plate, a ticket or a fare account; with `actualEnd` it is ended at once."""
    running = services()
    now = running.clock.now()
    holder = json_data.identified_credentials[0]
    account = account_of(holder)
    named = [each.assigned_right for each in json_data.segments if each.assigned_right]
    wanted = next((each.right_specification for each in named if each.right_specification), None)
    event_id = uuid8("apds session", actor_text(), json_data.id)
    with running.database.begin() as tx:
        seen = elements(tx)
        place = place_in_force(tx, json_data.hierachy_element.id, now=now)
        require_operator(place.operator_id)
        right = seen.casual_of(wanted.id) if wanted else None
        made = enter.enter(
            tx,
            enter.Entering(
                event_id=event_id,
                place_id=place.place_id,
                vehicle_class=right.vehicle_class if right else place.default_class,
                user=right.user if right else "casual",
                subject=account or subject_of(holder),
                account=FareAccountId(account) if account else None,
                at=json_data.actual_start,
            ),
            actor=actor_text(),
            now=now,
        )
        record(tx, "parking.enter", made)
        if json_data.actual_end is not None:
            made = enter.leave(
                tx,
                made.row.stay_id,
                event_id=uuid8("apds end", event_id),
                at=json_data.actual_end,
                actor=actor_text(),
                now=now,
            )
            record(tx, "parking.leave", made)
    return done("Session", made.row.stay_id, made.row.revision, created=True, again=made.again)


@blueprint.get("/sessions/<uuid:session_id>")
@requires(*READERS)
@blueprint.input(Version, location="query", arg_name="asked")
@blueprint.output(shown.ApdsSessionBody)
def get_session(session_id: UUID, asked: Version) -> Response:
    """Return a session as it stands, with where its money stands."""
    running = services()
    with running.database.read() as tx:
        require_operator(operator_of(tx, session_id))
        seen = elements(tx)
        row = find_session(tx, session_id, now=seen.at).row
        settled = list_settled(tx, [row], now=seen.at)[session_id]
    check_known("Session", session_id, row.revision, asked.version)
    return answer(_session(row, seen, settled))


@blueprint.put("/sessions/<uuid:session_id>")
@requires(OPERATOR)
@blueprint.input(SessionChange, location="json")
@blueprint.output(shown.ApdsDoneBody)
def update_session(session_id: UUID, json_data: SessionChange) -> Response:
    """End a session (`actualEnd` now or before) or extend it until then; 409 unless `version` is the newest."""
    running = services()
    now = running.clock.now()
    end = json_data.actual_end
    event_id = uuid8("apds change", session_id, json_data.version, end.isoformat())
    with running.database.begin() as tx:
        _check_newest(tx, session_id, event_id, json_data.version, now)
        if end <= now + AHEAD:
            made = enter.leave(tx, session_id, event_id=event_id, at=end, actor=actor_text(), now=now)
        else:
            made = enter.extend(tx, session_id, event_id=event_id, until=end, actor=actor_text(), now=now)
        record(tx, "parking.leave" if end <= now + AHEAD else "parking.extend", made)
    return done("Session", session_id, made.row.revision, created=False, again=made.again)


@blueprint.delete("/sessions/<uuid:session_id>")
@requires(OPERATOR)
@blueprint.input(NamedVersion, location="query", arg_name="asked")
@blueprint.output(shown.ApdsDoneBody)
def delete_session(session_id: UUID, asked: NamedVersion) -> Response:
    """Void a session: it costs nothing and stays on record."""
    running = services()
    now = running.clock.now()
    event_id = uuid8("apds void", session_id, asked.version)
    with running.database.begin() as tx:
        _check_newest(tx, session_id, event_id, asked.version, now)
        made = correct(tx, session_id, EventKind.VOIDED, event_id=event_id, actor=actor_text(), now=now)
        record(tx, "parking.voided", made, "deleted through the APDS interface")
    return done("Session", session_id, made.row.revision, created=False, again=made.again)


@blueprint.get("/observations")
@requires(*READERS)
@blueprint.input(Filter, location="query", arg_name="asked")
@blueprint.output(shown.ApdsObservationsBody)
def list_observations(asked: Filter) -> Response:
    """Return what was observed in the caller's places, the latest first."""
    with services().database.read() as tx:
        seen = elements(tx)
        rows, total = observation_store.list_recorded(
            tx,
            scope(),
            since=asked.since(),
            until=seen.at + _SOON,
            place_ids=asked.places(),
            offset=asked.offset,
            limit=PAGE,
        )
    found = [encode.observation(row, seen.book.places.get(row.place_id), seen.editions) for row in rows]
    return answer(page(found, offset=asked.offset, total=total, at=seen.at))


@blueprint.post("/observations")
@requires(OPERATOR)
@blueprint.input(Observation, location="json")
@blueprint.output(shown.ApdsDoneBody, status_code=201)
@blueprint.doc(responses=again(shown.ApdsDoneBody))
def create_observation(json_data: Observation) -> Response:
    """Keep what was seen as evidence, with what the check says now."""
    running = services()
    now = running.clock.now()
    sure = 0 if json_data.method == "anpr" else 100
    place_id = json_data.element_ids.id
    with running.database.begin() as tx:
        require_operator(place_in_force(tx, place_id, now=now).operator_id)
        made, again = check.observe(
            tx,
            check.Seen(
                observation_id=json_data.id,
                place_id=place_id,
                subjects=subjects_like(json_data.type, json_data.observed_credential_id),
                observed_at=json_data.observation_start_time,
                confidence_pct=sure if json_data.confidence_pct is None else json_data.confidence_pct,
                image_ref=next((each.image_link or each.id for each in json_data.images), ""),
                note=next((each.string for each in json_data.description), ""),
            ),
            observed_by=actor_text(),
            now=now,
        )
        if not again:
            note(tx, "parking.observe", "parking_observation", made.observation_id, {"verdict": made.verdict})
    return done("ObservationElement", made.observation_id, 1, created=True, again=again)


@blueprint.get("/observations/<uuid:observation_id>")
@requires(*READERS)
@blueprint.input(Version, location="query", arg_name="asked")
@blueprint.output(shown.ApdsObservationBody)
def get_observation(observation_id: UUID, asked: Version) -> Response:
    """Return an observation. It is evidence: there is no other version, and nobody changes or deletes it."""
    with services().database.read() as tx:
        seen = elements(tx)
        row = observation_store.find_observation(tx, observation_id)
    if row is None:
        raise UnknownElementError(kind="ObservationElement", id=str(observation_id))
    require_operator(row.operator_id)
    check_known("ObservationElement", observation_id, 1, asked.version)
    return answer(encode.observation(row, seen.book.places.get(row.place_id), seen.editions))


def _check_newest(tx: Connection, session_id: UUID, event_id: UUID, version: int, now: datetime) -> None:
    """Refuse another operator's session, and a change of an older version unless it is this very one again."""
    require_operator(operator_of(tx, session_id))
    row = lock_session(tx, session_id, now)
    if not is_told(tx, row, event_id):
        check_version(session_id, row.revision, version)


def _session(row: StayRow, seen: Elements, settled: Settled) -> Json:
    spec_id = seen.casual_in(row.place_id, row.vehicle_class) if row.place_id in seen.book.places else ""
    return encode.session(row, seen.editions, spec_id, {"settlement": settled_body(settled)})
