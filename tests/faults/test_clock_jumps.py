"""Issue 5: a wall clock that jumps by a day leaves order and fares right."""

import random
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

from kernel.clock import FixedClock
from kernel.wire.tap import ClockState, Phase, decode_tap
from readers.bundle import load_bundle
from readers.config import load_config
from readers.desk import Desk
from readers.gate import Gate
from readers.identity import load_identity
from readers.journal import Journal
from readers.lamp import Lamp
from readers.memory import Memory
from readers.records import JournalReader
from readers.replay import replay
from readers.server import Server
from readers.softcard.direct import DirectChannel
from readers.states import Event, Machine
from readers.tap import tap
from readers.timekeeping import Timekeeper
from readers.validator import DutyBook
from tests.faults.test_server_faults import soft
from tests.walk.town import OPENS

READER = "fault-2"
DAY = timedelta(days=1)


class Jumping:
    """A machine whose wall clock can be set, and whose monotonic clock cannot."""

    def __init__(self, at: datetime) -> None:
        self.at, self.ms = at, 5_000_000

    def now(self) -> datetime:
        return self.at

    def monotonic_ms(self) -> int:
        return self.ms

    def sleep_until(self, at: datetime) -> None:
        raise AssertionError("nothing here sleeps")

    def run(self, span: timedelta) -> None:
        self.at += span
        self.ms += span // timedelta(milliseconds=1)


def test_jumps_of_a_day_move_no_record(city, tmp_path, size, figures):
    cards = city.cards(size(100), money=1_000_000)
    config = load_config(city.city.config(READER))
    if load_bundle(config.state_dir, load_identity(config.state_dir)) is None:
        city.city.start_reader(READER)
        from demo.processes import wait_until

        wait_until(
            "a bundle", lambda: load_bundle(config.state_dir, load_identity(config.state_dir)) is not None
        )
        city.city.readers.pop(READER).stop()
    identity = load_identity(config.state_dir)
    config = replace(config, journal=replace(config.journal, path=tmp_path / "journal.sqlite"))
    true = OPENS - timedelta(hours=8)
    wall, dice, jumps, truth = Jumping(true), random.Random(23), 0, []
    journal = Journal.open(config.journal.path, device_id=identity.device_id, now=true)
    lamp, time = Lamp(()), Timekeeper(wall, simulated=False)
    time.server_said(true)
    machine = Machine()
    for event in (Event.STARTED, Event.TEST_GOOD):
        machine.on(event)
    desk = Desk(
        config=config, identity=identity, clock=wall, time=time, duty=DutyBook(config.device), lamp=lamp,
        gate=Gate(config.gate, clock=wall, lamp=lamp), machine=machine, journal=journal,
        memory=Memory.of((), last_shown=0), bundle=load_bundle(config.state_dir, identity),
    )  # fmt: skip
    softs, rides = [soft(card) for card in cards], 5
    for _ in range(rides):
        for one in softs:
            if dice.random() < 0.1:
                # The wall clock jumps, and now and then a server's word comes that cannot agree with it.
                wall.at += dice.choice((DAY, -DAY))
                jumps += 1
            if dice.random() < 0.02:
                time.server_said(true)
            step = timedelta(seconds=dice.randrange(2, 9))
            wall.run(step)
            true += step
            tap(desk, DirectChannel(one))
            machine.on(Event.REMOVED)
            truth.append(true)
        step = timedelta(minutes=5)
        wall.run(step)
        true += step
    journal.close()
    lamp.close()
    reader = JournalReader(config.journal.path)
    taps = [decode_tap(body) for body in reader.bodies()]
    reader.close()
    with closing(Server(city.city.url, timeout_s=30, clock=FixedClock(city.now))) as server:
        done = replay(config.journal.path, identity=identity, server=server, batch=100)
    trips = [sum(count for _, count in city.bill(card.account).values()) for card in cards]
    figures(
        taps=len(taps),
        jumps=jumps,
        off_s=max(abs((tap.tapped_at - at).total_seconds()) for tap, at in zip(taps, truth, strict=True)),
        unsynced=sum(tap.clock_state is ClockState.UNSYNCED for tap in taps),
        verdicts=done.verdicts,
    )
    assert {tap.phase for tap in taps} == {Phase.DONE}
    assert jumps > 10 * rides * len(cards) // 1_000
    assert all(abs(tap.tapped_at - at) <= timedelta(seconds=5) for tap, at in zip(taps, truth, strict=True))
    assert [tap.tapped_at for tap in taps] == sorted(tap.tapped_at for tap in taps)
    assert any(tap.clock_state is ClockState.UNSYNCED for tap in taps), "and yet it is said"
    assert done.verdicts == {"accepted": len(taps)}
    # One bus, one place: the fare's passback is a minute, the rounds are five apart, so each round is a ride.
    assert trips == [rides] * len(cards)
    assert all(city.bill(card.account) == city.fold(card.account) for card in cards)
