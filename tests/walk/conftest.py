"""One town for all walks of a run; each walk has cards, and mostly readers, of its own."""

from collections.abc import Iterator

import pytest

from demo.plan import BUS_1, BUS_2, PARK_IN, PARK_OUT, READERS, at
from demo.world import prepare, scaled, world
from service.database import Database

from .devices import Fleet
from .town import OPENS, Town

HOURS = {BUS_1: at(7, 5), BUS_2: at(7, 30), PARK_IN: at(9), PARK_OUT: at(11, 25)}


@pytest.fixture(scope="session")
def town(clone, tmp_path_factory) -> Iterator[Town]:
    """The service under gunicorn with a Redis of its own, two buses and a car park, all open."""
    with clone() as database:
        given = {"LIENTHONG_DATABASE_URL": database.url, "LIENTHONG_MIGRATION_URL": database.owner_url}
        with world(tmp_path_factory.mktemp("walk") / "town", print, given) as city:
            # What is killed cannot tidy up behind itself, so it is given a place where that is done for it.
            temporary = city.home / "tmp"
            temporary.mkdir()
            city.crew.environment = {"PYTHONWARNINGS": "error", "TMPDIR": str(temporary)}
            city.environment["LIENTHONG_STORED_VALUE"] = "true"
            prepare(city)
            city.start_service(scaled(OPENS, 1))
            books = Database(database.url, pool_size=2)
            town = Town(city, books)
            town.open_readers([(one, HOURS[one.name]) for one in READERS if one.name in HOURS])
            yield town
            books.dispose()
        assert town.complaints() == [], "what was killed may be missed, but nothing may stumble over it"


@pytest.fixture(scope="session")
def fleet(town) -> Fleet:
    return Fleet(town)
