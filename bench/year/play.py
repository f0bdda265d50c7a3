"""Play one day of the year through the verbs, close it, and say which đồng nobody can explain.

Cards pass gates: their taps are signed, chained and uploaded as a gate does, judged by `access.take_in` and billed by
`service.jobs.bill_batch`. Guests enter, leave and pay by parking's verbs, at a till whose shift is counted and closed.
Some gates deliver a day late, some twice, some exits nobody sees. Every day is settled, closed and sealed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from typing import Final, TypeVar
from uuid import UUID

from sqlalchemy import Connection

from access.take_in import TakenIn, take_in
from bench.city import Bus, City
from bench.year.books import unexplained
from bench.year.plan import Spot, Visit, Year, day_of, spots, starts, troubles, visits
from bench.year.town import Town, Waiting
from fare.publish import Shelf
from kernel.ids import uuid8
from kernel.money import VND, Money
from kernel.wire.tap import Purpose
from ledger import close_period
from parking.enter import Entering, enter, leave
from parking.pay import pay
from parking.rules.payment import Method
from parking.rules.shift import ShiftEvent, ShiftEventKind
from parking.shift import find_shift, open_shift, tell_shift
from service.database import Database
from service.jobs.bill_batch import bill_touched, tariff_versions
from service.jobs.settle_day import settle_day

UPLOADS_AT_ONCE: Final = 70
GUESTS_AT_ONCE: Final = 25
_MOST_RECORDS: Final = 1_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Closed:
    """A closed day: what was settled, and by how many đồng books and hand disagree (0 where all is explained)."""

    day: date
    stays: int
    collected: int
    unexplained: int
    reconciled: bool


def play_day(
    city: City, town: Town, shelf: Shelf, database: Database, year: Year, *, workers: int = 1
) -> Closed:
    """Play the town's next day and close it; the town's state is the day after's.

    Each of the `workers` is a process that plays the day of some operators: their gates' uploads, guests and tills.
    """
    number, day = town.day, day_of(year, town.day)
    end = starts(day + timedelta(days=1))
    places = spots(year)
    pass_gates(town, places, year, number)
    before = town.stays
    due = [place for place, waiting in enumerate(town.waiting) if waiting]
    wrong = troubles(year, number)
    due = [place for place in due if wrong.get(place) != "late"]
    guests = [each for each in visits(year, number) if each.card is None]
    shares = split(places, workers)

    def play(worker: int, own: Database) -> None:
        mine = [place for place in due if places[place].operator_id in shares[worker]]
        here = [one for one in guests if places[one.spot].operator_id in shares[worker]]
        works = [
            partial(_deliver, city, town, shelf, own, mine, wrong, now=end + timedelta(minutes=30)),
            partial(_serve_guests, own, places, here, day),
        ]
        # A card parks at several operators', and its uploads wait for each other: every second worker begins with guests.
        for work in works if worker % 2 == 0 else reversed(works):
            work()

    if workers == 1:
        play(0, database)
    else:
        url = database.engine.url.render_as_string(hide_password=False)
        database.dispose()  # a connection belongs to one process
        _side_by_side([partial(_alone, play, number, url) for number in range(workers)])
    _count(town, places, due, guests)
    morning = end + timedelta(hours=5)
    settled = None
    for step in settle_day(
        database, day, signer=city.keyring.bundle_key, seal_keys=city.keyring.seal_keys, now=lambda: morning
    ):
        settled = step.settled or settled
    assert settled is not None, "the last step settles"
    town.day += 1
    return Closed(
        day=day,
        stays=town.stays - before,
        collected=sum(each.collected.minor - each.refunded.minor for each in settled.settlements),
        unexplained=unexplained(database, town),
        reconciled=settled.coverage.covered and all(each.reconciled for each in settled.settlements),
    )


def pass_gates(town: Town, places: Sequence[Spot], year: Year, number: int) -> None:
    """Let the day's cards tap at the gates, in order; each gate keeps what it has not delivered."""
    day = day_of(year, number)
    begin, end = starts(day), starts(day + timedelta(days=1))
    passes: list[tuple[datetime, int, int, Purpose, Visit]] = []
    for on in range(max(0, number - 1), number + 1):
        for each in visits(year, on):
            if each.card is None:
                continue
            for at, purpose in ((each.entered_at, Purpose.PARK_IN), (each.left_at, Purpose.PARK_OUT)):
                if begin <= at < end and (purpose is Purpose.PARK_IN or each.has_exit):
                    passes.append((at, each.card, int(purpose), purpose, each))
    for at, card, _, purpose, each in sorted(passes, key=lambda one: one[:3]):
        spot = places[each.spot]
        raw = town.gates[each.spot].tap(
            town.riders[card],
            at,
            0,
            purpose=purpose,
            place=f"{spot.place_id}-gate",
            stop_id="",
            route_id="",
            trip_id="",
            vehicle_class=spot.vehicle_class,
        )
        left = purpose is Purpose.PARK_OUT
        town.waiting[each.spot].append(Waiting(raw, each.price if left else 0, int(left)))


def split(places: Sequence[Spot], workers: int) -> tuple[frozenset[str], ...]:
    """Return the operators of each worker, so that each has about as many places."""
    shares: list[set[str]] = [set() for _ in range(workers)]
    many = [0] * workers
    for operator, count in Counter(spot.operator_id for spot in places).most_common():
        lightest = many.index(min(many))
        shares[lightest].add(operator)
        many[lightest] += count
    return tuple(frozenset(share) for share in shares)


def _side_by_side(works: Iterable[Callable[[], None]]) -> None:
    """Run each in a process of its own; ChildProcessError when one fails."""
    context = get_context("fork")
    running = [context.Process(target=work) for work in works]
    for each in running:
        each.start()
    for each in running:
        each.join()
    if any(each.exitcode for each in running):
        raise ChildProcessError([each.exitcode for each in running])


def _alone(play: Callable[[int, Database], None], number: int, url: str) -> None:
    own = Database(url)
    play(number, own)
    own.dispose()


def _deliver(
    city: City,
    town: Town,
    shelf: Shelf,
    database: Database,
    due: Sequence[int],
    wrong: Mapping[int, str],
    *,
    now: datetime,
) -> None:
    for some in _parts(due, UPLOADS_AT_ONCE):
        uploads = [(town.gates[place], [each.raw for each in town.waiting[place]]) for place in some]
        again = [one for place, one in zip(some, uploads, strict=True) if wrong.get(place) == "twice"]
        for sent in (uploads, again):
            if sent:
                database.run(lambda tx, sent=sent: _take(tx, city, shelf, sent, now))  # type: ignore[misc]


def _count(town: Town, places: Sequence[Spot], due: Iterable[int], guests: Iterable[Visit]) -> None:
    """Add what was delivered and paid to what is known by hand; nothing waits any longer."""

    def expect(place: int, price: int) -> None:
        operator = places[place].operator_id
        town.expected[operator] = town.expected.get(operator, 0) + price

    for place in due:
        for each in town.waiting[place]:
            expect(place, each.price)
            town.stays += each.stays
        town.taps += len(town.waiting[place])
        town.waiting[place] = []
    for guest in guests:
        expect(guest.spot, guest.price)
        town.cash += guest.price
        town.stays += 1


def _take(
    tx: Connection, city: City, shelf: Shelf, sent: Iterable[tuple[Bus, list[bytes]]], now: datetime
) -> None:
    versions = tariff_versions(shelf.books(tx))
    taken: list[TakenIn] = []
    for gate, records in sent:
        assert len(records) <= _MOST_RECORDS, "a car park's day is one upload"
        taken.append(
            take_in(
                tx,
                gate.upload(records),
                keyring=city.keyring,
                now=now,
                tariff_versions=versions,
                share_days=close_period.share,
            )
        )
    touched = frozenset(each for one in taken for each in one.touched)
    bill_touched(tx, touched, tuple(tap for one in taken for tap in one.taps), shelf=shelf, now=now)


def _serve_guests(database: Database, places: Sequence[Spot], guests: Sequence[Visit], day: date) -> None:
    """Let guests in and out and take their cash; each operator's till has a shift, counted and closed by another."""
    by_operator: dict[str, list[Visit]] = defaultdict(list)
    for each in guests:
        by_operator[places[each.spot].operator_id].append(each)
    for operator, mine in sorted(by_operator.items()):
        shift_id = uuid8("year shift", operator, day.isoformat())
        first = places[mine[0].spot].place_id
        till, opens = f"till-{operator}", starts(day)
        database.run(
            lambda tx, at=opens, place=first, shift=shift_id, till=till: open_shift(  # type: ignore[misc]
                tx,
                shift,
                place_id=place,
                till=till,
                attendant="an",
                float_=Money(500_000, VND),
                actor="an",
                now=at,
            )
        )
        for some in _parts(mine, GUESTS_AT_ONCE):
            database.run(lambda tx, some=some, till=till: _serve(tx, places, some, day, till))  # type: ignore[misc]
        _close_shift(database, shift_id, starts(day + timedelta(days=1)))


def _parts(all_of_it: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for first in range(0, len(all_of_it), size):
        yield all_of_it[first : first + size]


def _serve(tx: Connection, places: Sequence[Spot], guests: Iterable[Visit], day: date, till: str) -> None:
    for each in guests:
        spot = places[each.spot]
        name = ("year guest", day.isoformat(), each.number)
        asked = Entering(
            event_id=uuid8("in", *name),
            place_id=spot.place_id,
            vehicle_class=spot.vehicle_class,
            subject=uuid8("plate", *name),
            at=each.entered_at,
        )
        made = enter(tx, asked, actor="an", now=each.entered_at)
        at = each.left_at
        left = leave(tx, made.row.stay_id, event_id=uuid8("out", *name), at=at, actor="an", now=at)
        due = left.bill.charged()
        assert due is not None, "it has left"
        pay(
            tx,
            made.row.stay_id,
            payment_id=uuid8("paid", *name),
            method=Method.CASH_BY_PROXY if each.by_proxy else Method.CASH,
            amount=due,
            till=till,
            actor="an",
            now=at,
        )


def _close_shift(database: Database, shift_id: UUID, at: datetime) -> None:
    def close(tx: Connection) -> None:
        shift = find_shift(tx, shift_id, now=at)
        counted = shift.float_ + shift.taken
        for kind, actor, amount in (
            (ShiftEventKind.COUNTED, "an", counted),
            (ShiftEventKind.CLOSED, "binh", None),
        ):
            event = ShiftEvent(
                event_id=uuid8("shift event", shift_id, kind.value),
                kind=kind,
                at=at,
                actor=actor,
                amount=amount,
            )
            tell_shift(tx, shift_id, event, now=at)

    database.run(close)
