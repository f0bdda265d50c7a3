"""fare.tariff: what does not grow with the city: pricing over 10 and 1,000 routes, compiling a feed, simulating a million taps.

The taps of the simulation are generated, their making is not timed; both cores work, as `lienthong tariff simulate` does.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from pathlib import Path
from typing import Final
from uuid import UUID

from bench.measure import Result, Stage, Work, judged, race
from fare.gtfs.load import check_files, load_tariff, pack
from fare.gtfs.read import files_of
from fare.rules.facts import DayFacts, FareTap
from fare.rules.fold import days_of
from fare.rules.price import price_day
from fare.rules.simulation import History
from fare.simulate import simulate
from kernel.ids import CardId, FareAccountId, OperatorId, TapId
from kernel.wire.cardinfo import Concession
from kernel.wire.tap import ClockState, Phase, Purpose

HANOI: Final = Path(__file__).parents[1] / "fare" / "tariffs" / "hanoi"
DAWN: Final = datetime(2026, 11, 18, 0, 0, tzinfo=UTC)
DAYS: Final = 2_000
RULES: Final = 2_000
TAPS: Final = 1_000_000
FLAT: Final = 1.2
COMPILED_S: Final = 2
TAPS_A_SECOND: Final = 20_000


def _town(routes: int, zones: int = 4) -> dict[str, bytes]:
    """Return a tariff with so many bus routes and a metro of so many zones, each pair of them a rule."""
    ids = [f"r{n}" for n in range(routes)]
    pairs = [(one, two) for one in range(zones) for two in range(zones)]
    files = {
        "tariff": "tariff_version,zone,day_starts,currency\nbench,Asia/Ho_Chi_Minh,04:00:00,VND",
        "agency": "agency_id,agency_name,agency_timezone\na,A,Asia/Ho_Chi_Minh",
        "routes": "\n".join(["route_id,agency_id,route_type", "m,a,1", *(f"{name},a,3" for name in ids)]),
        "networks": "network_id\nbus\nmetro",
        "route_networks": "\n".join(["network_id,route_id", "metro,m", *(f"bus,{name}" for name in ids)]),
        "stops": "\n".join(["stop_id", *(f"s{n}" for n in range(zones))]),
        "areas": "\n".join(["area_id", *(f"z{n}" for n in range(zones))]),
        "stop_areas": "\n".join(["area_id,stop_id", *(f"z{n},s{n}" for n in range(zones))]),
        "ride_rules": "network_id,settled_by,limit_min\nbus,boarding,240\nmetro,ride,180",
        "fare_products": "\n".join(
            ["fare_product_id,amount,currency", "bus,8000,VND", *(f"p{one}_{two},{9000 + 10 * one + two},VND" for one, two in pairs)]
        ),
        "fare_leg_rules": "\n".join(
            ["leg_group_id,network_id,from_area_id,to_area_id,fare_product_id", "bus,bus,,,bus",
             *(f"metro,metro,z{one},z{two},p{one}_{two}" for one, two in pairs)]
        ),
        "transfer_windows": "window_id,network_ids,duration_s,edge\nhour,bus,3600,inclusive",
        "caps": "cap_id,period,amount,currency\nday,day,40000,VND",
    }  # fmt: skip
    return {f"{name}.txt": text.encode() for name, text in files.items()}


def _history(chance: random.Random, routes: list[str], metro: str, stops: list[str]) -> History:
    card, start = UUID(bytes=chance.randbytes(16)), DAWN + timedelta(seconds=chance.randrange(3_600))
    bus, ends = chance.choice(routes), chance.sample(stops, 2)
    calls = ((bus, ""), (bus, ""), (metro, ends[0]), (metro, ends[1]))
    return History(
        FareAccountId(card),
        tuple(
            FareTap(
                TapId(UUID(bytes=chance.randbytes(16))), CardId(card), 7 + n, start + timedelta(minutes=20 * n),
                Purpose.AUTO, Phase.DONE, OperatorId("a"), stop, route, "", "", 0, Concession.NORMAL,
                ClockState.SYNCED, proven_torn=False,
            )
            for n, (route, stop) in enumerate(calls)
        ),
    )  # fmt: skip


def _days(routes: int) -> Callable[[], Work]:
    files = _town(routes)
    book = load_tariff(pack(files))
    chance = random.Random(20261118)
    names = [f"r{n}" for n in range(routes)]
    days: list[DayFacts] = []
    for _ in range(DAYS):
        one = _history(chance, names, "m", [f"s{n}" for n in range(4)])
        days += days_of(one.account, one.taps, book)

    def prepare() -> Work:
        def work() -> int:
            for facts in days:
                price_day(facts, book)
            return len(days)

        return work

    return prepare


def _compile() -> Result:
    files = _town(100, zones=45)  # 45 x 45 zone pairs are 2,025 leg rules
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        checked = check_files(files)
        assert checked.book is not None, "the bench's town is sound"
        checked.book.compile_all()
        seconds.append(time.perf_counter() - began)
    rules = len(checked.feed.of("fare_leg_rules.txt"))
    assert rules >= RULES, "the feed has the rules it is named for"
    middle = sorted(seconds)[2]
    goal = f"< {COMPILED_S} s for {RULES:,} rules"
    return Result(
        "fare.tariff_compile",
        "rules/s",
        rules / middle,
        None,
        None,
        goal,
        middle < COMPILED_S,
        f"{middle:.2f} s",
    )


def _simulate() -> Result:
    tariff = pack(files_of(HANOI))
    now = load_tariff(tariff).on(DAWN.date())
    chance = random.Random(20261119)
    buses = sorted(set(now.routes) - {"2A", "3.1"})
    stops = sorted(now.positions_m["2A"])
    made = [_history(chance, buses, "2A", stops) for _ in range(10_000)]
    count = TAPS // sum(len(one.taps) for one in made) * len(made)
    histories: Iterator[History] = chain.from_iterable(repeat(made, count // len(made)))
    began = time.perf_counter()
    steps = list(simulate(histories, (tariff, tariff), of=count, processes=os.cpu_count() or 1))
    seconds = time.perf_counter() - began
    tally = steps[-1].tally
    assert tally is not None, "the last step has the tally"
    assert tally.taps == TAPS, "every tap was replayed"
    assert all(one == two for one, two in tally.riders), "a draft equal to the tariff differs by nothing"
    speed = tally.taps / seconds
    goal = f">= {TAPS_A_SECOND:,} taps/s"
    told = f"{tally.taps:,} taps in {seconds:.0f} s, {len(steps)} steps of progress"
    return Result("fare.tariff_simulate", "taps/s", speed, None, None, goal, speed >= TAPS_A_SECOND, told)


def run(stage: Stage) -> list[Result]:
    """Measure the three; the first as a ratio in interleaved rounds, the others once, against their goals."""
    speeds = race({"1,000": _days(1_000), "10": _days(10)}, rounds=stage.rounds)
    name, unit = "fare.tariff_routes", "account-days/s"
    note = "1,000 routes against 10"
    flat = judged(name, unit, speeds["1,000"], speeds["10"], cost_at_most=FLAT, note=note)
    return [flat, _compile(), _simulate()]
