"""The uplink against a real HTTP server that fails in every way it can: all records arrive exactly once."""

import json
import random
import socket
import time
from datetime import timedelta

import pytest

from kernel.clock import FixedClock
from readers.config import load_config
from readers.journal import Journal
from readers.records import JournalReader
from readers.server import Server
from readers.uplink import Uplink
from tests.readers.kit import (
    DEVICE,
    IDENTITY,
    NOW,
    draft,
    fill,
    wait_until,
    write_config,
)


@pytest.fixture
def start(tmp_path, journal):
    started = []

    def make(url, *, chained_up_to=0, **more):
        settings = load_config(write_config(tmp_path, url=url)).server
        server = Server(url, timeout_s=more.pop("timeout_s", 0.5), clock=FixedClock(NOW))
        uplink = Uplink(identity=IDENTITY, server=server, settings=settings, **more)
        uplink.follow(journal.path, journal_id=journal.journal_id, chained_up_to=chained_up_to)
        uplink.start()
        started.append(uplink)
        return uplink

    yield make
    for uplink in started:
        uplink.stop(flush_s=0)
        assert not uplink.is_alive()


def arrived(office, journal):
    """Sequences stored for this journal, having checked that they are its very bytes."""
    reader = JournalReader(journal.path)
    kept = dict(reader.after(0, limit=10_000))
    reader.close()
    stored = {sequence: raw for (name, sequence), raw in office.stored.items() if name == journal.journal_id}
    assert all(kept[sequence] == raw for sequence, raw in stored.items())
    return sorted(stored)


def test_records_arrive_once_and_in_order(office, journal, start):
    fill(journal, 450)
    uplink = start(office.url)
    wait_until(lambda: uplink.chained_up_to == 450)
    assert arrived(office, journal) == list(range(1, 451))
    assert [len(json.loads(body)["records"]) for body in office.requests] == [200, 200, 50]


@pytest.mark.parametrize("fault", ["500", "503", "429", "401", "drop", "garbage", "stall"])
def test_the_same_bytes_are_sent_until_they_are_acknowledged(office, journal, start, fault):
    fill(journal, 3)
    office.faults = [fault] * 3
    office.stall_s = 0.7
    uplink = start(office.url)
    wait_until(lambda: uplink.chained_up_to == 3)
    assert len(office.requests) >= 4
    assert len(set(office.requests)) == 1
    assert arrived(office, journal) == [1, 2, 3]
    wait_until(lambda: not uplink.problem)


def test_an_answer_that_judges_other_records_is_no_acknowledgement(office, journal, start):
    fill(journal, 2)
    honest, lies = office.take_in, [1]

    def lying(upload):
        answer = honest(upload)
        if lies:
            lies.pop()
            return type(answer)(answer.verdicts[:1], 2)
        return answer

    office.take_in = lying
    uplink = start(office.url)
    wait_until(lambda: uplink.chained_up_to == 2)
    assert len(office.requests) == 2


def test_a_server_that_is_away_is_waited_for(journal, start):
    fill(journal, 5)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        told = []
        uplink = start(f"http://127.0.0.1:{port}", noted=told.append)
        wait_until(lambda: uplink.problem)
        fill(journal, 2)
        uplink.nudge()
        time.sleep(0.2)
        assert uplink.chained_up_to == 0
    assert len(told) == 1, "one trouble is told once, however often it is tried"


def test_new_records_follow_at_a_nudge(office, journal, start):
    uplink = start(office.url)
    for count in range(1, 6):
        fill(journal, 1)
        uplink.nudge()
        wait_until(lambda count=count: uplink.chained_up_to == count)


def test_an_open_intent_waits_until_it_is_done(office, journal, start):
    fill(journal, 1)
    intent = journal.begin(draft())
    uplink = start(office.url)
    wait_until(lambda: uplink.chained_up_to == 1)
    journal.finish(intent, tmc=1, tmv=bytes(8), latency_ms=1)
    uplink.nudge()
    wait_until(lambda: uplink.chained_up_to == 2)


def test_too_large_a_batch_is_halved_until_it_is_taken(office, journal, start):
    fill(journal, 100)
    office.faults = ["413", "413", "400"]
    uplink = start(office.url)
    wait_until(lambda: uplink.chained_up_to == 100)
    sizes = [len(json.loads(body)["records"]) for body in office.requests]
    assert sizes[:4] == [100, 50, 25, 12]
    assert arrived(office, journal) == list(range(1, 101))


def test_a_refused_single_record_is_kept_and_tried_again(office, journal, start):
    fill(journal, 1)
    office.faults = ["422"] * 4
    uplink = start(office.url)
    wait_until(lambda: uplink.chained_up_to == 1)
    assert len(office.requests) == 5


def test_retry_after_is_honoured(office, journal, start):
    fill(journal, 1)
    seen = []

    def busy(handler, status, content):
        seen.append(time.monotonic())
        if len(seen) == 1:
            handler.send_response(503)
            handler.send_header("Retry-After", "1")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        type(office).reply(office, handler, status, content)

    office.reply = busy
    uplink = start(office.url)
    wait_until(lambda: uplink.chained_up_to == 1)
    assert seen[1] - seen[0] >= 0.95


def test_a_chain_with_a_hole_on_the_server_is_sent_again_later(office, journal, start):
    fill(journal, 6)
    office.deaf_above = 2
    uplink = start(office.url)
    wait_until(lambda: len(office.requests) >= 2)
    assert uplink.chained_up_to == 2, "stored, but only the chain permits pruning"
    fill(journal, 1)
    uplink.nudge()
    wait_until(lambda: 7 in arrived(office, journal))
    office.deaf_above = 10**9
    uplink.nudge()
    wait_until(lambda: uplink.chained_up_to == 7)


def test_a_conflict_is_told_and_nothing_is_pruned(office, journal, start):
    fill(journal, 2)
    office.stored[journal.journal_id, 2] = b"another record"
    office.chained = lambda _journal: 1
    told = []
    uplink = start(office.url, noted=told.append)
    wait_until(lambda: uplink.chained_up_to == 1)
    assert "other records at [2]" in told[0]


def test_a_server_that_knows_more_of_the_journal_says_it_was_rolled_back(office, journal, start):
    fill(journal, 2)
    office.chained = lambda _journal: 9
    uplink = start(office.url)
    wait_until(lambda: uplink.server_ahead == 9)
    assert uplink.chained_up_to == 0


def test_another_journal_is_followed_from_its_own_start(office, journal, start, tmp_path):
    fill(journal, 3)
    uplink = start(office.url)
    wait_until(lambda: uplink.chained_up_to == 3)
    second = Journal.open(tmp_path / "second.sqlite", device_id=DEVICE, now=NOW)
    fill(second, 2)
    uplink.follow(second.path, journal_id=second.journal_id, chained_up_to=0)
    wait_until(lambda: uplink.chained_up_to == 2)
    assert len(office.stored) == 5
    uplink.follow(second.path, journal_id=second.journal_id, chained_up_to=0)
    assert uplink.chained_up_to == 2, "the same journal opened again"
    second.close()


def test_stop_sends_what_is_left(office, journal, start):
    uplink = start(office.url)
    time.sleep(0.05)
    fill(journal, 30)
    uplink.stop(flush_s=5)
    assert not uplink.is_alive()
    assert arrived(office, journal) == list(range(1, 31))


def test_stop_does_not_wait_for_a_server_that_is_away(journal, start):
    fill(journal, 3)
    uplink = start("http://127.0.0.1:9")
    wait_until(lambda: uplink.problem)
    started = time.monotonic()
    uplink.stop(flush_s=5)
    assert time.monotonic() - started < 2
    assert not uplink.is_alive()


def test_a_stalling_server_delays_no_tap(office, journal, start):
    office.faults, office.stall_s = ["stall"] * 50, 0.4
    fill(journal, 1)
    uplink = start(office.url, timeout_s=2)
    wait_until(lambda: office.requests)
    times = []
    for _ in range(40):
        started = time.perf_counter()
        journal.finish(journal.begin(draft()), tmc=1, tmv=bytes(8), latency_ms=1)
        uplink.nudge()
        times.append(time.perf_counter() - started)
    assert sorted(times)[20] < 0.05
    uplink.stop(flush_s=0)


def test_any_mixture_of_faults_ends_with_everything_once(office, journal, start):
    dice = random.Random(4)
    faults = ["500", "drop", "garbage", "413", "503", ""]
    office.faults = [dice.choice(faults) for _ in range(60)]
    uplink = start(office.url)
    for _ in range(60):
        fill(journal, dice.randrange(1, 6))
        uplink.nudge()
    wait_until(lambda: uplink.chained_up_to == journal.head.sequence, timeout_s=20)
    assert arrived(office, journal) == list(range(1, journal.head.sequence + 1))
    journal.prune(uplink.chained_up_to, older_than=NOW + timedelta(days=1))
    assert journal.base == journal.head


def test_two_uplinks_of_one_journal_still_store_each_record_once(office, journal, start):
    fill(journal, 100)
    both = [start(office.url), start(office.url)]
    wait_until(lambda: all(uplink.chained_up_to == 100 for uplink in both))
    assert arrived(office, journal) == list(range(1, 101))
