"""Uploads on several connections while accounts are linked and parted: the bills of a fold from scratch, no money lost."""

import random
from concurrent.futures import ThreadPoolExecutor
from copy import copy

import pytest

from kernel.wire.tap import Purpose
from service.database import Database
from tests.linked import City, facts_of
from tests.simulation import World

TAPS, LINKS = 24, 6


@pytest.mark.parametrize("seed", [1, 2])
def test_uploads_and_links_race_to_the_same_bills(database, keyring, now, seed):
    dice = random.Random(seed)
    service = Database(database.url, pool_size=8, retries=20)
    with service.begin() as tx:
        city = City(World(tx, keyring, now))
        for name in city.media:
            city.load(name, 1_000_000)
        for _ in range(TAPS):
            name, purpose = dice.choice(["phone", "card"]), dice.choice([Purpose.BOARD, Purpose.ALIGHT])
            city.tap(name, dice.randint(0, 170), purpose=purpose, stop=dice.choice(["26-01", "26-04"]))

    def on(tx):
        mine = copy(city)
        mine.tx = tx
        return mine

    def send(number):
        service.run(lambda tx: on(tx).send(number, number))

    def link(number):
        into = "card" if number % 2 == 0 else "phone"
        minutes = dice.randint(-30, 100)
        service.run(lambda tx: on(tx).link("phone", into, minutes=minutes))

    jobs = [(send, number) for number in range(1, TAPS + 1)] * 2
    dice.shuffle(jobs)
    for number in range(LINKS):
        jobs.insert((number + 1) * len(jobs) // (LINKS + 1), (link, number))
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, number) for work, number in jobs]:
            done.result()
    with service.begin() as tx:
        seen = on(tx)
        facts = facts_of(seen)
        assert facts
        for name in seen.media:
            assert seen.booked(name) == seen.scratch(name, facts)
        paid = sum(seen.charged(name) for name in seen.media)
        assert sum(stored - owed for stored, owed in map(seen.purse, seen.media)) == 2_000_000 - paid
    service.dispose()
