"""Properties that must hold for any taps: order and duplicates do not matter, parts sum, cheaper never costs more."""

import json
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from fare.gtfs.load import check_files
from fare.gtfs.read import files_of
from fare.rules.carried import Carried
from fare.rules.explain import explain
from fare.rules.facts import DayFacts, Entitlement, FareTap, HeldPass, in_card_order
from fare.rules.fold import days_of, fold_days
from fare.rules.price import price_day
from fare.rules.recompute import check, recompute
from kernel.ids import CardId, FareAccountId, OperatorId, TapId, uuid8
from kernel.wire.cardinfo import Concession
from kernel.wire.tap import ClockState, Phase, Purpose
from tests.described import told
from tests.fare.cities import HERE, book_of

ACCOUNT = FareAccountId(UUID(int=7))
MONDAY = datetime(2026, 11, 15, 21, 0, tzinfo=UTC)  # 04:00 in Hanoi on 2026-11-16
PLACES = {
    "hanoi": [("01", "s1", "bus1"), ("01", "s2", "bus2"), ("84", "", "bus3"), ("2A", "2A-lang", "g1"),
              ("2A", "2A-yen-nghia", "g2"), ("3.1", "3.1-nhon", "g3"), ("nowhere", "", "x")],
    "vancouver": [("bus", "", "b1"), ("bus", "", "b2"), ("sky", "w1", "g1"), ("sky", "m", "g2"), ("sky", "yvr", "g3")],
    "tfl_hopper_inclusive": [("b1", "", "b1"), ("b2", "", "b2"), ("tube", "bank", "g1"), ("tube", "kew", "g2")],
    "stagecoach_caps": [("b1", "", "b1"), ("b2", "", "b2")],
}  # fmt: skip


@st.composite
def taps_of(draw, name: str, most: int = 14):
    """A rider's taps on up to two cards over nine days, counters in order of time on each card."""
    times = sorted(draw(st.lists(st.integers(0, 9 * 24 * 60 - 1), max_size=most)))
    counters: dict[int, int] = defaultdict(int)
    taps = []
    for minute in times:
        card = draw(st.integers(1, 2)) if draw(st.integers(0, 5)) == 0 else 1
        counters[card] += 1
        route, stop, place = draw(st.sampled_from(PLACES[name]))
        phase = draw(st.sampled_from([Phase.DONE] * 8 + [Phase.TORN, Phase.RECOVERED]))
        taps.append(
            FareTap(
                tap_id=TapId(uuid8("t", card, counters[card])),
                card_id=CardId(UUID(int=card)),
                counter=counters[card],
                tapped_at=MONDAY + timedelta(minutes=minute),
                purpose=draw(st.sampled_from([Purpose.BOARD, Purpose.ALIGHT, Purpose.AUTO])),
                phase=phase,
                operator_id=OperatorId(draw(st.sampled_from(["", "other"]))),
                stop_id=stop,
                route_id=route,
                trip_id="",
                place=place,
                direction=0,
                concession=draw(st.sampled_from([Concession.NORMAL] * 4 + [Concession.FREE_SENIOR])),
                clock_state=ClockState.SYNCED,
                proven_torn=phase is Phase.TORN,
            )
        )
    return taps


named_taps = st.sampled_from(sorted(PLACES)).flatmap(lambda name: st.tuples(st.just(name), taps_of(name)))


def folded(name_or_book, taps, **more):
    chosen = book_of(name_or_book) if isinstance(name_or_book, str) else name_or_book
    return fold_days(days_of(ACCOUNT, taps, chosen, **more), chosen)


def bills(*args, **more):
    return [bill for _, _, bill in folded(*args, **more)]


def total(found) -> int:
    return sum(
        line.amount.minor for bill in found for line in bill.lines if line.component.value == "charged"
    )


@settings(max_examples=150, deadline=None)
@given(named_taps, st.randoms(use_true_random=False))
def test_any_order_and_any_duplicates_make_the_same_bills(case, random):
    name, taps = case
    shuffled = [*taps, *random.sample(taps, k=len(taps) // 2)]
    random.shuffle(shuffled)
    assert bills(name, shuffled) == bills(name, taps)


@settings(max_examples=150, deadline=None)
@given(named_taps)
def test_parts_of_a_tap_sum_to_its_face_value(case):
    name, taps = case
    for bill in bills(name, taps):
        parts: dict[UUID, int] = defaultdict(int)
        for line in bill.lines:
            parts[line.tap_id] += line.amount.minor
            assert line.amount.minor != 0
        for ride in bill.rides:
            assert parts.pop(ride.tap_id, 0) == ride.face_value.minor
        assert not parts, "every line belongs to a ride of its bill"


@settings(max_examples=150, deadline=None)
@given(named_taps)
def test_every_tap_that_counts_is_in_a_ride_noted_or_unpriced(case):
    """Tap conservation: nothing accepted vanishes."""
    name, taps = case
    found = bills(name, taps)
    told = {ride.tap_id for bill in found for ride in bill.rides}
    told |= {ride.tap_off_id for bill in found for ride in bill.rides}
    told |= {one.tap_id for bill in found for one in bill.unpriced}
    # A bus's tap-off over 04:00 ends a ride billed the day before and costs nothing; unpriced rides name one tap.
    handed = {bill.carried_out.open_ride.tap.tap_id for bill in found if bill.carried_out.open_ride}
    lost = [tap for tap in taps if tap.tap_id not in told]
    unpriced = sum(len(bill.unpriced) for bill in found)
    assert len(lost) <= len(handed) + unpriced


@settings(max_examples=150, deadline=None)
@given(named_taps)
def test_carried_summary_survives_its_json_and_is_canonical(case):
    name, taps = case
    for bill in bills(name, taps):
        out = bill.carried_out
        text = json.dumps(out.to_json(), sort_keys=True)
        again = Carried.from_json(json.loads(text))
        assert again == out
        assert json.dumps(again.to_json(), sort_keys=True) == text


@settings(max_examples=100, deadline=None)
@given(named_taps)
def test_explanations_recompute_to_the_same_amount(case):
    name, taps = case
    chosen = book_of(name)
    for facts, carried, bill in folded(name, taps):
        charged = {line.tap_id: line.amount.minor for line in bill.lines if line.component.value == "charged"}
        for one in explain(facts, chosen, carried).taps:
            if one.steps:
                assert recompute(one.steps) == one.charged_minor == charged.get(UUID(one.tap_id), 0)
            document = json.loads(json.dumps(one.to_json()))
            assert check(told(document)) == charged.get(UUID(one.tap_id), 0), (
                "by what is told, as text, and nothing else"
            )
            assert one.vi
            assert one.en


@settings(max_examples=100, deadline=None)
@given(named_taps, st.sampled_from([Concession.FREE_SENIOR, Concession.PRIORITY]))
def test_a_right_more_never_raises_a_bill(case, concession):
    name, taps = case
    plain = total(bills(name, taps))
    entitled = total(bills(name, taps, entitlements=(Entitlement(concession, date(2026, 11, 1), None),)))
    assert entitled <= plain


@settings(max_examples=100, deadline=None)
@given(taps_of("hanoi"), st.sampled_from(["bus_month_all_routes_normal", "multimodal_month", "metro_week"]))
def test_a_pass_more_never_raises_a_bill_and_keeps_face_values(taps, product):
    held = HeldPass(UUID(int=1), product, "metro_2a", MONDAY, MONDAY + timedelta(days=5))
    plain, covered = bills("hanoi", taps), bills("hanoi", taps, passes=(held,))
    assert total(covered) <= total(plain)
    faces = [[ride.face_value for bill in found for ride in bill.rides] for found in (plain, covered)]
    assert faces[0] == faces[1]


def _with_rows(name: str, **rows: str):
    files = dict(files_of(HERE / name))
    for stem, line in rows.items():
        files[f"{stem}.txt"] = files.get(f"{stem}.txt", b"").rstrip() + b"\n" + line.encode()
    checked = check_files(files)
    assert checked.book is not None, checked.notices
    return checked.book


@settings(max_examples=60, deadline=None)
@given(taps_of("vancouver"), st.integers(0, 700))
def test_a_cheaper_product_more_never_raises_a_bill(taps, cents):
    """Another fare for the trains, in a leg group of its own that no transfer knows: the rider may still transfer."""
    richer = _with_rows(
        "vancouver",
        fare_products=f"extra,{cents // 100}.{cents % 100:02d},CAD",
        fare_leg_rules="\n".join(
            f"extra,skytrain_seabus,{zone},{other},,extra,{priority}"
            for zone in ("ZN1", "ZN2", "ZN3", "sea_island")
            for other in ("ZN1", "ZN2", "ZN3")
            for priority in ((2,) if zone == "sea_island" else (1,))
        ),
    )
    assert total(bills(richer, taps)) <= total(bills("vancouver", taps))


@settings(max_examples=60, deadline=None)
@given(taps_of("stagecoach_caps"), st.integers(1, 2000))
def test_a_cap_more_never_raises_a_bill(taps, pence):
    richer = _with_rows("stagecoach_caps", caps=f"extra,month,{pence // 100}.{pence % 100:02d},GBP")
    assert total(bills(richer, taps)) <= total(bills("stagecoach_caps", taps))


@settings(max_examples=60, deadline=None)
@given(taps_of("hanoi"))
def test_without_transfers_and_caps_a_total_is_the_sum_of_its_rides(taps):
    """GH-META; graphhopper c058139 FareTest (Apache-2.0): without transfers, total = sum."""
    found = bills("hanoi", [tap._replace(concession=Concession.NORMAL) for tap in taps])
    assert total(found) == sum(ride.face_value.minor for bill in found for ride in bill.rides)


def test_a_card_orders_by_its_counter_though_its_readers_clocks_disagree():
    def tap(counter: int, minute: int, card: int = 1) -> FareTap:
        return FareTap(
            TapId(uuid8(card, counter)), CardId(UUID(int=card)), counter, MONDAY + timedelta(minutes=minute),
            Purpose.BOARD, Phase.DONE, OperatorId(""), "", "b1", "", f"p{counter}", 0, Concession.NORMAL,
            ClockState.SYNCED, proven_torn=False,
        )  # fmt: skip

    wrong_clock = (tap(2, 5), tap(1, 10), tap(3, 11))
    assert [one.counter for one in in_card_order(wrong_clock)] == [1, 2, 3]
    merged = in_card_order((*wrong_clock, tap(1, 9, card=2), tap(2, 12, card=2)))
    assert [(one.card_id.int, one.counter) for one in merged] == [(2, 1), (1, 1), (1, 2), (1, 3), (2, 2)]


def test_the_committed_record_of_a_card_transaction_speaks_for_it():
    base = FareTap(
        TapId(UUID(int=1)), CardId(UUID(int=1)), 5, MONDAY, Purpose.BOARD, Phase.TORN, OperatorId(""), "", "b1", "",
        "bus", 0, Concession.NORMAL, ClockState.SYNCED, proven_torn=True,
    )  # fmt: skip
    recovered = base._replace(
        tap_id=TapId(UUID(int=2)),
        phase=Phase.RECOVERED,
        tapped_at=MONDAY + timedelta(seconds=9),
        proven_torn=False,
    )
    bill = price_day(DayFacts(ACCOUNT, date(2026, 11, 16), (recovered, base)), book_of("stagecoach_caps"))
    assert [line.tap_id.int for line in bill.lines] == [2]
