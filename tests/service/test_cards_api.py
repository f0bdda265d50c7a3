"""Cards and accounts over HTTP: who may do what, once only, and what is refused."""

from datetime import date, timedelta
from uuid import uuid4

import pytest

from access import issue, purse
from kernel.ids import EntryId, OperatorId, uuid7
from kernel.money import VND, Money
from kernel.wire.cardinfo import Concession
from ledger import accounts, post
from ledger.rules import chart
from ledger.rules.entry import Entry, Line
from service import riders, staff
from service.audit import Actor, ActorKind
from service.services import EXTENSION
from service.staff import Grant, Role

pytestmark = pytest.mark.usefixtures("described")

BY = Actor(ActorKind.COMMAND, "test")


@pytest.fixture
def running(app):
    return app.extensions[EXTENSION]


@pytest.fixture
def ask(client, running):
    tokens = {}

    def call(method, path, body=None, *, role=Role.ADMINISTRATOR, token=None):
        if token is None and role not in tokens:
            with running.database.begin() as tx:
                _, tokens[role] = staff.add_credential(
                    tx,
                    name=role.value,
                    grant=Grant(role, OperatorId("")),
                    valid=timedelta(days=1),
                    by=BY,
                    now=running.clock.now(),
                )
        headers = {"Authorization": f"Bearer {token or tokens[role]}"}
        answer = client.open(path, method=method, json=body, headers=headers)
        return answer.status_code, answer.json

    return call


@pytest.fixture
def cards(running, keyring, now):
    with running.database.begin() as tx:
        return [
            issue.issue_card(
                tx,
                keyring=keyring,
                uid=b"\x04cards" + bytes([n]),
                concession=Concession.NORMAL,
                expiry=date(2030, 1, 1),
                now=now,
            )
            for n in (1, 2, 3)
        ]


def load(running, account, minor, now, *, owed=0):
    purse, debt = chart.rider_stored_value(account), chart.rider_receivable(account)
    clearing = chart.provider_clearing("payos")
    moves = [(clearing, purse, minor)] if minor else []
    moves += [(debt, clearing, owed)] if owed else []
    with running.database.begin() as tx:
        accounts.open_accounts(tx, (purse, debt, clearing), now)
        post.post(
            tx,
            [
                Entry(
                    EntryId(uuid7(now)),
                    "test",
                    (Line(one.account_id, other.account_id, Money(amount, VND)),),
                    account,
                    now.date(),
                    now,
                )
                for one, other, amount in moves
            ],
            now,
        )


def signed_in(running, card, keyring, now):
    with running.database.begin() as tx:
        code = riders.make_code(tx, card.fare_account_id, keyring=keyring, by=BY, now=now)
        return riders.sign_in(tx, card.fare_account_id, code, keyring=keyring, now=now)


def event(what, **more):
    return {"event_id": str(uuid4()), "event": what, "reason": "asked", **more}


def test_a_step_is_taken_once_and_shown_with_its_history(ask, cards):
    path, body = f"/v1/cards/{cards[0].serial}/events", event("blocked")
    for _ in range(2):
        status, shown = ask("POST", path, body)
        assert (status, shown["state"]) == (200, "blocked")
    status, shown = ask("GET", f"/v1/cards/{cards[0].serial}")
    assert [row["event"] for row in shown["history"]] == ["blocked"]
    assert shown["denied"] == ["blocked"]
    assert ask("POST", path, {**body, "event": "unblocked"})[1]["type"] == "/problems/event-id-reused"
    assert ask("POST", path, event("found"))[1]["type"] == "/problems/medium-transition"
    assert ask("POST", path, event("replaced"))[0] == 422
    assert ask("POST", "/v1/cards/999999/events", event("blocked"))[0] == 404


@pytest.mark.parametrize("role", [Role.INSPECTOR, Role.FINANCE_MAKER, Role.AUDITOR])
def test_others_than_a_desk_or_the_rider_change_no_card(ask, cards, role):
    assert ask("POST", f"/v1/cards/{cards[0].serial}/events", event("blocked"), role=role)[0] == 403


def test_riders_take_their_own_card_out_of_use_and_no_other_and_never_back(ask, running, cards, keyring, now):
    token = signed_in(running, cards[0], keyring, now)
    own, other = (f"/v1/cards/{card.serial}/events" for card in cards[:2])
    assert ask("POST", own, event("reported_lost"), token=token)[0] == 200
    assert ask("POST", own, event("found"), token=token)[0] == 403
    assert ask("POST", other, event("blocked"), token=token)[0] == 403
    assert ask("GET", f"/v1/cards/{cards[1].serial}", token=token)[0] == 403


def test_a_card_is_handed_in_for_what_it_stores_once_confirmed(ask, running, cards, now):
    card = cards[0]
    load(running, card.fare_account_id, 41_375, now)
    path = f"/v1/cards/{card.serial}/return"
    assert ask("GET", path)[1]["refund"] == {"minor": 41_375, "currency": "VND"}
    body = {
        "event_id": str(uuid4()),
        "reason": "leaves the city",
        "confirmed": {"minor": 41_374, "currency": "VND"},
    }
    assert ask("POST", path, body)[1]["type"] == "/problems/refund-amount"
    assert ask("GET", f"/v1/cards/{card.serial}")[1]["state"] == "active", "nothing of it was done"
    body["confirmed"]["minor"] = 41_375
    for _ in range(2):
        status, done = ask("POST", path, body)
        assert (status, done["state"], done["refund"]["minor"]) == (200, "returned", 41_375)
    payable = chart.refund_payable().account_id
    with running.database.read() as tx:
        assert accounts.read_balances(tx, (payable,), now)[payable].posted == Money(41_375, VND)
        found = accounts.read_balances(tx, (chart.rider_stored_value(card.fare_account_id).account_id,), now)
    assert [balance.posted.minor for balance in found.values()] == [0]


@pytest.mark.parametrize("stored_value", [False, True])
def test_a_card_takes_anothers_place_once_with_a_purse_where_that_is_asked_for(
    ask, running, cards, stored_value
):
    path = f"/v1/cards/{cards[0].serial}/replacement"
    asked = {
        "event_id": str(uuid4()),
        "reason": "worn out",
        "uid": "04cafe00000001",
        "expires_on": "2031-12-31",
        "stored_value": stored_value,
    }
    status, made = ask("POST", path, asked)
    assert (status, made["replaces"]) == (201, cards[0].serial)
    assert ask("POST", path, asked) == (200, made)
    other = ask("POST", path, asked | {"stored_value": not stored_value})
    assert (other[0], other[1]["type"]) == (409, "/problems/event-id-reused")
    with running.database.read() as tx:
        assert purse.can_load(tx, issue.get_card(tx, serial=made["card_serial"])) is stored_value


def test_who_owes_keeps_the_card(ask, running, cards, now):
    load(running, cards[0].fare_account_id, 0, now, owed=7_000)
    path = f"/v1/cards/{cards[0].serial}/return"
    body = {"event_id": str(uuid4()), "reason": "x", "confirmed": {"minor": 0, "currency": "VND"}}
    assert ask("GET", path)[1]["type"] == "/problems/open-receivable"
    status, refused = ask("POST", path, body)
    assert (status, refused["owed"]) == (409, {"minor": 7_000, "currency": "VND"})
    assert ask("GET", f"/v1/cards/{cards[0].serial}")[1]["state"] == "active"


def test_links_are_recorded_and_parted_over_http(ask, running, cards, now):
    first, second = (str(card.fare_account_id) for card in cards[:2])
    path = f"/v1/accounts/{first}/links"
    body = {
        "link_id": str(uuid4()),
        "into": second,
        "reason": "one person",
        "effective_from": (now - timedelta(hours=1)).isoformat(),
    }
    assert ask("POST", path, body)[1]["type"] == "/problems/one-active"
    ask("POST", f"/v1/cards/{cards[0].serial}/events", event("blocked"))
    load(running, cards[0].fare_account_id, 5_000, now)
    assert [ask("POST", path, body)[0] for _ in range(2)] == [201, 200]
    shown = ask("GET", path)[1]
    assert (shown["counts_to"], len(shown["links"])) == (second, 1)
    assert ask("GET", f"/v1/cards/{cards[1].serial}/return")[1]["refund"]["minor"] == 0, (
        "a blocked card lives"
    )
    back = {**body, "link_id": str(uuid4()), "into": None}
    assert ask("POST", path, back)[0] == 201
    assert ask("GET", path)[1]["counts_to"] == first
    circle = {**body, "link_id": str(uuid4())}
    assert ask("POST", path, circle)[0] == 201
    loop = {**body, "link_id": str(uuid4()), "into": first}
    assert ask("POST", f"/v1/accounts/{second}/links", loop)[1]["type"] == "/problems/link-loop"


def test_a_family_pays_and_sees_amounts_only(ask, running, cards, keyring, now):
    payer, child, other = (card.fare_account_id for card in cards)
    load(running, payer, 100_000, now)
    load(running, child, 0, now, owed=30_000)
    wallet = {"wallet_id": str(uuid4()), "payer": str(payer), "month_limit_minor": 20_000}
    path = f"/v1/accounts/{child}/payer"
    assert [ask("POST", path, wallet)[1]["again"] for _ in range(2)] == [False, True]
    token = signed_in(running, cards[0], keyring, now)
    status, shown = ask("GET", f"/v1/accounts/{payer}/family", token=token)
    assert status == 200
    assert shown == {
        "month": "2026-11-01",
        "members": [
            {
                "fare_account_id": str(child),
                "paid": {"minor": 20_000, "currency": "VND"},
                "month_limit": {"minor": 20_000, "currency": "VND"},
            }
        ],
    }
    assert ask("GET", f"/v1/accounts/{child}/family", token=token)[0] == 403
    for bad in (child, payer):
        refused = ask(
            "POST", f"/v1/accounts/{payer}/payer", {**wallet, "wallet_id": str(uuid4()), "payer": str(bad)}
        )
        assert refused[1]["type"] == "/problems/family-chain"
    chain = {**wallet, "wallet_id": str(uuid4()), "payer": str(child)}
    assert ask("POST", f"/v1/accounts/{other}/payer", chain)[1]["type"] == "/problems/family-chain"
    end = {"wallet_id": str(uuid4()), "payer": None}
    assert ask("POST", path, end)[0] == 200
    assert ask("GET", f"/v1/accounts/{payer}/family", token=token)[1]["members"] == []
