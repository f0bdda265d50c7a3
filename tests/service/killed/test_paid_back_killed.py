"""A top-up goes back to its source, every command killed with -9 at its commit: once off the card, once in a file."""

import json
from datetime import timedelta
from uuid import uuid4

from lxml import etree
from sqlalchemy import text

from ledger.rules import chart
from service.staff import Role
from tests.service.test_topups_api import notice, wish


def test_a_top_up_goes_back_once(office, insist, shop, client, proven):
    card = shop.card()
    made = client.post("/v1/topups", json=wish(card), headers=shop.staff(Role.RIDER)).json
    payer = {
        "counterAccountName": "NGUYEN VAN A",
        "counterAccountNumber": "0123",
        "counterAccountBankId": "970436",
    }
    paid = notice(made, 50_000, reference=str(uuid4()), **payer)
    assert client.post("/v1/notifications/payos", data=paid).status_code == 200
    assert shop.purse(card) == 50_000
    with shop.running.database.read() as tx:
        payment = tx.execute(text("SELECT payment_id FROM ledger_payment")).scalar_one()

    insist("payback", "ask", "30000", "--payment", str(payment), "--note", "topped up twice")
    (order,) = json.loads(office.run("payback", "list", "--json").out)["orders"]
    assert shop.purse(card) == 50_000, "asking takes nothing"
    insist("payback", "approve", order["order_id"], by="binh")
    assert (shop.purse(card), shop.balance(chart.refund_payable())) == (20_000, 30_000)
    sent = insist("payback", "send", by="chi")
    assert office.died >= 3 or office.when == "moment", "each died at least once"

    said = etree.fromstring(sent.out)
    assert [node.text for node in said.iter("{*}InstdAmt")] == ["30000"]
    assert [node.text for node in said.iter("{*}EndToEndId")] == [order["end_to_end"]]
    assert office.run("payback", "send", by="chi").out == b"", "no order is in two files"
    listed = json.loads(office.run("payback", "list", "--json").out)
    assert [one["state"] for one in listed["orders"]] == ["sent"]
    office.environment["LIENTHONG_CLOCK"] = f"fixed:{(shop.now + timedelta(days=2)).isoformat()}"
    lost = office.run("payback", "send", "--id", listed["orders"][0]["file"], by="chi")
    assert lost.out == sent.out, "a file that was lost is found by its order, also two days later"
    with shop.running.database.read() as tx:
        booked = "SELECT count(*) FROM ledger_line WHERE kind = 'topup.paid_back'"
        assert tx.execute(text(booked)).scalar_one() == 1
        awaited = "SELECT sum(amount) FROM ledger_recon_item WHERE end_to_end = :reference"
        assert tx.execute(text(awaited), {"reference": order["end_to_end"]}).scalar_one() == -30_000
    proven()

    insist("payback", "returned", order["order_id"], "--note", "account closed", by="chi")
    assert json.loads(office.run("payback", "list", "--json").out)["owed"]["minor"] == 30_000
