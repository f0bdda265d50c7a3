"""Stored-value cards from the bundle to the books: a reader's own code taps, and ledger and card hold the same."""

from dataclasses import replace
from datetime import date, timedelta
from uuid import uuid4

import pytest

from access import issue
from access.enrol import create_code, enrol
from access.issue import NewCard
from access.rules.device import DeviceKind
from kernel.crypto.ed25519 import SigningKey
from kernel.crypto.sealing import box_public, new_box_key
from kernel.wire.cardinfo import Concession
from kernel.wire.tap import HEAD_CONTEXT, Purpose, head_message, record_hash
from kernel.wire.upload import Upload
from parking.publish_rates import publish_rates
from parking.rate_dir import HANOI as RATES
from parking.rate_dir import read_rate_dir
from readers.bundle import open_bundle
from readers.identity import Identity, Keys
from readers.journal import Journal
from readers.lamp import Light
from readers.signing import signed_headers
from readers.softcard.card import Eeprom, Secrets, SoftCard
from service.app import create_app
from service.services import EXTENSION
from service.settings import Settings
from tests.readers.kit import enrolled, make_bench
from tests.readers.test_under_way import HERE, Here
from tests.service.sellers import Shop

UID = b"\x04\xfe\xed\x00\x00\x00\x01"


@pytest.fixture
def app(database, redis_url, now, keyring):
    made = create_app(
        Settings(
            database_url=database.url,
            redis_url=redis_url,
            session_key="a key for the tests, long enough",
            clock=f"fixed:{now.isoformat()}",
            stored_value=True,
        ),
        keyring=keyring,
    )
    yield made
    made.extensions[EXTENSION].close()


@pytest.fixture
def shop(app, client):
    made = Shop(app.extensions[EXTENSION], client)
    made.publish()
    with made.running.database.begin() as tx:
        publish_rates(tx, read_rate_dir(RATES), prepared_by="lan", approved_by="minh", now=made.now)
    return made


class Reader:
    """A reader with the daemon's own code around its tap, on the service's bundle."""

    def __init__(self, shop, folder, kind):
        self.shop, running = shop, shop.running
        keys = Keys(SigningKey.generate(), new_box_key())
        with running.database.begin() as tx:
            code = create_code(
                tx, keyring=running.keyring, name=f"{kind.value}-1", kind=kind, operator_id="transerco",
                place="", actor="test", now=shop.now,
            )  # fmt: skip
            made = enrol(
                tx, keyring=running.keyring, code=code, public_key=keys.signing.public.raw,
                box_key=box_public(keys.box), now=shop.now,
            )  # fmt: skip
        self.identity = Identity(made.device_id, keys, running.keyring.bundle_key.public)
        folder.mkdir()
        bench = make_bench(enrolled(folder), clock=running.clock)
        bench.desk.journal.close()
        bench.desk.identity, bench.desk.bundle = self.identity, self.bundle()
        bench.desk.journal = Journal.open(folder / "own.sqlite", device_id=made.device_id, now=shop.now)
        self.bench, self.line = bench, Here(bench)

    def bundle(self):
        url = "http://localhost/v1/bundles"
        headers = signed_headers(
            self.identity.keys.signing, method="GET", url=url, body=b"", nonce=uuid4().hex, now=self.shop.now
        )
        answer = self.shop.client.get("/v1/bundles", headers=headers)
        assert answer.status_code == 200, answer.text
        return open_bundle(answer.data, self.identity)

    def tap(self, soft, *, after=timedelta(minutes=10), **here):
        shown = self.line.tap(soft, replace(HERE, **here), after=after)
        assert shown.message.light is Light.GREEN, shown.reason
        return shown

    def deliver(self):
        records = tuple(raw for _, raw in self.rows())
        last = len(records)
        identity = self.identity
        message = head_message(
            identity.device_id, self.bench.desk.journal.journal_id, last, record_hash(records[-1])
        )
        upload = Upload(
            device_id=identity.device_id,
            key_id=identity.keys.signing.public.key_id,
            journal_id=self.bench.desk.journal.journal_id,
            records=records,
            signature=identity.keys.signing.sign(HEAD_CONTEXT, message),
        )
        answer = self.shop.client.post("/v1/taps", json=upload.to_json())
        assert answer.status_code == 200, answer.text
        said = {(each["verdict"], each["reason"]) for each in answer.json["verdicts"]}
        assert said <= {("accepted", ""), ("duplicate", "")}

    def rows(self):
        from readers.records import JournalReader

        reader = JournalReader(self.bench.desk.journal.path)
        try:
            return reader.after(0, limit=1_000)
        finally:
            reader.close()

    def close(self):
        self.bench.close()


@pytest.fixture
def card(shop):
    """A stored-value card whose account and whose purse hold 200,000."""
    running = shop.running
    with running.database.begin() as tx:
        asked = NewCard(uid=UID, concession=Concession.NORMAL, expires_on=date(2030, 1, 1), stored_value=True)
        (issued,) = issue.issue_cards(tx, keyring=running.keyring, asked=(asked,), now=shop.now)
    shop.load(issued, 200_000)
    keys = running.keyring.card_keys(UID, 1)
    soft = SoftCard(UID, Secrets.all_of(keys), Eeprom(issued.info, purse=200_000))
    return issued, soft


@pytest.fixture
def reader(shop, tmp_path):
    made = []

    def make(kind):
        made.append(Reader(shop, tmp_path / kind.value, kind))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_metro_ride_leaves_card_and_ledger_the_same(shop, card, reader):
    account, soft = card
    gate = reader(DeviceKind.METRO)
    station = {"route_id": "2A", "trip_id": "", "purpose": Purpose.AUTO}
    stops = sorted(gate.bench.desk.bundle.purse_terms.rides["2A", Concession.NORMAL].starts)
    gate.tap(soft, place="in", stop_id=stops[0], **station)
    held = 200_000 - soft.eeprom.purse
    gate.tap(soft, place="out", stop_id=stops[3], **station)
    gate.deliver()
    assert 0 < 200_000 - soft.eeprom.purse < held
    assert shop.purse(account) == soft.eeprom.purse
    gate.deliver()
    assert shop.purse(account) == soft.eeprom.purse, "the same upload again changes nothing"


def test_a_bus_whose_door_says_nothing_charges_card_and_ledger_once(shop, card, reader):
    account, soft = card
    bus = reader(DeviceKind.BUS)
    for _ in range(2):
        bus.tap(soft, purpose=Purpose.AUTO)
    bus.deliver()
    assert shop.purse(account) == soft.eeprom.purse == 190_000


def test_a_stay_is_paid_on_the_card_as_it_is_billed(shop, card, reader):
    account, soft = card
    gate = reader(DeviceKind.PARKING)
    lane = {"route_id": "", "stop_id": "", "trip_id": "", "vehicle_class": "car_le9"}
    gate.tap(soft, place="dong-da-01-in", purpose=Purpose.PARK_IN, **lane)
    gate.tap(soft, place="dong-da-01-out", purpose=Purpose.PARK_OUT, after=timedelta(hours=2), **lane)
    gate.deliver()
    assert 0 < soft.eeprom.purse < 200_000
    assert shop.purse(account) == soft.eeprom.purse


def test_each_kind_of_reader_is_told_what_it_needs(shop, reader):
    gate, park = (reader(kind).bench.desk.bundle for kind in (DeviceKind.METRO, DeviceKind.PARKING))
    assert gate.purse_terms.flat
    assert gate.purse_terms.rides
    assert gate.purse_terms.rates is None
    assert park.purse_terms.rates is not None
    assert not park.purse_terms.flat
    assert gate.debit_keys == park.debit_keys == shop.running.keyring.debit_masters()
    inspector = reader(DeviceKind.INSPECTOR).bench.desk.bundle
    assert not inspector.debit_keys
