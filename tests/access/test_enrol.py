from datetime import timedelta

import pytest
from sqlalchemy import text

from access import block, deny, enrol
from access.deny import DenyReason
from access.enrol import CodeRefusedError, DeviceKeyRefusedError
from access.issue import (
    CardIssuedError,
    UnknownCardError,
    issue_card,
    lock_accounts,
    personalisation,
    raise_versions,
)
from access.rules.device import DeviceEvent, DeviceKind, DeviceState, DeviceTransitionError
from access.rules.medium import MediumEvent, MediumState, MediumTransitionError
from kernel.crypto.card_keys import Role
from kernel.crypto.ed25519 import SigningKey
from kernel.crypto.sealing import box_public, new_box_key
from kernel.wire.cardinfo import Concession, decode

KEY, BOX = SigningKey.generate().public.raw, box_public(new_box_key())


def new_code(world, **changes):
    facts = {
        "name": "bus-01",
        "kind": DeviceKind.BUS,
        "operator_id": "transerco",
        "place": "29B",
        "actor": "mai",
    }
    return enrol.create_code(world.tx, keyring=world.keyring, now=world.now, **{**facts, **changes})


def join(world, code, key=KEY, box=BOX, at=None):
    return enrol.enrol(
        world.tx, keyring=world.keyring, code=code, public_key=key, box_key=box, now=at or world.now
    )


def test_a_code_enrols_one_device_and_repeats_its_answer(world):
    code = new_code(world)
    first = join(world, code)
    assert join(world, f" {code.lower().replace('-', '')} ") == first
    assert (first.name, first.operator_id, first.state) == ("bus-01", "transerco", DeviceState.ACTIVE)
    assert first.bundle_key == world.keyring.bundle_key.public.raw
    with pytest.raises(CodeRefusedError):
        join(world, code, key=SigningKey.generate().public.raw)
    with pytest.raises(CodeRefusedError):
        join(world, code, box=box_public(new_box_key()))


def test_a_code_is_stored_hashed_and_ends(world):
    code = new_code(world, lifetime=timedelta(hours=1))
    row = world.tx.execute(text("SELECT * FROM device_code")).one()
    assert code.replace("-", "") not in str(row)
    with pytest.raises(CodeRefusedError):
        join(world, code, at=world.now + timedelta(hours=1))
    assert join(world, code, at=world.now + timedelta(minutes=59)).device_id


@pytest.mark.parametrize("code", ["", "0000-0000-0000", "x" * 500])
def test_an_unknown_code_is_refused(world, code):
    with pytest.raises(CodeRefusedError):
        join(world, code)


@pytest.mark.parametrize(
    ("key", "box"),
    [(b"short", BOX), (bytes(33), BOX), (KEY, b"short"), (KEY, bytes(32)), (b"\xff" * 32, bytes(31))],
    ids=["key-short", "key-long", "box-short", "box-zero", "box-one-byte-less"],
)
def test_unusable_keys_are_refused(world, key, box):
    with pytest.raises(DeviceKeyRefusedError):
        join(world, new_code(world), key=key, box=box)


def test_a_key_belongs_to_one_device(world):
    join(world, new_code(world))
    with pytest.raises(DeviceKeyRefusedError):
        join(world, new_code(world, name="bus-02"))


def test_a_device_awaits_approval_where_the_code_says_so(world):
    joined = join(world, new_code(world, approved=False))
    assert enrol.active_key(world.tx, joined.device_id, joined.key_id) is None
    enrol.change_state(
        world.tx, joined.device_id, DeviceEvent.APPROVED, reason="seen", actor="mai", now=world.now
    )
    assert enrol.active_key(world.tx, joined.device_id, joined.key_id) is not None
    found = enrol.find_device_by_key(world.tx, joined.key_id)
    assert found is not None
    assert found[0].device_id == joined.device_id


def test_suspending_twice_is_one_event_and_retired_stays(world):
    joined = join(world, new_code(world))
    for expected in (True, False):
        assert enrol.suspend(world.tx, joined.device_id, reason="x", actor="y", now=world.now) is expected
    enrol.change_state(world.tx, joined.device_id, DeviceEvent.RETIRED, reason="x", actor="y", now=world.now)
    with pytest.raises(DeviceTransitionError):
        enrol.change_state(
            world.tx, joined.device_id, DeviceEvent.REINSTATED, reason="x", actor="y", now=world.now
        )


def test_an_issued_card_says_what_the_register_knows(world):
    card = world.card(7)
    info = decode(card.issued.info)
    assert (info.serial, info.key_generation, info.concession) == (card.serial, 1, Concession.NORMAL)
    given = personalisation(world.keyring, card.issued)
    assert set(given) == {"serial", "uid", "keys", "generation", "info"}
    assert given["keys"]["AUTH"] == world.keyring.card_keys(card.uid, 1)[Role.AUTH].hex()


def test_a_uid_is_issued_once(world):
    card = world.card(7)
    with pytest.raises(CardIssuedError):
        issue_card(
            world.tx,
            keyring=world.keyring,
            uid=card.uid,
            concession=Concession.NORMAL,
            expiry=world.now.date(),
            now=world.now,
        )


def test_versions_rise_and_strangers_are_refused(world):
    card = world.card()
    account = card.issued.fare_account_id
    assert raise_versions(world.tx, [account]) == {account: 2}
    assert raise_versions(world.tx, [account]) == {account: 3}
    with pytest.raises(UnknownCardError):
        lock_accounts(world.tx, [account, card.issued.card_id])


def step(world, card, event):
    return block.change_state(
        world.tx, card.issued.card_id, event, reason="asked", actor="mai", now=world.now
    )


def test_a_lost_card_is_denied_until_found_and_debts_stand_on_their_own(world):
    card = world.card()
    deny.deny_accounts(
        world.tx, [card.issued.fare_account_id], reason=DenyReason.DEBT, cause="bill", now=world.now
    )
    assert step(world, card, MediumEvent.REPORTED_LOST) is MediumState.LOST
    assert deny.reasons(world.tx, card.serial) == (DenyReason.DEBT, DenyReason.LOST)
    assert step(world, card, MediumEvent.FOUND) is MediumState.ACTIVE
    assert deny.reasons(world.tx, card.serial) == (DenyReason.DEBT,)
    deny.clear_accounts(
        world.tx, [card.issued.fare_account_id], reason=DenyReason.DEBT, cause="top-up", now=world.now
    )
    assert deny.reasons(world.tx, card.serial) == ()
    with pytest.raises(MediumTransitionError):
        step(world, card, MediumEvent.FOUND)


def test_deltas_of_the_deny_list_equal_its_snapshots(world):
    cards = [world.card(number) for number in range(1, 6)]
    held = deny.snapshot(world.tx, deny.publish(world.tx))
    assert (held.version, list(held.serials())) == (0, [])
    for round_, (denied, cleared) in enumerate([((0, 1), ()), ((2,), (0,)), ((), (1, 2)), ((0, 4), ())], 1):
        deny.deny(
            world.tx, [cards[n].serial for n in denied], reason=DenyReason.BLOCKED, cause="t", now=world.now
        )
        deny.clear(
            world.tx, [cards[n].serial for n in cleared], reason=DenyReason.BLOCKED, cause="t", now=world.now
        )
        newest = deny.publish(world.tx)
        assert newest == round_ == deny.publish(world.tx) == deny.version(world.tx)
        held = held.with_delta(deny.delta(world.tx, held.version, newest))
        assert held == deny.snapshot(world.tx, newest)
    assert list(held.serials()) == [cards[0].serial, cards[4].serial]


def test_denying_twice_is_one_change(world):
    card = world.card()
    for expected in (1, 0):
        assert (
            deny.deny(world.tx, [card.serial], reason=DenyReason.LOST, cause="t", now=world.now) == expected
        )
