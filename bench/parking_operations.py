"""What gates, officers and drivers wait for: plate checks, places near a point, entering and leaving.

Database time is what the statements of one question take, seen from the client on loopback, over a million running
sessions at 10,000 places, in a database with the partitions of a year: a session of every week of it is running. Entering and leaving go through HTTP beside single taps of a validator on the same service,
one connection, in turn: the goal is the ratio of their 99th percentiles within a round.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import Engine, create_engine, event, text

from bench import web
from bench.city import NOW, City
from bench.measure import Result, Stage
from kernel.ids import uuid8
from parking.check import check_vehicle
from parking.enter import Entering, enter
from parking.places import list_near
from parking.publish_rates import publish_rates
from parking.rate_dir import HANOI, read_rate_dir
from parking.rules.place import Position
from parking.rules.plate import PlateMatch, near_plates
from service import staff
from service.audit import Actor, ActorKind
from service.database import Database
from service.jobs.partitions import ensure_partitions
from service.staff import Grant, Role

PLACES: Final = 10_000
SESSIONS: Final = 1_000_000
DAYS: Final = 365
QUESTIONS: Final = 300
CHECK_MS: Final = 5.0
NEAR_MS: Final = 10.0
SLOWER: Final = 2.0
STAYS: Final = 60
PARKED: Final = 100
_TWO: Final = {"prepared_by": "bench maker", "approved_by": "bench checker"}
_FILL: Final = """
INSERT INTO parking_stay (fare_account_id, stay_day, stay_id, guest, subject, place_id, operator_id, vehicle_class,
    state, cases, first_at, entered_at, left_at, last_at, running, rates_version, engine_version, table_id, revision,
    total_minor, charged_minor, currency, billed_at)
SELECT gen_random_uuid(), date '2026-11-18' - n % 52 * 7, gen_random_uuid(), true, gen_random_uuid(), 'p' || n % :places,
    'dongda-parking', 'car_le9', 'open', '', :now, :now, NULL, :now, true, :version, 'parking-1', '', 1, 0, 0, 'VND', :now
FROM generate_series(1, :sessions) AS n
"""


def run(stage: Stage) -> list[Result]:
    """Measure them all."""
    city = City(stage, "operations")
    owner = create_engine(stage.servers.owner_url)
    try:
        service = Database(stage.servers.owner_url)
        year = NOW.date() - timedelta(days=DAYS)
        service.run(lambda tx: ensure_partitions(tx, year, DAYS + 30))
        service.dispose()
        tariff = city.publish()
        with city.engine.begin() as tx:
            rates = publish_rates(tx, _files(), **_TWO, now=NOW).version
        http = _http(city, tariff, stage.rounds)
        with owner.begin() as tx:
            tx.execute(
                text(_FILL),
                {"places": PLACES, "sessions": SESSIONS, "now": NOW - timedelta(hours=1), "version": rates},
            )
        with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE parking_stay_key"))
        return [*http, _checks(city.engine), _nearby(city.engine)]
    finally:
        city.close()
        owner.dispose()


def _files() -> dict[str, bytes]:
    files = dict(read_rate_dir(HANOI))
    dice = random.Random(10_000)
    head = "place_id,parent_id,kind,name,operator_id,zone,day_starts,default_class,latitude,longitude"
    places = [
        f"p{number},dong-da,place,P{number},dongda-parking,Asia/Ho_Chi_Minh,04:00,car_le9,"
        f"{dice.uniform(20.85, 21.15):.6f},{dice.uniform(105.65, 105.95):.6f}"
        for number in range(PLACES)
    ]
    areas = [
        ",".join([*row.split(",")[:8], "", ""])
        for row in files["places.csv"].decode().splitlines()[1:]
        if row.split(",")[2] != "place"
    ]
    files["places.csv"] = "\n".join([head, *areas, *places, ""]).encode()
    files["gates.csv"] = b"gate_id,place_id\n"
    return files


@contextmanager
def _database_time(engine: Engine) -> Iterator[list[float]]:
    spent = [0.0]
    began = [0.0]

    def before(*_: object) -> None:
        began[0] = time.perf_counter()

    def after(*_: object) -> None:
        spent[0] += time.perf_counter() - began[0]

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    try:
        yield spent
    finally:
        event.remove(engine, "before_cursor_execute", before)
        event.remove(engine, "after_cursor_execute", after)


def _p99_ms(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98] * 1_000


def _asked(name: str, engine: Engine, most_ms: float, ask: Callable[[int], Callable[..., object]]) -> Result:
    times: list[float] = []
    with _database_time(engine) as spent:
        for number in range(QUESTIONS + 10):
            question = ask(number)
            with engine.begin() as tx:
                spent[0] = 0.0
                question(tx)
                times.append(spent[0])
    found, usual = _p99_ms(times[10:]), statistics.median(times[10:]) * 1_000
    goal = f"<= {most_ms:g} ms"
    return Result(name, "ms p99", found, None, None, goal, found <= most_ms, f"median {usual:.2f} ms")


def _checks(engine: Engine) -> Result:
    dice = random.Random(99)
    parked = [uuid8("bench parked", number) for number in range(PARKED)]
    for number, subject in enumerate(parked):  # these have events too: a check reads them
        with engine.begin() as tx:
            asked = Entering(
                event_id=uuid8("bench entry", number),
                place_id=f"p{number}",
                vehicle_class="car_le9",
                subject=subject,
                at=NOW - timedelta(hours=1),
            )
            enter(tx, asked, actor="bench", now=NOW)

    def ask(number: int) -> Callable[..., object]:
        # One plate in three is parked; each comes with the hashes of its neighbours, as the service makes them.
        plate = f"30A{dice.randrange(10**5):05}"
        own: UUID = parked[number % len(parked)] if number % 3 == 0 else uuid8("bench plate", plate)
        subjects = {own: PlateMatch.SAME} | {
            uuid8("bench plate", each): PlateMatch.MINOR for each in near_plates(plate)
        }
        return lambda tx: check_vehicle(tx, f"p{number}", subjects, now=NOW)

    return _asked("parking.operations.check", engine, CHECK_MS, ask)


def _nearby(engine: Engine) -> Result:
    dice = random.Random(7)

    def ask(_: int) -> Callable[..., object]:
        at = Position(dice.randrange(20_900_000, 21_100_000), dice.randrange(105_700_000, 105_900_000))
        return lambda tx: list_near(
            tx, at, radius_m=1_500, vehicle_class="car_le9", stay=timedelta(hours=2), now=NOW
        )

    return _asked("parking.operations.near", engine, NEAR_MS, ask)


def _http(city: City, tariff: str, rounds: int) -> list[Result]:
    with city.engine.begin() as tx:
        _, token = staff.add_credential(
            tx,
            name="bench gate",
            grant=Grant(Role.PARKING_OPERATOR, "dongda-parking"),
            valid=timedelta(days=1),
            by=Actor(ActorKind.COMMAND, "bench"),
            now=NOW,
        )
    head = {"Authorization": f"Bearer {token}"}
    bus = city.bus("bench operations", "26", tariff)
    ratios: dict[str, list[float]] = {"enter": [], "leave": []}
    seen: dict[str, list[float]] = {"tap": [], "enter": [], "leave": []}
    with web.gunicorn("service.app:create_app()", city.environment) as address:
        connection = address.connect()

        def timed(request: bytes) -> tuple[float, bytes]:
            began = time.perf_counter()
            connection.sendall(request)
            received = bytearray()
            while not web.is_whole(received):
                received += connection.recv(262_144)
            assert bytes(received[9:12]) in {b"200", b"201"}, bytes(received[:2_000])
            return time.perf_counter() - began, bytes(received)

        for number in range(rounds + 1):
            riders = city.riders(STAYS)
            times: dict[str, list[float]] = {"tap": [], "enter": [], "leave": []}
            for place, rider in enumerate(riders):
                raw = bus.tap(rider, NOW - timedelta(minutes=50 - number), 1)
                body = json.dumps(bus.upload([raw]).to_json()).encode()
                times["tap"].append(timed(web.post("/v1/taps", body, {}))[0])
                asked = {
                    "event_id": str(uuid4()),
                    "place_id": f"p{place}",
                    "vehicle_class": "car_le9",
                    "medium": {"kind": "ticket", "value": str(uuid4())},
                    "fare_account_id": str(rider.issued.fare_account_id),
                    "entered_at": (NOW - timedelta(minutes=90)).isoformat(),
                }
                spent, answer = timed(web.post("/v1/parking/sessions", json.dumps(asked).encode(), head))
                times["enter"].append(spent)
                session = json.loads(answer.partition(b"\r\n\r\n")[2])["session_id"]
                left = json.dumps({"event_id": str(uuid4())}).encode()
                times["leave"].append(timed(web.post(f"/v1/parking/sessions/{session}/leave", left, head))[0])
            if number:  # the first round warms up
                for name, mine in times.items():
                    seen[name].append(_p99_ms(mine))
                for name, found in ratios.items():
                    found.append(_p99_ms(times[name]) / _p99_ms(times["tap"]))
        connection.close()
    tap = statistics.median(seen["tap"])
    return [
        Result(
            f"parking.operations.{name}",
            "ms p99",
            statistics.median(seen[name]),
            tap,
            statistics.median(found),
            f"cost ratio <= {SLOWER:g}",
            statistics.median(found) <= SLOWER,
            "baseline: one tap of a validator",
        )
        for name, found in ratios.items()
    ]
