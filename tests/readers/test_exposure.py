"""What one card may owe at a reader that the server does not hear: counted by card, kept over a restart, never at a way out."""

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.wire.tap import Phase, Purpose
from readers.exposure import BEGINS, Exposure
from readers.keeper import Keeper
from readers.lamp import Light
from tests.readers import loop
from tests.readers.kit import DEVICE, adopt, draft, enrolled, envelope, present, soft_card, wait_until
from tests.readers.loop import in_service, running

LIMIT = 3
TAPS = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from(Phase), st.sampled_from(Purpose)), max_size=30
).map(
    lambda rows: [
        draft(sequence=number, card_serial=serial, phase=phase, purpose=purpose)
        for number, (serial, phase, purpose) in enumerate(rows, 1)
    ]
)


@given(taps=TAPS, heard=st.lists(st.integers(0, 35), max_size=5))
def test_open_is_what_was_accepted_and_not_acknowledged(taps, heard):
    exposure = Exposure.of(taps, acknowledged=0)
    known = 0
    for upto in heard:
        exposure.acknowledge(upto)
        known = max(known, upto)
    owing = Counter(
        tap.card_serial
        for tap in taps
        if tap.sequence > known and tap.phase in {Phase.DONE, Phase.RECOVERED} and tap.purpose in BEGINS
    )
    assert len(exposure) == owing.total() == len(Exposure.of(taps, acknowledged=known))
    for serial in (1, 2, 3):
        assert exposure.of_card(serial, Purpose.BOARD) == owing[serial]
        assert exposure.of_card(serial, Purpose.ALIGHT) == exposure.of_card(serial, Purpose.PARK_OUT) == 0


@pytest.fixture
def offline(bench):
    adopt(bench, risk={"card_unsent_max": LIMIT})
    return bench


def tap_often(bench, card, times):
    for _ in range(times):
        bench.clock.advance(timedelta(minutes=1))
        bench.desk.acknowledge(0)
        shown = present(bench, card)
    return shown


def test_a_card_waits_where_the_server_has_not_heard_of_its_rides_and_others_travel(offline):
    card = soft_card(1)
    assert tap_often(offline, card, LIMIT).message.light is Light.GREEN
    shown = tap_often(offline, card, 1)
    assert (shown.message.light, shown.reason, card.eeprom.tmc) == (Light.RED, "card-exposure", LIMIT)
    assert tap_often(offline, soft_card(2), 1).message.light is Light.GREEN
    offline.clock.advance(timedelta(minutes=1))
    offline.desk.acknowledge(1)
    assert present(offline, card).message.light is Light.GREEN, "one of them has arrived"


def test_a_restart_forgets_nothing(offline):
    tap_often(offline, soft_card(1), LIMIT)
    offline.desk.journal.close()
    keeper = Keeper(offline.desk.config, device_id=DEVICE, clock=offline.clock)
    kept = keeper.open(ahead=0, passback=timedelta(0), note=lambda *told: None)
    offline.desk.journal, offline.desk.exposure = kept.journal, kept.exposure
    assert tap_often(offline, soft_card(1), 1).reason == "card-exposure"


def test_a_daemon_counts_while_the_server_is_away_and_forgets_when_it_answers(tmp_path, office):
    office.envelope = envelope(version=2, passback_s=0, risk={"card_unsent_max": 1})
    office.faults = ["500"] * 100_000
    config = enrolled(tmp_path, url=office.url)
    card = soft_card(1)
    with running(config) as daemon:
        wait_until(lambda: in_service(daemon) and daemon.desk.bundle.version == 2)
        assert loop.present(daemon, card) == ("green", "DONE")
        assert loop.present(daemon, card) == ("red", "REFUSED")
        assert loop.present(daemon, soft_card(2)) == ("green", "DONE")
        office.faults = []
        wait_until(lambda: daemon._uplink.chained_up_to == 3)
        assert loop.present(daemon, card) == ("green", "DONE")
    assert card.eeprom.tmc == 2
