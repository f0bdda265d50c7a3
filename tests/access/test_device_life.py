"""Heartbeats, two keys at once, and the end of a device: the verbs on a real database."""

from dataclasses import replace
from datetime import timedelta

import pytest

from access import enrol, health, rotate
from access.enrol import DeviceKeyRefusedError, DeviceNotDrainedError, UnknownDeviceError
from access.rules.alarm import Alarm
from access.rules.device import DeviceEvent, DeviceState, DeviceTransitionError
from access.take_in import DeviceNotActiveError
from kernel.crypto.ed25519 import SigningKey
from kernel.ids import DeviceId, uuid7
from kernel.wire.rotation import CONTEXT, offer_message
from tests.access.looking import take, verdicts
from tests.access.rules.test_alarm import WELL


def speak(world, reader, **changes):
    said = replace(
        WELL,
        received_at=world.now,
        said_at=world.now,
        key_id=reader.key.public.key_id,
        journal_id=reader.journal_id,
        sequence=len(reader.records),
        bundle_made_at=world.now,
        tariff_version="",
    )
    return health.hear(world.tx, reader.device_id, replace(said, **changes), now=world.now)


def offer(world, reader, key, **changes):
    facts = {
        "public_key": key.public.raw,
        "proof": key.sign(CONTEXT, offer_message(reader.device_id, key.public.raw)),
    }
    return rotate.offer(world.tx, reader.device_id, now=world.now, **{**facts, **changes})


def of(world, reader):
    return next(
        each
        for each in health.list_health(world.tx, now=world.now)
        if each.device.device_id == reader.device_id
    )


def test_a_heartbeat_is_kept_and_judged(world):
    reader = world.reader()
    assert of(world, reader).alarms == ()
    assert of(world, reader).said is None
    assert speak(world, reader, disk_mb=3).rotate_key is False
    found = of(world, reader)
    assert (found.said.disk_mb, found.said.own_p99, found.said.clock_offset) == (
        3,
        WELL.own_p99,
        WELL.clock_offset,
    )
    assert found.alarms == (Alarm.DISK_LOW,)
    assert dict(health.count_alarms((found,))) == {Alarm.DISK_LOW: 1}
    speak(world, reader)
    assert of(world, reader).alarms == ()


def test_what_is_delivered_between_two_heartbeats_is_no_roll_back(world):
    reader, card = world.reader(), world.card()
    reader.tap(card)
    take(world, reader.upload())
    speak(world, reader, journal_id=reader.journal_id, sequence=1)
    world.now += timedelta(seconds=30)
    reader.tap(card)
    take(world, reader.upload())
    assert of(world, reader).alarms == ()
    world.now += timedelta(seconds=30)
    speak(world, reader, journal_id=reader.journal_id, sequence=1)
    assert of(world, reader).alarms == (Alarm.JOURNAL_ROLLED_BACK,)


def test_a_word_that_comes_late_replaces_no_newer_one(world):
    reader = world.reader()
    speak(world, reader, state="IDLE")
    speak(world, reader, state="BOOT", said_at=world.now - timedelta(seconds=1))
    assert of(world, reader).said.state == "IDLE"
    # A clock that was set back must not silence a device for ever.
    world.now += timedelta(minutes=2)
    speak(world, reader, state="BOOT", said_at=world.now - timedelta(days=1))
    assert of(world, reader).said.state == "BOOT"


def test_a_device_behind_the_deny_list_alarms_after_a_quarter_of_an_hour(world):
    from access import deny
    from access.deny import DenyReason

    reader = world.reader()
    deny.deny(world.tx, [5], reason=DenyReason.LOST, cause="test", now=world.now)
    version = deny.publish(world.tx)
    world.now += timedelta(minutes=16)
    speak(world, reader, deny_version=version - 1)
    assert of(world, reader).alarms == (Alarm.DENY_BEHIND,)
    speak(world, reader, deny_version=version)
    assert of(world, reader).alarms == ()


def test_two_keys_are_good_until_the_new_one_has_spoken(world):
    reader, card = world.reader(), world.card()
    rotate.ask(world.tx, reader.device_id, reason="yearly", actor="mai", now=world.now)
    assert speak(world, reader).rotate_key is True
    new = SigningKey.generate()
    world.now += timedelta(seconds=1)
    assert offer(world, reader, new).key_id == offer(world, reader, new).key_id == new.public.key_id
    old, first = reader.key, reader.tap(card)
    assert first.key_id == old.public.key_id
    assert verdicts(take(world, reader.upload())) == [(1, "accepted", "")]
    # Its word under the old key ends nothing; it has not heard yet that the new one is good.
    assert speak(world, reader).rotate_key is True
    reader.tap(card)
    reader.key = new
    reader.tap(card)
    # Records written under the old key travel in an upload that the new one signs.
    assert [each[1] for each in verdicts(take(world, reader.upload()))] == [
        "duplicate",
        "accepted",
        "accepted",
    ]
    assert speak(world, reader).rotate_key is False
    with pytest.raises(DeviceNotActiveError):
        take(
            world,
            replace(reader.sign(reader.records, 3, key=old), key_id=old.public.key_id),
        )
    reader.tap(card, key_id=old.public.key_id)
    assert verdicts(take(world, reader.upload()))[-1] == (4, "accepted", ""), "a key it ever had"


def test_a_third_key_an_old_one_and_anothers_are_refused(world):
    reader, other = world.reader(), world.reader("bus-02")
    second, third = SigningKey.generate(), SigningKey.generate()
    world.now += timedelta(seconds=1)
    offer(world, reader, second)
    with pytest.raises(DeviceKeyRefusedError, match="two keys"):
        offer(world, reader, third)
    with pytest.raises(DeviceKeyRefusedError, match="enrolled before"):
        offer(world, other, second)
    world.now += timedelta(seconds=1)
    first, reader.key = reader.key, second
    speak(world, reader)
    with pytest.raises(DeviceKeyRefusedError, match="enrolled before"):
        offer(world, reader, first)


@pytest.mark.parametrize("place", [0, 31, 63])
def test_an_offer_without_the_keys_own_word_is_refused(world, place):
    reader, key = world.reader(), SigningKey.generate()
    proof = bytearray(key.sign(CONTEXT, offer_message(reader.device_id, key.public.raw)))
    proof[place] ^= 1
    with pytest.raises(DeviceKeyRefusedError):
        offer(world, reader, key, proof=bytes(proof))
    with pytest.raises(DeviceKeyRefusedError):
        offer(world, reader, key, public_key=b"short")
    # Another device's offer of the same key is no offer of this one's.
    other = world.reader("bus-02")
    with pytest.raises(DeviceKeyRefusedError):
        offer(
            world,
            reader,
            key,
            proof=key.sign(CONTEXT, offer_message(other.device_id, key.public.raw)),
        )


def test_only_a_device_at_work_is_asked_for_a_key(world):
    reader = world.reader(approved=False)
    with pytest.raises(DeviceTransitionError):
        rotate.ask(world.tx, reader.device_id, reason="x", actor="mai", now=world.now)
    with pytest.raises(UnknownDeviceError):
        rotate.ask(world.tx, DeviceId(uuid7(world.now)), reason="x", actor="mai", now=world.now)


def retire(world, reader, **more):
    enrol.retire(world.tx, reader.device_id, reason="sold", actor="mai", now=world.now, **more)


def test_a_device_retires_once_its_journal_is_drained(world):
    reader, card = world.reader(), world.card()
    reader.tap(card)
    reader.tap(card)
    take(world, reader.upload(1, 1))
    for words in ({"unsent": 1}, {"unsent": 0}):
        speak(world, reader, **words)
        with pytest.raises(DeviceNotDrainedError):
            retire(world, reader)
    take(world, reader.upload())
    speak(world, reader)
    retire(world, reader)
    assert of(world, reader).device.state is DeviceState.RETIRED
    with pytest.raises(DeviceTransitionError):
        retire(world, reader)


def test_what_was_suspended_may_have_gone_on_since_its_last_word(world):
    reader, card = world.reader(), world.card()
    reader.tap(card)
    take(world, reader.upload())
    speak(world, reader)
    for event in (DeviceEvent.SUSPENDED, DeviceEvent.REINSTATED):
        enrol.change_state(world.tx, reader.device_id, event, reason="x", actor="mai", now=world.now)
        if event is DeviceEvent.SUSPENDED:
            reader.tap(card)  # its heartbeats and uploads are refused: it taps on, and nobody hears of it
            with pytest.raises(DeviceNotDrainedError):
                retire(world, reader)
    take(world, reader.upload())
    speak(world, reader)
    retire(world, reader)
    assert of(world, reader).device.state is DeviceState.RETIRED


def test_what_never_said_how_much_it_holds_is_not_drained_but_may_be_given_up(world):
    reader, card = world.reader(), world.card()
    reader.tap(card)
    take(world, reader.upload())
    with pytest.raises(DeviceNotDrainedError):
        retire(world, reader)
    retire(world, reader, lost=True)
    assert of(world, reader).device.state is DeviceState.RETIRED


def test_a_gap_is_not_drained(world):
    reader, card = world.reader(), world.card()
    for _ in range(3):
        reader.tap(card)
    take(world, reader.sign(reader.records[2:], 3))
    speak(world, reader, sequence=0, unsent=0)
    assert Alarm.JOURNAL_GAP in of(world, reader).alarms
    with pytest.raises(DeviceNotDrainedError):
        retire(world, reader)


def test_a_device_that_never_tapped_retires_at_once(world):
    reader = world.reader()
    retire(world, reader)
    with pytest.raises(UnknownDeviceError):
        enrol.retire(world.tx, DeviceId(uuid7(world.now)), reason="x", actor="mai", now=world.now)


def test_suspended_it_is_asked_nothing_and_raises_nothing(world):
    reader = world.reader()
    speak(world, reader, state="OUT_OF_SERVICE")
    assert of(world, reader).alarms == (Alarm.NOT_IN_SERVICE,)
    enrol.change_state(
        world.tx, reader.device_id, DeviceEvent.SUSPENDED, reason="x", actor="mai", now=world.now
    )
    assert of(world, reader).alarms == ()
