"""Walks: buy a pass, ride free, give the rest back; dispute a charge to its end. The books prove."""

import uuid
from contextlib import closing

import pytest

from demo.plan import BUS_1

from .devices import Line
from .town import Card, Purse, Show

pytestmark = pytest.mark.walk
PRICE, FARE = 280_000, 10_000  # HANOI.md: all routes, normal; route 26 is 15-<25 km


def rider_of(town, card):
    """A signed-in rider: a code from an agent, then a token of the rider's own."""
    made = town.ask("POST", "/v1/riders/codes", {"card_serial": card.serial}, role="agent")
    told = town.city.ask("POST", "/v1/riders/sign-in", "", {"card_serial": card.serial, "code": made["code"]})
    return f"/v1/riders/{card.account}", told["token"]


def test_buy_a_pass_ride_free_and_give_the_rest_back(town, fleet):
    (sim,) = fleet.cards(1)
    card = Card(sim.serial, sim.issued.fare_account_id, {})
    town.pay({"payments": [{"qr": town.topup(card, 300_000)["qr"]["payload"]}]})
    mine, token = rider_of(town, card)
    bought = {"pass_id": str(uuid.uuid4()), "product_id": "bus_month_all_routes_normal"}
    sold = town.city.ask("POST", f"{mine}/passes", token, bought)
    assert (sold["price"]["minor"], town.purse(card.account)) == (PRICE, Purse(20_000, 0))

    bus = fleet.reader("bus of the pass holder")
    bus.tap(sim, at=town.now)
    with closing(Line(town.city.url)) as line:
        line.send(bus.upload())
    ((key, (amount, trips)),) = town.bill(card.account).items()
    assert (key.component, amount, trips) == ("pass_covered", FARE, 1)
    assert town.purse(card.account) == Purse(20_000, 0)

    quoted = town.city.ask("GET", f"{mine}/passes/{bought['pass_id']}/refund", token)
    given = town.city.ask("POST", f"{mine}/passes/{bought['pass_id']}/refund", token, {})
    left = PRICE * 29 // 30  # bought today for 30 service days, and today is used
    assert (quoted["days_left"], quoted["amount"]["minor"], given["amount"]["minor"]) == (29, left, left)
    assert town.purse(card.account) == Purse(20_000 + left, 0)
    town.proven()


def test_dispute_a_charge_end_to_end(town):
    (card,) = town.cards(1, money=50_000)
    town.present([Show(BUS_1, card)])
    town.delivered(BUS_1)
    assert town.purse(card.account) == Purse(50_000 - FARE, 0)
    mine, token = rider_of(town, card)
    (line,) = town.bill(card.account)
    raised = {
        "dispute_id": str(uuid.uuid4()),
        "tap_id": str(line.tap_id),
        "reason": "Tôi không đi chuyến này.",
    }
    made = town.city.ask("POST", f"{mine}/disputes", token, raised)
    assert made["evidence"]["left"]["minor"] == FARE
    (due,) = [
        one
        for one in town.ask("GET", "/v1/disputes")["disputes"]
        if one["dispute_id"] == raised["dispute_id"]
    ]
    assert due["overdue"] is False
    answer = {"refund": {"minor": FARE, "currency": "VND"}, "note": "Đã kiểm tra, hoàn tiền."}
    at = f"{mine}/disputes/{raised['dispute_id']}"
    done = town.ask("POST", f"{at}/answer", answer, role="finance_maker")
    assert (done["state"], town.purse(card.account)) == ("refunded", Purse(50_000, 0))
    seen = town.city.ask("GET", at, token)
    assert (seen["evidence"]["left"]["minor"], seen["steps"][-1]["note"]) == (0, answer["note"])
    town.proven()
