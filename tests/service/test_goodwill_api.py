"""Goodwill in bulk: two people, once, and back again."""

import pytest

from kernel.ids import EntryId, uuid7
from kernel.money import VND, Money
from ledger import accounts
from ledger.post import post
from ledger.rules import chart
from ledger.rules.entry import Entry, Line
from service.services import EXTENSION
from tests.service.sellers import Shop, problem

pytestmark = pytest.mark.usefixtures("described")


@pytest.fixture
def shop(app, client) -> Shop:
    return Shop(app.extensions[EXTENSION], client)


def csv(*rows: tuple[object, object]) -> str:
    return "\n".join(["card_serial,amount,why", *(f"{serial},{amount},late" for serial, amount in rows)])


def propose(client, headers, text: str, **change):
    body = {"reason": "Line 2A closed on 14 November", "csv": text} | change
    return client.post("/v1/goodwill", json=body, headers=headers)


def sign(client, headers, made, decision: str = "approve"):
    return client.post(f"/v1/goodwill/{made['batch_id']}/sign", json={"decision": decision}, headers=headers)


def test_a_batch_is_booked_once_when_a_second_person_has_signed(client, shop, maker, checker):
    plain, indebted = shop.card(1_000), shop.card()
    shop.owe(indebted, 3_000)
    text = csv((plain.serial, 5_000), (indebted.serial, 7_000))
    dry = propose(client, maker, text, dry_run=True)
    assert (dry.status_code, dry.json["lines"], dry.json["total"]["minor"]) == (200, 2, 12_000)
    assert client.get("/v1/goodwill", headers=maker).json["batches"] == []
    made = propose(client, maker, text)
    assert (made.status_code, made.json["state"]) == (201, "proposed")
    assert propose(client, maker, text).json["batch_id"] == made.json["batch_id"]
    assert shop.purse(plain) == 1_000
    for _ in range(2):
        assert sign(client, checker, made.json).json["state"] == "posted"
    assert (shop.purse(plain), shop.purse(indebted)) == (6_000, 4_000)
    assert shop.balance(chart.rider_receivable(indebted.fare_account_id)) == 0
    assert shop.balance(chart.goodwill()) == 12_000


def test_the_maker_never_signs(client, shop, maker, checker):
    card = shop.card()
    made = propose(client, maker, csv((card.serial, 5_000))).json
    assert problem(sign(client, maker, made)) == (403, "not-allowed")
    assert sign(client, checker, made, "refuse").json["state"] == "refused"
    assert problem(sign(client, checker, made)) == (409, "goodwill-state")
    assert shop.purse(card) == 0


def test_one_person_in_both_roles_cannot_do_both(shop):
    from ledger.rules.goodwill import GoodwillOnePersonError, check_second_person

    check_second_person("staff:a", "staff:b")
    for same in ("staff:a", " STAFF:A ", ""):
        with pytest.raises(GoodwillOnePersonError):
            check_second_person("staff:a", same)


def test_undoing_takes_back_what_is_still_there(client, shop, maker, checker):
    kept, spent = shop.card(), shop.card()
    made = propose(client, maker, csv((kept.serial, 5_000), (spent.serial, 7_000))).json
    sign(client, checker, made)
    purse, payee = chart.rider_stored_value(spent.fare_account_id), chart.operator_payable("transerco")
    with shop.running.database.begin() as tx:
        accounts.open_accounts(tx, (payee,), shop.now)
        line = Line(purse.account_id, payee.account_id, Money(1, VND))
        entry = Entry(
            EntryId(uuid7(shop.now)), "fare", (line,), spent.fare_account_id, shop.now.date(), shop.now
        )
        post(tx, (entry,), shop.now)
    undo = client.post(f"/v1/goodwill/{made['batch_id']}/undo", json={"note": "wrong file"}, headers=maker)
    assert undo.json["state"] == "undo_asked"
    assert shop.purse(kept) == 5_000
    done = sign(client, checker, made, "undo_approve").json
    assert (done["state"], done["kept"]) == ("undone", [str(spent.fare_account_id)])
    assert (shop.purse(kept), shop.purse(spent)) == (0, 6_999)
    assert shop.balance(chart.goodwill()) == 7_000


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ([("first", 0)], 2),
        ([("first", -5)], 2),
        ([("first", "5.5")], 2),
        ([("first", "many")], 2),
        ([("first", 5), (9_999_999, 5)], 3),
        ([("x", 5)], 2),
        ([("first", 5), ("first", 6)], 3),
        ([("first", 10**9 + 1)], 2),
        ([], 0),
    ],
)
def test_a_file_with_any_wrong_line_is_refused_whole(client, shop, maker, rows, line):
    card = shop.card()
    text = csv(*((card.serial if serial == "first" else serial, amount) for serial, amount in rows))
    refused = propose(client, maker, text)
    assert problem(refused) == (422, "goodwill-lines")
    assert refused.json["errors"][0]["line"] == line
    assert client.get("/v1/goodwill", headers=maker).json["batches"] == []


@pytest.mark.parametrize("text", ["serial,amount\n1,2", "\x00", 'card_serial,amount\n"1,2'])
def test_what_is_no_such_file_is_refused(client, maker, text):
    assert problem(propose(client, maker, text)) == (422, "goodwill-lines")
