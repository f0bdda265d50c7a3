"""Fixtures that several of the readers' tests ask for."""

import pytest

from readers.journal import Journal
from tests.readers.kit import DEVICE, NOW, enrolled, make_bench
from tests.readers.office import BackOffice


@pytest.fixture
def office():
    office = BackOffice()
    yield office
    office.close()


@pytest.fixture
def journal(tmp_path):
    journal = Journal.open(tmp_path / "journal.sqlite", device_id=DEVICE, now=NOW)
    yield journal
    journal.close()


@pytest.fixture
def bench(tmp_path):
    bench = make_bench(enrolled(tmp_path))
    yield bench
    bench.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.sqlite"
