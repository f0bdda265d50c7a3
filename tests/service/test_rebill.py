"""What could not be billed is billed from its stored evidence, before its day is settled."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from access import exceptions
from access.take_in import take_in
from fare.publish import Shelf, publish
from ledger.rules.errors import DayNotOverError
from service.database import Database
from service.jobs import bill_batch as job
from service.jobs.rebill import rebill
from service.jobs.settle_day import settle_day
from tests.simulation import World

HANOI = Path(__file__).parents[2] / "fare" / "tariffs" / "hanoi"
DAY = date(2026, 11, 18)
NOW = datetime(2026, 11, 18, 2, 0, tzinfo=UTC)
NEXT = datetime(2026, 11, 19, 2, 0, tzinfo=UTC)


@pytest.fixture
def service(database):
    opened = Database(database.url)
    yield opened
    opened.dispose()


def upload(service, keyring, *, shelf, taps=2):
    """Two taps of a new card, taken in and billed as the service does; tapped at 06:00 in Hanoi."""

    def work(tx):
        world = World(tx, keyring, NOW)
        reader, card = world.reader(), world.card()
        for n in range(taps):
            reader.tap(card, at=NOW - timedelta(hours=3) + timedelta(minutes=30 * n))
        taken = take_in(tx, reader.upload(), keyring=keyring, now=NOW)
        return job.bill_batch(tx, taken, shelf=shelf, now=NOW)

    return service.run(work)


def publish_hanoi(service, keyring):
    service.run(
        lambda tx: publish(tx, HANOI, prepared_by="mai", approved_by="tuan", key=keyring.bundle_key, now=NOW)
    )


def state(service):
    with service.read() as tx:
        lines = tx.execute(text("SELECT coalesce(sum(delta_minor), 0) FROM fare_bill_line")).scalar_one()
        waiting = sorted(one.raised.reason for one in exceptions.list_open(tx, now=NOW))
    return lines, waiting


def test_taps_from_before_the_tariff_are_billed_once_it_is_published(service, keyring):
    shelf = Shelf(keyring.bundle_key.public)
    upload(service, keyring, shelf=shelf)
    assert state(service) == (0, [job.NO_TARIFF])
    assert [one.repaired for one in rebill(service, shelf=shelf, now=lambda: NOW)] == [False]
    publish_hanoi(service, keyring)
    assert [one.repaired for one in rebill(service, shelf=shelf, now=lambda: NOW)] == [True]
    assert state(service) == (10_000, [])
    assert list(rebill(service, shelf=shelf, now=lambda: NOW)) == []


def test_a_repaired_fault_is_billed_before_its_day_is_settled(service, keyring, monkeypatch):
    publish_hanoi(service, keyring)
    shelf = Shelf(keyring.bundle_key.public)

    def broken(*_, **__):
        raise ZeroDivisionError

    with monkeypatch.context() as fault:
        fault.setattr(job.bill, "bill", broken)
        upload(service, keyring, shelf=shelf)
    assert state(service) == (0, [job.PRICING_FAULT])
    steps = list(settle_day(service, DAY, signer=keyring.bundle_key, now=lambda: NEXT))
    assert "1 accounts billed again" in steps[0].text
    (settled,) = steps[-1].settled.settlements
    assert (settled.face_value.minor, settled.trips, settled.reconciled) == (10_000, 1, True)
    assert state(service) == (10_000, [])
    with service.read() as tx:
        actions = tx.execute(text("SELECT action FROM audit_trail")).scalars().all()
    assert "ledger.settle" in actions


def test_what_fails_again_keeps_its_place_in_the_queue(service, keyring, monkeypatch):
    publish_hanoi(service, keyring)
    shelf = Shelf(keyring.bundle_key.public)

    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(job.bill, "bill", broken)
    upload(service, keyring, shelf=shelf)
    with service.read() as tx:
        before = [one.raised_at for one in exceptions.list_open(tx, now=NOW)]
    assert [one.repaired for one in rebill(service, shelf=shelf, now=lambda: NEXT)] == [False]
    with service.read() as tx:
        assert [one.raised_at for one in exceptions.list_open(tx, now=NEXT)] == before


def test_a_day_that_has_not_begun_is_refused_before_anything_is_done(service, keyring):
    publish_hanoi(service, keyring)
    shelf = Shelf(keyring.bundle_key.public)
    upload(service, keyring, shelf=shelf, taps=1)
    before = state(service)
    with pytest.raises(DayNotOverError):
        list(settle_day(service, date(2027, 11, 18), signer=keyring.bundle_key, now=lambda: NEXT))
    assert state(service) == before
