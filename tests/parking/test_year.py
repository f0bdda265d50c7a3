"""A part of the year, by the same code as `make year`: every day closes with zero unexplained đồng, and it resumes."""

import os
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import create_engine, text

from bench import web
from bench.measure import Stage
from bench.year import books, play
from bench.year.over_http import play_over_http
from bench.year.plan import Year, day_of, price_by_hand, rate_files, spots, starts, troubles, visits
from bench.year.town import found_town, save
from parking.rules.book import load_rates
from parking.rules.quote import price
from service import staff
from service.audit import Actor, ActorKind
from service.launcher import Servers
from service.staff import Grant, Role

# The whole hundredth takes minutes: LIENTHONG_TEST_FAULTS=full plays it, `make year SHARE=0.01` too.
SMALL = Year(sessions=600, days=3, places=24)
HUNDREDTH = Year(sessions=10_000, days=4, places=405)


def test_the_plan_is_a_year_of_a_million_stays_in_which_nobody_has_two_at_a_time():
    year = Year()
    assert (
        sum(year.sessions * (n + 1) // year.days - year.sessions * n // year.days for n in range(365))
        == 1_000_000
    )
    assert (len(spots(year)), len({spot.place_id for spot in spots(year)})) == (405, 405)
    first, second = visits(year, 0), visits(year, 1)
    assert visits(year, 0) == first
    assert first != second
    latest = {}
    for each in (*first, *second):
        if each.card is None:
            continue
        assert latest.get(each.card, each.entered_at) <= each.entered_at
        latest[each.card] = each.left_at + timedelta(seconds=1)
    guests = sum(each.card is None for each in first)
    assert 0.03 < guests / len(first) < 0.08
    assert {"late", "twice"} == set(troubles(year, 5).values())


def test_prices_by_hand_are_those_of_the_rates():
    year = Year()
    book, places = load_rates(rate_files(year)), spots(year)
    seen = Counter()
    for each in visits(year, 3):
        spot = places[each.spot]
        table = book.table_for(spot.place_id, spot.vehicle_class, each.entered_at)
        minutes = (each.left_at - each.entered_at) // timedelta(minutes=1)
        assert price(table, each.entered_at, each.left_at).minor == price_by_hand(spot.area, minutes)
        seen[spot.area] += 1
    assert len(seen) == 6


@pytest.fixture
def stage(database, redis_url, tmp_path):
    return Stage(Servers(database.url, database.owner_url, redis_url, ""), str(tmp_path))


def test_every_day_closes_with_zero_unexplained_and_a_killed_day_is_played_again(stage, monkeypatch):
    year = HUNDREDTH if os.environ.get("LIENTHONG_TEST_FAULTS") == "full" else SMALL
    city, town, shelf, database = found_town(stage, year)
    closed = [play.play_day(city, town, shelf, database, year)]
    save(stage, town)
    with monkeypatch.context() as patched:
        patched.setattr(play, "_serve_guests", _killed)
        with pytest.raises(InterruptedError):
            play.play_day(city, town, shelf, database, year)
    database.dispose()
    city.close()
    city, town, shelf, database = found_town(stage, year)
    while town.day < year.days:
        closed.append(play.play_day(city, town, shelf, database, year))
    assert [(each.unexplained, each.reconciled) for each in closed] == [(0, True)] * year.days
    seen = sum(each.has_exit for number in range(year.days) for each in visits(year, number))
    assert 0.95 * seen < town.stays <= seen  # who stays over night leaves on a day that is not played
    assert sum(each.collected for each in closed) > 0
    owner = create_engine(stage.servers.owner_url)
    with owner.begin() as tx:
        tx.execute(text("ALTER TABLE parking_bill_line DISABLE TRIGGER USER"))
        tx.execute(
            text(
                "UPDATE parking_bill_line SET delta_minor = delta_minor + 1 WHERE (stay_id, revision, line_no) IN"
                " (SELECT stay_id, revision, line_no FROM parking_bill_line WHERE component = 'charged' LIMIT 1)"
            )
        )
    owner.dispose()
    assert books.unexplained(database, town) == 1
    database.dispose()
    city.close()


def test_a_hundred_stays_through_http_and_gates(stage):
    year = Year(sessions=200, days=2, places=16)
    city, town, _, database = found_town(stage, year)
    morning = starts(day_of(year, 1)) + timedelta(hours=1)
    with database.begin() as tx:
        tokens = {
            operator: staff.add_credential(
                tx,
                name=operator,
                grant=Grant(Role.PARKING_OPERATOR, operator),
                valid=timedelta(days=1),
                by=Actor(ActorKind.COMMAND, "t"),
                now=morning,
            )[1]
            for operator in {spot.operator_id for spot in spots(year)}
        }
    environment = {**city.environment, "LIENTHONG_CLOCK": f"fixed:{morning.isoformat()}"}
    with web.gunicorn("service.app:create_app()", environment) as address:
        done = play_over_http(town, year, f"http://{address.host}:{address.port}", tokens)
    assert 90 < done <= 100  # some stay over night, some exits nobody sees
    booked = {name: minor for name, minor in books.booked(database).items() if minor}
    assert booked == {name: minor for name, minor in town.expected.items() if minor}
    database.dispose()
    city.close()


def _killed(*_args):
    raise InterruptedError
