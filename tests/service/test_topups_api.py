"""Top-ups over HTTP: asked for once, notified by a signed provider, seen by those who may."""

import hashlib
import hmac
import json
from datetime import date, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from access import deny, issue
from access.deny import DenyReason
from kernel.ids import EntryId, OperatorId
from kernel.money import VND, Money
from kernel.wire.cardinfo import Concession
from ledger import accounts, notify
from ledger.post import post
from ledger.rails import vietqr
from ledger.rules import chart
from ledger.rules.entry import Entry, Line
from service import staff
from service.audit import Actor, ActorKind
from service.jobs import topups
from service.services import EXTENSION
from service.staff import Grant, Role

pytestmark = pytest.mark.usefixtures("described")


@pytest.fixture
def running(app):
    return app.extensions[EXTENSION]


@pytest.fixture
def card(running, keyring, now):
    with running.database.begin() as tx:
        return issue.issue_card(
            tx,
            keyring=keyring,
            uid=b"\x04cards!",
            concession=Concession.NORMAL,
            expiry=date(2030, 1, 1),
            now=now,
        )


def bearer(running, now, role: Role) -> dict[str, str]:
    with running.database.begin() as tx:
        _, token = staff.add_credential(
            tx,
            name=role.value,
            grant=Grant(role, OperatorId("")),
            valid=timedelta(days=1),
            by=Actor(ActorKind.COMMAND, "test"),
            now=now,
        )
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def rider(running, now):
    return bearer(running, now, Role.RIDER)


@pytest.fixture
def finance(running, now):
    return bearer(running, now, Role.FINANCE_MAKER)


def wish(card, minor: int = 50_000, **change) -> dict[str, object]:
    return {
        "topup_id": str(uuid4()),
        "fare_account_id": str(card.fare_account_id),
        "amount": {"minor": minor, "currency": "VND"},
    } | change


def notice(topup, minor: int, *, key: bytes = b"provider", **change) -> bytes:
    """A payOS-shaped body, signed here by hand."""
    data = {
        "orderCode": int(vietqr.read(topup["qr"]["payload"]).qr.bill) if topup else 1,
        "amount": minor,
        "description": topup["reference"] if topup else "?",
        "accountNumber": "0011001234567",
        "reference": str(uuid4()),
        "transactionDateTime": "2026-11-18 09:00:00",
        "currency": "VND",
    } | change
    signed = "&".join(f"{name}={data[name]}" for name in sorted(data))
    return json.dumps(
        {"data": data, "signature": hmac.new(key, signed.encode(), hashlib.sha256).hexdigest()}
    ).encode()


def loaded(running, card, now) -> int:
    spec = chart.rider_stored_value(card.fare_account_id)
    with running.database.begin() as tx:
        accounts.open_accounts(tx, (spec,), now)
        return accounts.read_balances(tx, (spec.account_id,), now)[spec.account_id].posted.minor


def test_topup_is_made_with_a_qr_and_credited_by_a_notification(client, running, card, rider, now):
    made = client.post("/v1/topups", json=wish(card), headers=rider)
    assert made.status_code == 201
    assert vietqr.read(made.json["qr"]["payload"]).qr.amount == Money(50_000, VND)
    assert made.json["qr"]["svg"].startswith("<svg")
    assert made.json["state"] == "open"
    raw = notice(made.json, 50_000)
    for _ in range(5):
        assert client.post("/v1/notifications/payos", data=raw).status_code == 200
    seen = client.get(f"/v1/topups/{made.json['topup_id']}", headers=rider)
    assert seen.json == made.json | {"state": "credited"}
    assert loaded(running, card, now) == 50_000


def test_same_id_and_body_is_answered_as_at_first_even_when_paid(client, card, rider):
    body = wish(card)
    first = client.post("/v1/topups", json=body, headers=rider)
    client.post("/v1/notifications/payos", data=notice(first.json, 50_000))
    again = client.post("/v1/topups", json=body, headers=rider)
    assert "Idempotency-Hit" not in first.headers
    assert (again.status_code, again.headers["Idempotency-Hit"], again.json) == (200, "true", first.json)


def test_same_id_and_another_body_is_409(client, card, rider):
    body = wish(card)
    client.post("/v1/topups", json=body, headers=rider)
    other = client.post("/v1/topups", json=body | {"amount": {"minor": 1, "currency": "VND"}}, headers=rider)
    assert (other.status_code, other.json["type"], other.json["field"]) == (
        409,
        "/problems/id-reused",
        "amount",
    )


@pytest.mark.parametrize(
    ("change", "status", "problem"),
    [
        ({"fare_account_id": str(uuid4())}, 404, "unknown-card"),
        ({"amount": {"minor": 999, "currency": "VND"}}, 422, "topup-amount"),
        ({"amount": {"minor": 500_000_000, "currency": "VND"}}, 422, "topup-amount"),
        ({"amount": {"minor": 50_000, "currency": "USD"}}, 422, "topup-amount"),
        ({"amount": {"minor": 50_000, "currency": "QQQ"}}, 422, "unknown-currency"),
        ({"amount": {"minor": 50_000.5, "currency": "VND"}}, 422, "malformed-request"),
        ({"amount": {"minor": "50000", "currency": "VND"}}, 422, "malformed-request"),
        ({"topup_id": "7"}, 422, "malformed-request"),
        ({"more": 1}, 422, "malformed-request"),
    ],
)
def test_topup_refused(client, card, rider, change, status, problem):
    answer = client.post("/v1/topups", json=wish(card) | change, headers=rider)
    assert (answer.status_code, answer.json["type"]) == (status, f"/problems/{problem}")


def test_strangers_and_other_roles_may_not(client, card, rider, finance):
    assert client.post("/v1/topups", json=wish(card)).status_code == 401
    assert client.post("/v1/topups", json=wish(card), headers=finance).status_code == 403
    assert client.get("/v1/suspense", headers=rider).status_code == 403
    assert client.get(f"/v1/topups/{uuid4()}", headers=rider).status_code == 404


@pytest.mark.parametrize(
    "raw", [b"", b"{}", notice(None, 5, key=b"guess"), notice(None, 5)[:-1], notice(None, 5, key=b"")]
)
def test_unsigned_notification_is_refused_and_not_stored(client, running, raw):
    answer = client.post("/v1/notifications/payos", data=raw)
    assert (answer.status_code, answer.json["type"]) == (401, "/problems/forged-notification")
    with running.database.read() as tx:
        assert tx.execute(text("SELECT count(*) FROM ledger_notification")).scalar_one() == 0


@pytest.mark.parametrize("provider", ["paypal", "casso"])  # no adapter; an adapter without a key
def test_provider_without_adapter_or_key_is_unknown(client, provider):
    assert client.post(f"/v1/notifications/{provider}", data=b"{}").status_code == 404


def test_under_over_and_unknown_payments_stand_in_suspense_with_an_age(
    client, running, card, rider, finance, now
):
    made = client.post("/v1/topups", json=wish(card), headers=rider).json
    for topup, minor in ((made, 40_000), (made, 60_000), (None, 7_000)):
        assert client.post("/v1/notifications/payos", data=notice(topup, minor)).status_code == 200
    rows = client.get("/v1/suspense", headers=finance).json["suspense"]
    assert sorted((row["reason"], row["amount"]["minor"], row["booked"], row["age_s"]) for row in rows) == [
        ("overpaid", 60_000, True, 0),
        ("underpaid", 40_000, True, 0),
        ("unknown", 7_000, True, 0),
    ]
    assert loaded(running, card, now) == 0
    assert client.get(f"/v1/topups/{made['topup_id']}", headers=rider).json["state"] == "mispaid"


def test_topup_that_clears_the_debt_lifts_the_denial(client, running, card, rider, now):
    debt, operator = chart.rider_receivable(card.fare_account_id), chart.operator_payable("transerco")
    purse = chart.rider_stored_value(card.fare_account_id)
    with running.database.begin() as tx:
        accounts.open_accounts(tx, (debt, operator, purse), now)
        line = Line(debt.account_id, operator.account_id, Money(30_000, VND))
        post(tx, (Entry(EntryId(uuid4()), "fare", (line,), card.fare_account_id, now.date(), now),), now)
        deny.deny(tx, (card.serial,), reason=DenyReason.DEBT, cause="bill", now=now)
        before = issue.list_versions(tx, (card.fare_account_id,))
    for minor, left in ((20_000, (DenyReason.DEBT,)), (50_000, ())):
        made = client.post("/v1/topups", json=wish(card, minor), headers=rider).json
        client.post("/v1/notifications/payos", data=notice(made, minor))
        with running.database.read() as tx:
            assert deny.reasons(tx, card.serial) == left
    with running.database.read() as tx:
        after = issue.list_versions(tx, (card.fare_account_id,))
    assert after[card.fare_account_id] == before[card.fare_account_id] + 2
    assert loaded(running, card, now) == 40_000


def test_notification_that_cannot_be_applied_now_is_acknowledged_and_swept_later(
    client, running, card, rider, now, monkeypatch
):
    made = client.post("/v1/topups", json=wish(card), headers=rider).json
    with monkeypatch.context() as patch:
        patch.setattr(notify, "post", lambda *_: 1 // 0)
        assert client.post("/v1/notifications/payos", data=notice(made, 50_000)).status_code == 200
        assert (
            topups.sweep(
                running.database, settings=running.settings, clock=running.clock, shelf=lambda: running.shelf
            )
            == ()
        )
    assert loaded(running, card, now) == 0
    (applied,) = topups.sweep(
        running.database, settings=running.settings, clock=running.clock, shelf=lambda: running.shelf
    )
    assert applied.outcome == "credited"
    assert (
        topups.sweep(
            running.database, settings=running.settings, clock=running.clock, shelf=lambda: running.shelf
        )
        == ()
    )
    assert loaded(running, card, now) == 50_000


def test_expired_intents_are_written_down(running, card, client, rider, now):
    client.post("/v1/topups", json=wish(card), headers=rider)
    assert topups.expire(running.database, clock=running.clock) == 0
    running.clock.advance(timedelta(minutes=60))
    assert topups.expire(running.database, clock=running.clock) == 1
