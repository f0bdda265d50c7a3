"""A town of its own for the acceptance runs: the service under gunicorn, four buses, nothing else."""

import os
from collections.abc import Iterator

import pytest

from demo.world import prepare, scaled, world
from service.database import Database
from tests.faults.fleet import ROUTES, open_fleet
from tests.readers.kit import enrolled, make_bench
from tests.walk.town import OPENS, Town

FULL = os.environ.get("LIENTHONG_TEST_FAULTS") == "full"


def pytest_collection_modifyitems(items) -> None:
    for item in items:
        if item.path.parent.name == "faults":
            item.add_marker(pytest.mark.faults)


@pytest.fixture
def size():
    """How much of the acceptance run this run does: `size(full)` is a tenth of it in the suite."""
    return lambda full: full if FULL else max(1, full // 10)


@pytest.fixture
def figures(request):
    """Keep what was measured; it is printed when the run ends, also where workers ran it (tests/conftest.py)."""

    def say(**numbers: object) -> None:
        figures = {name.replace("_", " "): str(value) for name, value in numbers.items()}
        request.node.user_properties.append(("figures", figures))

    return say


@pytest.fixture(scope="session")
def city(clone, tmp_path_factory) -> Iterator[Town]:
    with clone() as database:
        given = {"LIENTHONG_DATABASE_URL": database.url, "LIENTHONG_MIGRATION_URL": database.owner_url}
        with world(tmp_path_factory.mktemp("faults") / "town", print, given) as made:
            temporary = made.home / "tmp"
            temporary.mkdir()
            made.crew.environment = {"PYTHONWARNINGS": "error", "TMPDIR": str(temporary)}
            made.environment["LIENTHONG_PASSBACK_S"] = "1"
            made.environment["LIENTHONG_STORED_VALUE"] = "true"
            prepare(made)
            made.start_service(scaled(OPENS, 1))
            books = Database(database.url, pool_size=2)
            town = Town(made, books)
            open_fleet(town)
            yield town
            books.dispose()
        assert town.complaints() == [], "what was killed may be missed, but nothing may stumble over it"


@pytest.fixture
def bench(tmp_path):
    """A reader without its loop."""
    made = make_bench(enrolled(tmp_path))
    yield made
    made.close()


@pytest.fixture
def readers(city):
    """The four readers as they are in the field: processes of their own."""
    for name in ROUTES:
        city.city.start_reader(name)
    yield tuple(ROUTES)
    for name in ROUTES:
        assert city.city.readers.pop(name).stop() == 0
