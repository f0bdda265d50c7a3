"""Exposure and the deny list: what riders owe in all, why a card is refused, and stolen batches by their serials."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from access import actions, deny, issue
from access.rules.actionlist import ActionKind, BadActionError, is_amount
from kernel.ids import CardId, DeviceId
from service import audit, metrics
from service.api import risk_documents as shown
from service.api.bodies import answers
from service.auth import principal, requires
from service.errors import MalformedRequestError
from service.jobs import purse
from service.jobs.risk import limits_of, read_exposure
from service.problems import request_id
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("risk", __name__, tag="Risk", url_prefix="/v1")
Serial = Annotated[int, Field(ge=1, le=2**63 - 1)]


class RangeBody(BaseModel):
    """Serials from first to last, both included. `count` repeats how many that is: a digit too many is refused."""

    model_config = ConfigDict(extra="forbid")

    first: Serial
    last: Serial
    count: Annotated[int, Field(ge=1)]
    cause: Annotated[str, Field(min_length=1, max_length=200)]
    denied: bool = True


class ActionBody(BaseModel):
    """What readers are asked to do to the card when they next see it."""

    model_config = ConfigDict(extra="forbid")

    action_id: UUID
    action: ActionKind
    detail: dict[Annotated[str, Field(max_length=40)], Annotated[str, Field(max_length=80)]] = {}
    until: AwareDatetime
    cause: Annotated[str, Field(min_length=1, max_length=200)]


@blueprint.get("/exposure")
@requires(Role.FINANCE_MAKER, Role.FINANCE_CHECKER, Role.AUDITOR, Role.ADMINISTRATOR)
@blueprint.output(shown.ExposureBody)
def get_exposure() -> dict[str, Any]:
    """Return what all riders owe, the limit and what is left of it, and how many cards are denied for which reason."""
    running = services()
    with running.database.read() as tx:
        exposure = read_exposure(tx, limits_of(running.settings))
        denied = deny.count_denied(tx)
    metrics.EXPOSURE.labels(exposure.owed.currency.code).set(exposure.owed.minor)
    total, headroom = exposure.limits.total, exposure.headroom
    return {
        "owed": exposure.owed.to_json(),
        "limit": None if total is None else total.to_json(),
        "headroom": None if headroom is None else headroom.to_json(),
        "cover": exposure.limits.cover.to_json(),
        "mode": exposure.mode.value,
        "denied": {reason.value: count for reason, count in sorted(denied.items())},
    }


@blueprint.get("/denials/<int:serial>")
@requires(Role.AGENT, Role.AUDITOR, Role.ADMINISTRATOR)
@blueprint.output(shown.DenialBody)
def get_denial(serial: int) -> dict[str, Any]:
    """Return why readers refuse this card now, and every change so far: why, since when, by whom, told in which version."""
    with services().database.read() as tx:
        reasons = deny.reasons(tx, serial)
        rows = deny.list_history(tx, serial)
    return {
        "card_serial": serial,
        "denied": list(reasons),
        "history": [
            {
                "at": row.at.isoformat(),
                "reason": row.reason,
                "denied": row.denied,
                "cause": row.cause,
                "by": row.actor or "the program",
                "version": row.version,
            }
            for row in rows
        ],
    }


@blueprint.post("/denials/ranges")
@requires(Role.ADMINISTRATOR)
@blueprint.input(RangeBody, location="json")
@blueprint.output(shown.RangeDeniedBody)
def post_range(json_data: RangeBody) -> dict[str, Any]:
    """Deny a stolen batch, issued yet or not, or clear it; a repeat changes nothing."""
    if json_data.last - json_data.first + 1 != json_data.count:
        raise MalformedRequestError(errors=[{"at": "count", "what": "not the number of serials"}])
    running = services()
    now, actor = running.clock.now(), principal().actor

    def work(tx: Connection) -> int:
        verb = deny.deny_range if json_data.denied else deny.clear_range
        changed = verb(
            tx, json_data.first, json_data.last, cause=json_data.cause, actor=actor.actor_id, now=now
        )
        if changed:
            _audit(
                tx,
                "access.deny.range",
                "serials",
                f"{json_data.first}-{json_data.last}",
                now,
                {
                    "denied": json_data.denied,
                    "cause": json_data.cause,
                    "changed": changed,
                },
            )
        return changed

    return {"changed": running.database.run(work)}


@blueprint.post("/cards/<int:serial>/actions")
@requires(Role.AGENT, Role.ADMINISTRATOR)
@blueprint.input(ActionBody, location="json")
@blueprint.output(shown.ActionAskedBody, status_code=201)
@blueprint.doc(responses=answers(200, "ActionAskedBody", "Asked before: `again` is true"))
def post_action(serial: int, json_data: ActionBody) -> tuple[dict[str, Any], int]:
    """Ask readers for one action; the same `action_id` again changes nothing."""
    running = services()
    now, actor = running.clock.now(), principal().actor

    def work(tx: Connection) -> bool:
        if json_data.action is ActionKind.LOAD_PURSE:
            # Money: what may be loaded is the account's, and no more.
            return _load(tx, serial, json_data, now)
        card = issue.get_card(tx, serial=serial)
        made = actions.want(
            tx,
            card,
            json_data.action,
            action_id=json_data.action_id,
            detail=json_data.detail,
            until_at=json_data.until,
            cause=json_data.cause,
            actor=actor.actor_id,
            now=now,
        )
        if made:
            _audit(
                tx,
                "access.card.action",
                "card",
                str(card.card_id),
                now,
                {
                    "action": json_data.action.value,
                    "cause": json_data.cause,
                },
            )
        return made

    made = running.database.run(work)
    return {"action_id": str(json_data.action_id), "again": not made}, 201 if made else 200


def _load(tx: Connection, serial: int, body: ActionBody, now: datetime) -> bool:
    amount, device = body.detail.get("amount", ""), body.detail.get("device", "")
    if body.detail.keys() != {"amount", "device"} or not is_amount(amount):
        raise BadActionError(
            action=body.action.value, why="it takes an amount in đồng, and a reader's device id"
        )
    try:
        reader = DeviceId(UUID(device))
    except ValueError:
        raise BadActionError(action=body.action.value, why="a reader is named by its device id") from None
    loaded = purse.load(
        tx,
        serial,
        int(amount),
        reader=reader,
        action_id=body.action_id,
        keyring=services().keyring,
        cause=body.cause,
        by=principal().actor,
        now=now,
    )
    return loaded > 0


@blueprint.get("/cards/<int:serial>/actions")
@requires(Role.AGENT, Role.AUDITOR, Role.ADMINISTRATOR)
@blueprint.output(shown.CardActionsBody)
def list_actions(serial: int) -> dict[str, Any]:
    """Return what was asked of readers for this card, and what became of it."""
    with services().database.read() as tx:
        card = issue.get_card(tx, serial=serial)
        rows = actions.list_of_card(tx, CardId(card.card_id))
    return {
        "actions": [
            {
                "action_id": str(row.action_id),
                "action": row.action,
                "detail": dict(row.detail),
                "until": row.until_at.isoformat(),
                "cause": row.cause,
                "by": row.actor,
                "outcome": row.outcome or "waiting",
            }
            for row in rows
        ]
    }


def _audit(
    tx: Connection, action: str, kind: str, subject: str, now: datetime, detail: dict[str, object]
) -> None:
    audit.record(
        tx,
        actor=principal().actor,
        action=action,
        subject_kind=kind,
        subject_id=subject,
        now=now,
        request_id=request_id(),
        detail=detail,
    )
