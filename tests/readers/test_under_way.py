"""A stored-value card's ride and stay: the dearest taken ahead and given back, a stay paid at the exit, whatever tears."""
# longer than a room: one card under way on metro, bus and car park, with every way it may end

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from access.rules.mac import check_mac, purse_of
from kernel.wire.codec import MalformedRecordError
from kernel.wire.purse import PurseMove, decode_purse, encode_purse
from kernel.wire.tap import Phase, Purpose
from kernel.wire.trips import NO_TRIPS, Trips, UnderWay, decode_trips, encode_trips, mark
from parking.rate_dir import HANOI, read_rate_dir
from parking.rules.book import load_rates
from parking.rules.quote import price as rate_price
from readers import pay
from readers.decide import Reason, Refused
from readers.lamp import Light
from readers.pay import ByTrips, FromAccount, Move
from readers.softcard.card import Fault
from readers.terms import NO_TERMS, PurseTerms, purse_terms
from tests.readers.kit import NOW, enrolled, make_bench, present, proven, tmac_key
from tests.readers.test_pay import DEBIT, HERE, INFO, purse_card

RATES = load_rates(read_rate_dir(HANOI))
STATIONS = {"A": {"B": 8_000, "C": 12_000}, "B": {"A": 8_000, "C": 9_000}, "C": {"A": 12_000, "B": 9_000}}
WORDS = {
    "purse_fares": {"26": {"NORMAL": 7_000}},
    "purse_rides": {"2A": {"NORMAL": {"within": "metro", "most": 12_000, "fares": STATIONS}}},
    "purse_limits": {"2A": 3_600, "26": 3_600},
}
TERMS = replace(purse_terms(WORDS), rates=RATES)
GATE = replace(
    HERE, place="dong-da-01-in", purpose=Purpose.PARK_IN, vehicle_class="car_le9", route_id="", stop_id=""
)


def at_metro(stop, purpose=Purpose.AUTO):
    return replace(HERE, place=f"2A-{stop}", route_id="2A", stop_id=stop, purpose=purpose)


def on_bus(place="29B-101.26"):
    return replace(HERE, place=place, purpose=Purpose.AUTO)


class Here:
    """A reader that stands where the test says."""

    def __init__(self, bench):
        self.bench, self.here = bench, HERE
        bench.desk.duty = self

    def at(self, now):
        return self.here

    def tap(self, soft, here, fault=None, *, after=timedelta(minutes=5)):
        self.here = here
        self.bench.clock.advance(after)
        return present(self.bench, soft, fault)


@pytest.fixture
def line(tmp_path):
    made = make_bench(enrolled(tmp_path))
    made.desk.bundle = replace(made.desk.bundle, debit_keys=DEBIT, purse_terms=TERMS)
    yield Here(made)
    made.close()


def moves(line):
    return [
        (move.paid, move.returned)
        for each in line.bench.records()
        if each.phase in {Phase.DONE, Phase.RECOVERED} and (move := purse_of(each)) is not None
    ]


# A metro line: held at the way in, given back at the way out


def test_the_dearest_ride_is_held_and_the_rest_given_back(line):
    soft = purse_card()
    way_in = line.tap(soft, at_metro("A"))
    assert (way_in.message.light, soft.eeprom.purse) == (Light.GREEN, 8_000)
    assert way_in.money.words()[0].startswith("Tạm giữ 12.000 đ · Số dư 8.000 đ")
    assert way_in.money.words()[1].startswith("Held 12,000 VND · Balance 8,000 VND")
    out = line.tap(soft, at_metro("B"))
    assert (out.message.light, soft.eeprom.purse, soft.eeprom.trips) == (Light.GREEN, 12_000, NO_TRIPS)
    assert out.money.words()[0].startswith("Giá vé 8.000 đ · Số dư 12.000 đ")
    assert moves(line) == [(12_000, 0), (0, 4_000)]
    assert all(map(proven, line.bench.records()))


@pytest.mark.parametrize("purposes", [(Purpose.BOARD, Purpose.ALIGHT), (Purpose.AUTO, Purpose.AUTO)])
def test_gates_that_say_what_they_are_and_gates_that_do_not_agree(line, purposes):
    soft = purse_card()
    for stop, purpose in zip("CB", purposes, strict=True):
        line.tap(soft, at_metro(stop, purpose))
    assert soft.eeprom.purse == 20_000 - 9_000


def test_a_way_out_that_nobody_took_is_kept_and_the_next_ride_is_its_own(line):
    soft = purse_card(40_000)
    line.tap(soft, at_metro("A"))
    line.tap(soft, at_metro("A"), after=timedelta(hours=2))
    assert soft.eeprom.purse == 16_000, "too late for a way out: another ride"
    line.tap(soft, at_metro("C", Purpose.ALIGHT), after=timedelta(hours=2))
    assert (soft.eeprom.purse, soft.eeprom.trips) == (16_000, NO_TRIPS), (
        "too late: the bill decides, not the gate"
    )


@pytest.mark.parametrize("stop", ["A", "D", ""])
def test_where_the_fare_is_unknown_nothing_is_given_back_by_the_gate(line, stop):
    soft = purse_card()
    line.tap(soft, at_metro("A"))
    assert line.tap(soft, at_metro(stop)).message.light is Light.GREEN
    assert soft.eeprom.purse == 8_000


@pytest.mark.parametrize("stop", ["D", ""])
def test_a_gate_that_does_not_know_where_it_stands_takes_nothing(line, stop):
    soft = purse_card()
    red = line.tap(soft, at_metro(stop))
    assert (red.message.light, red.reason) == (Light.RED, "purse-unpriced")
    assert (soft.eeprom.purse, soft.eeprom.tmc) == (20_000, 0)


def test_too_little_for_the_dearest_ride_is_refused_at_the_way_in(line):
    soft = purse_card(11_999)
    assert line.tap(soft, at_metro("A")).reason == "purse-short"
    assert soft.eeprom.tmc == 0


def test_a_tap_off_without_a_ride_takes_and_gives_nothing(line):
    soft = purse_card()
    assert line.tap(soft, at_metro("B", Purpose.ALIGHT)).message.light is Light.GREEN
    assert (soft.eeprom.purse, soft.eeprom.tmc) == (20_000, 1)


def test_the_card_itself_gives_back_only_what_its_last_payment_took(line):
    soft = purse_card(40_000)
    line.tap(soft, at_metro("A"))
    line.tap(soft, replace(HERE, purpose=Purpose.BOARD))  # a flat bus in between: 7,000
    out = line.tap(soft, at_metro("B"))
    assert out.message.light is Light.GREEN
    assert soft.eeprom.purse == 40_000 - 12_000 - 7_000 + 4_000
    assert soft.eeprom.credit_limit == 0, "once"
    soft = purse_card(40_000, serial=2)
    line.tap(soft, at_metro("A"))
    soft.eeprom = replace(soft.eeprom, credit_limit=1_500)
    line.tap(soft, at_metro("B"))
    assert soft.eeprom.purse == 40_000 - 12_000 + 1_500


@pytest.mark.parametrize("fault", [Fault.TEAR_BEFORE, Fault.TEAR_AFTER])
@pytest.mark.parametrize("torn_at", ["in", "out"])
def test_torn_on_either_way_the_rider_pays_once(line, torn_at, fault):
    soft = purse_card()
    for stop, way in (("A", "in"), ("C", "out")):
        if way == torn_at:
            assert line.tap(soft, at_metro(stop), fault).message.light is Light.AMBER
            again = line.tap(soft, at_metro(stop), after=timedelta(seconds=5))
            assert again.message.light is Light.GREEN
        else:
            line.tap(soft, at_metro(stop))
    assert (soft.eeprom.purse, soft.eeprom.trips) == (8_000, NO_TRIPS)
    assert purse_of(line.bench.records()[-1]).after == 8_000


def test_an_ailing_gate_lets_out_and_leaves_the_rest_to_the_account(line):
    soft = purse_card()
    line.tap(soft, at_metro("A", Purpose.BOARD))
    line.bench.desk.ailing = ("fsync-slow",)
    assert line.tap(soft, at_metro("B", Purpose.ALIGHT)).message.light is Light.GREEN
    assert soft.eeprom.purse == 8_000
    assert line.tap(soft, at_metro("B", Purpose.BOARD)).reason == "purse-unsafe"


# A bus with a flat fare whose door does not say what a tap is


def test_on_and_off_one_bus_pays_once_and_on_two_buses_twice(line):
    soft = purse_card()
    for place, left in ((1, 13_000), (1, 13_000), (1, 6_000), (2, -1)):
        shown = line.tap(soft, on_bus(f"29B-{place}"))
        assert shown.reason == ("purse-short" if left < 0 else "")
        assert soft.eeprom.purse == max(left, 6_000)
    assert moves(line) == [(7_000, 0), (0, 0), (7_000, 0)]
    assert all(proven(each) for each in line.bench.records() if each.phase is Phase.DONE)


# A car park: written at the entry, paid at the exit


def left_at(hours, soft, line):
    line.tap(soft, GATE)
    out = replace(GATE, place="dong-da-01-out", purpose=Purpose.PARK_OUT)
    return line.tap(soft, out, after=timedelta(hours=hours))


def test_a_stay_is_paid_at_the_exit_by_the_rates(line):
    soft = purse_card(200_000)
    shown = left_at(3, soft, line)
    first, last = line.bench.records()
    table = RATES.table_for("dong-da-01", "car_le9", first.tapped_at)
    fee = rate_price(table, first.tapped_at, last.tapped_at).minor
    assert fee > 0
    assert (shown.message.light, soft.eeprom.purse) == (Light.GREEN, 200_000 - fee)
    assert shown.money.fare == fee
    assert moves(line) == [(0, 0), (fee, 0)]
    assert soft.eeprom.trips == NO_TRIPS
    assert all(map(proven, line.bench.records()))


def test_a_purse_that_cannot_pay_its_stay_keeps_its_entry(line):
    soft = purse_card(1)
    assert left_at(3, soft, line).reason == "purse-short"
    assert decode_trips(soft.eeprom.trips).stay is not None
    soft.eeprom = replace(soft.eeprom, purse=200_000)  # loaded at a desk
    out = replace(GATE, place="dong-da-01-out", purpose=Purpose.PARK_OUT)
    assert line.tap(soft, out).message.light is Light.GREEN


@pytest.mark.parametrize(
    "changes", [{"place": "hoan-kiem-01-out"}, {"vehicle_class": "motorbike"}, {"place": "nowhere"}]
)
def test_another_car_parks_entry_opens_no_exit(line, changes):
    soft = purse_card(200_000)
    line.tap(soft, GATE)
    out = replace(GATE, place="dong-da-01-out", purpose=Purpose.PARK_OUT)
    red = line.tap(soft, replace(out, **changes))
    assert (red.message.light, red.reason) == (Light.RED, "purse-no-entry")
    assert {red.message.vi, red.message.en} == {
        "Thẻ không có lượt vào ở đây, xin gọi nhân viên",
        "No entry here on this card, please ask the staff",
    }


def test_an_exit_without_any_entry_is_red(line):
    out = replace(GATE, place="dong-da-01-out", purpose=Purpose.PARK_OUT)
    assert line.tap(purse_card(), out).reason == "purse-no-entry"


def test_a_gate_without_rates_or_for_a_class_without_a_price_takes_no_such_card(line):
    bad = line.tap(purse_card(), replace(GATE, vehicle_class="spaceship"))
    assert bad.reason == "purse-unpriced"
    line.bench.desk.bundle = replace(line.bench.desk.bundle, purse_terms=NO_TERMS)
    assert line.tap(purse_card(serial=2), GATE).reason == "purse-unpriced"


def test_a_ride_within_a_stay_disturbs_neither(line):
    soft = purse_card(200_000)
    line.tap(soft, GATE)
    line.tap(soft, at_metro("A"))
    line.tap(soft, at_metro("B"))
    assert soft.eeprom.purse == 192_000
    out = replace(GATE, place="dong-da-01-out", purpose=Purpose.PARK_OUT)
    assert line.tap(soft, out).message.light is Light.GREEN
    assert soft.eeprom.trips == NO_TRIPS


# What the record tells is what the card proves


@pytest.mark.parametrize(
    "lie",
    [
        {"returned": 4_001},
        {"returned": 0},
        {"trips_read": b""},
        {"trips_written": b""},
        {"trips_read": bytes(32)},
        {"paid": 1, "returned": 0},
    ],
)
def test_a_way_out_that_is_told_otherwise_is_not_proven(line, lie):
    soft = purse_card()
    line.tap(soft, at_metro("A"))
    line.tap(soft, at_metro("B"))
    true = line.bench.records()[-1]
    assert check_mac(true, tmac_key(true)) is not None
    told = replace(true, purse=encode_purse(replace(purse_of(true), **lie)))
    assert check_mac(told, tmac_key(told)) is None


@pytest.mark.parametrize(
    "move",
    [
        {"trips_read": bytes(31)},
        {"trips_written": bytes(32)},
        {"trips_read": bytes(32), "trips_written": bytes(1)},
        {"returned": 1},
        {"returned": 1, "paid": 1, "trips_read": bytes(32)},
    ],
)
def test_a_move_that_no_card_can_make_is_malformed(move):
    given = {"before": 9, "loaded": 0, "paid": 0, "record": bytes(16)} | move
    with pytest.raises(MalformedRecordError):
        decode_purse(encode_purse(PurseMove(**given)))


under_ways = st.none() | st.builds(
    UnderWay,
    held=st.integers(0, 2**32 - 1),
    since=st.integers(0, 10**9).map(lambda s: NOW.replace(microsecond=0) + timedelta(seconds=s % 10**8)),
    within=st.binary(min_size=3, max_size=3),
    at=st.binary(min_size=4, max_size=4),
)


@given(st.builds(Trips, under_ways, under_ways))
def test_what_is_under_way_comes_back_as_it_was_written(trips):
    assert decode_trips(encode_trips(trips)) == trips


@pytest.mark.parametrize("raw", [b"", bytes(31), bytes(33), b"\x02" + bytes(31), bytes(16) + b"\xff" * 16])
def test_trips_that_are_none_are_malformed(raw):
    with pytest.raises(MalformedRecordError):
        decode_trips(raw)


# The rule alone


@pytest.mark.parametrize(
    "words",
    [
        {"purse_rides": {"2A": {"NORMAL": {"within": "m", "most": 1, "fares": {"A": {"B": 2}}}}}},
        {"purse_rides": {"2A": {"NORMAL": {"within": "m", "most": 1}}}},
        {"purse_rides": {"2A": {"NORMAL": {"within": 5, "most": 1, "fares": {}}}}},
        {"purse_fares": {"26": {"NORMAL": -1}}},
        {"purse_fares": {"2" * 65: {"NORMAL": 1}}},
        {"purse_limits": {"26": "long"}},
    ],
)
def test_terms_that_are_none_are_refused(words):
    with pytest.raises((ValueError, KeyError, TypeError)):
        purse_terms(words)


def test_a_later_servers_concession_is_passed_over():
    assert purse_terms({"purse_fares": {"26": {"MARTIAN": 1, "NORMAL": 2}}}).flat == {
        ("26", INFO.concession): 2
    }


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(["A", "B", "C", "bus-1", "bus-2", "in", "out"]), st.integers(0, 5_000)),
        max_size=14,
    )
)
def test_no_order_of_taps_takes_more_than_was_there_or_gives_back_more_than_was_held(taps):
    trips, purse, now = Trips(), 60_000, NOW
    for where, seconds in taps:
        now += timedelta(seconds=seconds)
        if where in STATIONS:
            here = at_metro(where)
        elif where.startswith("bus"):
            here = on_bus(where)
        else:
            here = replace(GATE, purpose=Purpose.PARK_IN if where == "in" else Purpose.PARK_OUT)
        assert pay.price(INFO, here=here, terms=TERMS, ailing=False) == ByTrips()
        held = trips.ride.held if trips.ride else 0
        move = pay.settle(INFO, trips, here=here, at=now, terms=TERMS)
        if isinstance(move, Refused):
            assert move.reason is Reason.PURSE_NO_ENTRY
            continue
        assert isinstance(move, Move)
        assert move.paid >= 0
        assert not (move.paid and move.returned)
        assert 0 <= move.returned <= held
        assert not move.returned or move.trips.ride is None
        if purse - move.paid + move.returned >= 0:
            purse, trips = purse - move.paid + move.returned, move.trips


def test_what_does_not_concern_a_purse_is_the_accounts():
    for here in (at_metro("A", Purpose.INSPECT), replace(HERE, purpose=Purpose.ALIGHT)):
        assert pay.price(INFO, here=here, terms=TERMS, ailing=False) == FromAccount()
    assert pay.price(INFO, here=HERE, terms=PurseTerms(), ailing=False) == Refused(Reason.PURSE_UNPRICED)
    assert mark("A") != mark("B")
