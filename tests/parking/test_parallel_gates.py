"""Two gates' uploads, cut, doubled and shuffled over parallel connections: the stays of an upload in order."""

import itertools
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from access.rules.device import DeviceKind
from access.take_in import take_in
from kernel.wire.tap import Purpose
from ledger import prove
from parking.bill import bill_stays
from parking.publish_rates import publish_rates
from parking.rate_dir import HANOI, read_rate_dir
from parking.store import keys
from parking.store import stays as store
from service.database import Database
from tests.parking.conftest import TWO, balances, load
from tests.simulation import World

CARDS = 4
STAYS = 4
TIMES = 3
MONEY = 150_000


@pytest.fixture
def opened(database) -> Iterator[Database]:
    """The service's own way to a database: deadlocks are repeated."""
    found = Database(database.url, pool_size=5)
    yield found
    found.dispose()


def stays_of(tx, account, now):
    return sorted(
        (row.state, row.cases, row.entered_at, row.left_at, row.charged_minor)
        for row in store.list_stays(tx, keys.list_begun(tx, {account: now - timedelta(days=9)}))
        if row.cases != "merged"
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_parallel_shuffled_uploads_of_two_gates_end_in_the_same_stays(opened, keyring, now, seed):
    dice = random.Random(seed)
    with opened.begin() as tx:
        at = datetime(2020, 1, 1, tzinfo=UTC)
        publish_rates(tx, read_rate_dir(HANOI), effective_at=at, **TWO, now=at)
        world = World(tx, keyring, now)
        gates = {
            (side, purpose): world.reader(f"{side}-{purpose.name}", kind=DeviceKind.PARKING)
            for side in ("calm", "wild")
            for purpose in (Purpose.PARK_IN, Purpose.PARK_OUT)
        }
        cards = {
            side: [world.card(n) for n in numbers]
            for side, numbers in (("calm", range(CARDS)), ("wild", range(50, 50 + CARDS)))
        }
        for card in (*cards["calm"], *cards["wild"]):
            load(tx, card.issued.fare_account_id, MONEY, now)
    for (_, purpose), gate in gates.items():
        gate.facts = {
            "place": "dong-da-01", "purpose": purpose, "vehicle_class": "car_le9",
            "route_id": "", "stop_id": "", "trip_id": "",
        }  # fmt: skip
    clock = now - timedelta(days=2)
    for _ in range(STAYS):
        for number in range(CARDS):
            clock += timedelta(minutes=dice.choice([3, 17]))
            leaves = clock + timedelta(minutes=dice.choice([9, 59, 61, 200]))
            missed = dice.choice([None, None, None, Purpose.PARK_IN, Purpose.PARK_OUT])
            for side in ("calm", "wild"):  # both drive the same day at gates of their own
                for purpose, instant in ((Purpose.PARK_IN, clock), (Purpose.PARK_OUT, leaves)):
                    if purpose is not missed:
                        gates[side, purpose].tap(cards[side][number], at=instant)
        clock += timedelta(hours=4)

    def send(upload):
        def work(tx):
            taken = take_in(tx, upload, keyring=keyring, now=now)
            bill_stays(tx, taken.taps, now=now, touched=taken.touched)

        opened.run(work)

    for (side, _), gate in gates.items():
        if side == "calm":
            send(gate.upload())
    sent = []
    for (side, _), gate in gates.items():
        if side == "wild":
            cuts = sorted({0, len(gate.records), *(dice.randint(0, len(gate.records)) for _ in range(4))})
            sent += [gate.upload(low + 1, high) for low, high in itertools.pairwise(cuts)] * TIMES
    dice.shuffle(sent)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, sent))
    with opened.begin() as tx:
        for calm, wild in zip(cards["calm"], cards["wild"], strict=True):
            accounts = [card.issued.fare_account_id for card in (calm, wild)]
            expected, found = (stays_of(tx, account, now) for account in accounts)
            assert found == expected
            assert any(charged for *_, charged in found)
            one, other = (balances(tx, account, now)[:2] for account in accounts)
            assert one == other, "stored value and debt are those of the twin"
            assert MONEY - one[0] + one[1] == sum(charged for *_, charged in found)
    assert not [fault for step in prove.prove(opened.begin) for fault in step.faults]
