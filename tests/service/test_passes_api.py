"""Passes over HTTP: on sale, quoted, bought three ways, renewed, gifted, given back."""

from datetime import timedelta
from uuid import uuid4

import pytest

from kernel.wire.cardinfo import Concession
from ledger.rules import chart
from service.services import EXTENSION
from service.staff import Role
from tests.service.sellers import Shop, problem
from tests.service.test_topups_api import notice

pytestmark = pytest.mark.usefixtures("described")
ALL_ROUTES = "bus_month_all_routes_normal"
PRICE = 280_000  # HANOI.md: all routes, normal


@pytest.fixture
def shop(app, client) -> Shop:
    made = Shop(app.extensions[EXTENSION], client)
    made.publish()
    return made


def base(card) -> str:
    return f"/v1/riders/{card.fare_account_id}"


def wish(**change) -> dict[str, object]:
    return {"pass_id": str(uuid4()), "product_id": ALL_ROUTES} | change


def buy(client, card, headers, **change):
    return client.post(f"{base(card)}/passes", json=wish(**change), headers=headers)


def test_a_pass_bought_from_the_balance_is_deferred_revenue(client, shop):
    card = shop.card(300_000)
    me = shop.rider(card)
    body = wish()
    quoted = client.post(f"{base(card)}/passes/quote", json={"product_id": ALL_ROUTES}, headers=me).json
    first = client.post(f"{base(card)}/passes", json=body, headers=me)
    again = client.post(f"{base(card)}/passes", json=body, headers=me)
    assert (first.status_code, first.json["price"]["minor"]) == (201, PRICE)
    assert {name: first.json[name] for name in quoted if name != "tariff_version"}.items() <= quoted.items()
    assert (again.status_code, again.headers["Idempotency-Hit"], again.json) == (200, "true", first.json)
    assert (shop.purse(card), shop.balance(chart.deferred_pass(ALL_ROUTES))) == (20_000, PRICE)
    (held,) = client.get(f"{base(card)}/passes", headers=me).json["passes"]
    assert (held["pass_id"], held["paid_by"], held["refunded"]) == (body["pass_id"], "balance", None)


def test_the_list_says_what_this_rider_may_buy(client, shop):
    normal, student = shop.card(), shop.card(concession=Concession.PRIORITY)
    lists = [
        client.get(f"{base(card)}/passes/on-sale", headers=shop.rider(card)).json["passes"]
        for card in (normal, student)
    ]
    mine = [{one["product_id"] for one in found if one["for_you"]} for found in lists]
    assert "bus_month_all_routes_priority" not in mine[0]
    assert "bus_month_all_routes_priority" in mine[1]
    assert {one["product_id"]: one["price"]["minor"] for one in lists[0]}["metro_week"] == 160_000


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"product_id": "moon"}, (404, "unknown-pass")),
        ({"product_id": "bus_month_all_routes_priority"}, (422, "pass-category")),
        ({"scope": "26"}, (422, "pass-scope")),
        ({"product_id": "bus_month_one_route_normal"}, (422, "pass-scope")),
        ({"product_id": "bus_month_one_route_normal", "scope": "2A"}, (422, "pass-scope")),  # no bus route
        ({"product_id": "metro_day", "scope": "bus_lt15"}, (422, "pass-scope")),
        ({"starts_at": "2026-11-18T08:59:59+07:00"}, (422, "pass-start")),
        ({"starts_at": "9999-12-31T00:00:00+00:00"}, (422, "pass-start")),
        ({"starts_at": "2026-11-18T10:00:00"}, (422, "malformed-request")),
        ({"pay": "till"}, (403, "not-allowed")),
        ({"pay": "gold"}, (422, "malformed-request")),
        ({"price": 1}, (422, "malformed-request")),
        ({}, (409, "balance-short")),
    ],
)
def test_purchase_refused_and_nothing_taken(client, shop, change, answer):
    card = shop.card(279_999)
    refused = buy(client, card, shop.rider(card), **change)
    assert problem(refused) == answer
    assert (shop.purse(card), shop.balance(chart.deferred_pass(ALL_ROUTES))) == (279_999, 0)


def test_nobody_buys_from_anothers_balance_or_sees_their_passes(client, shop):
    card, other = shop.card(300_000), shop.card()
    stranger = shop.rider(other)
    assert problem(buy(client, card, stranger)) == (403, "not-yours")
    for path in ("/passes", "/passes/on-sale"):
        assert problem(client.get(base(card) + path, headers=stranger)) == (403, "not-yours")
    assert shop.purse(card) == 300_000


def test_an_agents_till_takes_the_cash(client, shop):
    card = shop.card(1_000)
    agent = shop.staff(Role.AGENT, name="kiosk 7")
    assert problem(buy(client, card, agent)) == (403, "not-allowed"), "an agent never takes a rider's balance"
    sold = buy(client, card, agent, pay="till")
    assert (sold.status_code, sold.json["price"]["minor"]) == (201, PRICE)
    assert (shop.purse(card), shop.balance(chart.deferred_pass(ALL_ROUTES))) == (1_000, PRICE)


def test_a_payment_buys_the_pass_it_was_asked_for_once(client, shop):
    card = shop.card(5_000)
    me, body = shop.rider(card), wish(pay="vietqr")
    asked = client.post(f"{base(card)}/passes", json=body, headers=me)
    assert (asked.status_code, asked.json["topup"]["amount"]["minor"]) == (202, PRICE)
    assert client.post(f"{base(card)}/passes", json=body, headers=me).json == asked.json
    assert client.get(f"{base(card)}/passes", headers=me).json["passes"] == []
    raw = notice(asked.json["topup"], PRICE)
    for _ in range(3):
        assert client.post("/v1/notifications/payos", data=raw).status_code == 200
    (held,) = client.get(f"{base(card)}/passes", headers=me).json["passes"]
    assert (held["pass_id"], held["paid_by"]) == (body["pass_id"], "vietqr")
    assert (shop.purse(card), shop.balance(chart.deferred_pass(ALL_ROUTES))) == (5_000, PRICE)


def test_a_payment_that_debts_swallow_buys_nothing_and_stays_the_riders(client, shop):
    card = shop.card()
    me = shop.rider(card)
    asked = client.post(f"{base(card)}/passes", json=wish(pay="vietqr"), headers=me)
    shop.owe(card, 30_000)
    client.post("/v1/notifications/payos", data=notice(asked.json["topup"], PRICE))
    assert client.get(f"{base(card)}/passes", headers=me).json["passes"] == []
    assert shop.purse(card) == PRICE - 30_000


def test_a_renewal_begins_where_the_pass_ends(client, shop):
    card = shop.card(600_000)
    me = shop.rider(card)
    first = buy(client, card, me).json
    asked = {"pass_id": str(uuid4())}
    again = client.post(f"{base(card)}/passes/{first['pass_id']}/renew", json=asked, headers=me)
    assert (again.status_code, again.json["valid_from"]) == (201, first["valid_until"])
    repeated = client.post(f"{base(card)}/passes/{first['pass_id']}/renew", json=asked, headers=me)
    assert (repeated.status_code, repeated.json) == (200, again.json)
    assert shop.purse(card) == 600_000 - 2 * PRICE
    unknown = client.post(
        f"{base(card)}/passes/{uuid4()}/renew", json=asked | {"pass_id": str(uuid4())}, headers=me
    )
    assert problem(unknown) == (404, "unknown-purchase")


@pytest.mark.parametrize(
    ("later", "left"),
    [  # bought on the 18th for a month: to 17 December, 30 service days; today is never given back
        (timedelta(0), 29),
        (timedelta(days=10), 19),
        (timedelta(days=28), 1),
    ],
)
def test_days_to_come_are_given_back(client, shop, later, left):
    card = shop.card(PRICE)
    me = shop.rider(card)
    sold = buy(client, card, me).json
    shop.running.clock.advance(later)
    me = shop.rider(card)
    shown = client.get(f"{base(card)}/passes/{sold['pass_id']}/refund", headers=me).json
    done = client.post(f"{base(card)}/passes/{sold['pass_id']}/refund", json={}, headers=me)
    assert (done.status_code, done.json["amount"]) == (200, shown["amount"])
    assert shop.purse(card) == PRICE * left // 30 == done.json["amount"]["minor"]
    again = client.post(f"{base(card)}/passes/{sold['pass_id']}/refund", json={}, headers=me)
    assert (again.headers["Idempotency-Hit"], again.json) == ("true", done.json)
    assert shop.purse(card) == PRICE * left // 30
    assert shop.balance(chart.deferred_pass(ALL_ROUTES)) == PRICE - PRICE * left // 30


def test_a_pass_that_has_not_begun_is_given_back_whole_and_one_that_is_over_not(client, shop):
    card = shop.card(2 * PRICE)
    me = shop.rider(card)
    ahead = buy(client, card, me, starts_at="2026-12-01T00:00:00+07:00").json["pass_id"]
    begun = buy(client, card, me).json["pass_id"]
    assert (
        client.post(f"{base(card)}/passes/{ahead}/refund", json={}, headers=me).json["amount"]["minor"]
        == PRICE
    )
    shop.running.clock.advance(timedelta(days=30))
    refused = client.post(f"{base(card)}/passes/{begun}/refund", json={}, headers=shop.rider(card))
    assert (problem(refused), refused.json["reason"]) == ((409, "pass-not-refundable"), "over")
    assert shop.purse(card) == PRICE


def test_an_organiser_gives_passes_to_a_group_and_gets_the_refund(client, shop):
    organiser, members = shop.card(1_000_000), [shop.card() for _ in range(3)]
    me = shop.rider(organiser)
    body = {
        "gift_id": str(uuid4()),
        "product_id": "bus_month_all_routes_group",
        "card_serials": [card.serial for card in members],
    }
    given = client.post(f"{base(organiser)}/gifts", json=body, headers=me)
    assert (given.status_code, given.json["passes"], given.json["total"]["minor"]) == (201, 3, 600_000)
    again = client.post(f"{base(organiser)}/gifts", json=body, headers=me)
    assert (again.status_code, again.json) == (200, given.json)
    assert shop.purse(organiser) == 400_000
    theirs = shop.rider(members[0])
    (held,) = client.get(f"{base(members[0])}/passes", headers=theirs).json["passes"]
    assert held["paid_by"] == "gift"
    back = client.post(f"{base(members[0])}/passes/{held['pass_id']}/refund", json={}, headers=theirs)
    assert back.json["to"] == str(organiser.fare_account_id)
    assert (shop.purse(members[0]), shop.purse(organiser)) == (0, 400_000 + 200_000 * 29 // 30)


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"members": 1}, (422, "group-too-small")),
        ({"twice": True}, (422, "group-too-small")),
        ({"product_id": "metro_month_group30", "scope": "metro_2a"}, (422, "group-too-small")),  # from 30
        ({"product_id": "bus_month_all_routes_priority"}, (422, "pass-category")),
        ({"serial": 9_999_999}, (404, "unknown-card")),
        ({"money": 399_999}, (409, "balance-short")),
    ],
)
def test_gift_refused_and_nobody_gets_anything(client, shop, change, answer):
    change = dict(change)
    money = change.pop("money", 1_000_000)
    organiser = shop.card(money)
    members = [shop.card() for _ in range(change.pop("members", 2))]
    serials = [card.serial for card in members]
    serials += serials[:1] if change.pop("twice", False) else []
    serials += [change.pop("serial")] if "serial" in change else []
    body = {"gift_id": str(uuid4()), "product_id": "bus_month_all_routes_group", "card_serials": serials}
    refused = client.post(f"{base(organiser)}/gifts", json=body | change, headers=shop.rider(organiser))
    assert problem(refused) == answer
    assert shop.purse(organiser) == money
    for card in members:
        assert client.get(f"{base(card)}/passes", headers=shop.rider(card)).json["passes"] == []
