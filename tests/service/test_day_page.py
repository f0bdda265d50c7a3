"""The figures of the day's page, and who sees which of them."""

import pytest

from kernel.crypto.ed25519 import SigningKey
from kernel.ids import OperatorId
from kernel.money import VND, Money
from service.console.day import Keys, read_day, today
from service.services import EXTENSION
from tests.played import DAY, play_a_day


@pytest.fixture
def read(app, keyring, now):
    """Read the page of a day; the day was played before."""
    services = app.extensions[EXTENSION]

    def read(day=DAY, *, operators=None, keys=None):
        with services.database.read() as tx:
            return read_day(
                tx,
                day,
                operators=operators,
                keys=keys or Keys(keyring.bundle_key.public, services.shelf),
                now=now,
            )

    play_a_day(app, keyring, now)
    return read


def test_day_adds_up(read):
    page = read()
    assert (page.stored, page.trips, page.accounts) == (3, 2, 2)
    (bill,) = page.bills
    parts = bill.charged + bill.waived + bill.discounted + bill.covered
    assert bill.face_value == parts == Money(20_000, VND)
    (settlement,) = page.settlements
    assert (settlement.net, settlement.reconciled) == (Money(20_000, VND), True)
    # The cards were empty: the riders owe it all, and nothing stored needs cover.
    assert (page.coverage.receivable, page.coverage.covered) == (Money(20_000, VND), True)
    assert (page.seal.lines, page.seal.signed) == (2, True)


def test_day_for_another_operator_shows_nothing_of_it(read):
    page = read(operators={OperatorId("hanoi-metro")})
    assert (page.empty, page.limited) == (True, True)
    assert (page.coverage, page.accounts, page.exceptions) == (None, 0, ())


def test_day_for_its_operator_leaves_out_the_houses_sums(read):
    page = read(operators={OperatorId("transerco")})
    assert (page.stored, page.trips, len(page.settlements), page.coverage) == (3, 2, 1, None)


def test_seal_by_another_key_is_not_called_signed(app, read):
    page = read(keys=Keys(SigningKey.generate().public, app.extensions[EXTENSION].shelf))
    assert not page.seal.signed


def test_another_day_is_empty_and_open(read):
    page = read(DAY.replace(day=19))
    assert (page.empty, page.settled, page.seal) == (True, False, None)


def test_page_opens_on_the_newest_day_that_has_something(app, read, now):
    with app.extensions[EXTENSION].database.read() as tx:
        assert today(tx, now.replace(year=2027)) == DAY
