"""A person is erased: keys and look-ups gone, money settled before; seals and proofs still hold."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from access import issue
from access.store import cards as card_store
from access.vault import unwrapped
from kernel.wire.tap import record_hash
from ledger import close_period, prove
from tests.service.test_cards_api import load
from tests.service.test_entitlements_api import app, ask, city, owed, ride, running
from tests.service.test_entitlements_api import prove as prove_concession

pytestmark = pytest.mark.usefixtures("described")

__all__ = ["app", "ask", "city", "running"]


@pytest.fixture
def ridden(client, running, city, now):
    reader, card, _ = city
    ride(client, reader, card, now)
    return reader, card


def faults(running, keyring):
    steps = prove.prove(running.database.read, trusted=(keyring.bundle_key.public,))
    return [fault for step in steps for fault in step.faults]


def erase(ask, card):
    account = str(card.issued.fare_account_id)
    return ask("POST", f"/v1/accounts/{account}/erasure", {"confirm": account, "reason": "asked for it"})


def test_nothing_of_the_person_is_left_and_every_seal_and_proof_holds(
    ask, client, running, ridden, keyring, now
):
    reader, card = ridden
    prove_concession(ask, card, now=now)  # free: nothing is owed any more
    assert owed(running, card, now) == 0
    with running.database.begin() as tx:
        close_period.close(tx, now.date() - timedelta(days=1), now, signer=keyring.bundle_key)
        close_period.close(tx, now.date(), now, signer=keyring.bundle_key)
    assert faults(running, keyring) == []
    assert erase(ask, card)[1]["type"] == "/problems/still-in-use"
    ask(
        "POST",
        f"/v1/cards/{card.serial}/events",
        {"event_id": str(uuid4()), "event": "retired", "reason": "x"},
    )
    account = card.issued.fare_account_id
    with running.database.read() as tx:
        before = tx.execute(text("SELECT tap_id, record_hash, sealed FROM tap ORDER BY sequence")).all()
        wrapped = card_store.list_data_keys(tx, [account])
    status, done = erase(ask, card)
    assert (status, done["keys_destroyed"]) == (200, 1)
    assert erase(ask, card)[1]["keys_destroyed"] == 0

    with running.database.read() as tx:
        after = tx.execute(text("SELECT tap_id, record_hash, sealed FROM tap ORDER BY sequence")).all()
        assert after == before, "evidence is never changed"
        assert [bytes(row.record_hash) for row in after] == [record_hash(raw) for raw in reader.records]
        vault = unwrapped(keyring, card_store.list_data_keys(tx, [account]))
        assert not vault.holds(account), "what is sealed is noise now"
        assert issue.find_card_by_uid(tx, keyring=keyring, uid=card.uid) is None
        assert tx.execute(text("SELECT count(*) FROM account_identity")).scalar_one() == 0
    opened = unwrapped(keyring, wrapped)
    row = before[0]
    assert (
        opened.open(account, bytes(row.sealed), row.tap_id.bytes + bytes(row.record_hash))
        == reader.records[0]
    )
    assert faults(running, keyring) == []


def test_a_late_tap_of_an_erased_person_is_kept_as_a_strangers(ask, client, running, ridden, now):
    reader, card = ridden
    prove_concession(ask, card, now=now)
    ask(
        "POST",
        f"/v1/cards/{card.serial}/events",
        {"event_id": str(uuid4()), "event": "retired", "reason": "x"},
    )
    assert erase(ask, card)[0] == 200
    reader.tap(card, at=now - timedelta(minutes=5))
    answer = client.post("/v1/taps", json=reader.upload(3, 3).to_json()).json
    assert answer["verdicts"][0]["reason"] == "unknown-card"
    assert answer["chained_up_to"] == 3


def test_who_holds_or_owes_money_is_not_erased_yet(ask, running, ridden, now):
    _, card = ridden
    ask(
        "POST",
        f"/v1/cards/{card.serial}/events",
        {"event_id": str(uuid4()), "event": "retired", "reason": "x"},
    )
    assert erase(ask, card)[1]["type"] == "/problems/open-receivable"
    other = ask("POST", f"/v1/accounts/{uuid4()}/erasure", {"confirm": str(uuid4()), "reason": "x"})
    assert other[0] == 422
    nobody = str(uuid4())
    assert ask("POST", f"/v1/accounts/{nobody}/erasure", {"confirm": nobody, "reason": "x"})[0] == 404


def test_an_account_with_a_balance_is_paid_out_first(ask, running, city, now):
    _, _, card = city
    load(running, card.issued.fare_account_id, 5_000, now)
    ask(
        "POST",
        f"/v1/cards/{card.serial}/events",
        {"event_id": str(uuid4()), "event": "retired", "reason": "x"},
    )
    assert erase(ask, card)[1]["type"] == "/problems/account-not-settled"
