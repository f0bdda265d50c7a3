"""Places, rate tables and right specifications changed as APDS v4 objects: each change is proposed, and another approves."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from apiflask import APIBlueprint
from flask import Response

from kernel.ids import OperatorId
from parking import propose_rates
from parking.apds.editions import ElementKind
from parking.proposals import Action, Asked
from service.api import apds_use_documents as shown
from service.api.apds_element_words import (
    NEEDED,
    Element,
    PlaceChange,
    RateTableChange,
    SpecificationChange,
)
from service.api.apds_words import NamedVersion, answer, note
from service.api.parking import actor_text
from service.auth import require_operator, requires, scope
from service.errors import MalformedRequestError
from service.rate_proposals import PROPOSERS, told
from service.services import services

blueprint: Final = APIBlueprint("apds_changes", __name__, tag="APDS", url_prefix="/v1/apds")
PLACE, TABLE, SPEC = ElementKind.PLACE, ElementKind.RATE_TABLE, ElementKind.RIGHT_SPECIFICATION


@blueprint.post("/places")
@requires(*PROPOSERS)
@blueprint.input(PlaceChange, location="json")
@blueprint.output(shown.ApdsProposedBody, status_code=202)
def create_place(json_data: PlaceChange) -> Response:
    """Propose a new place; it is published when another person approves."""
    return _create(PLACE, json_data)


@blueprint.put("/places/<place_id>")
@requires(*PROPOSERS)
@blueprint.input(PlaceChange, location="json")
@blueprint.output(shown.ApdsProposedBody, status_code=202)
def update_place(place_id: str, json_data: PlaceChange) -> Response:
    """Propose to change the attributes of a place that are given; null takes one away."""
    return _update(PLACE, place_id, json_data)


@blueprint.delete("/places/<place_id>")
@requires(*PROPOSERS)
@blueprint.input(NamedVersion, location="query", arg_name="asked")
@blueprint.output(shown.ApdsProposedBody, status_code=202)
def delete_place(place_id: str, asked: NamedVersion) -> Response:
    """Propose to take a place out of the next publication; stays that began keep their price."""
    return _delete(PLACE, place_id, asked.version)


@blueprint.post("/rates")
@requires(*PROPOSERS)
@blueprint.input(RateTableChange, location="json")
@blueprint.output(shown.ApdsProposedBody, status_code=202)
def create_rate(json_data: RateTableChange) -> Response:
    """Propose a new rate table."""
    return _create(TABLE, json_data)


@blueprint.put("/rates/<table_id>")
@requires(*PROPOSERS)
@blueprint.input(RateTableChange, location="json")
@blueprint.output(shown.ApdsProposedBody, status_code=202)
def update_rate(table_id: str, json_data: RateTableChange) -> Response:
    """Propose to change the attributes of a rate table that are given."""
    return _update(TABLE, table_id, json_data)


@blueprint.delete("/rates/<table_id>")
@requires(*PROPOSERS)
@blueprint.input(NamedVersion, location="query", arg_name="asked")
@blueprint.output(shown.ApdsProposedBody, status_code=202)
def delete_rate(table_id: str, asked: NamedVersion) -> Response:
    """Propose to take a rate table out of the next publication."""
    return _delete(TABLE, table_id, asked.version)


@blueprint.post("/rights/specs")
@requires(*PROPOSERS)
@blueprint.input(SpecificationChange, location="json")
@blueprint.output(shown.ApdsProposedBody, status_code=202)
def create_specification(json_data: SpecificationChange) -> Response:
    """Propose a new product."""
    return _create(SPEC, json_data)


@blueprint.put("/rights/specs/<spec_id>")
@requires(*PROPOSERS)
@blueprint.input(SpecificationChange, location="json")
@blueprint.output(shown.ApdsProposedBody, status_code=202)
def update_specification(spec_id: str, json_data: SpecificationChange) -> Response:
    """Propose to change the attributes of a product that are given."""
    return _update(SPEC, spec_id, json_data)


@blueprint.delete("/rights/specs/<spec_id>")
@requires(*PROPOSERS)
@blueprint.input(NamedVersion, location="query", arg_name="asked")
@blueprint.output(shown.ApdsProposedBody, status_code=202)
def delete_specification(spec_id: str, asked: NamedVersion) -> Response:
    """Propose to take a product out of the next publication; rights that were sold stay."""
    return _delete(SPEC, spec_id, asked.version)


def _create(kind: ElementKind, body: Element) -> Response:
    missing = [name for name in NEEDED[kind] if body.attributes().get(name) is None]
    if missing:
        raise MalformedRequestError(errors=[{"at": name, "what": "Field required"} for name in missing])
    return _propose(Action.CREATE, kind, body.id, 0, body)


def _update(kind: ElementKind, element_id: str, body: Element) -> Response:
    if body.id != element_id:
        raise MalformedRequestError(errors=[{"at": "id", "what": f"is not {element_id}"}])
    return _propose(Action.UPDATE, kind, element_id, body.version, body)


def _delete(kind: ElementKind, element_id: str, version: int) -> Response:
    return _propose(Action.DELETE, kind, element_id, version, None)


def _propose(
    action: Action, kind: ElementKind, element_id: str, version: int, body: Element | None
) -> Response:
    running = services()
    now = running.clock.now()
    asked = Asked(
        action=action,
        kind=kind,
        element_id=element_id,
        version=version,
        attributes=_without_begin(body.attributes()) if body else {},
        effective_at=body.begins_at(now) if body else None,
    )
    with running.database.begin() as tx:
        made = propose_rates.propose(tx, asked, by=actor_text(), now=now, allow=_allow, operators=scope())
        if not made.again:
            note(tx, "parking.rates_proposed", "rate_proposal", made.row.proposal_id, told(made))
    answered = {
        "status": "ok",
        "code": int(HTTPStatus.ACCEPTED),
        "message": "Known already" if made.again else "Proposed: another person approves it",
        "reference": {"id": element_id, "version": version + 1, "className": kind.value},
        "lienthong": {"proposal_id": str(made.row.proposal_id), "state": made.state.value},
    }
    return answer(answered, HTTPStatus.ACCEPTED, {"Idempotency-Hit": "true"} if made.again else None)


def _without_begin(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes without when they begin, which the proposal says itself."""
    found = {name: value for name, value in attributes.items() if name != "validityStart"}
    if found.get("lienthong"):
        ours = {name: value for name, value in found["lienthong"].items() if name != "effective_at"}
        found["lienthong"] = ours
    return found


def _allow(operators: frozenset[OperatorId]) -> None:
    for operator_id in sorted(operators):
        require_operator(operator_id)
