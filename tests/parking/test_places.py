"""Places near a point, opening hours, and occupancy that is honest about its age."""

from datetime import datetime, timedelta
from math import asin, cos, radians, sin, sqrt
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking.places import list_near
from parking.publish_rates import publish_rates
from parking.rate_dir import HANOI, load_rate_dir, read_rate_dir
from parking.rules.book import load_rates
from parking.rules.errors import RateFilesInvalidError
from parking.rules.place import Position, distance_m
from tests.parking.conftest import TWO
from tests.parking.test_parking_api import BASE, entry, problem

HOAN_KIEM = Position(21_028_500, 105_852_300)
LOOK = {"radius_m": 1_000, "vehicle_class": "car_le9", "stay": timedelta(hours=1)}
LATITUDE = st.integers(-60_000_000, 60_000_000)


@given(
    LATITUDE,
    st.integers(-179_000_000, 179_000_000),
    st.integers(-90_000, 90_000),
    st.integers(-90_000, 90_000),
)
def test_distances_agree_with_the_great_circle(latitude, longitude, north, east):
    """The haversine formula on a sphere of 6,371 km, within 0.5 % and a metre."""
    one, other = Position(latitude, longitude), Position(latitude + north, longitude + east)
    a, b, c, d = (radians(each / 1e6) for each in (*one, *other))
    arc = sin((c - a) / 2) ** 2 + cos(a) * cos(c) * sin((d - b) / 2) ** 2
    metres = 2 * 6_371_000 * asin(sqrt(arc))
    assert distance_m(one, other) == pytest.approx(metres, rel=0.005, abs=3)
    assert distance_m(one, other) == distance_m(other, one)


def files(**columns):
    """Hanoi's files, the two car parks with these further columns."""
    found = dict(read_rate_dir(HANOI))
    lines = found["places.csv"].decode().splitlines()
    extra = ",".join(columns)
    rows = [f"{lines[0]},{extra}"]
    for line in lines[1:]:
        mine = line.startswith(("dong-da-01", "hoan-kiem-01"))
        rows.append(f"{line}," + ",".join(str(each) if mine else "" for each in columns.values()))
    found["places.csv"] = ("\n".join(rows) + "\n").encode()
    return found


@pytest.mark.parametrize(
    ("opens", "closes", "times"),
    [
        ("06:00", "22:00", {"05:59": False, "06:00": True, "21:59": True, "22:00": False}),
        ("18:00", "06:00", {"17:59": False, "18:00": True, "00:00": True, "05:59": True, "06:00": False}),
        ("", "", {"03:00": True}),
    ],
)
def test_opening_hours(opens, closes, times):
    place = load_rates(files(opens=opens, closes=closes)).place("dong-da-01")
    for clock, expected in times.items():
        at = datetime.fromisoformat(f"2026-11-18T{clock}").replace(tzinfo=ZoneInfo("Asia/Ho_Chi_Minh"))
        assert place.is_open(at) is expected


@pytest.mark.parametrize(
    "columns",
    [
        {"latitude": "91", "longitude": "0"},
        {"latitude": "21.0285", "longitude": ""},
        {"latitude": "21,03", "longitude": "105"},
        {"latitude": "21.1234567", "longitude": "105"},
        {"latitude": "+21", "longitude": "105"},
        {"opens": "06:00", "closes": ""},
        {"ev_bays": "-1"},
    ],
)
def test_places_that_make_no_sense_are_named(columns):
    with pytest.raises(RateFilesInvalidError) as refused:
        load_rates(files(**{name: f'"{value}"' for name, value in columns.items()}))
    assert all(each.file == "places.csv" for each in refused.value.fields["problems"])


def test_hanoi_has_no_positions_yet():
    assert all(each.position is None for each in load_rate_dir(HANOI).places.values())


@pytest.fixture
def placed(begin, now):
    """Both car parks at Hoàn Kiếm, open by day, with two chargers."""
    columns = {
        "latitude": "21.0285",
        "longitude": "105.8523",
        "opens": "06:00",
        "closes": "22:00",
        "ev_bays": 2,
    }
    with begin() as tx:
        publish_rates(tx, files(**columns), effective_at=now, **TWO, now=now - timedelta(hours=1))


def near(client, lat=21.0294, lon=105.8523, **changes):
    return client.get(f"{BASE}/places/near", query_string={"lat": lat, "lon": lon, **changes})


def test_places_near_a_point_have_a_price_and_free_spaces(client, placed):
    found = near(client).json["places"]
    assert [each["place_id"] for each in found] == ["dong-da-01", "hoan-kiem-01"]
    assert found[0]["distance_m"] == 100
    assert found[0]["price"] == {"minor": 50_000, "currency": "VND"}
    assert found[0]["free"] == found[0]["capacity"]
    assert near(client, radius_m=99).json["places"] == []
    assert len(near(client, ev="true").json["places"]) == 2
    assert near(client, disabled="true").json["places"] == []
    assert near(client, vehicle_class="bicycle").json["places"][0]["price"] is None


def test_full_places_nearby_do_not_hide_a_free_one_farther_on(client, bearer, begin, placed, now):
    with begin() as tx:
        nearest = list_near(tx, HOAN_KIEM, **LOOK, now=now, limit=1)[0].now.place
    head = bearer(nearest.operator_id)
    full = {
        "count_id": str(uuid4()),
        "place_id": nearest.place_id,
        "source": "present",
        "turns": nearest.capacity,
        "begun_at": now.isoformat(),
        "ended_at": now.isoformat(),
    }
    assert client.post(f"{BASE}/counts", headers=head, json=full).status_code == 201
    assert near(client).json["places"][0]["free"] == 0
    assert [each["place_id"] for each in near(client, free_only="true").json["places"]] == ["hoan-kiem-01"]
    wanted = {"free_only": True}, {"wanted": lambda place: place.place_id != nearest.place_id}
    for each in wanted:
        with begin() as tx:
            (found,) = list_near(tx, HOAN_KIEM, **LOOK, now=now, limit=1, **each)
        assert found.now.place.place_id == "hoan-kiem-01"


@pytest.mark.parametrize(
    "wrong", [{"lat": 91}, {"lon": "east"}, {"radius_m": 0}, {"minutes": 0}, {"lat": "nan"}]
)
def test_a_search_that_makes_no_sense_is_refused(client, begin, wrong):
    assert problem(near(client, **wrong)) == (422, "malformed-request")


def test_a_closed_place_is_not_found(client, placed, clock):
    clock.advance(timedelta(hours=13))
    assert near(client).json["places"] == []


def test_a_count_is_carried_on_by_the_gates_and_tells_its_age(client, bearer, now, clock):
    head = bearer()
    client.post(f"{BASE}/sessions", headers=head, json=entry(now))
    clock.advance(timedelta(minutes=5))
    counted = {
        "count_id": str(uuid4()),
        "place_id": "dong-da-01",
        "source": "present",
        "turns": 7,
        "begun_at": clock.now().isoformat(),
        "ended_at": clock.now().isoformat(),
    }
    assert client.post(f"{BASE}/counts", headers=head, json=counted).status_code == 201
    clock.advance(timedelta(minutes=5))
    came = entry(clock.now(), medium={"kind": "ticket", "value": "2"})
    client.post(f"{BASE}/sessions", headers=head, json=came)
    (place,) = client.get(f"{BASE}/places", headers=head).json["places"]
    assert (place["occupied"], place["drift"]) == (8, 0)
    assert place["counted_at"] == counted["ended_at"]
