"""Quotes and assigned rights as APDS v4 objects: read, made and ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response

from kernel.ids import FareAccountId, uuid8
from parking import apds_use as encode
from parking import sell_pass
from parking.apds.shapes import PAGE, Json, page
from parking.apds_use import HeldRight, Priced
from parking.elements import Elements, UnknownElementError, check_version
from parking.places import place_in_force
from parking.quotes import KeptQuote, find_quote, keep_quote, price_kept
from parking.sessions import AHEAD
from parking.store import quotes as quote_store
from parking.store import rights as right_store
from parking.store import stays as stay_store
from parking.store.quotes import QuoteRow
from service.api import apds_use_documents as shown
from service.api.apds_places import READERS, elements
from service.api.apds_words import (
    AssignedRight,
    Filter,
    NamedVersion,
    QuoteRequest,
    RightChange,
    Version,
    account_of,
    answer,
    check_known,
    done,
    note,
    subject_of,
)
from service.api.bodies import again
from service.api.parking import actor_text
from service.auth import require_operator, requires, scope
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("apds_rights", __name__, tag="APDS", url_prefix="/v1/apds")
OPERATOR: Final = Role.PARKING_OPERATOR
_SOON: Final = timedelta(seconds=1)  # a change of this very instant is in the list, too


@blueprint.post("/quotes")
@requires(OPERATOR)
@blueprint.input(QuoteRequest, location="json")
@blueprint.output(shown.ApdsQuotesBody)
def create_quote(json_data: QuoteRequest) -> Response:
    """Price a stay by a right specification of casual parking; the price binds until it expires."""
    running = services()
    now = running.clock.now()
    asked = json_data.referenced_right_specifications[0]
    with running.database.begin() as tx:
        seen = elements(tx)
        place = place_in_force(tx, asked.element_id.id, now=now)
        require_operator(place.operator_id)
        right = seen.casual_of(asked.right_specification_id.id)
        kept = keep_quote(
            tx,
            QuoteRow(
                quote_id=uuid8("apds quote", actor_text(), json_data.id, json_data.version),
                request_id=json_data.id,
                request_version=json_data.version,
                asker=actor_text(),
                spec_id=right.spec_id,
                place_id=place.place_id,
                operator_id=place.operator_id,
                vehicle_class=right.vehicle_class,
                user_kind=right.user,
                starts_at=json_data.period_start,
                ends_at=json_data.period_end,
                requested_at=json_data.request_time,
                answered_at=now,
            ),
        )
    body = page([_quote(kept, seen)], offset=0, total=1, at=now)
    return answer(body, 200, {"Idempotency-Hit": "true"} if kept.again else None)


@blueprint.get("/quotes")
@requires(*READERS)
@blueprint.input(Filter, location="query", arg_name="asked")
@blueprint.output(shown.ApdsQuotesBody)
def list_quotes(asked: Filter) -> Response:
    """Return the quotes that were asked for the caller's places, the latest first."""
    with services().database.read() as tx:
        seen = elements(tx)
        rows, total = quote_store.list_quotes(
            tx, scope(), since=asked.since(), offset=asked.offset, limit=PAGE
        )
        found = [_quote(KeptQuote(row, price_kept(tx, row)), seen) for row in rows]
    return answer(page(found, offset=asked.offset, total=total, at=seen.at))


@blueprint.get("/quotes/<uuid:quote_id>")
@requires(*READERS)
@blueprint.output(shown.ApdsQuoteBody)
def get_quote(quote_id: UUID) -> Response:
    """Return a quote as it was answered."""
    with services().database.read() as tx:
        kept = find_quote(tx, quote_id)
        require_operator(kept.row.operator_id)
        seen = elements(tx)
    return answer(_quote(kept, seen))


@blueprint.get("/rights/assigned")
@requires(*READERS)
@blueprint.input(Filter, location="query", arg_name="asked")
@blueprint.output(shown.ApdsRightsBody)
def list_rights(asked: Filter) -> Response:
    """Return the rights that were sold or given in the caller's places, the latest change first."""
    with services().database.read() as tx:
        seen = elements(tx)
        rows, total = right_store.list_assigned(
            tx,
            scope(),
            since=asked.since(),
            until=seen.at + _SOON,
            place_ids=asked.places(),
            offset=asked.offset,
            limit=PAGE,
        )
    found = [encode.assigned_right(HeldRight(*each), seen.editions) for each in rows]
    return answer(page(found, offset=asked.offset, total=total, at=seen.at))


@blueprint.post("/rights/assigned")
@requires(OPERATOR)
@blueprint.input(AssignedRight, location="json")
@blueprint.output(shown.ApdsDoneBody, status_code=201)
@blueprint.doc(responses=again(shown.ApdsDoneBody))
def create_right(json_data: AssignedRight) -> Response:
    """Sell or give a right to a plate, a ticket or a fare account; `place` where its product holds in many."""
    running = services()
    now = running.clock.now()
    use, holder = json_data.planned_uses[0], json_data.right_holder.credentials[0]
    account = account_of(holder)
    with running.database.begin() as tx:
        seen = elements(tx)
        product = next(
            (each for each in seen.specifications if each.spec_id == json_data.right_specification.id), None
        )
        if product is None:
            raise UnknownElementError(kind="RightSpecification", id=json_data.right_specification.id)
        place_id = json_data.place.id if json_data.place else product.place_id
        require_operator(place_in_force(tx, place_id, now=now).operator_id)
        held = sell_pass.assign(
            tx,
            sell_pass.Assigning(
                right_id=json_data.id,
                spec_id=product.spec_id,
                place_id=place_id,
                valid_from=use.start_time,
                valid_to=use.end_time,
                account=FareAccountId(account) if account else None,
                subject=None if account else subject_of(holder),
                till=json_data.till,
            ),
            actor=actor_text(),
            now=now,
        )
        if not held.again:
            note(
                tx,
                "parking.right_assigned",
                "parking_right",
                held.row.right_id,
                {"product": held.row.spec_id},
            )
    return done("AssignedRight", held.row.right_id, _held(held).version, created=True, again=held.again)


@blueprint.get("/rights/assigned/<uuid:right_id>")
@requires(*READERS)
@blueprint.input(Version, location="query", arg_name="asked")
@blueprint.output(shown.ApdsRightBody)
def get_right(right_id: UUID, asked: Version) -> Response:
    """Return a right as it stands; a session's own id is the right to casual parking that it is."""
    with services().database.read() as tx:
        seen = elements(tx)
        stay = stay_store.find_stay(tx, right_id)
        if stay is not None:
            require_operator(stay.operator_id)
            found = encode.casual_right(
                stay, seen.editions, seen.casual_in(stay.place_id, stay.vehicle_class)
            )
        else:
            held = sell_pass.get_right(tx, right_id)
            require_operator(held.row.operator_id)
            found = encode.assigned_right(_held(held), seen.editions)
    check_known("AssignedRight", right_id, found["version"], asked.version)
    return answer(found)


@blueprint.put("/rights/assigned/<uuid:right_id>")
@requires(OPERATOR)
@blueprint.input(RightChange, location="json")
@blueprint.output(shown.ApdsDoneBody)
def update_right(right_id: UUID, json_data: RightChange) -> Response:
    """End a right: its `expiry` is now or before. The price of the time that is left is given back."""
    now = services().clock.now()
    if json_data.expiry > now + AHEAD:
        raise sell_pass.RightTimesError(
            valid_from=now.isoformat(),
            valid_to=json_data.expiry.isoformat(),
            reason="it ends now, or is sold anew",
        )
    return _end_right(right_id, json_data.version)


@blueprint.delete("/rights/assigned/<uuid:right_id>")
@requires(OPERATOR)
@blueprint.input(NamedVersion, location="query", arg_name="asked")
@blueprint.output(shown.ApdsDoneBody)
def delete_right(right_id: UUID, asked: NamedVersion) -> Response:
    """End a right now; it stays on record."""
    return _end_right(right_id, asked.version)


def _end_right(right_id: UUID, version: int) -> Response:
    running = services()
    now = running.clock.now()
    with running.database.begin() as tx:
        before = sell_pass.get_right(tx, right_id)
        require_operator(before.row.operator_id)
        if before.ended is None or version != 1:
            check_version(right_id, _held(before).version, version)
        held = sell_pass.end(
            tx, right_id, note="ended through the APDS interface", actor=actor_text(), now=now
        )
        if not held.again:
            note(tx, "parking.right_ended", "parking_right", right_id, {})
    return done("AssignedRight", right_id, 2, created=False, again=held.again)


def _held(held: sell_pass.Held) -> HeldRight:
    return HeldRight(held.row, held.ended.ended_at if held.ended else None)


def _quote(kept: KeptQuote, seen: Elements) -> Json:
    row = kept.row
    asked = Priced(
        quote_id=row.quote_id,
        request_id=row.request_id,
        request_version=row.request_version,
        spec_id=row.spec_id,
        place_id=row.place_id,
        operator_id=row.operator_id,
        requested_at=row.requested_at,
        answered_at=row.answered_at,
    )
    proof = {
        "place_id": row.place_id,
        "vehicle_class": row.vehicle_class,
        "user": row.user_kind,
        **kept.quote.to_json(),
    }
    return {**encode.quote_response(asked, kept.quote, seen.editions), "lienthong": {"proof": proof}}
