"""Fixtures of evidence accounting: Hanoi's tariff, a bus, a metro gate and six cards."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from access.take_in import take_in
from fare.publish import publish
from service import staff
from service.audit import Actor, ActorKind
from service.cli import main
from service.commands import context
from service.jobs.bill_batch import bill_batch
from service.services import EXTENSION
from service.staff import Grant, Role
from tests.fare.cities import book_of
from tests.simulation import World

HANOI = Path(__file__).parents[3] / "fare" / "tariffs" / "hanoi"
DAY = date(2026, 11, 18)
HOUR = timedelta(hours=1)
BY = Actor(ActorKind.COMMAND, "test")


@pytest.fixture
def running(app, keyring, now):
    found = app.extensions[EXTENSION]
    with found.database.begin() as tx:
        publish(tx, HANOI, prepared_by="mai", approved_by="tuan", key=keyring.bundle_key, now=now)
    return found


@pytest.fixture
def world(running, keyring, now):
    with running.database.begin() as tx:
        made = World(tx, keyring, now)
        made.bus, made.gate = made.reader("bus"), made.reader("gate")
        made.cards = [made.card(number) for number in range(6)]
    version = book_of("hanoi").version
    made.bus.facts = {"tariff_version": version}
    made.gate.facts = {
        "tariff_version": version,
        "route_id": "2A",
        "stop_id": "2A-lang",
        "trip_id": "",
        "place": "g1",
    }
    return made


@pytest.fixture
def send(running):
    """Take an upload in and bill it as the service does, at any time."""

    def send(upload, at=None, **options):
        now = at or running.clock.now()

        def work(tx):
            versions = frozenset(running.shelf.books(tx).by_version)
            taken = take_in(tx, upload, keyring=running.keyring, now=now, tariff_versions=versions)
            bill_batch(tx, taken, shelf=running.shelf, now=now, **options)
            return taken

        return running.database.run(work)

    return send


@pytest.fixture
def ask(client, running, now):
    def ask(method, path, body=None, role=Role.FINANCE_MAKER):
        with running.database.begin() as tx:
            grant = Grant(role)
            _, token = staff.add_credential(
                tx, name="t", grant=grant, valid=timedelta(days=90), by=BY, now=now
            )
        return client.open(path, method=method, json=body, headers={"Authorization": f"Bearer {token}"})

    return ask


@pytest.fixture
def lienthong(database, keyring, now, monkeypatch):
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", database.url)
    monkeypatch.setenv("LIENTHONG_CLOCK", f"fixed:{now.isoformat()}")
    monkeypatch.setattr(context, "keyring", lambda: keyring)
    context.settings.cache_clear()

    def run(*arguments, code=0):
        done = CliRunner().invoke(main, list(arguments))
        assert done.exit_code == code, done.output
        return done.output if code else done.stdout

    yield run
    context.settings.cache_clear()
