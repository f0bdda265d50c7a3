"""Webhooks of parking operators: what changed goes to an outbox once, and from there out, signed, at least once."""

import hashlib
import hmac
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, groupby
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import Connection

from access.keyring import Keyring
from kernel.exact_json import exact_json
from kernel.ids import OperatorId, uuid8
from parking import apds_use
from parking.apds import encode
from parking.apds.editions import ElementKind
from parking.apds.shapes import Json
from parking.apds_use import HeldRight
from parking.elements import Elements, elements_in_force
from parking.publish_rates import Rates
from parking.rules.session import State
from parking.settled import list_settled
from parking.store import observations, rights
from parking.store import webhooks as store
from parking.store.changes import list_revisions
from parking.store.stays import StayRow
from parking.store.webhooks import Event, Subscription
from service import logs, outbound
from service.database import Database
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


class Change(NamedTuple):
    """One version of one element, as it is told: when it came to be, and which places it is about."""

    topic: str
    element_id: str
    version: int
    body: Json
    places: list[str]
    at: datetime


def secret_of(keyring: Keyring, subscription_id: UUID, generation: int) -> str:
    """Return a subscription's secret: it follows from the keyring and is stored nowhere."""
    return keyring.lookup(b"parking webhook", f"{subscription_id}:{generation}".encode()).hex()


def signature(secrets: list[str], body: bytes) -> str:
    """Return HMAC-SHA256 over the body in hex, once for each secret, separated by commas; any one that fits will do."""
    return ", ".join(hmac.new(each.encode(), body, hashlib.sha256).hexdigest() for each in secrets)


def collect(tx: Connection, *, now: datetime) -> int:
    """Put what changed since the last run into the outbox, for every subscription; return how many are new.

    Each change is told, in its order, however many there were in between.
    """
    made, looked = 0, now
    for operator_id, group in groupby(store.list_subscriptions(tx, None), key=lambda each: each.operator_id):
        subscriptions = list(group)
        operators = frozenset({OperatorId(operator_id)}) if operator_id else None
        seen = elements_in_force(tx, now=now, operators=operators)
        for one in subscriptions:
            since = max(one.seen_to - _OVERLAP, one.created_at)
            events = [
                _event(one, change, now=now)
                for change in _changes(tx, seen, since)
                if change.topic in one.topics and _is_about(one, change.places, seen)
            ]
            made += store.insert_events(tx, events)
            store.set_seen(tx, one.subscription_id, now)
            looked = min(looked, since)
    store.forget_changes(tx, looked)
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


def _event(one: Subscription, change: Change, *, now: datetime) -> Event:
    message = {
        "data": [change.body],
        "eventSubscriptionId": str(one.subscription_id),
        "topic": change.topic,
        "eventTime": change.at.isoformat(),
    }
    kind = change.topic[:4]
    return Event(
        event_id=uuid8("webhook", one.subscription_id, kind, change.element_id, change.version),
        subscription_id=one.subscription_id,
        topic=change.topic,
        body=exact_json(message),
        element_id=f"{kind}:{change.element_id}",
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
    for at, _ in Rates(tx).published_until(seen.at):
        if at >= since:
            yield from _published(tx, seen.operators, at)
    revisions = partial(list_revisions, tx, seen.operators, since=since, until=until)
    for rows in _pages(lambda **page: (revisions(**page), 0)):
        yield from _sessions(tx, seen, rows)
    assigned = partial(rights.list_assigned, tx, seen.operators, since=since, until=until)
    for right, ended_at in chain.from_iterable(_pages(assigned)):
        if right.assigned_at >= since:
            yield _right("AssignedRightCreated", HeldRight(right, None), seen, right.assigned_at)
        if ended_at is not None:
            yield _right("AssignedRightUpdated", HeldRight(right, ended_at), seen, ended_at)
    recorded = partial(observations.list_recorded, tx, seen.operators, since=since, until=until)
    for one in chain.from_iterable(_pages(recorded)):
        body = apds_use.observation(one, seen.book.places.get(one.place_id), seen.editions)
        told = str(one.observation_id), 1, body, [one.place_id], one.recorded_at
        yield Change("ObservationCreated", *told)


def _sessions(tx: Connection, seen: Elements, rows: Sequence[StayRow]) -> Iterator[Change]:
    """Yield revisions of stays; where the money stands is told with the newest alone."""
    newest = {row.stay_id: row for row in rows}
    settled = list_settled(tx, tuple(newest.values()), now=seen.at)
    for row in rows:
        spec = seen.casual_in(row.place_id, row.vehicle_class) if row.place_id in seen.book.places else ""
        also = {"settlement": settled_body(settled[row.stay_id])} if row is newest[row.stay_id] else {}
        body = apds_use.session(row, seen.editions, spec, also)
        voided = row.state == State.VOIDED.value
        topic = f"Session{'Deleted' if voided else _word(row.revision)}"
        yield Change(topic, str(row.stay_id), row.revision, body, [row.place_id], row.billed_at)


def _right(topic: str, held: HeldRight, seen: Elements, at: datetime) -> Change:
    body = apds_use.assigned_right(held, seen.editions)
    return Change(topic, str(held.row.right_id), held.version, body, [held.row.place_id], at)


def _pages(read: Callable[..., tuple[Sequence[Row], int]]) -> Iterator[Sequence[Row]]:
    """Yield all pages of a list, so that no number of changes between two runs is too large."""
    offset = 0
    while True:
        rows, _ = read(offset=offset, limit=_BATCH)
        yield rows
        offset += len(rows)
        if len(rows) < _BATCH:
            return


def _published(tx: Connection, operators: frozenset[OperatorId] | None, at: datetime) -> Iterator[Change]:
    """Yield the places, rate tables and products that one publication said otherwise, or no more."""
    here = elements_in_force(tx, now=at, operators=operators)
    for kind, word, element_id, body, places in _objects(here, here):
        edition = here.editions[kind, element_id]
        if edition.since == at:
            told = "Updated" if kind is ElementKind.RATE_TABLE else _word(edition.version)
            yield Change(f"{word}{told}", element_id, edition.version, body, places, at)
    earlier = [each for each, _ in Rates(tx).published_until(at) if each < at]
    if not earlier:
        return
    before = elements_in_force(tx, now=earlier[-1], operators=operators)
    for kind, word, element_id, body, places in _objects(before, here):
        edition = here.editions[kind, element_id]
        if edition.withdrawn and edition.since == at:
            yield Change(f"{word}Deleted", element_id, edition.version, body, places, at)


def _objects(was: Elements, now: Elements) -> Iterator[tuple[ElementKind, str, str, Json, list[str]]]:
    """Yield what was in force, numbered as it is now: its kind, the word of its topics, its id, object and places."""
    for place in was.places:
        rows = was.rows(ElementKind.PLACE, place.place_id)
        body = encode.place(place, was.book, now.editions, was.of_place(place), None, rows=rows)
        yield ElementKind.PLACE, "Place", place.place_id, body, [place.place_id]
    for table in was.tables:
        places = [each.place_id for each in was.casuals if each.table_id == table.table_id]
        rows = was.rows(ElementKind.RATE_TABLE, table.table_id)
        body = encode.rate_table(table, now.editions, rows)
        yield ElementKind.RATE_TABLE, "RateTable", table.table_id, body, places
    for spec in was.specifications:
        rows = was.rows(ElementKind.RIGHT_SPECIFICATION, spec.spec_id)
        body = encode.right_specification(spec, was.book, now.editions, rows)
        yield ElementKind.RIGHT_SPECIFICATION, "RightSpecification", spec.spec_id, body, [spec.place_id]


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
