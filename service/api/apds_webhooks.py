"""Webhooks after APDS: an operator says what it wants to be told of, and sees what could not be delivered."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from kernel.errors import DomainError
from kernel.ids import uuid8
from parking.places import place_in_force
from parking.store import webhooks as store
from parking.store.webhooks import Event, Subscription
from service import outbound
from service.api import apds_use_documents as shown
from service.api.apds_words import Body, NamedReference, answer, note
from service.api.parking import actor_text
from service.auth import require_operator, requires, scope
from service.jobs.webhooks import KEPT_SECRET, TOPICS, describe, secret_of
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("apds_webhooks", __name__, tag="APDS", url_prefix="/v1/apds/webhooks")
OPERATOR: Final = Role.PARKING_OPERATOR


class UnknownWebhookError(DomainError):
    """No subscription or message of this id."""

    detail = "There is no webhook {what} {id}."


class WebhookEndpointError(DomainError):
    """An address that nobody is told at."""

    detail = "Nothing is sent to {endpoint}: {reason}."


def _known(found: list[str]) -> list[str]:
    unknown = sorted(set(found) - set(TOPICS))
    if unknown:
        raise ValueError(f"unknown topics {', '.join(unknown)}; known: {', '.join(TOPICS)}")
    return sorted(set(found))


class EventSubscription(Body):
    """What to be told of, and where. Without `hierarchyElements`: of all the operator's places."""

    endpoint: Annotated[str, Field(min_length=8, max_length=500)]
    topics: Annotated[list[str], Field(min_length=1, max_length=30), AfterValidator(_known)]
    hierarchy_elements: Annotated[list[NamedReference], Field(max_length=500)] = Field(default_factory=list)
    include_children_events: bool = True


class EventFilter(BaseModel):
    """Which messages to list; at most 500, newest first."""

    model_config = ConfigDict(extra="forbid")

    dead: bool = False


@blueprint.post("")
@requires(OPERATOR)
@blueprint.input(EventSubscription, location="json")
@blueprint.output(shown.WebhookMadeBody)
def create_subscription(json_data: EventSubscription) -> Response:
    """Subscribe. The answer holds the secret that signs, once; the same subscription again gets the same answer."""
    running = services()
    operator_id = _own_operator()
    places = sorted(each.id for each in json_data.hierarchy_elements)
    subscription_id = uuid8("webhook", operator_id, json_data.endpoint, *json_data.topics, "in", *places)
    with running.database.begin() as tx:
        known = store.find_subscription(tx, subscription_id)
        if known is None or known.ended_at is not None:
            if known is not None:
                subscription_id = uuid8("webhook again", subscription_id, f"{known.ended_at}")
            _write(tx, subscription_id, operator_id, json_data, None)
            note(
                tx,
                "parking.webhook_created",
                "parking_webhook",
                subscription_id,
                {"endpoint": json_data.endpoint},
            )
        made = _find(tx, subscription_id)
    secret = secret_of(running.keyring, made.subscription_id, made.generation)
    return answer({**describe(made), "secret": secret})


@blueprint.get("")
@requires(OPERATOR, Role.AUDITOR)
@blueprint.output(shown.WebhooksBody)
def list_subscriptions() -> Response:
    """Return the caller's subscriptions."""
    with services().database.read() as tx:
        found = store.list_subscriptions(tx, scope())
    return answer({"data": [describe(each) for each in found]})


@blueprint.get("/<uuid:subscription_id>")
@requires(OPERATOR, Role.AUDITOR)
@blueprint.output(shown.WebhookBody)
def get_subscription(subscription_id: UUID) -> Response:
    """Return a subscription, without its secret."""
    with services().database.read() as tx:
        return answer(describe(_find(tx, subscription_id)))


@blueprint.put("/<uuid:subscription_id>")
@requires(OPERATOR)
@blueprint.input(EventSubscription, location="json")
@blueprint.output(shown.WebhookBody)
def update_subscription(subscription_id: UUID, json_data: EventSubscription) -> Response:
    """Change what is told and where; the secret stays."""
    with services().database.begin() as tx:
        known = _find(tx, subscription_id)
        _write(tx, subscription_id, known.operator_id, json_data, known)
        note(
            tx,
            "parking.webhook_changed",
            "parking_webhook",
            subscription_id,
            {"endpoint": json_data.endpoint},
        )
        return answer(describe(_find(tx, subscription_id)))


@blueprint.delete("/<uuid:subscription_id>")
@requires(OPERATOR)
@blueprint.output(shown.ApdsToldBody)
def delete_subscription(subscription_id: UUID) -> Response:
    """End a subscription; what is still in the outbox is not sent."""
    running = services()
    with running.database.begin() as tx:
        known = _find(tx, subscription_id)
        store.end_subscription(tx, subscription_id, running.clock.now())
        note(tx, "parking.webhook_ended", "parking_webhook", subscription_id, {"endpoint": known.endpoint})
    return answer({"status": "ok", "code": 200, "message": "Ended"})


@blueprint.post("/<uuid:subscription_id>/secret")
@requires(OPERATOR)
@blueprint.output(shown.WebhookSecretBody)
def rotate_secret(subscription_id: UUID) -> Response:
    """Make a new secret and return it. For 24 hours the one before signs beside it, so that nothing is lost."""
    running = services()
    with running.database.begin() as tx:
        known = _find(tx, subscription_id, lock=True)
        until = running.clock.now() + KEPT_SECRET
        store.set_generation(tx, subscription_id, known.generation + 1, until)
        note(tx, "parking.webhook_rotated", "parking_webhook", subscription_id, {})
    secret = secret_of(running.keyring, subscription_id, known.generation + 1)
    return answer({"id": str(subscription_id), "secret": secret, "previousUntil": until.isoformat()})


@blueprint.get("/<uuid:subscription_id>/events")
@requires(OPERATOR, Role.AUDITOR)
@blueprint.input(EventFilter, location="query", arg_name="asked")
@blueprint.output(shown.WebhookEventsBody)
def list_events(subscription_id: UUID, asked: EventFilter) -> Response:
    """Return messages and what became of them; with `dead` those that were given up."""
    with services().database.read() as tx:
        _find(tx, subscription_id)
        found = store.list_events(tx, subscription_id=subscription_id, dead=asked.dead)
    return answer({"data": [_told(each) for each in found]})


@blueprint.post("/<uuid:subscription_id>/events/<uuid:event_id>/replay")
@requires(OPERATOR)
@blueprint.output(shown.ApdsToldBody)
def replay_event(subscription_id: UUID, event_id: UUID) -> Response:
    """Send a message once more, under the same id."""
    running = services()
    with running.database.begin() as tx:
        _find(tx, subscription_id)
        known = {each.event_id for each in store.list_events(tx, subscription_id=subscription_id)}
        if event_id not in known:
            raise UnknownWebhookError(what="message", id=str(event_id))
        store.replay(tx, [event_id], running.clock.now())
        note(tx, "parking.webhook_replayed", "parking_webhook", subscription_id, {"event_id": str(event_id)})
    return answer({"status": "ok", "code": 200, "message": "Due again"})


def _own_operator() -> str:
    """Return the operator that the caller acts for; "" for a caller whom no operator limits."""
    limited = scope()
    return "" if limited is None else min(limited)


def _write(
    tx: Connection,
    subscription_id: UUID,
    operator_id: str,
    asked: EventSubscription,
    known: Subscription | None,
) -> None:
    running = services()
    now = running.clock.now()
    why = outbound.check_address(asked.endpoint, private=running.settings.webhook_private)
    if why:
        raise WebhookEndpointError(endpoint=asked.endpoint, reason=why)
    for each in asked.hierarchy_elements:
        require_operator(place_in_force(tx, each.id, now=now).operator_id)
    store.upsert_subscription(
        tx,
        Subscription(
            subscription_id=subscription_id,
            operator_id=operator_id,
            endpoint=asked.endpoint,
            topics=asked.topics,
            place_ids=sorted(each.id for each in asked.hierarchy_elements),
            include_children=asked.include_children_events,
            generation=known.generation if known else 1,
            previous_until=known.previous_until if known else None,
            created_at=known.created_at if known else now,
            created_by=known.created_by if known else actor_text(),
            seen_to=known.seen_to if known else now,
            ended_at=None,
        ),
    )


def _find(tx: Connection, subscription_id: UUID, *, lock: bool = False) -> Subscription:
    found = store.find_subscription(tx, subscription_id, lock=lock)
    if found is None or found.ended_at is not None:
        raise UnknownWebhookError(what="subscription", id=str(subscription_id))
    require_operator(found.operator_id)
    return found


def _told(each: Event) -> dict[str, Any]:
    state = "sent" if each.sent_at else "dead" if each.dead_at else "due"
    return {
        "event_id": str(each.event_id),
        "topic": each.topic,
        "state": state,
        "made_at": each.made_at.isoformat(),
        "due_at": each.due_at.isoformat() if state == "due" else None,
        "sent_at": each.sent_at.isoformat() if each.sent_at else None,
        "tries": each.tries,
        "last_error": each.last_error or None,
    }
