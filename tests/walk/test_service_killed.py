"""kill -9 of gunicorn's workers and of all of gunicorn while readers upload and a bank notifies.

What was acknowledged is committed; what was not comes again; in the end everything is there once.
"""

import http.client
import os
import random
import signal
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from demo.processes import wait_until
from kernel.wire.upload import Upload, Verdict

from .devices import Line
from .town import Purse, bank_asked

pytestmark = pytest.mark.walk
DEVICES = 4
BATCH = 5
CARDS = 6
PAUSE_S = 0.02
WORKER_KILLS = 2
TOPUP = 50_000
SPREAD_S = 0.4  # between the payments that are notified meanwhile


@dataclass
class Bus:
    """A reader and its cards; the thread taps and uploads until told to stop, each batch until it is acknowledged."""

    reader: object
    cards: list
    url: str
    over: threading.Event
    acknowledged: int = 0
    in_flight: bool = False
    unanswered: int = 0
    repeated: int = 0
    failure: list[BaseException] = field(default_factory=list)

    def run(self) -> None:
        try:
            dice = random.Random(self.reader.device_id.int)
            with closing(Line(self.url, timeout_s=20)) as line:
                while not self.over.wait(PAUSE_S):
                    first = len(self.reader.records) + 1
                    for _ in range(BATCH):
                        self.reader.tap(dice.choice(self.cards))
                    self._deliver(line, self.reader.upload(first))
        except BaseException as error:
            self.failure.append(error)
            raise

    def _deliver(self, line: Line, upload: Upload) -> None:
        answer = None
        while answer is None:
            self.in_flight = True
            try:
                answer = line.send(upload)
            except (OSError, http.client.HTTPException) as error:
                # Nobody there at all is not what this is about.
                self.unanswered += not isinstance(error, ConnectionRefusedError)
                self.over.wait(PAUSE_S)
            finally:
                self.in_flight = False
        assert {each.verdict for each in answer.verdicts} <= {Verdict.ACCEPTED, Verdict.DUPLICATE}
        self.repeated += sum(each.verdict is Verdict.DUPLICATE for each in answer.verdicts)
        assert answer.chained_up_to == len(self.reader.records)
        self.acknowledged = answer.chained_up_to


def workers(town) -> list[int]:
    """The processes of gunicorn's workers."""
    master = town.city.service.popen.pid
    return [int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()]


def await_traffic(buses) -> None:
    """Wait until every bus has had an answer since now, and then for a moment with requests under way."""
    seen = [bus.acknowledged for bus in buses]
    wait_until(
        "answers",
        lambda: all(bus.acknowledged > n or bus.failure for bus, n in zip(buses, seen, strict=True)),
    )
    while sum(bus.in_flight for bus in buses) < DEVICES - 1 and not any(bus.failure for bus in buses):
        time.sleep(0.0005)


def test_kills_in_the_middle_of_requests_lose_and_double_nothing(town, fleet):
    payers = town.cards(8)
    paid = [{"qr": town.topup(card, TOPUP)["qr"]["payload"]} for card in payers]
    spread = [{**one, "delay_s": number * SPREAD_S} for number, one in enumerate(paid)]
    over, before = threading.Event(), town.evidence()
    buses = [
        Bus(fleet.reader(f"killed-{n}"), fleet.cards(CARDS), town.city.url, over) for n in range(DEVICES)
    ]
    threads = [threading.Thread(target=bus.run, name=bus.reader.device_id.hex) for bus in buses]
    bank_asked(town.bank, "/pay", {"payments": spread, "times": 3})
    for thread in threads:
        thread.start()
    try:
        for _ in range(WORKER_KILLS):
            await_traffic(buses)
            first, *_ = had = workers(town)
            os.kill(first, signal.SIGKILL)
            wait_until("gunicorn to replace its worker", lambda: len(set(workers(town)) - set(had)) == 1)  # noqa: B023
        await_traffic(buses)
        kill_all(town)
        promised = [bus.acknowledged for bus in buses]
        for bus, acknowledged in zip(buses, promised, strict=True):
            assert town.heads(bus.reader.device_id)[bus.reader.journal_id] >= acknowledged
        town.city.start_service(town.city.environment["LIENTHONG_CLOCK"])
        await_traffic(buses)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not any(bus.failure for bus in buses)
    assert sum(bus.unanswered for bus in buses) > 0, "a kill must fall on a request"
    total = sum(len(bus.reader.records) for bus in buses)
    counters = sum(card.tmc for bus in buses for card in bus.cards)
    assert town.evidence_since(before) == {"records": total, "proven": total, "committed": counters}
    for bus in buses:
        count = len(bus.reader.records)
        assert town.heads(bus.reader.device_id) == {bus.reader.journal_id: count}
        for card in bus.cards:
            account = card.issued.fare_account_id
            bill = town.bill(account)
            assert bill == town.fold(account)
            assert bool(bill) == bool(card.tmc)
            assert town.purse(account).owed == sum(amount for amount, _ in bill.values())
    assert bank_asked(town.bank, "/flush", {"timeout_s": 60}) == {"sent": True}
    assert [town.purse(card.account) for card in payers] == [Purse(TOPUP, 0)] * len(payers)
    town.proven()


def kill_all(town) -> None:
    """kill -9 of the master and its workers at once."""
    service = town.city.service
    doomed = [service.popen.pid, *workers(town)]
    for pid in doomed:
        os.kill(pid, signal.SIGKILL)
    service.popen.wait()
    wait_until("all of gunicorn to be gone", lambda: not any(Path(f"/proc/{pid}").exists() for pid in doomed))
