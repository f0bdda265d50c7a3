"""Cards, gate passes and published rates for parking's database tests: real evidence rows, no readers."""

import itertools
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Connection

from access.issue import issue_card
from access.rules.medium import MediumKind
from access.rules.tap import Tap, tap_id
from access.store import evidence
from access.taps import list_taps
from kernel.ids import CardId, DeviceId, FareAccountId, JournalId, uuid8
from kernel.money import VND, Money
from kernel.wire.cardinfo import Concession
from kernel.wire.tap import ClockState, Phase, Purpose
from ledger.accounts import open_accounts, read_balances
from ledger.operator_tills import found_till
from ledger.post import post
from ledger.rules import chart
from ledger.rules.entry import Entry, Line, Posted
from parking.publish_rates import publish_rates
from parking.rate_dir import HANOI, read_rate_dir
from service import staff
from service.audit import Actor, ActorKind
from service.services import EXTENSION
from service.staff import Grant, Role
from tests.parking.apds_bodies import BASE, right

TWO = {"prepared_by": "mai", "approved_by": "tuan"}
_uids = itertools.count(0x04_00_00_00_00_00_01)


@dataclass
class Holder:
    """A card and its account, with the taps it makes; counters run as a card's do."""

    card_id: CardId
    account: FareAccountId
    counter: itertools.count = field(default_factory=lambda: itertools.count(1))

    def tap(self, purpose: Purpose, at: datetime, *, gate: str = "dong-da-01", **changes) -> Tap:
        device = DeviceId(uuid8("gate", gate, purpose.name))
        counter = next(self.counter)
        journal = JournalId(uuid8("journal", device))
        sequence = changes.pop("sequence", None) or (self.card_id.int % 1_000_000) * 1_000 + counter
        known = {
            "tap_id": tap_id(device, journal, sequence),
            "card_id": self.card_id,
            "fare_account_id": self.account,
            "device_id": device,
            "journal_id": journal,
            "sequence": sequence,
            "counter": counter,
            "tapped_at": at,
            "received_at": at,
            "clock_state": ClockState.SYNCED,
            "purpose": purpose,
            "phase": Phase.DONE,
            "operator_id": "dongda-parking",
            "place": gate,
            "stop_id": "",
            "route_id": "",
            "trip_id": "",
            "direction": 0,
            "vehicle_class": "car_le9",
            "concession": Concession.NORMAL,
            "tariff_version": "",
            "mac_valid": True,
            "proven_torn": False,
            "kind": MediumKind.TRANSIT,
        }
        return Tap(**{**known, **changes})


def store_taps(tx: Connection, taps: list[Tap]) -> None:
    """Write taps as evidence rows, once each."""
    known = {
        tap.tap_id
        for tap in list_taps(
            tx,
            {each.fare_account_id for each in taps},
            since=datetime(2000, 1, 1, tzinfo=UTC),
            until=datetime(2100, 1, 1, tzinfo=UTC),
        )
    }
    fresh = {each.tap_id: each for each in taps if each.tap_id not in known}.values()
    evidence.copy_in(tx, [_row(tap) for tap in fresh])


def _row(tap: Tap) -> evidence.TapRow:
    return evidence.TapRow(
        tap.card_id,
        tap.tapped_at.astimezone(UTC).date(),
        tap.tap_id,
        tap.device_id,
        tap.journal_id,
        tap.sequence,
        bytes(32),
        tap.counter,
        tap.tapped_at,
        tap.received_at,
        int(tap.clock_state),
        int(tap.purpose),
        int(tap.phase),
        tap.operator_id,
        tap.place,
        tap.stop_id,
        tap.route_id,
        tap.trip_id,
        tap.direction,
        tap.vehicle_class,
        int(tap.concession),
        tap.tariff_version,
        tap.mac_valid,
        "",
        tap.fare_account_id,
        b"",
    )


def load(tx: Connection, account: FareAccountId, minor: int, now: datetime) -> None:
    """Put money on an account, from nowhere in particular."""
    stored, source = chart.rider_stored_value(account), chart.bank_guarantee()
    open_accounts(tx, (stored, source), now)
    entry = Entry(
        entry_id=uuid8("load", account, minor),
        kind="test.load",
        lines=(Line(source.account_id, stored.account_id, Money(minor, VND)),),
        owner_id=account,
        service_day=date(2026, 11, 18),
        effective_at=now,
    )
    (outcome,) = post(tx, [entry], now)
    assert isinstance(outcome, Posted)


def balances(
    tx: Connection, account: UUID, now: datetime, operator: str = "dongda-parking"
) -> tuple[int, ...]:
    """Return (stored value, owed, due to the operator) in đồng."""
    specs = (
        chart.rider_stored_value(account),
        chart.rider_receivable(account),
        chart.parking_payable(operator),
    )
    open_accounts(tx, specs, now)
    found = read_balances(tx, [spec.account_id for spec in specs], now)
    return tuple(found[spec.account_id].posted.minor for spec in specs)


def own_till(tx: Connection, till: str, now: datetime, operator: str = "dongda-parking") -> None:
    """Make a till an operator's, as its first shift does."""
    found_till(tx, till, operator_id=operator, actor="an", now=now)


@pytest.fixture(autouse=True)
def _described(request: pytest.FixtureRequest) -> None:
    if "client" in request.fixturenames:
        request.getfixturevalue("described")


@pytest.fixture
def rates(tx: Connection) -> str:
    """Hanoi's rates, in force since 2020."""
    at = datetime(2020, 1, 1, tzinfo=UTC)
    return publish_rates(tx, read_rate_dir(HANOI), effective_at=at, **TWO, now=at).version


@pytest.fixture
def issue(tx: Connection, keyring, now: datetime):
    """Issue cards, each with an account of its own."""

    def _issue(minor: int = 0) -> Holder:
        issued = issue_card(
            tx,
            keyring=keyring,
            uid=next(_uids).to_bytes(7, "big"),
            concession=Concession.NORMAL,
            expiry=date(2030, 1, 1),
            now=now - timedelta(days=30),
        )
        if minor:
            load(tx, issued.fare_account_id, minor, now)
        return Holder(issued.card_id, issued.fare_account_id)

    return _issue


@pytest.fixture
def begin(app, now):
    """Open a transaction of the service, with Hanoi's rates published."""
    database = app.extensions[EXTENSION].database
    early = now - timedelta(days=100)
    with database.begin() as tx:
        publish_rates(tx, read_rate_dir(HANOI), effective_at=early, **TWO, now=early)
    return database.begin


@pytest.fixture
def bearer(begin, now):
    """Headers of a credential of one operator, or of another role."""

    def _bearer(operator="dongda-parking", role=Role.PARKING_OPERATOR):
        with begin() as tx:
            grant = Grant(role, operator) if operator else Grant(role)
            _, token = staff.add_credential(
                tx,
                name="gate",
                grant=grant,
                valid=timedelta(days=1),
                by=Actor(ActorKind.COMMAND, "t"),
                now=now,
            )
        return {"Authorization": f"Bearer {token}"}

    return _bearer


@pytest.fixture
def clock(app):
    """The service's clock, which stands until a test moves it."""
    return app.extensions[EXTENSION].clock


@pytest.fixture
def apds(client, begin, bearer):
    """Call a route as the operator of dong-da-01."""
    head = bearer()

    def call(method, path, body=None, **query):
        return client.open(f"{BASE}{path}", method=method, headers=head, json=body, query_string=query)

    return call


@pytest.fixture
def holder(begin, keyring, now):
    """An account with five million đồng."""
    with begin() as tx:
        card = issue_card(
            tx, keyring=keyring, uid=bytes(6) + b"\1", concession=Concession.NORMAL,
            expiry=now.date() + timedelta(days=99), now=now - timedelta(days=9),
        )  # fmt: skip
        load(tx, card.fare_account_id, 5_000_000, now)
    return card.fare_account_id


@pytest.fixture
def sold(client, bearer, holder, now):
    """A month's pass of Hoàn Kiếm, sold to an account through the door."""
    body = right(now, holder)
    made = client.post(f"{BASE}/rights/assigned", headers=bearer("hoankiem-parking"), json=body)
    assert made.status_code == 201, made.text
    return body
