"""SQL of webhooks: subscriptions of operators, and the outbox. Takes `tx`, decides nothing, commits nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Who is told of what, and where; the fields are the columns, in their order.

    The secret follows from `generation`; until `previous_until` the one before it signs, too.
    """

    subscription_id: UUID
    operator_id: str
    endpoint: str
    topics: list[str]
    place_ids: list[str]
    include_children: bool
    generation: int
    previous_until: datetime | None
    created_at: datetime
    created_by: str
    seen_to: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One message of the outbox about one element; `body` is the JSON text that is sent, the same bytes each time."""

    event_id: UUID
    subscription_id: UUID
    topic: str
    body: str
    element_id: str
    made_at: datetime
    due_at: datetime
    tries: int = 0
    sent_at: datetime | None = None
    dead_at: datetime | None = None
    last_error: str = ""


_NAMES = tuple(each.name for each in fields(Subscription))
_COLUMNS = ", ".join(_NAMES)
_EVENT_NAMES = tuple(each.name for each in fields(Event))
_EVENT = ", ".join(_EVENT_NAMES)


def upsert_subscription(tx: Connection, new: Subscription) -> None:
    """Write a subscription, or where an older one of its id is told and of what; its secret stays."""
    values = ", ".join(f":{name}" for name in _NAMES)
    tx.execute(
        text(
            f"INSERT INTO parking_webhook ({_COLUMNS}) VALUES ({values}) ON CONFLICT (subscription_id) DO UPDATE"
            " SET endpoint = excluded.endpoint, topics = excluded.topics, place_ids = excluded.place_ids,"
            " include_children = excluded.include_children"
        ),
        dict(zip(_NAMES, astuple(new), strict=True)),
    )


def find_subscription(tx: Connection, subscription_id: UUID, *, lock: bool = False) -> Subscription | None:
    """Return a subscription, an ended one too."""
    row = tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM parking_webhook WHERE subscription_id = :id"
            + (" FOR UPDATE" if lock else "")
        ),
        {"id": subscription_id},
    ).first()
    return Subscription(**dict(zip(_NAMES, row, strict=True))) if row else None


def list_subscriptions(tx: Connection, operators: Iterable[str] | None) -> tuple[Subscription, ...]:
    """Return the live subscriptions of operators (None: of all), oldest first."""
    rows = tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM parking_webhook WHERE ended_at IS NULL"
            " AND (CAST(:operators AS text[]) IS NULL OR operator_id = ANY (CAST(:operators AS text[])))"
            " ORDER BY created_at, subscription_id"
        ),
        {"operators": None if operators is None else list(operators)},
    )
    return tuple(Subscription(**dict(zip(_NAMES, row, strict=True))) for row in rows)


def end_subscription(tx: Connection, subscription_id: UUID, at: datetime) -> None:
    """Write that nobody is told any more."""
    tx.execute(
        text("UPDATE parking_webhook SET ended_at = :at WHERE subscription_id = :id AND ended_at IS NULL"),
        {"id": subscription_id, "at": at},
    )


def set_generation(tx: Connection, subscription_id: UUID, generation: int, previous_until: datetime) -> None:
    """Write which secret signs, and until when the one before it signs beside it."""
    tx.execute(
        text(
            "UPDATE parking_webhook SET generation = :generation, previous_until = :until"
            " WHERE subscription_id = :id"
        ),
        {"id": subscription_id, "generation": generation, "until": previous_until},
    )


def set_seen(tx: Connection, subscription_id: UUID, to: datetime) -> None:
    """Write up to when changes were looked through."""
    tx.execute(
        text("UPDATE parking_webhook SET seen_to = :to WHERE subscription_id = :id"),
        {"id": subscription_id, "to": to},
    )


def insert_events(tx: Connection, events: Sequence[Event]) -> int:
    """Put messages into the outbox, in their order, and return how many are new; a known id is left as it is."""
    if not events:
        return 0
    return tx.execute(
        text(
            "INSERT INTO parking_webhook_event (event_id, subscription_id, topic, body, element_id, made_at, due_at)"
            " SELECT id, subscription, topic, body, element, :now, :now FROM unnest(CAST(:ids AS uuid[]),"
            " CAST(:subscriptions AS uuid[]), CAST(:topics AS text[]), CAST(:bodies AS text[]),"
            " CAST(:elements AS text[])) WITH ORDINALITY AS n (id, subscription, topic, body, element, place)"
            " ORDER BY place ON CONFLICT ON CONSTRAINT parking_webhook_event_pk DO NOTHING"
        ),
        {
            "now": events[0].made_at,
            "ids": [each.event_id for each in events],
            "subscriptions": [each.subscription_id for each in events],
            "topics": [each.topic for each in events],
            "bodies": [each.body for each in events],
            "elements": [each.element_id for each in events],
        },
    ).rowcount


def lock_due(tx: Connection, now: datetime, limit: int) -> tuple[Event, ...]:
    """Return messages of live subscriptions that are due, oldest first, locked; those another holds are left out.

    Of one element only the oldest that is neither taken nor given up: the next waits for it.
    """
    columns = ", ".join(f"e.{name}" for name in _EVENT_NAMES)
    rows = tx.execute(
        text(
            f"SELECT {columns} FROM parking_webhook_event AS e JOIN parking_webhook AS w USING (subscription_id)"
            " WHERE e.sent_at IS NULL AND e.dead_at IS NULL AND e.due_at <= :now AND w.ended_at IS NULL"
            " AND (e.element_id = '' OR NOT EXISTS (SELECT FROM parking_webhook_event AS before"
            "   WHERE before.subscription_id = e.subscription_id AND before.element_id = e.element_id"
            "   AND before.number < e.number AND before.sent_at IS NULL AND before.dead_at IS NULL))"
            " ORDER BY e.due_at, e.number LIMIT :limit FOR UPDATE OF e SKIP LOCKED"
        ),
        {"now": now, "limit": limit},
    )
    return tuple(Event(**dict(zip(_EVENT_NAMES, row, strict=True))) for row in rows)


def mark_sent(tx: Connection, event_id: UUID, at: datetime) -> None:
    """Write that a message was taken."""
    tx.execute(
        text(
            "UPDATE parking_webhook_event SET sent_at = :at, tries = tries + 1, last_error = ''"
            " WHERE event_id = :id"
        ),
        {"id": event_id, "at": at},
    )


def put_off(
    tx: Connection, event_id: UUID, *, due_at: datetime, dead_at: datetime | None, error: str
) -> None:
    """Write that a message was not taken, why, and when to try again or that it is given up."""
    tx.execute(
        text(
            "UPDATE parking_webhook_event SET due_at = :due, dead_at = :dead, tries = tries + 1,"
            " last_error = :error WHERE event_id = :id"
        ),
        {"id": event_id, "due": due_at, "dead": dead_at, "error": error},
    )


def replay(tx: Connection, event_ids: Sequence[UUID], at: datetime) -> int:
    """Make messages due again, sent, waiting and dead ones alike; return how many there are."""
    return tx.execute(
        text(
            "UPDATE parking_webhook_event SET due_at = :at, sent_at = NULL, dead_at = NULL, tries = 0"
            " WHERE event_id = ANY (CAST(:ids AS uuid[]))"
        ),
        {"ids": list(event_ids), "at": at},
    ).rowcount


def list_events(
    tx: Connection,
    *,
    subscription_id: UUID | None = None,
    dead: bool = False,
    since: datetime | None = None,
    limit: int = 500,
) -> tuple[Event, ...]:
    """Return messages, newest first: of one subscription or of all, the dead ones only, made since an instant."""
    rows = tx.execute(
        text(
            f"SELECT {_EVENT} FROM parking_webhook_event"
            " WHERE (CAST(:id AS uuid) IS NULL OR subscription_id = :id) AND (NOT :dead OR dead_at IS NOT NULL)"
            " AND (CAST(:since AS timestamptz) IS NULL OR made_at >= :since)"
            " ORDER BY made_at DESC, number DESC LIMIT :limit"
        ),
        {"id": subscription_id, "dead": dead, "since": since, "limit": limit},
    )
    return tuple(Event(**dict(zip(_EVENT_NAMES, row, strict=True))) for row in rows)


def forget_changes(tx: Connection, before: datetime) -> None:
    """Drop kept revisions of stays that every subscription has looked at."""
    tx.execute(text("DELETE FROM parking_stay_change WHERE billed_at < :before"), {"before": before})
