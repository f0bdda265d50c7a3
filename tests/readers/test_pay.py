"""A stored-value card at a reader: what it pays, when it may not, and that disk and card never disagree."""

from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

import pytest

from access.rules.actionlist import Action, ActionKind
from access.rules.mac import check_mac, purse_of
from kernel.crypto.card_keys import Role, card_key
from kernel.ids import uuid7
from kernel.wire import cardinfo
from kernel.wire.cardinfo import PRODUCT_ACCOUNT, PRODUCT_PURSE, Concession
from kernel.wire.purse import encode_purse
from kernel.wire.tap import Phase, Purpose
from readers.decide import Reason, Refused
from readers.lamp import Light, Money
from readers.pay import ByTrips, FromAccount, Pay, begun, price
from readers.softcard.card import Eeprom, Fault, Secrets, SoftCard
from readers.terms import PurseTerms
from readers.validator import Situation
from tests.readers.kit import (
    AUTH_MASTERS,
    DEVICE,
    NOW,
    TMAC_MASTERS,
    enrolled,
    info_of,
    make_bench,
    present,
    proven,
    tmac_key,
    uid_of,
)

DEBIT, LOAD = {1: b"D" * 16}, {1: b"L" * 16}
FARES = {
    ("26", Concession.NORMAL): 7_000,
    ("26", Concession.PRIORITY): 3_500,
    ("26", Concession.FREE_MERIT): 0,
}
TERMS = PurseTerms(flat=FARES)
HERE = Situation(
    place="29B-101.26",
    stop_id="26-01",
    route_id="26",
    trip_id="26-05",
    direction=0,
    purpose=Purpose.BOARD,
    vehicle_class="",
)
INFO = replace(info_of(1), product=PRODUCT_PURSE)


def purse_card(purse=20_000, *, serial=1, concession=Concession.NORMAL):
    uid = uid_of(serial)
    keys = {role: card_key(bytes(16), uid, 1) for role in Role}
    keys |= {
        Role.AUTH: card_key(AUTH_MASTERS[1], uid, 1),
        Role.DEBIT: card_key(DEBIT[1], uid, 1),
        Role.LOAD: card_key(LOAD[1], uid, 1),
        Role.TMAC: card_key(TMAC_MASTERS[1], uid, 1),
    }
    info = replace(info_of(serial), product=PRODUCT_PURSE, concession=concession)
    return SoftCard(uid, Secrets.all_of(keys), Eeprom(cardinfo.encode(info), purse=purse))


def selling(folder):
    """A reader on a bus whose fare a purse pays."""
    config = enrolled(folder)
    made = make_bench(replace(config, device=replace(config.device, purpose=Purpose.BOARD)))
    made.desk.bundle = replace(made.desk.bundle, debit_keys=DEBIT, purse_terms=TERMS)
    return made


@pytest.fixture
def bench(tmp_path):
    made = selling(tmp_path)
    yield made
    made.close()


def later(bench):
    bench.clock.advance(timedelta(minutes=1))


def test_it_pays_from_its_purse_and_the_light_tells_fare_and_balance(bench):
    soft = purse_card()
    for left in (13_000, 6_000):
        shown = present(bench, soft)
        assert (shown.message.light, shown.phase, soft.eeprom.purse) == (Light.GREEN, "DONE", left)
        assert shown.money == Money(
            fare=7_000, balance=left, as_of=f"{shown.at.astimezone(bench.desk.config.device.zone):%H:%M}"
        )
        later(bench)
    assert shown.money.words()[0].startswith("Giá vé 7.000 đ · Số dư 6.000 đ (lúc ")
    assert shown.money.words()[1].startswith("Fare 7,000 VND · Balance 6,000 VND (as of ")
    records = bench.records()
    assert [purse_of(each).paid for each in records] == [7_000, 7_000]
    assert all(map(proven, records))
    short = present(bench, soft)
    assert (short.message.light, short.reason, soft.eeprom.purse, soft.eeprom.tmc) == (
        Light.RED, "purse-short", 6_000, 2,
    )  # fmt: skip
    assert short.money is None
    assert bench.records()[-1].phase is Phase.REFUSED


@pytest.mark.parametrize(
    "lie",
    [
        {"paid": 6_999},
        {"paid": 7_001},
        {"before": 20_001},
        {"before": 2**31},
        {"loaded": 1},
        {"record": bytes(16)},
        {"paid": 27_000},
    ],
)
def test_a_purse_that_is_told_otherwise_is_not_proven(bench, lie):
    present(bench, purse_card())
    (true,) = bench.records()
    assert check_mac(true, tmac_key(true)) is not None
    told = replace(true, purse=encode_purse(replace(purse_of(true), **lie)))
    assert check_mac(told, tmac_key(told)) is None


@pytest.mark.parametrize("purse", [b"", b"\x56\x01", b"nonsense", bytes(30)])
def test_a_purse_that_is_left_out_or_nonsense_is_not_proven(bench, purse):
    present(bench, purse_card())
    (true,) = bench.records()
    told = replace(true, purse=purse)
    assert check_mac(told, tmac_key(told)) is None


@pytest.mark.parametrize("why", ["fsync-slow", "clock", "bundle-stale", "disk-low"])
def test_an_ailing_reader_takes_no_money_from_a_purse_and_serves_accounts(bench, why):
    bench.desk.ailing = (why,)
    soft = purse_card()
    shown = present(bench, soft)
    assert (shown.message.light, shown.reason) == (Light.RED, "purse-unsafe")
    assert (soft.eeprom.purse, soft.eeprom.tmc) == (20_000, 0)
    account = purse_card(serial=2)
    account.eeprom = replace(account.eeprom, card_info=cardinfo.encode(info_of(2)), purse=None)
    assert present(bench, account).message.light is Light.GREEN
    bench.desk.ailing = ()
    later(bench)
    assert present(bench, soft).message.light is Light.GREEN


def test_a_reader_that_is_only_slow_still_takes_money_from_a_purse(bench):
    bench.desk.ailing = ("tap-slow",)
    soft = purse_card()
    assert present(bench, soft).message.light is Light.GREEN
    assert soft.eeprom.purse == 13_000


def action(amount, **changes):
    detail = {
        "amount": str(amount),
        "device": str(DEVICE),
        "asked_at": (NOW + timedelta(seconds=1)).isoformat(),
    }
    return Action(1, uuid7(NOW), ActionKind.LOAD_PURSE, detail | changes, NOW + timedelta(days=1))


def test_a_load_comes_with_the_next_payment_once_and_its_record_names_it(bench):
    wanted = action(50_000)
    load_key = card_key(LOAD[1], uid_of(1), 1)
    bench.desk.bundle = replace(bench.desk.bundle, actions={1: (wanted,)}, load_keys={1: load_key})
    soft = purse_card(1_000)
    shown = present(bench, soft)
    assert (shown.message.en, soft.eeprom.purse) == ("Your card was topped up", 44_000)
    assert shown.money.balance == 44_000
    (record,) = bench.records()
    assert record.reason == f"action:{wanted.action_id}"
    assert (purse_of(record).loaded, purse_of(record).before, proven(record)) == (50_000, 1_000, True)
    later(bench)
    assert present(bench, soft).message.en == "Welcome aboard"
    assert soft.eeprom.purse == 37_000


def test_a_load_without_the_cards_key_waits_and_the_card_pays(bench):
    bench.desk.bundle = replace(bench.desk.bundle, actions={1: (action(50_000),)})
    soft = purse_card(8_000)
    assert present(bench, soft).message.en == "Welcome aboard"
    assert soft.eeprom.purse == 1_000


def test_a_load_under_a_wrong_key_changes_nothing(bench):
    bench.desk.bundle = replace(
        bench.desk.bundle, actions={1: (action(50_000),)}, load_keys=MappingProxyType({1: bytes(16)})
    )
    soft = purse_card(8_000)
    assert present(bench, soft).message.light is Light.RED
    assert (soft.eeprom.purse, soft.eeprom.tmc, bench.records()) == (8_000, 0, [])


def test_a_reader_without_debit_masters_pays_nothing(bench):
    bench.desk.bundle = replace(bench.desk.bundle, debit_keys={})
    soft = purse_card()
    assert present(bench, soft).reason == "unknown_key"
    assert (soft.eeprom.purse, bench.records()) == (20_000, [])


@pytest.mark.parametrize(
    ("changes", "where", "priced"),
    [
        ({}, {}, Pay(7_000)),
        ({"concession": Concession.PRIORITY}, {}, Pay(3_500)),
        ({"concession": Concession.FREE_MERIT}, {}, Pay(0)),
        ({"concession": Concession.GROUP}, {}, Refused(Reason.PURSE_UNPRICED)),
        ({}, {"route_id": "2A"}, Refused(Reason.PURSE_UNPRICED)),
        ({}, {"route_id": ""}, Refused(Reason.PURSE_UNPRICED)),
        ({}, {"purpose": Purpose.AUTO}, ByTrips()),
        ({}, {"purpose": Purpose.AUTO, "route_id": "2A"}, Refused(Reason.PURSE_UNPRICED)),
        ({}, {"purpose": Purpose.PARK_IN}, Refused(Reason.PURSE_UNPRICED)),
        ({}, {"purpose": Purpose.PARK_OUT}, Refused(Reason.PURSE_UNPRICED)),
        ({}, {"purpose": Purpose.ALIGHT}, FromAccount()),
        ({}, {"purpose": Purpose.INSPECT}, FromAccount()),
        ({"product": PRODUCT_ACCOUNT}, {}, FromAccount()),
        ({"product": 3}, {}, FromAccount()),
    ],
)
def test_what_a_purse_pays(changes, where, priced):
    here = replace(HERE, **where)
    info = replace(INFO, **changes)
    assert price(info, here=here, terms=TERMS, ailing=False) == priced
    free = here.purpose in {Purpose.INSPECT, Purpose.ALIGHT} or info.product != PRODUCT_PURSE
    ailing = price(info, here=here, terms=TERMS, ailing=True)
    assert ailing == (FromAccount() if free else Refused(Reason.PURSE_UNSAFE))


LOAD_KEY = {1: card_key(LOAD[1], uid_of(1), 1)}


def asked(bench, wanted):
    bench.desk.bundle = replace(bench.desk.bundle, actions={1: (wanted,)}, load_keys=LOAD_KEY)


@pytest.mark.parametrize(
    "changes",
    [{"device": "01939c1e-5a2b-7c3d-8e4f-0000000000ff"}, {"asked_at": NOW.isoformat()}],
    ids=["another reader's", "before this journal began"],
)
def test_a_load_that_another_reader_or_a_lost_journal_may_have_done_is_left_alone(bench, changes):
    asked(bench, action(50_000, **changes))
    soft = purse_card(8_000)
    assert present(bench, soft).phase == "DONE"
    assert (soft.eeprom.purse, bench.records()[0].reason) == (1_000, "")


@pytest.mark.parametrize("fault", [Fault.TEAR_BEFORE, Fault.TEAR_AFTER])
def test_a_torn_load_comes_onto_the_card_once(bench, fault):
    asked(bench, action(50_000))
    soft = purse_card(1_000)
    assert present(bench, soft, fault).phase == "TORN"
    for _ in range(3):
        later(bench)  # past the passback window: a new transaction
        assert present(bench, soft).message.light is Light.GREEN
    paid = 3 + (fault is Fault.TEAR_AFTER)
    assert soft.eeprom.purse == 1_000 + 50_000 - paid * 7_000
    committed = [each for each in bench.records() if each.phase is Phase.DONE or fault is Fault.TEAR_AFTER]
    assert sum(purse_of(each).loaded for each in committed) == 50_000


@pytest.mark.parametrize("fault", [None, Fault.TEAR_BEFORE, Fault.TEAR_AFTER])
def test_a_restart_remembers_which_loads_were_begun(bench, fault):
    asked(bench, action(50_000))
    soft = purse_card(1_000)
    present(bench, soft, fault)
    bench.desk.acted = begun(bench.records())
    later(bench)
    present(bench, soft)
    paid = 1 if fault is Fault.TEAR_BEFORE else 2
    assert soft.eeprom.purse == 1_000 + 50_000 - paid * 7_000
