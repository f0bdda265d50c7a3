"""Webhooks of parking operators: what changed goes to an outbox once, and from there out, signed, at least once."""

import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, groupby
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import Connection

from access.keyring import Keyring
from kernel.ids import OperatorId, uuid8
from parking import apds_use
from parking.apds import encode
from parking.apds.editions import ElementKind
from parking.apds.shapes import Json
from parking.apds_use import HeldRight
from parking.elements import Elements, elements_in_force
from parking.rules.session import State
from parking.settled import list_settled
from parking.store import observations, rights
from parking.store import webhooks as store
from parking.store.changes import list_changed
from parking.store.webhooks import Event, Subscription
from service import logs, outbound
from service.database import Database
from service.exact_json import exact_json
from service.settled_words import settled_body

SIGNATURE: Final = "X-Lienthong-Signature"
TOPICS: Final = (
    *("PlaceCreated", "PlaceUpdated", "PlaceDeleted"),
    *("RightSpecificationCreated", "RightSpecificationUpdated", "RightSpecificationDeleted"),
    *("RateTableUpdated", "RateTableDeleted"),
    *("AssignedRightCreated", "AssignedRightUpdated", "AssignedRightDeleted"),
    *("SessionCreated", "SessionUpdated", "SessionDeleted"),
    *("ObservationCreated", "ObservationUpdated", "ObservationDeleted"),
)
_OVERLAP: Final = timedelta(hours=1)  # longer than any transaction: what committed late is still seen
_LONGEST_WAIT: Final = timedelta(hours=12)
_MOST_TRIES: Final = 15  # about four days; then it is dead until somebody replays it
_BATCH: Final = 1_000
_AT_ONCE: Final = 50
KEPT_SECRET: Final = timedelta(hours=24)  # a rotated secret signs beside the new one for so long

Row = TypeVar("Row")
Change = tuple[str, str, int, Json, list[str]]  # topic, id, version, object, its places


def secret_of(keyring: Keyring, subscription_id: UUID, generation: int) -> str:
    """Return a subscription's secret: it follows from the keyring and is stored nowhere."""
    return keyring.lookup(b"parking webhook", f"{subscription_id}:{generation}".encode()).hex()


def signature(secrets: list[str], body: bytes) -> str:
    """Return HMAC-SHA256 over the body in hex, once for each secret, separated by commas; any one that fits will do."""
    return ", ".join(hmac.new(each.encode(), body, hashlib.sha256).hexdigest() for each in secrets)


def collect(tx: Connection, *, now: datetime) -> int:
    """Put what changed since the last run into the outbox, for every subscription; return how many are new.

    What changed twice in between is told once, as it stands.
    """
    made = 0
    for operator_id, group in groupby(store.list_subscriptions(tx, None), key=lambda each: each.operator_id):
        subscriptions = list(group)
        operators = frozenset({OperatorId(operator_id)}) if operator_id else None
        seen = elements_in_force(tx, now=now, operators=operators)
        for one in subscriptions:
            since = max(one.seen_to - _OVERLAP, one.created_at)
            events = [
                _event(one, *change, now=now)
                for change in _changes(tx, seen, since)
                if change[0] in one.topics and _is_about(one, change[4], seen)
            ]
            made += store.insert_events(tx, events)
            store.set_seen(tx, one.subscription_id, now)
    return made


def deliver(
    database: Database,
    keyring: Keyring,
    *,
    now: Callable[[], datetime],
    private: bool,
    limit: int = 10_000,
) -> tuple[int, int, int]:
    """Send what is due; return how many messages were taken, put off and given up."""
    taken = put_off = dead = 0
    while taken + put_off + dead < limit:
        done, later, lost = database.run(lambda tx: _deliver_some(tx, keyring, now(), private=private))
        taken, put_off, dead = taken + done, put_off + later, dead + lost
        if not done:
            break
    return taken, put_off, dead


def _deliver_some(tx: Connection, keyring: Keyring, now: datetime, *, private: bool) -> tuple[int, int, int]:
    done = later = lost = 0
    for event in store.lock_due(tx, now, _AT_ONCE):
        subscription = store.find_subscription(tx, event.subscription_id)
        assert subscription is not None, "its key is foreign"
        try:
            _send(subscription, event, keyring, now, private=private)
        except outbound.UnreachableError as error:
            give_up = event.tries + 1 >= _MOST_TRIES
            lost, later = lost + give_up, later + (not give_up)
            wait = min(timedelta(minutes=2**event.tries), _LONGEST_WAIT)
            store.put_off(
                tx,
                event.event_id,
                due_at=now + wait,
                dead_at=now if give_up else None,
                error=str(error)[:500],
            )
            logs.logger("service.webhooks").warning(
                "webhook.put_off", event_id=str(event.event_id), tries=event.tries + 1, dead=give_up
            )
        else:
            done += 1
            store.mark_sent(tx, event.event_id, now)
    return done, later, lost


def _send(one: Subscription, event: Event, keyring: Keyring, now: datetime, *, private: bool) -> None:
    generations = [one.generation]
    if one.previous_until is not None and now < one.previous_until:
        generations.append(one.generation - 1)
    secrets = [secret_of(keyring, one.subscription_id, each) for each in generations]
    body = event.body.encode()
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": str(event.event_id),
        SIGNATURE: signature(secrets, body),
    }
    outbound.post(one.endpoint, body, headers, private=private)


def _event(
    one: Subscription, topic: str, element_id: str, version: int, body: Json, _: list[str], *, now: datetime
) -> Event:
    message = {
        "data": [body],
        "eventSubscriptionId": str(one.subscription_id),
        "topic": topic,
        "eventTime": now.isoformat(),
    }
    event_id = uuid8("webhook", one.subscription_id, topic[:4], element_id, version)
    return Event(
        event_id=event_id,
        subscription_id=one.subscription_id,
        topic=topic,
        body=exact_json(message),
        made_at=now,
        due_at=now,
    )


def _is_about(one: Subscription, places: list[str], seen: Elements) -> bool:
    if not one.place_ids:
        return True
    if not one.include_children:
        return not set(one.place_ids).isdisjoint(places)
    return any(seen.book.is_within(each, above) for each in places for above in one.place_ids)


def _changes(tx: Connection, seen: Elements, since: datetime) -> Iterator[Change]:
    until = seen.at + timedelta(seconds=1)
    yield from _published(seen, since)
    sessions = partial(list_changed, tx, seen.operators, since=since, until=until)
    for rows in _pages(sessions):
        settled = list_settled(tx, rows, now=seen.at)
        for row in rows:
            topic = (
                "Deleted"
                if row.state == State.VOIDED.value
                else "Created"
                if row.revision == 1
                else "Updated"
            )
            known = row.place_id in seen.book.places
            spec = seen.casual_in(row.place_id, row.vehicle_class) if known else ""
            body = apds_use.session(
                row, seen.editions, spec, {"settlement": settled_body(settled[row.stay_id])}
            )
            yield f"Session{topic}", str(row.stay_id), row.revision, body, [row.place_id]
    assigned = partial(rights.list_assigned, tx, seen.operators, since=since, until=until)
    for right, ended_at in chain.from_iterable(_pages(assigned)):
        one = HeldRight(right, ended_at)
        yield (
            "AssignedRightCreated" if ended_at is None else "AssignedRightUpdated",
            str(right.right_id),
            one.version,
            apds_use.assigned_right(one, seen.editions),
            [right.place_id],
        )
    recorded = partial(observations.list_recorded, tx, seen.operators, since=since, until=until)
    for observation in chain.from_iterable(_pages(recorded)):
        place = seen.book.places.get(observation.place_id)
        body = apds_use.observation(observation, place, seen.editions)
        yield "ObservationCreated", str(observation.observation_id), 1, body, [observation.place_id]


def _pages(read: Callable[..., tuple[Sequence[Row], int]]) -> Iterator[Sequence[Row]]:
    """Yield all pages of a list, so that no number of changes between two runs is too large."""
    offset = 0
    while True:
        rows, _ = read(offset=offset, limit=_BATCH)
        yield rows
        offset += len(rows)
        if len(rows) < _BATCH:
            return


def _published(seen: Elements, since: datetime) -> Iterator[Change]:
    """Yield the places, rate tables and products that were published otherwise since."""
    for place in seen.places:
        edition = seen.editions[ElementKind.PLACE, place.place_id]
        if edition.since >= since:
            body = encode.place(place, seen.book, seen.editions, seen.of_place(place), None)
            yield f"Place{_word(edition.version)}", place.place_id, edition.version, body, [place.place_id]
    for table in seen.tables:
        edition = seen.editions[ElementKind.RATE_TABLE, table.table_id]
        if edition.since >= since:
            places = [each.place_id for each in seen.casuals if each.table_id == table.table_id]
            body = encode.rate_table(table, seen.editions)
            yield "RateTableUpdated", table.table_id, edition.version, body, places
    for spec in seen.specifications:
        edition = seen.editions[ElementKind.RIGHT_SPECIFICATION, spec.spec_id]
        if edition.since >= since:
            body = encode.right_specification(spec, seen.book, seen.editions)
            word = _word(edition.version)
            yield f"RightSpecification{word}", spec.spec_id, edition.version, body, [spec.place_id]


def _word(version: int) -> str:
    return "Created" if version == 1 else "Updated"


def describe(one: Subscription) -> dict[str, Any]:
    """Return a subscription as APDS shows it; never its secret."""
    return {
        "id": str(one.subscription_id),
        "endpoint": one.endpoint,
        "topics": one.topics,
        "includeChildrenEvents": one.include_children,
        "hierarchyElements": [{"className": "Place", "id": each} for each in one.place_ids],
    }
