"""Out as GTFS-Fares v2 and in again: whole it prices the same, plain as far as the standard reaches."""

from datetime import date, datetime, timedelta
from functools import cache
from uuid import UUID

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fare.gtfs.export import export_plain, export_whole
from fare.gtfs.load import check_files
from fare.gtfs.read import files_of
from fare.gtfs.schema import FILES, OURS
from fare.rules.facts import FareTap
from kernel.ids import CardId, OperatorId, TapId, uuid8
from kernel.wire.cardinfo import Concession
from kernel.wire.tap import ClockState, Phase, Purpose
from tests.fare.cities import BASE, HANOI, HERE, book_of, ride, town
from tests.fare.test_properties import PLACES, bills, taps_of, total

CITIES = {"hanoi": HANOI, **{path.name: path for path in HERE.iterdir()}}


def _amounts(found):
    return [
        (bill.service_day, line.tap_id, line.component, line.operator_id, line.amount.minor)
        for bill in found
        for line in bill.lines
    ]


def _checked(files):
    checked = check_files(files)
    assert checked.book is not None, [str(one) for one in checked.errors]
    return checked


@pytest.mark.parametrize("name", sorted(CITIES))
def test_whole_export_reads_the_same(name):
    before = _checked(files_of(CITIES[name]))
    after = _checked(export_whole(files_of(CITIES[name])).files)
    assert {file: [row.cells for row in before.feed.of(file)] for file in FILES} == {
        file: [row.cells for row in after.feed.of(file)] for file in FILES
    }


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(PLACES)).flatmap(lambda name: st.tuples(st.just(name), taps_of(name))))
def test_a_round_trip_prices_the_same(case):
    name, taps = case
    again = _checked(export_whole(files_of(CITIES[name])).files).book
    assert _amounts(bills(again, taps)) == _amounts(bills(name, taps))


ON = date(2026, 11, 18)
EXPRESSIBLE = sorted(
    name for name in CITIES if "fare_leg_rules.txt" in files_of(CITIES[name])
)  # the others price by distance alone
RIDES = (
    "tariff.txt",
    "ride_rules.txt",
)  # the service day, and how taps become rides: the standard has neither


@cache
def plain_of(name: str):
    """A city's plain export on a date, read again."""
    files = files_of(CITIES[name])
    plain = export_plain(files, _checked(files).feed, ON).files
    return _checked({**plain, **{one: files[one] for one in RIDES if one in files}}).book


@cache
def core_of(name: str):
    """What a city's own files say in the standard's words, dated rows and all."""
    files = files_of(CITIES[name])
    return _checked({one: body for one, body in files.items() if one in RIDES or FILES[one].standard}).book


def _tap(number: int, at: datetime, purpose: Purpose, stop: str, route: str) -> FareTap:
    return FareTap(
        TapId(uuid8("ride", number)), CardId(UUID(int=1)), number, at, purpose, Phase.DONE, OperatorId(""), stop, route,
        "", f"{route}{number}", 0, Concession.NORMAL, ClockState.SYNCED, proven_torn=False,
    )  # fmt: skip


@st.composite
def journeys(draw, most: int):
    """Whole rides of one day in any sample city: routes and stops of its own, both taps, normal riders."""
    name = draw(st.sampled_from(EXPRESSIBLE))
    tariff = book_of(name).on(ON)
    stops = sorted(tariff.stop_names) or [""]
    at = datetime(2026, 11, 18, 7, tzinfo=book_of(name).zone)
    taps: list[FareTap] = []
    for _ in range(draw(st.integers(1, most))):
        route = draw(st.sampled_from(sorted(tariff.routes)))
        at += timedelta(minutes=draw(st.sampled_from((1, 30, 61, 95, 130))))
        for purpose, minutes in ((Purpose.BOARD, 0), (Purpose.ALIGHT, draw(st.sampled_from((5, 35))))):
            at += timedelta(minutes=minutes)
            number = len(taps) + 1
            places = sorted(tariff.positions_m.get(route, {})) or stops
            taps.append(_tap(number, at, purpose, draw(st.sampled_from(places)), route))
    return name, taps


def _told(found):
    return _amounts(found), [(one.tap_id, one.reason) for bill in found for one in bill.unpriced]


@settings(max_examples=200, deadline=None)
@given(journeys(5))
def test_a_plain_round_trip_of_any_city_prices_what_the_standard_says_the_same(case):
    name, taps = case
    assert _told(bills(plain_of(name), taps)) == _told(bills(core_of(name), taps))


@settings(max_examples=200, deadline=None)
@given(journeys(1))
def test_a_ride_by_itself_costs_the_same_in_the_plain_export_of_any_city(case):
    """Caps, windows and the like ask for more than one ride; what a distance costs the standard cannot say."""
    name, taps = case
    tariff = book_of(name).on(ON)
    assume(not tariff.routes[taps[0].route_id].networks & tariff.measured)
    assume(not tariff.routes[taps[0].route_id].rule.same_station or taps[0].stop_id != taps[1].stop_id)
    assert _told(bills(plain_of(name), taps)) == _told(bills(name, taps))


@pytest.mark.parametrize("name", ["hanoi", "vancouver", "london", "new_york"])
def test_the_plain_export_of_a_city_prices_rides_at_all(name):
    """The two properties above compare amounts, and not two silences."""
    tariff = book_of(name).on(ON)
    priced = 0
    for route in sorted(tariff.routes):
        for stop in sorted(tariff.stop_names)[:6] or [""]:
            noon = datetime(2026, 11, 18, 12, tzinfo=book_of(name).zone)
            tap = _tap(1, noon, Purpose.BOARD, stop, route)
            priced += total(bills(plain_of(name), [tap])) > 0
    assert priced


@settings(max_examples=60, deadline=None)
@given(taps_of("vancouver"))
def test_vancouver_whose_whole_tariff_the_standard_can_say_comes_back_whole(taps):
    assert total(bills(plain_of("vancouver"), taps)) == total(bills("vancouver", taps))


@pytest.mark.parametrize("name", sorted(CITIES))
def test_plain_export_is_the_standard_alone_and_says_what_is_lost(name):
    files = files_of(CITIES[name])
    done = export_plain(files, _checked(files).feed, date(2026, 11, 18))
    assert all(FILES[file].standard for file in done.files)
    told = {one.file for one in done.notices if one.code == "extension_file_dropped"}
    assert told == {file for file in files if file in FILES and not FILES[file].standard}
    assert {one.severity for one in done.notices} <= {"warning"}
    again = _checked(done.files)
    assert not {(file, column) for file, columns in again.feed.columns.items() for column in columns} & OURS
    assert [one.code for one in again.notices] == ["tariff_file_missing"]


def test_plain_export_takes_the_rows_of_one_date():
    files = files_of(HERE / "hanoi_bands")
    feed = _checked(files).feed
    amounts = [
        [row.decimal("amount") for row in _checked(export_plain(files, feed, day).files).feed.of("fare_products.txt")]
        for day in (date(2024, 10, 31), date(2024, 11, 1))
    ]  # fmt: skip
    assert amounts[0] != amounts[1]
    assert amounts[1] == [8000, 10000, 12000, 15000, 20000]
    told = export_plain(files, feed, date(2024, 11, 1)).notices
    assert "rows_of_other_dates_dropped" in {one.code for one in told}


def test_an_exclusive_limit_stays_exclusive_in_a_plain_export(price):
    rules = "from_leg_group_id,to_leg_group_id,duration_limit,duration_limit_type,fare_transfer_type,edge\n"
    files = {
        f"{name}.txt": text.encode()
        for name, text in {**BASE, "fare_transfer_rules": f"{rules}A,B,7200,1,0,exclusive"}.items()
    }
    done = export_plain(files, _checked(files).feed, date(2026, 11, 18))
    assert b"7199" in done.files["fare_transfer_rules.txt"]
    assert not [one for one in done.notices if one.field == "edge"]
    book = _checked(done.files).book
    columns = "at,purpose,route,stop"
    assert price(book, columns, ride("08:00", "a1"), ride("10:00", "b1")).charged == [200, 300]
    assert price(book, columns, ride("08:00", "a1"), ride("09:59:59", "b1")).charged == [200, 0]


def test_a_feed_of_the_standard_alone_is_priced(price):
    """No file of ours: boarding settles what asks for no end, both taps what asks for one."""
    files = {
        f"{name}.txt": text.encode() for name, text in BASE.items() if name not in {"tariff", "ride_rules"}
    }
    files["fare_leg_rules.txt"] = (
        b"leg_group_id,network_id,from_area_id,to_area_id,fare_product_id\nA,A,,,a\nB,B,,,b\nR,R,X,Y,r"
    )
    checked = _checked(files)
    assert [one.code for one in checked.notices] == ["tariff_file_missing"]
    columns = "at,purpose,route,stop"
    book = checked.book
    assert price(book, columns, ride("08:00", "a1")).charged == [200]
    assert price(book, columns, ride("08:00", "r1", "x"), ride("08:20", "r1", "y", "off")).charged == [500]
    assert price(book, columns, ride("08:00", "r1", "x")).reasons == ["no_rule_for_missing_off"]


def test_other_files_are_left_out_with_a_warning():
    assert [one.code for one in export_whole({"readme.txt": b"x"}).notices] == ["file_dropped"]
    assert town() is not None
