"""A simulation over stored taps: the booked sums come out again, and only the asked days are read."""

from datetime import UTC, date, datetime, timedelta

from access.take_in import take_in
from fare.bill import bill
from fare.gtfs.load import load_tariff, pack
from fare.gtfs.read import files_of
from fare.publish import Books
from fare.rules.simulation_report import report
from fare.settle_lines import settle_lines
from fare.simulate import list_accounts, read_histories, simulate
from tests.fare.cities import HANOI
from tests.simulation import World

DAY = date(2026, 11, 18)
NOW = datetime(2026, 11, 18, 2, tzinfo=UTC)


def test_stored_rides_under_the_published_tariff_come_to_what_was_booked(tx, keyring):
    bundle = pack(files_of(HANOI))
    book = load_tariff(bundle)
    books = Books({book.version: book}, book.version)
    world = World(tx, keyring, NOW)
    reader = world.reader()
    for number in range(3):
        card = world.card(300 + number)
        reader.tap(card, at=NOW - timedelta(minutes=50 - number))
        reader.tap(card, at=NOW - timedelta(minutes=20 - number))
    taken = take_in(tx, reader.upload(), keyring=keyring, now=NOW)
    bill(tx, {(tap.fare_account_id, DAY) for tap in taken.taps}, books=books, now=NOW)
    accounts = list_accounts(tx, DAY, DAY)
    assert len(accounts) == 3
    assert list_accounts(tx, DAY - timedelta(days=9), DAY - timedelta(days=1)) == ()
    assert set(list_accounts(tx, DAY, DAY, percent=50)) <= set(accounts)
    histories = list(read_histories(tx, accounts, DAY, DAY, book))
    *_, last = simulate(iter(histories), (bundle, bundle), of=3, processes=1)
    assert last.tally is not None
    found = report(last.tally, (book, book), first="", last="", percent=100)
    (line,) = settle_lines(tx, DAY, books=books).lines
    assert found["totals"]["charged"] == {
        "current": line.collected.minor,
        "draft": line.collected.minor,
        "difference": 0,
    }
    assert found["totals"]["rides"]["draft"] == line.trips == 3
    assert [row["key"] for row in found["by"]["route"]] == [line.route_id]
