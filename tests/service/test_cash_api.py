"""Pay-back and agents' tills over HTTP: who may, what happens once, and what the trail says."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from kernel.money import VND, Money
from ledger.accounts import open_accounts
from ledger.post import post
from ledger.rules import chart
from ledger.rules.entry import Entry, Line
from ledger.rules.reconcile import SamePersonError
from service.audit import Actor, ActorKind
from service.jobs import pay_backs as job
from service.services import EXTENSION
from service.staff import Role
from tests.service.sellers import Shop, problem

pytestmark = pytest.mark.usefixtures("described")


@pytest.fixture
def shop(app, client) -> Shop:
    return Shop(app.extensions[EXTENSION], client)


@pytest.fixture
def lan(shop):
    return shop.staff(Role.AGENT, name="lan")


@pytest.fixture
def binh(shop):
    return shop.staff(Role.AGENT, name="binh")


def vnd(minor: int) -> dict[str, object]:
    return {"minor": minor, "currency": "VND"}


def trail(shop, kind: str) -> list[str]:
    with shop.running.database.begin() as tx:
        found = tx.execute(
            text("SELECT action FROM audit_trail WHERE subject_kind = :kind ORDER BY at, action"),
            {"kind": kind},
        )
        return sorted(row.action.partition(".")[2] for row in found)


# Paying back


def owe_riders(shop, minor: int = 35_000) -> None:
    bank, payable = chart.bank_guarantee(), chart.refund_payable()
    with shop.running.database.begin() as tx:
        open_accounts(tx, (bank, payable), shop.now)
        line = Line(bank.account_id, payable.account_id, Money(minor, VND))
        post(tx, (Entry(uuid4(), "test", (line,), bank.owner_id, shop.now.date(), shop.now),), shop.now)


def ask(client, maker, order_id: UUID | None = None, **changed):
    body = {
        "order_id": str(order_id or uuid4()),
        "amount": vnd(35_000),
        "note": "card 17 returned",
        "payee": {"name": "Nguyen A", "account": "0123", "bic": "BFTVVNVX"},
    }
    return client.post("/v1/pay-backs", json=body | changed, headers=maker)


def test_what_is_owed_leaves_by_two_people_and_one_file(client, shop, maker, checker):
    owe_riders(shop)
    order_id, file_id = uuid4(), uuid4()
    asked = ask(client, maker, order_id)
    assert (asked.status_code, asked.json["state"]) == (201, "asked")
    again = ask(client, maker, order_id)
    assert (again.status_code, again.headers["Idempotency-Hit"], again.json) == (200, "true", asked.json)
    assert problem(ask(client, maker, order_id, amount=vnd(1))) == (409, "id-reused")
    assert problem(ask(client, maker, amount=vnd(1))) == (409, "not-owed"), "it stands against what is owed"
    path = f"/v1/pay-backs/{order_id}"
    send = {"json": {"file_id": str(file_id)}, "headers": maker}
    assert (
        client.post("/v1/pay-backs/files", json={"file_id": str(uuid4())}, headers=maker).status_code == 204
    )
    assert client.post(f"{path}/approve", headers=checker).json["state"] == "approved"
    file = client.post("/v1/pay-backs/files", **send)
    assert (file.status_code, file.content_type) == (200, "application/xml")
    assert b'<InstdAmt Ccy="VND">35000</InstdAmt>' in file.data
    assert client.post("/v1/pay-backs/files", **send).data == file.data
    auditor = shop.staff(Role.AUDITOR)
    listed = client.get("/v1/pay-backs?state=sent", headers=auditor).json
    assert (listed["owed"]["minor"], [one["file"] for one in listed["orders"]]) == (0, [str(file_id)])
    assert client.get("/v1/pay-backs?state=asked", headers=auditor).json["orders"] == []
    note = {"json": {"note": "account closed"}, "headers": maker}
    assert client.post(f"{path}/return", **note).json["state"] == "returned"
    assert client.get(path, headers=auditor).json["state"] == "returned"
    assert trail(shop, "pay_back") == ["approve", "ask", "ask", "returned", "send", "send", "send"]


def test_an_order_is_withdrawn_before_it_is_approved(client, shop, maker, checker):
    owe_riders(shop)
    path = f"/v1/pay-backs/{ask(client, maker).json['order_id']}"
    assert client.post(f"{path}/reject", json={"note": "wrong"}, headers=maker).json["state"] == "rejected"
    assert problem(client.post(f"{path}/approve", headers=checker)) == (409, "pay-back-state")
    assert problem(client.get(f"/v1/pay-backs/{uuid4()}", headers=maker)) == (404, "unknown-pay-back")


def test_who_asked_does_not_approve(client, shop, maker, checker):
    owe_riders(shop)
    order = ask(client, maker).json
    path = f"/v1/pay-backs/{order['order_id']}"
    assert problem(client.post(f"{path}/approve", headers=maker)) == (403, "not-allowed")
    same = Actor(ActorKind.STAFF, order["asked_by"])  # somebody with both roles
    with pytest.raises(SamePersonError), shop.running.database.begin() as tx:
        job.approve(tx, UUID(order["order_id"]), by=same, now=shop.now)


@pytest.mark.parametrize(
    "changed",
    [
        {"payee": None},
        {"note": ""},
        {"amount": {"minor": 1.5, "currency": "VND"}},
        {"order_id": "1"},
        {"more": 1},
    ],
)
def test_a_malformed_order_is_refused(client, shop, maker, changed):
    assert ask(client, maker, **changed).status_code == 422


# Tills


def add(client, maker, most: int = 2_000_000, till: str = "bus-12"):
    return client.post(
        "/v1/tills", json={"till": till, "kind": "conductor", "most": vnd(most)}, headers=maker
    )


def act(client, who, what: str, till: str = "bus-12", **body):
    return client.post(f"/v1/tills/{till}/{what}", json=body, headers=who)


def test_a_conductors_day(client, shop, maker, lan, binh):
    card = shop.card()
    assert [add(client, maker).json for _ in range(2)] == [
        {"till": "bus-12", "kind": "conductor", "most": vnd(2_000_000)}
    ] * 2
    assert problem(add(client, maker, most=1)) == (409, "till-differs")
    assert problem(act(client, lan, "counts", event_id=str(uuid4()), amount=vnd(0))) == (409, "no-open-shift")
    opened = {"shift_id": str(uuid4()), "agent": "lan", "float": vnd(0)}
    assert [act(client, lan, "shifts", **opened).json["state"] for _ in range(2)] == ["open", "open"]
    assert problem(act(client, lan, "shifts", **opened | {"agent": "binh"})) == (409, "id-reused")
    assert problem(act(client, lan, "shifts", **opened | {"shift_id": str(uuid4())})) == (
        409,
        "till-shift-open",
    )
    loaded = {"topup_id": str(uuid4()), "card_serial": card.serial, "amount": vnd(50_000)}
    first, second = (act(client, lan, "topups", **loaded) for _ in range(2))
    assert (first.status_code, second.status_code, first.json) == (201, 200, second.json)
    assert (second.headers["Idempotency-Hit"], shop.purse(card)) == ("true", 50_000)
    other = shop.card()
    assert problem(act(client, lan, "topups", **loaded | {"card_serial": other.serial})) == (409, "id-reused")
    assert problem(act(client, lan, "topups", **loaded | {"amount": vnd(60_000)})) == (409, "id-reused")
    cash = {"event_id": str(uuid4()), "amount": vnd(20_000)}
    assert [act(client, lan, "remittances", **cash).json["remitted"]["minor"] for _ in range(2)] == [
        20_000
    ] * 2
    assert (
        act(client, lan, "counts", event_id=str(uuid4()), amount=vnd(29_000)).json["short"]["minor"] == 1_000
    )
    assert problem(act(client, lan, "close", event_id=str(uuid4()))) == (403, "counted-by-same")
    close = {"event_id": str(uuid4())}
    assert [act(client, binh, "close", **close).json["state"] for _ in range(2)] == ["closed", "closed"]
    good = {"event_id": str(uuid4()), "agent": "lan", "amount": vnd(400)}
    for _ in range(2):
        said = client.post("/v1/cash-office/made-good", json=good, headers=maker)
        assert said.json == {"agent": "lan", "lacks": vnd(600)}
    for changed in ({"amount": vnd(300)}, {"agent": "binh"}):
        said = client.post("/v1/cash-office/made-good", json=good | changed, headers=maker)
        assert problem(said) == (409, "id-reused")
    slip = {"deposit_id": str(uuid4()), "amount": vnd(49_400), "slip": "SLIP0001"}
    for _ in range(2):
        assert client.post("/v1/cash-office/deposits", json=slip, headers=maker).status_code == 200
    told = client.get("/v1/tills", headers=lan).json
    assert (told["cash_office"]["minor"], told["tills"][0]["cash"]["minor"]) == (0, 0)
    assert set(trail(shop, "till")) == {
        "add",
        "open",
        "topup",
        "remit",
        "count",
        "close",
        "make_good",
        "deposit",
    }


def test_an_id_of_another_till_is_not_taken_for_this_ones(client, shop, maker, lan):
    for till in ("bus-12", "bus-13"):
        add(client, maker, till=till)
        act(client, lan, "shifts", till=till, shift_id=str(uuid4()), agent="lan", float=vnd(0))
    counted = {"event_id": str(uuid4()), "amount": vnd(0)}
    assert act(client, lan, "counts", **counted).status_code == 200
    assert problem(act(client, lan, "counts", till="bus-13", **counted)) == (409, "id-reused")


def test_cash_is_drawn_from_the_bank_for_floats(client, shop, maker, lan):
    add(client, maker)
    opened = {"shift_id": str(uuid4()), "agent": "lan", "float": vnd(10_000)}
    assert problem(act(client, lan, "shifts", **opened)) == (409, "till-short")
    draw = {"deposit_id": str(uuid4()), "amount": vnd(10_000), "slip": "SLIP0002", "direction": "from_bank"}
    assert client.post("/v1/cash-office/deposits", json=draw, headers=maker).json["amount"] == vnd(-10_000)
    assert act(client, lan, "shifts", **opened).json["float"] == vnd(10_000)


@pytest.mark.parametrize("role", [Role.RIDER, Role.INSPECTOR, Role.AUDITOR, Role.ADMINISTRATOR])
def test_who_has_no_till_takes_no_cash(client, shop, role):
    who = shop.staff(role)
    assert problem(act(client, who, "counts", event_id=str(uuid4()), amount=vnd(0))) == (403, "not-allowed")
    assert problem(add(client, who)) == (403, "not-allowed")


def test_a_till_that_was_never_added_is_unknown(client, shop, lan):
    opened = {"shift_id": str(uuid4()), "agent": "lan", "float": vnd(0)}
    assert problem(act(client, lan, "shifts", **opened)) == (404, "unknown-till")
    assert act(client, lan, "shifts", **opened | {"float": vnd(-1)}).status_code == 422


def test_text_with_a_nul_is_malformed(client, shop, maker, lan):
    owe_riders(shop)
    shift = {"shift_id": str(uuid4()), "agent": "lan", "float": vnd(0)}
    for answer in (
        ask(client, maker, note="a\x00b"),
        add(client, maker, till="a\x00b"),
        act(client, lan, "shifts", till="a%00b", **shift),
    ):
        assert problem(answer) == (422, "malformed-request")
