"""Simulation: equal tariffs differ by nothing, sums agree with bills, and each exploit pattern is found where planted."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fare.gtfs.load import load_tariff, pack
from fare.gtfs.read import files_of
from fare.gtfs.riders import read_riders
from fare.gtfs.taps import histories_of, read_taps
from fare.rules.patterns import NAMES
from fare.rules.simulation import History, Tally, replay, spread
from fare.rules.simulation_report import report
from fare.simulate import simulate
from kernel.ids import FareAccountId, uuid8
from tests.fare.cities import BASE, HANOI, HERE, book_of, ride, town
from tests.fare.test_properties import PLACES, bills, taps_of, total

COLUMNS = "rider,at,purpose,route,stop"
DAYS = date(2026, 11, 1), date(2026, 11, 30)
WINDOW = "window_id,network_ids,duration_s,edge\nw,R;A;B,3600,inclusive"
OFFS = "network_id,settled_by,limit_min,passback_s,companions\n,boarding,120,,\nR,ride,120,,"
ZONES = {
    "fare_products": BASE["fare_products"] + "\nnear,1.00,EUR\nfar,4.00,EUR\nlost,2.00,EUR",
    "fare_leg_rules": (
        "leg_group_id,network_id,from_area_id,to_area_id,fare_product_id\nA,A,,,a\nB,B,,,b\n"
        "R,R,X,Y,near\nR,R,Y,X,near\nR,R,Y,Z,near\nR,R,Z,Y,near\nR,R,X,Z,far\nR,R,Z,X,far"
    ),
    "incomplete_rides": "network_id,case,action,fare_product_id\nR,missing_off,product,lost",
}
PASS = "pass_product_id,scope,validity,validity_count,activation,amount,currency\np,all,days,30,purchase,9.00,EUR"


def tally_of(book, *taps: str, riders: str = "", draft=None) -> Tally:
    found, wrong = read_taps("\n".join([COLUMNS, *(f"r,{tap}" for tap in taps)]), book)
    assert not wrong
    facts, wrong = read_riders(riders, book) if riders else ({}, ())
    assert not wrong
    return replay(histories_of(found, facts, book, DAYS), (book, draft or book))


def trip(start: str, end: str, at: str = "08", minutes: str = "20") -> list[str]:
    return [ride(f"{at}:00", "r1", start), ride(f"{at}:{minutes}", "r1", end, "off")]


def test_a_riders_word_on_a_ride_is_replayed_too():
    said = "rider,said_on_at,said_stop,said_off_at\nr,2026-11-18T08:00+00:00,y,2026-11-18T08:20+00:00"
    book = town(**ZONES)
    assert tally_of(book, trip("x", "z")[0]).riders == [(200, 200)]
    assert tally_of(book, trip("x", "z")[0], riders=said).riders == [(100, 100)]


PLANTED = {
    "free_return": (
        {"transfer_windows": WINDOW, **ZONES},
        [*trip("x", "z"), ride("08:40", "r1", "z"), ride("08:59", "r1", "x", "off")],
        400,
    ),
    "split_ride": (ZONES, [*trip("x", "y"), ride("08:25", "r1", "y"), ride("08:45", "r1", "z", "off")], 200),
    "cheap_forgetting": (ZONES, [ride("08:00", "r1", "x")], 200),
    "shared_pass": (
        {"passes": PASS, "ride_rules": OFFS},
        [ride("08:00", "a1", "x"), ride("08:02", "b1", "y")],
        300,
    ),
    "paid_to_ride": (
        {
            "fare_transfer_rules": "from_leg_group_id,to_leg_group_id,fare_transfer_type,fare_product_id\nA,B,2,plus"
        },
        [ride("08:00", "a1"), ride("08:20", "b1")],
        100,
    ),
}
HELD = "rider,pass_product,pass_from,pass_until\nr,p,2026-11-01T00:00,2026-12-01T00:00"
HONEST = {
    "free_return": [*trip("x", "z"), *trip("z", "x", "17")],
    "split_ride": [*trip("x", "y"), *trip("y", "z", "17")],  # a day's work lies between
    "cheap_forgetting": [*trip("x", "z")],
    "shared_pass": [ride("08:00", "a1", "x"), ride("08:20", "b1", "y")],
    "paid_to_ride": [ride("08:00", "b1"), ride("08:20", "a1")],
}


def test_every_pattern_has_a_planted_case():
    assert set(PLANTED) == set(HONEST) == set(NAMES)
    assert len(NAMES) >= 4


@pytest.mark.parametrize("name", PLANTED)
def test_planted_exploit_is_found_and_priced_and_an_honest_ride_is_not(name):
    files, taps, saved = PLANTED[name]
    riders = HELD if name == "shared_pass" else ""
    book = town(**files)
    found = tally_of(book, *taps, riders=riders).patterns
    assert {pattern: one.cases for pattern, one in found.items() if one.cases} == {name: 1}
    assert (found[name].saved_minor, found[name].accounts) == (saved, 1)
    assert found[name].examples[0].saved_minor == saved
    honest = tally_of(book, *HONEST[name], riders=riders).patterns
    assert not any(one.cases for one in honest.values())


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(PLACES)).flatmap(lambda name: st.tuples(st.just(name), taps_of(name))))
def test_a_draft_equal_to_the_tariff_differs_by_exactly_nothing(case):
    name, taps = case
    book = book_of(name)
    tally = replay([History(FareAccountId(uuid8("a")), tuple(taps))], (book, book))
    found = report(tally, (book, book), first="", last="", percent=100)
    assert all(row["difference"] == 0 for row in found["totals"].values())
    for rows in (*found["by"].values(), found["subsidy"]):
        for row in rows:
            measures = [row] if "difference" in row else [one for key, one in row.items() if key != "key"]
            assert all(one["difference"] == 0 for one in measures)
    assert found["riders"]["winners"] == found["riders"]["losers"] == 0
    assert found["totals"]["charged"]["draft"] == total(bills(name, taps))
    parts = ("waived", "discounted", "pass_covered", "cap_covered", "charged")
    assert found["totals"]["face_value"]["current"] == sum(found["totals"][one]["current"] for one in parts)


def test_a_dearer_draft_says_who_pays_it():
    dearer = town(fare_products=BASE["fare_products"].replace("b,3.00", "b,3.50"))
    tally = tally_of(town(), ride("08:00", "a1"), ride("09:00", "b1"), draft=dearer)
    found = report(tally, (town(), dearer), first="2026-11-01", last="2026-11-30", percent=100)
    assert found["totals"]["charged"] == {"current": 500, "draft": 550, "difference": 50}
    operators = {row["key"]: row["charged"]["difference"] for row in found["by"]["operator"]}
    assert operators == {"a": 0, "b": 50}
    assert {row["key"] for row in found["by"]["category"]} == {"NORMAL"}
    assert (found["riders"]["winners"], found["riders"]["same"], found["riders"]["losers"]) == (0, 0, 1)


def test_spread_by_nearest_rank():
    found = spread([(100, 100 + change) for change in range(-50, 50)])
    assert (found.winners, found.same, found.losers) == (50, 1, 49)
    assert dict(found.percentiles) == {
        1: -50,
        5: -46,
        10: -41,
        25: -26,
        50: -1,
        75: 24,
        90: 39,
        95: 44,
        99: 48,
    }
    assert sum(count for count, _, _ in found.by_spending) == 100
    assert spread([]).percentiles == ()


def test_processes_and_cuts_do_not_change_the_outcome(monkeypatch):
    book = book_of("hanoi")
    lines = [
        f"r{rider},2026-11-{day:02d}T{hour:02d}:{rider % 60:02d},on,{('01', '02', '84')[rider % 3]},"
        for rider in range(40)
        for day in (16, 17)
        for hour in (7, 17)
    ]
    taps, wrong = read_taps("\n".join([COLUMNS, *lines]), book)
    assert not wrong
    histories = histories_of(taps, {}, book, DAYS)
    draft = files_of(HANOI) | {
        "fare_products.txt": files_of(HANOI)["fare_products.txt"].replace(b"10000", b"11000")
    }
    tariffs = pack(files_of(HANOI)), pack(draft)
    books = load_tariff(tariffs[0]), load_tariff(tariffs[1])
    monkeypatch.setattr("fare.simulate.ACCOUNTS_AT_ONCE", 7)
    documents = []
    for processes in (1, 2):
        steps = list(simulate(iter(histories), tariffs, of=len(histories), processes=processes))
        assert [step.accounts for step in steps] == sorted(step.accounts for step in steps)
        assert steps[-1].tally is not None
        assert all(step.tally is None for step in steps[:-1])
        documents.append(report(steps[-1].tally, books, first="", last="", percent=100))
    assert documents[0] == documents[1]
    assert documents[0]["taps"] == 160
    assert documents[0]["totals"]["charged"]["difference"] > 0
    assert (HERE / "mta").is_dir()
