"""Paying a settled day out: two people, one release, one file, back by reversal before the bank acts."""

from datetime import timedelta

import pytest
from lxml import etree

from demo.bank_statements import mt940
from ledger import prove
from ledger.rules import chart
from ledger.rules.payout import (
    GONE,
    TRANSITIONS,
    PayoutEvent,
    PayoutOnePersonError,
    PayoutState,
    PayoutStateError,
    check_second_person,
    step,
)
from service.jobs.settle_day import settle_day
from service.services import EXTENSION
from tests.ledger.reconcile.conftest import House
from tests.ledger.topup.conftest import Desk
from tests.played import DAY, ride_a_day, sign_terms
from tests.service.sellers import Shop, problem

DAY_TEXT = DAY.isoformat()


@pytest.mark.parametrize("state", list(PayoutState))
@pytest.mark.parametrize("event", list(PayoutEvent))
def test_step_follows_the_table_and_refuses_the_rest(state, event):
    if event in TRANSITIONS[state]:
        assert step(state, event, DAY) is TRANSITIONS[state][event]
    else:
        with pytest.raises(PayoutStateError):
            step(state, event, DAY)


def test_only_final_states_free_the_day_and_nothing_paid_is_one():
    assert all(not TRANSITIONS[state] for state in GONE)
    assert PayoutState.EXECUTED not in GONE


@pytest.mark.parametrize("same", ["staff:lan", " STAFF:Lan ", ""])
def test_one_person_cannot_do_both(same):
    with pytest.raises(PayoutOnePersonError):
        check_second_person("staff:lan", same)


@pytest.fixture
def shop(app, client, keyring, now) -> Shop:
    """A settled day: transerco is due 18,000, the depot 2,000 of its fares."""
    ride_a_day(app, keyring, now)
    sign_terms(
        app, "transerco", now, shares=[{"house": "fare", "route": "*", "to": "depot", "per_mille": 100}]
    )
    services = app.extensions[EXTENSION]
    list(settle_day(services.database, DAY, signer=keyring.bundle_key, now=services.clock.now))
    return Shop(services, client)


def prepare(client, maker):
    return client.post("/v1/payouts", json={"book_day": DAY_TEXT}, headers=maker)


def act(client, headers, made, verb: str, **body):
    return client.post(f"/v1/payouts/{made['payout_id']}/{verb}", json=body, headers=headers)


@pytest.fixture
def made(app, client, shop, maker, now):
    sign_terms(app, "depot", now)
    return prepare(client, maker).json


def balances(shop) -> dict[str, int]:
    return {
        "payable": shop.balance(chart.operator_payable("transerco")),
        "clearing": shop.balance(chart.operator_clearing("transerco")),
        "transit": shop.balance(chart.payout_transit()),
    }


def test_an_operator_without_terms_is_not_paid_into_the_blue(client, shop, maker):
    answer = prepare(client, maker)
    assert problem(answer) == (409, "no-terms")
    assert "depot" in answer.json["detail"]


def test_a_day_that_is_not_settled_is_not_paid(client, shop, maker):
    answer = client.post("/v1/payouts", json={"book_day": "2026-11-19"}, headers=maker)
    assert problem(answer) == (409, "not-payable")


def test_prepared_approved_released_once(client, shop, maker, checker, made):
    assert (made["state"], made["total"]["minor"], len(made["payments"])) == ("prepared", 20_000, 2)
    assert prepare(client, maker).json == made
    assert problem(act(client, maker, made, "release")) == (409, "payout-state")
    assert balances(shop) == {"payable": 18_000, "clearing": 0, "transit": 0}
    assert problem(act(client, maker, made, "sign", decision="approve", total_minor=20_000))[0] == 403
    for wrong in ({}, {"total_minor": 19_999}):
        assert problem(act(client, checker, made, "sign", decision="approve", **wrong)) == (
            409,
            "payout-amount",
        )
    for _ in range(2):
        said = act(client, checker, made, "sign", decision="approve", total_minor=20_000)
        assert said.json["state"] == "approved"
    first = act(client, maker, made, "release")
    assert first.status_code == 200
    assert act(client, checker, made, "release").data == first.data
    assert balances(shop) == {"payable": 0, "clearing": 0, "transit": 20_000}
    said = etree.fromstring(first.data)
    assert [node.text for node in said.iter("{*}NbOfTxs")] == ["2", "2"]
    assert {node.text for node in said.iter("{*}CtrlSum")} == {"20000"}
    assert {node.text for node in said.iter("{*}InstdAmt")} == {"18000", "2000"}
    assert not [fault for one in prove.prove(shop.running.database.begin) for fault in one.faults]


def test_undone_by_reversal_before_the_bank_acts_and_prepared_anew(client, shop, maker, checker, made):
    act(client, checker, made, "sign", decision="approve", total_minor=20_000)
    first = act(client, maker, made, "release").data
    assert act(client, maker, made, "undo", note="wrong bank").json["state"] == "undo_asked"
    assert act(client, checker, made, "sign", decision="undo_approve").json["state"] == "undone"
    assert balances(shop) == {"payable": 18_000, "clearing": 0, "transit": 0}
    assert problem(act(client, maker, made, "release")) == (409, "payout-state")
    again = prepare(client, maker).json
    assert (again["revision"], again["state"]) == (2, "prepared")
    act(client, checker, again, "sign", decision="approve", total_minor=20_000)
    assert act(client, maker, again, "release").data != first
    assert balances(shop) == {"payable": 0, "clearing": 0, "transit": 20_000}
    assert not [fault for one in prove.prove(shop.running.database.begin) for fault in one.faults]


def test_what_the_bank_has_executed_stays(client, shop, maker, checker, made):
    act(client, checker, made, "sign", decision="approve", total_minor=20_000)
    act(client, maker, made, "release")
    assert act(client, maker, made, "executed", note="FT1").json["state"] == "executed"
    assert problem(act(client, maker, made, "undo", note="too late")) == (409, "payout-state")
    assert prepare(client, maker).json["state"] == "executed"


@pytest.mark.parametrize("told_first", [True, False])
def test_the_banks_statement_empties_the_transit_account(client, shop, maker, checker, made, told_first):
    """The bank's lines are matched by their end-to-end ids, whether finance or the statement speaks first."""
    act(client, checker, made, "sign", decision="approve", total_minor=20_000)
    file = etree.fromstring(act(client, maker, made, "release").data)
    paid = {
        node.findtext(".//{*}EndToEndId"): int(node.findtext(".//{*}InstdAmt"))
        for node in file.iter("{*}CdtTrfTxInf")
    }
    assert sorted(paid.values()) == [2_000, 18_000]
    assert all(len(end) <= 16 for end in paid), "all that MT940 has room for"

    def bank(tx):
        house = House(Desk(tx, shop.now))
        lines = (house.movement(-minor, "CHI TRA", shop.now, end_to_end=end) for end, minor in paid.items())
        house.bank(*lines, write=mt940)

    def reconciled(tx):
        house = House(Desk(tx, shop.now))
        return house.run().unexplained, house.queue()

    database = shop.running.database
    if not told_first:
        database.run(bank)
        assert database.run(reconciled) == (0, [("unknown_debit", -18_000), ("unknown_debit", -2_000)])
    act(client, maker, made, "executed", note="FT1")
    if told_first:
        database.run(bank)
    assert database.run(reconciled) == (0, [])
    assert database.run(reconciled) == (0, []), "and once only"
    assert balances(shop)["transit"] == 0
    assert not [fault for one in prove.prove(database.begin) for fault in one.faults]


def test_refused_and_prepared_anew(client, shop, maker, checker, made):
    assert act(client, checker, made, "sign", decision="refuse").json["state"] == "refused"
    assert prepare(client, maker).json["revision"] == 2
    assert client.get(f"/v1/payouts/{DAY_TEXT}", headers=maker).json["revision"] == 2
    assert problem(client.get("/v1/payouts/2026-11-20", headers=maker)) == (404, "unknown-payout")
    assert problem(client.get("/v1/payouts/never", headers=maker)) == (404, "unknown-payout")


def settle_next(shop, keyring):
    """Settle the day after, on which everything was booked that came after the first one's close."""
    later = shop.now + timedelta(days=1)
    steps = settle_day(
        shop.running.database, DAY + timedelta(days=1), signer=keyring.bundle_key, now=lambda: later
    )
    found = [one.settled for one in steps][-1]
    assert found is not None
    return found


def test_a_day_on_which_another_was_paid_out_settles_by_what_was_earned_on_it(
    client, shop, maker, checker, made, keyring
):
    """A release, its undoing and the next release book in the open day, and are no part of that day's net."""
    for _ in range(2):
        standing = prepare(client, maker).json
        act(client, checker, standing, "sign", decision="approve", total_minor=20_000)
        act(client, maker, standing, "release")
        act(client, maker, standing, "undo", note="not yet")
        act(client, checker, standing, "sign", decision="undo_approve")
    last = prepare(client, maker).json
    act(client, checker, last, "sign", decision="approve", total_minor=20_000)
    act(client, maker, last, "release")
    settled = settle_next(shop, keyring)
    assert all(one.reconciled for one in settled.settlements), settled.settlements
    assert {one.operator_id: one.net.minor for one in settled.settlements} == {}
    second = client.post("/v1/payouts", json={"book_day": "2026-11-19"}, headers=maker).json
    assert (second["state"], second["total"]["minor"], second["payments"]) == ("prepared", 0, [])
