"""What funders owe: asked for once, by two people, received from the bank's statement, passed on in the next payout."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event

from demo.bank_statements import camt
from kernel.ids import OperatorId
from kernel.money import VND, Money
from ledger import prove, subsidy
from ledger.rules import chart
from ledger.rules.settlement import Claim
from ledger.rules.subsidy import (
    GONE,
    TRANSITIONS,
    NothingToClaimError,
    Subsidy,
    SubsidyEvent,
    SubsidyOnePersonError,
    SubsidySeenError,
    SubsidyState,
    SubsidyStateError,
    step,
    total_of,
)
from service.jobs.settle_day import settle_day
from service.services import EXTENSION
from service.staff import Role
from tests.ledger.reconcile.conftest import House
from tests.ledger.topup.conftest import Desk
from tests.played import DAY, play_a_funded_day
from tests.service.sellers import Shop, problem

THROUGH = DAY.isoformat()
STATEMENT = Subsidy(
    subsidy_id=UUID(int=1), funder="city", through_on=DAY, reference="LT1", total=Money(5, VND),
    state=SubsidyState.PREPARED, prepared_by="staff:lan", prepared_at=datetime(2026, 11, 18, tzinfo=UTC),
    received_on=None, paid_by=None, claims=(), steps=(),
)  # fmt: skip


@pytest.mark.parametrize("state", list(SubsidyState))
@pytest.mark.parametrize("event", list(SubsidyEvent))
def test_step_follows_the_table_and_refuses_the_rest(state, event):
    held = replace(STATEMENT, state=state)
    if event in TRANSITIONS[state]:
        assert step(held, event, seen=False, by="staff:minh") is TRANSITIONS[state][event]
    else:
        with pytest.raises(SubsidyStateError):
            step(held, event, seen=False, by="staff:minh")
    assert all(not TRANSITIONS[gone] for gone in GONE)


@pytest.mark.parametrize("same", ["staff:lan", " STAFF:Lan ", ""])
@pytest.mark.parametrize("event", [SubsidyEvent.APPROVED, SubsidyEvent.REFUSED])
def test_one_person_cannot_do_both(same, event):
    with pytest.raises(SubsidyOnePersonError):
        step(STATEMENT, event, seen=False, by=same)


def test_what_the_bank_has_shown_is_not_withdrawn():
    sent = replace(STATEMENT, state=SubsidyState.SENT)
    with pytest.raises(SubsidySeenError):
        step(sent, SubsidyEvent.WITHDRAWN, seen=True, by="staff:minh")


@pytest.mark.parametrize(
    ("minors", "total"), [((), None), ((5, -5), None), ((-7,), None), ((9, -4), 5), ((1,), 1)]
)
def test_a_statement_asks_for_something(minors, total):
    claims = [
        Claim(
            house="fare", operator_id=OperatorId("a"), route_id="1", service_day=date(2026, 11, 1), funder="city",
            component="waived", rule="r", rides=1, amount=Money(minor, VND),
        )
        for minor in minors
    ]  # fmt: skip
    if total is None:
        with pytest.raises(NothingToClaimError):
            total_of("city", claims, VND)
    else:
        assert total_of("city", claims, VND).minor == total


@pytest.fixture
def shop(app, client, keyring, now) -> Shop:
    """A settled day: two fares of 10,000, and a senior's that the city owes transerco."""
    play_a_funded_day(app, keyring, now)
    return Shop(app.extensions[EXTENSION], client)


def ask(client, maker, subsidy_id: UUID | None = None, **changed):
    body = {"subsidy_id": str(subsidy_id or uuid4()), "funder": "city", "through_on": THROUGH} | changed
    return client.post("/v1/subsidies", json=body, headers=maker)


def sign(client, checker, made, decision: str, **more):
    return client.post(
        f"/v1/subsidies/{made['subsidy_id']}/sign", json={"decision": decision} | more, headers=checker
    )


@pytest.fixture
def sent(client, shop, maker, checker):
    made = ask(client, maker).json
    assert sign(client, checker, made, "approve", total_minor=10_000).json["state"] == "sent"
    return made


def paid_by_bank(shop, reference: str, minor: int = 10_000) -> tuple[int, list[tuple[str, int]]]:
    """The bank books a credit with this text; return what is unexplained, and the queue."""

    def work(tx):
        house = House(Desk(tx, shop.now))
        house.bank(house.movement(minor, f"CT DEN {reference} TRO GIA", shop.now), write=camt)
        return house.run().unexplained, house.queue()

    return shop.running.database.run(work)


def books(shop) -> tuple[int, int, int]:
    """What the city owes, what is owed to transerco for it, and what the guarantee account has."""
    return (
        shop.balance(chart.funder_receivable("city")),
        shop.balance(chart.operator_subsidy("transerco")),
        shop.balance(chart.bank_guarantee()),
    )


def pay_out(client, maker, checker, total: int):
    made = client.post("/v1/payouts", json={"book_day": THROUGH}, headers=maker).json
    assert made["total"]["minor"] == total
    path = f"/v1/payouts/{made['payout_id']}"
    said = client.post(f"{path}/sign", json={"decision": "approve", "total_minor": total}, headers=checker)
    assert said.json["state"] == "approved"
    assert client.post(f"{path}/release", headers=maker).status_code == 200
    return made


def asked_in(shop, statements: int) -> None:
    """The list asks the database a fixed number of questions, however many statements and funders there are."""
    asked: list[str] = []

    def hear(_connection, _cursor, statement, *_more):
        asked.append(statement)

    with shop.running.database.begin() as tx:
        event.listen(tx, "before_cursor_execute", hear)
        found = subsidy.list_subsidies(tx)
        event.remove(tx, "before_cursor_execute", hear)
    assert (len(found), len(asked)) == (statements, 3)
    assert [len(one.claims) for one in found] == [1] * statements, "each its own"


def test_a_claim_is_asked_for_once_by_two_people(client, shop, maker, checker):
    subsidy_id = uuid4()
    auditor = shop.staff(Role.AUDITOR, name="first look")
    unclaimed = {"funder": "city", "claims": 1, "total": {"minor": 10_000, "currency": "VND"}}
    assert client.get("/v1/subsidies", headers=auditor).json == {"subsidies": [], "unclaimed": [unclaimed]}
    made = ask(client, maker, subsidy_id).json
    assert (made["state"], made["total"]["minor"], len(made["claims"])) == ("prepared", 10_000, 1)
    assert ask(client, maker, subsidy_id).json == made
    assert problem(ask(client, maker, subsidy_id, funder="province")) == (409, "id-reused")
    assert problem(ask(client, maker)) == (409, "nothing-to-claim")
    assert problem(ask(client, maker, funder="nobody")) == (409, "nothing-to-claim")
    assert sign(client, maker, made, "approve", total_minor=10_000).status_code == 403
    for wrong in ({}, {"total_minor": 9_999}):
        assert problem(sign(client, checker, made, "approve", **wrong)) == (409, "subsidy-amount")
    assert sign(client, checker, made, "refuse", note="a route is missing").json["state"] == "refused"
    assert problem(sign(client, checker, made, "approve", total_minor=10_000)) == (409, "subsidy-state")
    again = ask(client, maker).json
    assert again["reference"] != made["reference"]
    for _ in range(2):
        assert sign(client, checker, again, "approve", total_minor=10_000).json["state"] == "sent"
    asked_in(shop, statements=2)
    listed = client.get("/v1/subsidies", headers=shop.staff(Role.AUDITOR)).json
    assert (sorted(one["state"] for one in listed["subsidies"]), listed["unclaimed"]) == (
        ["refused", "sent"],
        [],
    )
    path = f"/v1/subsidies/{again['subsidy_id']}/statement"
    assert client.get(path, headers=maker).data.startswith(b"%PDF")
    text = client.get(f"{path}?format=csv", headers=maker).data.decode("utf-8-sig").splitlines()
    assert (len(text), text[1].split(",")[:3]) == (2, [again["reference"], "city", "transerco"])
    assert problem(client.get(f"/v1/subsidies/{uuid4()}", headers=maker)) == (404, "unknown-subsidy")


def test_the_banks_credit_ends_the_receivable_and_the_next_payout_passes_it_on(
    client, shop, maker, checker, sent, keyring
):
    assert books(shop) == (10_000, 10_000, 0)
    assert paid_by_bank(shop, sent["reference"]) == (0, [])
    assert books(shop) == (0, 10_000, 10_000)
    told = client.get(f"/v1/subsidies/{sent['subsidy_id']}", headers=maker).json
    assert (told["received_on"], told["paid_by"]) == (THROUGH, None)
    made = pay_out(client, maker, checker, 30_000)
    assert made["subsidies"] == [{"operator_id": "transerco", "amount": {"minor": 10_000, "currency": "VND"}}]
    assert books(shop) == (0, 0, 10_000)
    told = client.get(f"/v1/subsidies/{sent['subsidy_id']}", headers=maker).json
    assert told["paid_by"] == made["payout_id"]
    pdf = client.get(f"/v1/payouts/{THROUGH}/statements/transerco", headers=maker)
    assert pdf.status_code == 200
    # What is passed on is no claim of the day it is booked on.
    later = shop.now + timedelta(days=1)
    steps = settle_day(
        shop.running.database, DAY + timedelta(days=1), signer=keyring.bundle_key, now=lambda: later
    )
    assert all(one.reconciled for one in [each.settled for each in steps][-1].settlements)
    assert not [fault for one in prove.prove(shop.running.database.begin) for fault in one.faults]


def test_a_payout_that_is_undone_leaves_the_money_for_the_next(client, shop, maker, checker, sent):
    paid_by_bank(shop, sent["reference"])
    made = pay_out(client, maker, checker, 30_000)
    path = f"/v1/payouts/{made['payout_id']}"
    client.post(f"{path}/undo", json={"note": "wrong bank"}, headers=maker)
    assert client.post(f"{path}/sign", json={"decision": "undo_approve"}, headers=checker).status_code == 200
    assert books(shop) == (0, 10_000, 10_000)
    assert pay_out(client, maker, checker, 30_000)["subsidies"] == made["subsidies"]
    assert books(shop) == (0, 0, 10_000)


def test_money_that_has_not_come_is_not_passed_on_nor_missed(client, shop, maker, checker, sent):
    assert paid_by_bank(shop, "khac", 777) == (0, [("unknown_credit", 777)])
    assert pay_out(client, maker, checker, 20_000)["subsidies"] == []
    assert books(shop)[:2] == (10_000, 10_000)


def test_another_amount_waits_for_a_person(client, shop, maker, checker, sent):
    unexplained, queue = paid_by_bank(shop, sent["reference"], 9_000)
    assert (unexplained, {why for why, _ in queue}) == (0, {"wrong_amount"})
    assert books(shop) == (10_000, 10_000, 0)
    assert problem(sign(client, checker, sent, "withdraw", note="x")) == (409, "subsidy-seen")


def test_withdrawn_it_is_asked_for_anew_and_its_money_is_unknown(client, shop, maker, checker, sent):
    assert sign(client, checker, sent, "withdraw", note="one a quarter").json["state"] == "withdrawn"
    again = ask(client, maker).json
    assert again["total"]["minor"] == 10_000
    assert paid_by_bank(shop, sent["reference"]) == (0, [("unknown_credit", 10_000)])
    assert problem(sign(client, checker, sent, "approve", total_minor=10_000)) == (409, "subsidy-state")
