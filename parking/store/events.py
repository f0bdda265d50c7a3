"""SQL of the events that the API tells. Takes `tx`, decides nothing, commits nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from kernel.ids import FareAccountId
from parking.rules.session import EventKind
from parking.rules.stay import StayEvent
from parking.store.keys import EventKey, asked, find_event_keys, list_event_keys

_COLUMNS = "event_id, kind, subject, at, place_id, gate_id, vehicle_class, user_kind, until_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event as it is written."""

    fare_account_id: FareAccountId
    event_day: date
    event: StayEvent
    actor: str
    recorded_at: datetime


def insert_event(tx: Connection, new: NewEvent) -> bool:
    """Write an event; False when its id is taken in this account and day."""
    each = new.event
    inserted = tx.execute(
        text(
            """
            INSERT INTO parking_event (fare_account_id, event_day, event_id, kind, subject, at, until_at, place_id,
                gate_id, vehicle_class, user_kind, actor, recorded_at)
            VALUES (:account, :day, :event_id, :kind, :subject, :at, :until_at, :place_id, :gate_id,
                :vehicle_class, :user_kind, :actor, :recorded_at)
            ON CONFLICT DO NOTHING RETURNING event_id
            """
        ),
        {
            "account": new.fare_account_id,
            "day": new.event_day,
            "event_id": each.event_id,
            "kind": each.kind.value,
            "subject": each.subject,
            "at": each.at,
            "until_at": each.until,
            "place_id": each.place_id,
            "gate_id": each.gate_id,
            "vehicle_class": each.vehicle_class,
            "user_kind": each.user,
            "actor": new.actor,
            "recorded_at": new.recorded_at,
        },
    ).first()
    return inserted is not None


def find_event(tx: Connection, account: FareAccountId, event_id: UUID) -> StayEvent | None:
    """Return an account's event by its id."""
    found = _list(tx, find_event_keys(tx, event_id, account)[:1])
    return found[0][1] if found else None


def find_account(tx: Connection, event_id: UUID) -> FareAccountId | None:
    """Return the account that an event was told of."""
    found = find_event_keys(tx, event_id)
    return found[0].fare_account_id if found else None


def list_events(
    tx: Connection, since: Mapping[FareAccountId, datetime]
) -> tuple[tuple[FareAccountId, StayEvent], ...]:
    """Return each account's events from its instant on."""
    return _list(tx, list_event_keys(tx, since))


def _list(tx: Connection, keys: Iterable[EventKey]) -> tuple[tuple[FareAccountId, StayEvent], ...]:
    wanted = asked(keys)
    if not wanted["days"]:
        return ()
    rows = tx.execute(
        text(
            f"""
            SELECT fare_account_id, {_COLUMNS} FROM parking_event
            JOIN unnest(CAST(:accounts AS uuid[]), CAST(:on AS date[]), CAST(:ids AS uuid[]))
              AS asked(account, day, id) ON fare_account_id = account AND event_day = day AND event_id = id
            WHERE event_day = ANY (:days)
            """
        ),
        wanted,
    )
    return tuple((FareAccountId(row[0]), _event(row[1:])) for row in rows)


def _event(row: Sequence[Any]) -> StayEvent:
    event_id, kind, subject, at, place_id, gate_id, vehicle_class, user, until = row
    return StayEvent(
        event_id=event_id,
        kind=EventKind(kind),
        subject=subject,
        at=at,
        place_id=place_id,
        gate_id=gate_id,
        vehicle_class=vehicle_class,
        user=user,
        until=until,
    )
