"""A payment whose answer was lost: the card's own log tells whether it was made here (decision 0020)."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from access.rules.mac import purse_of
from kernel.crypto.tmac import READ_RECORDS
from kernel.wire.tap import Phase, Purpose
from readers.lamp import Light
from readers.softcard.card import Fault
from tests.readers.kit import present, proven
from tests.readers.test_pay import HERE, purse_card, selling


@pytest.fixture
def bench(tmp_path):
    made = selling(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("fault", [Fault.TEAR_BEFORE, Fault.TEAR_AFTER])
def test_a_torn_payment_is_taken_once_or_not_at_all(bench, fault):
    soft = purse_card()
    torn = present(bench, soft, fault)
    assert (torn.message.light, torn.phase) == (Light.AMBER, "TORN")
    again = present(bench, soft)
    assert (again.message.light, soft.eeprom.purse) == (Light.GREEN, 13_000)
    assert again.phase == ("RECOVERED" if fault is Fault.TEAR_AFTER else "DONE")
    assert again.money.balance == 13_000
    assert [purse_of(each).after for each in bench.records()] == [13_000, 13_000]
    assert proven(bench.records()[-1])


@pytest.mark.parametrize("free", [False, True], ids=["paid-there", "free-there"])
def test_a_torn_payment_is_not_recovered_by_what_another_reader_did(bench, tmp_path, free):
    """Torn here before the commit, tapped at another reader under the same counter, and back inside the window."""
    (tmp_path / "other").mkdir()
    other, soft = selling(tmp_path / "other"), purse_card()
    if free:
        other.desk.duty = SimpleNamespace(at=lambda now: replace(HERE, purpose=Purpose.INSPECT))
    present(bench, soft, Fault.TEAR_BEFORE)
    for each in (bench, other):
        each.clock.advance(timedelta(seconds=2))
    assert present(other, soft).message.light is Light.GREEN
    other.close()
    held = soft.eeprom.purse
    again = present(bench, soft)
    assert (again.message.light, again.reason, soft.eeprom.tmc) == (Light.AMBER, "another_tap", 1)
    paid = present(bench, soft)
    assert (paid.message.light, paid.phase, soft.eeprom.purse) == (Light.GREEN, "DONE", held - 7_000)
    assert [each.phase for each in bench.records()] == [Phase.TORN, Phase.DONE]


@pytest.mark.parametrize("answer", [b"", b"\x91\x00", bytes(24) + b"\x91\x00", b"\x91\xae"])
def test_a_card_that_does_not_tell_its_last_payment_is_owed_its_light_still(bench, answer):
    soft = purse_card()
    present(bench, soft, Fault.TEAR_AFTER)
    true_answer = soft.answer
    soft.answer = lambda apdu: answer if apdu[1] == READ_RECORDS else true_answer(apdu)
    assert present(bench, soft).message.light is not Light.GREEN
    soft.answer = true_answer
    assert present(bench, soft).phase == "RECOVERED"
    assert soft.eeprom.purse == 13_000
