"""What riders owe is reported and bounded; stolen batches and actions go through their doors."""

from datetime import timedelta
from uuid import uuid4

import pytest

from access import actions, deny, issue
from access.deny import DenyReason
from access.rules.actionlist import ActionKind
from kernel.clock import clock_from
from service.jobs.risk import run_risk
from service.staff import Role
from tests.service.test_cards_api import ask, cards, load, running

__all__ = ["ask", "cards", "running"]
pytestmark = pytest.mark.usefixtures("described")


def owe(running, card, minor, now):
    load(running, card.fare_account_id, 0, now, owed=minor)
    with running.database.begin() as tx:
        deny.deny_accounts(tx, [card.fare_account_id], reason=DenyReason.DEBT, cause="bill", now=now)


def run(running, now, limit):
    settings = running.settings.model_copy(update={"risk_total_limit": limit})
    return list(run_risk(running.database, settings, clock_from(f"fixed:{now.isoformat()}")))


def reasons(running, card):
    with running.database.read() as tx:
        return deny.reasons(tx, card.serial)


def test_exposure_is_the_sum_of_receivables_and_in_the_metrics(ask, client, running, cards, now):
    owe(running, cards[0], 7_000, now)
    owe(running, cards[1], 11_625, now)
    shown = ask("GET", "/v1/exposure", role=Role.AUDITOR)[1]
    assert shown == {
        "owed": {"minor": 18_625, "currency": "VND"},
        "limit": None,
        "headroom": None,
        "cover": {"minor": 20_000, "currency": "VND"},
        "mode": "open",
        "denied": {"debt": 2},
    }
    assert 'lienthong_exposure_minor{currency="VND"} 18625.0' in client.get("/metrics").text
    assert ask("GET", "/v1/exposure", role=Role.INSPECTOR)[0] == 403


def test_past_the_limit_who_could_not_pay_is_denied_until_enough_is_paid_back(running, cards, now):
    debtor, poor, rich = cards
    load(running, poor.fare_account_id, 19_999, now)
    load(running, rich.fare_account_id, 20_000, now)
    owe(running, debtor, 50_000, now)
    run(running, now, 50_001)
    assert reasons(running, poor) == ()
    run(running, now, 50_000)
    assert reasons(running, poor) == (DenyReason.RISK,)
    assert reasons(running, rich) == ()
    load(running, poor.fare_account_id, 1, now)
    run(running, now, 50_000)
    assert reasons(running, poor) == (), "a top-up is enough"
    run(running, now, 62_500)
    assert reasons(running, debtor) == (DenyReason.DEBT,)
    assert run(running, now, 50_000)[-1].exposure.mode.value == "tight"


def test_who_owes_nothing_any_more_is_cleared(running, cards, now):
    with running.database.begin() as tx:
        deny.deny_accounts(tx, [cards[0].fare_account_id], reason=DenyReason.DEBT, cause="bill", now=now)
    assert sum(step.cleared for step in run(running, now, 0)) == 1
    assert reasons(running, cards[0]) == ()


def test_a_stolen_batch_is_denied_by_a_range_that_counts_right(ask, running, cards):
    first = cards[0].serial
    body = {"first": first, "last": first + 1, "count": 2, "cause": "van robbed"}
    assert ask("POST", "/v1/denials/ranges", {**body, "count": 3})[0] == 422
    assert [ask("POST", "/v1/denials/ranges", body)[1]["changed"] for _ in range(2)] == [2, 0]
    shown = ask("GET", f"/v1/denials/{first}")[1]
    assert shown["denied"] == ["stolen"]
    assert (shown["history"][0]["cause"], shown["history"][0]["version"]) == ("van robbed", None)
    assert ask("POST", "/v1/denials/ranges", {**body, "denied": False})[1]["changed"] == 2
    assert reasons(running, cards[1]) == ()
    assert ask("POST", "/v1/denials/ranges", body, role=Role.AGENT)[0] == 403


def test_an_action_is_asked_for_once_published_and_ended(ask, running, cards, now):
    card, action_id = cards[0], uuid4()
    body = {
        "action_id": str(action_id),
        "action": "re_key",
        "detail": {"generation": "2"},
        "until": (now + timedelta(days=30)).isoformat(),
        "cause": "generation 1 ends",
    }
    path = f"/v1/cards/{card.serial}/actions"
    assert [ask("POST", path, body)[0] for _ in range(2)] == [201, 200]
    assert (
        ask("POST", path, {**body, "detail": {"generation": "3"}})[1]["type"] == "/problems/action-id-reused"
    )
    assert (
        ask("POST", path, {**body, "action_id": str(uuid4()), "detail": {}})[1]["type"]
        == "/problems/bad-action"
    )
    with running.database.begin() as tx:
        published = actions.publish(tx, now=now)
        assert (published.version, [one.kind for one in published.actions]) == (1, [ActionKind.RE_KEY])
        assert actions.publish(tx, now=now) == published
        card_id = issue.get_card(tx, serial=card.serial).card_id
        assert actions.finish(tx, card_id, action_id, actions.ActionOutcome.DONE, by="bus-01", now=now)
        assert not actions.finish(tx, card_id, action_id, actions.ActionOutcome.WITHDRAWN, by="x", now=now)
        assert actions.publish(tx, now=now).actions == ()
        with pytest.raises(actions.UnknownActionError):
            actions.finish(tx, card_id, uuid4(), actions.ActionOutcome.DONE, by="x", now=now)
    assert ask("GET", path)[1]["actions"][0]["outcome"] == "done"
