"""Nothing of a journey is lost where a service day starts: joins, transfers, windows and operators' shares reach over it.

The same taps are priced under one tariff whose days start in the middle of the night's rides, and under one whose days
start at noon: every operator gets the same.
"""

import json
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fare.rules.carried import Carried
from fare.rules.explain import explain
from fare.rules.facts import FareTap
from fare.rules.fold import days_of, fold_days
from fare.rules.price import price_day
from fare.rules.recompute import check
from kernel.ids import CardId, FareAccountId, OperatorId, TapId, uuid8
from kernel.wire.cardinfo import Concession
from kernel.wire.tap import ClockState, Phase, Purpose
from tests.described import told
from tests.fare.cities import town

ACCOUNT = FareAccountId(UUID(int=8))
NIGHT = datetime(2026, 11, 18, 1, 0, tzinfo=UTC)
HEAD = "tariff_version,zone,day_starts,currency\nt,UTC,{0},EUR"
FILES = {
    "agency": "agency_id,agency_name,agency_timezone\na,A,UTC\nb,B,UTC\nc,C,UTC",
    "routes": "route_id,agency_id,route_type\na1,a,3\nb1,b,3\nr1,a,1\nr2,c,1",
    "route_networks": "network_id,route_id\nA,a1\nB,b1\nR,r1\nR,r2",
    "ride_rules": "network_id,settled_by,limit_min\nA,boarding,120\nB,boarding,120\nR,ride,120",
    # Whole parts for every number of legs up to six.
    "fare_products": "fare_product_id,amount,currency\na,6.00,EUR\nb,12.00,EUR\nr,18.00,EUR\nfar,30.00,EUR\nplus,3.00,EUR",
    "fare_leg_rules": "leg_group_id,network_id,from_area_id,to_area_id,fare_product_id,rule_priority\n"
    "A,A,,,a,\nB,B,,,b,\nR,R,,,r,\nR,R,X,Z,far,1",
    "revenue_shares": "share_id,network_ids,basis\nall,,{0}",
    "station_positions": "route_id,stop_id,position_km\n" + "".join(
        f"{route},{stop},{km}\n" for route in ("r1", "r2", "a1", "b1") for stop, km in (("x", 0), ("y", 5), ("z", 10))
    ),
}  # fmt: skip
JOINS = {"fare_leg_join_rules": "from_network_id,to_network_id,within_s\nR,R,1200"}
LINKS = {
    "none": {},
    "joins": JOINS,
    "transfers": {
        "fare_transfer_rules": "from_leg_group_id,to_leg_group_id,transfer_count,duration_limit,duration_limit_type,fare_transfer_type,fare_product_id\n"
        "A,B,,3600,1,0,plus\nB,R,,5400,0,1,\nR,R,-1,5400,3,0,\nR,A,,3600,2,2,plus"
    },
    "windows": {"transfer_windows": "window_id,duration_s,edge,dearer\nw,5400,inclusive,difference"},
    "free": {"transfer_windows": "window_id,network_ids,duration_s,edge,max_uses\nw,A;B,3600,exclusive,2"},
}
LINKS["gaps"] = {
    "transfer_windows": "window_id,duration_s,gap_s,edge,dearer\nw,7200,1200,inclusive,difference"
}
LINKS["joins and transfers"] = JOINS | LINKS["transfers"]
LINKS["joins and windows"] = JOINS | LINKS["windows"]
# What a leg goes on with turns on how far it goes, or on whose it is: a join may take it out of a journey, or into one.
LINKS["joins, and transfers by distance"] = JOINS | {
    "fare_leg_rules": "leg_group_id,network_id,from_area_id,to_area_id,fare_product_id,rule_priority\n"
    "A,A,,,a,\nB,B,,,b,\nR,R,,,r,\nF,R,X,Z,far,1",
    "fare_transfer_rules": "from_leg_group_id,to_leg_group_id,transfer_count,duration_limit,duration_limit_type,fare_transfer_type,fare_product_id\n"
    "A,F,,7200,1,0,plus\nB,R,,7200,1,0,\nR,R,-1,5400,3,0,\nF,B,,7200,1,0,plus",
}
LINKS["joins, and windows of some"] = {
    "networks": "network_id,network_name\nA,A\nB,B\nR,R\nS,S",
    "route_networks": "network_id,route_id\nA,a1\nB,b1\nR,r1\nS,r2",
    "ride_rules": FILES["ride_rules"] + "\nS,ride,120",
    "fare_leg_rules": FILES["fare_leg_rules"].replace("R,R,", "R,,"),
    "fare_leg_join_rules": JOINS["fare_leg_join_rules"] + "\nR,S,1200\nS,R,1200\nS,S,1200",
    "transfer_windows": "window_id,network_ids,duration_s,edge,dearer\nw,A;S,5400,inclusive,difference",
}


def book_of(links: str, basis: str, starts: str):
    files = {**FILES, "revenue_shares": FILES["revenue_shares"].format(basis), **LINKS[links]}
    return town(tariff=HEAD.format(starts), **files)


def tap(number: int, at: datetime, route: str, stop: str, purpose: Purpose) -> FareTap:
    return FareTap(
        TapId(uuid8("night", number)), CardId(UUID(int=1)), number, at, purpose, Phase.DONE, OperatorId(""), stop,
        route, "", f"{route}/{stop}", 0, Concession.NORMAL, ClockState.SYNCED, proven_torn=False,
    )  # fmt: skip


def night(*rides: tuple[int, str, str, str, int]) -> list[FareTap]:
    """Return the taps of rides: minutes after 01:00, route, where from and where to, minutes after 01:00."""
    taps: list[FareTap] = []
    for on, route, start, end, off in rides:
        for minute, stop, purpose in ((on, start, Purpose.BOARD), (off, end, Purpose.ALIGHT)):
            taps.append(tap(len(taps) + 1, NIGHT + timedelta(minutes=minute), route, stop, purpose))
    return taps


@st.composite
def rides(draw):
    """Up to five rides between 01:00 and about 05:00, each with both its taps."""
    at, taps = NIGHT, []
    for _ in range(draw(st.integers(2, 5))):
        at += timedelta(minutes=draw(st.sampled_from((1, 5, 19, 20, 21, 40))))
        route = draw(st.sampled_from(("a1", "b1", "r1", "r2", "r1", "r2")))
        ends = draw(st.sampled_from((("x", "y"), ("y", "z"), ("y", "x"), ("z", "y"), ("x", "z"))))
        for purpose, stop in zip((Purpose.BOARD, Purpose.ALIGHT), ends, strict=True):
            taps.append(tap(len(taps) + 1, at, route, stop, purpose))
            at += (
                timedelta(minutes=draw(st.sampled_from((5, 17, 30))))
                if purpose is Purpose.BOARD
                else timedelta(0)
            )
    return taps


def by_operator(days) -> dict[tuple[str, str, str], int]:
    sums: dict[tuple[str, str, str], int] = defaultdict(int)
    for _, _, bill in days:
        for line in bill.lines:
            sums[line.operator_id, line.component.value, line.funder] += line.amount.minor
    return {key: minor for key, minor in sums.items() if minor}


def folded(book, taps):
    return fold_days(days_of(ACCOUNT, taps, book), book)


def test_two_rides_that_go_on_with_the_day_before_are_one_leg_once():
    """The first of them is still under way at the day's start, and the second joins it."""
    taps = [
        tap(1, NIGHT + timedelta(minutes=50), "r1", "x", Purpose.BOARD),
        tap(2, NIGHT + timedelta(minutes=80), "r1", "y", Purpose.ALIGHT),
        tap(3, NIGHT + timedelta(minutes=99), "r1", "y", Purpose.BOARD),
        tap(4, NIGHT + timedelta(minutes=129), "r1", "z", Purpose.ALIGHT),
        tap(5, NIGHT + timedelta(minutes=130), "r2", "z", Purpose.BOARD),
        tap(6, NIGHT + timedelta(minutes=135), "r2", "y", Purpose.ALIGHT),
    ]
    split = by_operator(folded(book_of("joins", "leg", "03:00:00"), taps))
    assert split == {("a", "charged", "rider"): 1_200, ("c", "charged", "rider"): 600}


# A ride that the next day's makes longer leaves the journey that it went on with: it ends too late to transfer.
PARTED = night(
    (19, "b1", "x", "y", 24), (43, "r1", "x", "y", 48), (67, "r1", "x", "y", 72), (91, "r1", "y", "x", 121)
)  # fmt: skip
# And one that was a journey of its own transfers once it goes far enough.
MET = night((60, "a1", "x", "y", 65), (90, "r1", "x", "y", 110), (125, "r2", "y", "z", 130))
# A bus that the day before billed: transfers are limited from when it was left.
# So is the time between two legs of a window.
LEFT_BEHIND = night((105, "b1", "x", "y", 122), (142, "r1", "y", "x", 150), (171, "a1", "x", "y", 180))
LEFT = night((105, "b1", "x", "y", 122), (143, "r1", "z", "y", 160), (200, "r2", "z", "y", 205))


@settings(max_examples=300, deadline=None)
@given(rides(), st.sampled_from(sorted(LINKS)), st.sampled_from(("leg", "distance", "proportional")))
@example(PARTED, "joins and transfers", "leg")
@example(MET, "joins, and transfers by distance", "leg")
@example(LEFT, "transfers", "leg")
@example(LEFT_BEHIND, "gaps", "leg")
def test_operators_get_the_same_wherever_the_day_starts(taps, links, basis):
    """In all; and, where every leg weighs alike so that nothing is rounded, each of them.

    Also a bus, which is billed when it is boarded: the day on which it is left shares by how long the ride was.
    """
    split = by_operator(folded(book_of(links, basis, "03:00:00"), taps))
    whole = by_operator(folded(book_of(links, basis, "12:00:00"), taps))
    assert sum(split.values()) == sum(whole.values())
    most = 0 if basis == "leg" else len(taps)  # a line's parts are rounded each
    assert all(abs(split.get(key, 0) - whole.get(key, 0)) <= most for key in {*split, *whole})


@settings(max_examples=150, deadline=None)
@given(rides(), st.sampled_from(sorted(LINKS)), st.randoms(use_true_random=False))
def test_order_of_evidence_does_not_matter_over_the_start_of_a_day(taps, links, dice: random.Random):
    book = book_of(links, "leg", "03:00:00")
    shuffled = [*taps, *dice.sample(taps, k=len(taps) // 2)]
    dice.shuffle(shuffled)
    assert [bill for _, _, bill in folded(book, shuffled)] == [bill for _, _, bill in folded(book, taps)]


@settings(max_examples=150, deadline=None)
@given(rides(), st.sampled_from(sorted(LINKS)), st.sampled_from(("leg", "distance", "proportional")))
@example(PARTED, "joins and transfers", "distance")
@example(MET, "joins, and transfers by distance", "proportional")
def test_parts_sum_explanations_recompute_and_what_is_carried_survives_its_json(taps, links, basis):
    book = book_of(links, basis, "03:00:00")
    for facts, carried, bill in folded(book, taps):
        sums: dict[UUID, int] = defaultdict(int)
        for line in bill.lines:
            sums[line.tap_id] += line.amount.minor
        for ride in bill.rides:
            assert sums.pop(ride.tap_id, 0) == ride.face_value.minor
        assert not sums
        for one in explain(facts, book, carried).taps:
            assert check(told(json.loads(json.dumps(one.to_json())))) == one.charged_minor
        text = json.dumps(bill.carried_out.to_json(), sort_keys=True)
        assert Carried.from_json(json.loads(text)) == bill.carried_out


def test_a_leg_and_the_journey_it_leaves_give_back_what_they_had_of_each_other():
    """The day before shared both as one; today's lines that even it out sum to nothing, and stand under the longer leg."""
    (_, _, before), (_, _, bill) = folded(book_of("joins and transfers", "leg", "03:00:00"), PARTED)
    had = [(one.operator_id, one.amount.minor) for one in before.lines]
    assert had == [("b", 400), ("a", 800), ("b", 600), ("a", 1_200)]
    found = [(one.operator_id, one.amount.minor, one.rule) for one in bill.lines]
    even = "revenue_shares:all"
    assert found == [("a", 1_800, "fare_leg_join_rules"), ("a", -500, even), ("b", 500, even)]
    assert {one.tap_id for one in bill.lines} == {PARTED[6].tap_id}
    assert bill.carried_out.journeys == ()


def test_a_summary_that_does_not_tell_the_last_leg_apart_is_read_and_shares_as_it_did():
    book = book_of("joins and transfers", "leg", "03:00:00")
    (_, _, before), (facts, _, _) = folded(book, PARTED)
    written = before.carried_out.to_json()
    assert written["tail"].pop("apart")
    old = Carried.from_json(json.loads(json.dumps(written)))
    assert old.tail is not None
    assert old.tail.apart is None
    assert old.to_json() == written
    found = [(one.operator_id, one.amount.minor) for one in price_day(facts, book, old).lines]
    assert found == [("b", 200), ("a", 1_600)]


def test_a_last_leg_without_a_journey_before_it_is_told_in_few_words():
    (_, _, before), *_ = folded(
        book_of("joins", "leg", "03:00:00"), night((60, "r1", "x", "y", 110), (125, "r2", "y", "z", 130))
    )
    assert before.carried_out.tail is not None
    assert "apart" not in before.carried_out.to_json()["tail"]


COLUMNS = "at,purpose,route,stop"
JOINED = [
    "2026-11-18T02:20+00:00,on,r1,x", "2026-11-18T02:50+00:00,off,r1,y",
    "2026-11-18T03:05+00:00,on,r2,y", "2026-11-18T03:20+00:00,off,r2,z",
]  # fmt: skip


def test_a_ride_that_joins_one_of_the_day_before_adds_what_the_whole_is_dearer_by(price):
    found = price(book_of("joins", "leg", "03:00:00"), COLUMNS, *JOINED)
    assert [bill.service_day.day for bill in found.bills] == [17, 18]
    assert found.charged == [1800, 1200], "x to z at 30.00"
    paid: dict[str, int] = defaultdict(int)
    for bill in found.bills:
        for line in bill.lines:
            paid[line.operator_id] += line.amount.minor
    assert paid == {"a": 1500, "c": 1500}
    late = [JOINED[0], JOINED[1], JOINED[2].replace("03:05", "03:11"), JOINED[3]]
    assert price(book_of("joins", "leg", "03:00:00"), COLUMNS, *late).charged == [1800, 1800]


def test_a_ride_still_open_does_not_hold_back_the_one_before_it(price):
    """Joined only once both have ended: until then the first is priced alone."""
    book = book_of("joins", "leg", "12:00:00")
    now = datetime(2026, 11, 18, 3, 10, tzinfo=UTC)
    found = price(book, COLUMNS, *JOINED[:3], as_of=now)
    assert (found.charged, sorted(found.closed)) == ([1800], ["open", "tapped"])
    assert price(book, COLUMNS, *JOINED).charged == [3000, 0]


@pytest.mark.parametrize(("off", "charged"), [("03:20", [1800, 1200]), ("04:40", [1800, 1200])])
def test_a_ride_under_way_at_the_start_of_the_day_joins_too(price, off, charged):
    legs = [JOINED[0], JOINED[1], JOINED[2].replace("03:05", "02:55"), JOINED[3].replace("03:20", off)]
    assert price(book_of("joins", "leg", "03:00:00"), COLUMNS, *legs).charged == charged


def test_who_is_outside_a_window_has_no_part_in_its_journeys(price):
    """A ride with an operator outside the scheme in between belongs to no journey of the scheme's."""
    window = "window_id,operator_ids,duration_s,edge,dearer\nw,a;b,5400,inclusive,difference"
    files = {**FILES, "revenue_shares": FILES["revenue_shares"].format("leg")}
    book = town(tariff=HEAD.format("12:00:00"), **files, transfer_windows=window)
    taps = [
        "2026-11-18T01:00+00:00,on,a1,x", "2026-11-18T01:10+00:00,on,r2,x", "2026-11-18T01:20+00:00,off,r2,y",
        "2026-11-18T01:30+00:00,on,b1,x",
    ]  # fmt: skip
    found = price(book, COLUMNS, *taps)
    assert found.charged == [600, 1800, 600]
    paid: dict[str, int] = defaultdict(int)
    for bill in found.bills:
        for line in bill.lines:
            paid[line.operator_id] += line.amount.minor
    assert paid == {"a": 600, "b": 600, "c": 1800}
