"""Any permutation and duplication of uploads, from several devices at once, ends in the same evidence."""

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from access.take_in import take_in
from access.taps import list_taps
from kernel.wire.tap import Phase
from kernel.wire.upload import Verdict

STATE = (
    "SELECT tap_id, record_hash, card_id, counter, mac_valid, exception FROM tap ORDER BY 1",
    "SELECT device_id, journal_id, sequence, record_hash, reason FROM tap_aside ORDER BY 1, 2, 3, 4, 5",
    "SELECT card_id, counter, tap_id, previous_reader FROM tap_claim ORDER BY 1, 2, 3",
    "SELECT card_id, counter, tap_id, tmv FROM tap_torn ORDER BY 1, 2, 3",
    "SELECT card_id, counter, tap_id, tmv FROM tap_prior ORDER BY 1, 2, 3",
    "SELECT device_id, journal_id, sequence, hash FROM device_head ORDER BY 1, 2",
    "SELECT device_id, journal_id, sequence FROM device_unchained ORDER BY 1, 2, 3",
    "SELECT device_id, state FROM device ORDER BY 1",
    "SELECT kind, subject FROM review_case ORDER BY 1, 2",
    "SELECT reason, ref FROM exception_queue ORDER BY 1, 2",
    "SELECT serial, reason, denied FROM deny_change ORDER BY 1, 2",
)


CLOCK_STATE = 2 + 80 + 8 + 8  # tag and version, the five header fields, two times: the byte after them


@contextmanager
def rolled_back(tx):
    savepoint = tx.begin_nested()
    try:
        yield
    finally:
        savepoint.rollback()


def state(tx, world, cards):
    span = timedelta(days=90)
    accounts = [card.issued.fare_account_id for card in cards]
    taps = list_taps(tx, accounts, since=world.now - span, until=world.now + span)
    # When a record came is a fact about its journey, not about the tap.
    read = [tap._replace(received_at=world.now) for tap in taps]
    return [[tuple(row) for row in tx.execute(text(sql))] for sql in STATE], read


def a_day(world, dice):
    """Three readers, five cards, torn, recovered, refused, forged, cloned and misplaced taps; cut into uploads."""
    readers = [world.reader(f"bus-{number}") for number in range(3)]
    cards = [world.card(number) for number in range(5)]
    for number, reader in enumerate(readers):
        reader.clock += timedelta(seconds=number / 10)
    for _ in range(30):
        reader, card = dice.choice(readers), dice.choice(cards)
        match dice.randrange(10):
            case 0:
                torn = reader.tap(card, phase=Phase.TORN)
                if dice.random() < 0.5:
                    reader.recover(torn, card)
            case 1:
                reader.tap(card, phase=Phase.TORN, committed=False)
            case 2:
                reader.tap(card, phase=Phase.REFUSED)
            case 3:
                reader.tap(card, committed=False, tmv=b"forged!!")
            case 4:
                dice.choice(readers).tap(replace(card))
                reader.tap(card)
            case 5:
                reader.tap(card)
                poison = bytearray(reader.records[-1])
                poison[CLOCK_STATE] = 99
                reader.records[-1] = bytes(poison)
            case _:
                reader.tap(card)
    uploads = []
    for reader in readers:
        first = 1
        while first <= len(reader.records):
            last = min(len(reader.records), first + dice.randrange(1, 6))
            uploads.append(reader.upload(first, last))
            first = last + 1
    return cards, uploads


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), order=st.randoms(use_true_random=False))
def test_any_order_and_repetition_ends_in_the_same_state(world, seed, order):
    with rolled_back(world.tx):
        cards, uploads = a_day(world, random.Random(seed))
        shuffled = uploads + order.sample(uploads, k=len(uploads) // 2)
        order.shuffle(shuffled)
        states = []
        for sent in (uploads, shuffled):
            with rolled_back(world.tx):
                for minutes, upload in enumerate(sent):
                    now = world.now + timedelta(minutes=minutes)
                    take_in(world.tx, upload, keyring=world.keyring, now=now)
                states.append(state(world.tx, world, cards))
    assert states[0] == states[1]


def test_two_connections_with_the_same_batches_store_them_once(database, keyring, now, world_on):
    with database.engine.begin() as tx:
        world = world_on(tx)
        readers = [world.reader(f"bus-{number}") for number in range(4)]
        cards = [world.card(number) for number in range(20)]
    for number, reader in enumerate(readers):
        reader.clock += timedelta(seconds=number / 10)
    for _ in range(5):
        for card in cards:
            for reader in readers:
                reader.tap(card)
    uploads = [reader.upload(first, first + 24) for reader in readers for first in (1, 26, 51, 76)]

    def send(upload):
        with database.engine.begin() as tx:
            return take_in(tx, upload, keyring=keyring, now=now)

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(send, [*uploads, *reversed(uploads), *uploads]))
    accepted = sum(each.verdict is Verdict.ACCEPTED for one in taken for each in one.verdicts)
    duplicates = sum(each.verdict is Verdict.DUPLICATE for one in taken for each in one.verdicts)
    assert (accepted, duplicates) == (400, 800)
    with database.engine.begin() as tx:
        assert tx.execute(text("SELECT count(*), count(DISTINCT tap_id) FROM tap")).one() == (400, 400)
        assert tx.execute(text("SELECT sum(sequence), count(*) FROM device_head")).one() == (400, 4)
        assert tx.execute(text("SELECT count(*) FROM device_unchained")).scalar_one() == 0
        assert tx.execute(text("SELECT count(*) FROM review_case")).scalar_one() == 0


def test_one_of_two_racing_clones_sees_the_other(database, keyring, now, world_on):
    with database.engine.begin() as tx:
        world = world_on(tx)
        one, two, cards = world.reader("bus-01"), world.reader("bus-02"), [world.card(n) for n in range(10)]
    two.clock += timedelta(milliseconds=1)
    for card in cards:
        clone = replace(card)
        one.tap(card)
        two.tap(clone)

    def send(upload):
        with database.engine.begin() as tx:
            return take_in(tx, upload, keyring=keyring, now=now)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(send, [one.upload(), two.upload()]))
    with database.engine.begin() as tx:
        kinds = tx.execute(text("SELECT kind, count(*) FROM review_case GROUP BY kind ORDER BY kind")).all()
        assert [tuple(row) for row in kinds] == [("counter-taken", 10)]
