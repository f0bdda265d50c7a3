"""The funders' page: each statement where it stands, sums a funder, and who may see it."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from kernel.money import VND, Money
from ledger.rules.subsidy import Subsidy, SubsidyEvent, SubsidyState
from service.audit import Actor, ActorKind
from service.console.funders import FunderRow, Stage, stage_of, sum_by_funder
from service.jobs import subsidies
from service.services import EXTENSION
from service.staff import Role
from tests.played import DAY, play_a_funded_day
from tests.service.sellers import Shop

PREPARED = Subsidy(
    subsidy_id=UUID(int=1), funder="city", through_on=DAY, reference="LT1", total=Money(5, VND),
    state=SubsidyState.PREPARED, prepared_by="lan", prepared_at=datetime(2026, 11, 18, tzinfo=UTC),
    received_on=None, paid_by=None, claims=(), steps=(),
)  # fmt: skip
SENT = replace(PREPARED, state=SubsidyState.SENT)
RECEIVED = replace(SENT, received_on=DAY)
EACH = {
    Stage.UNSIGNED: PREPARED,
    Stage.AWAITED: SENT,
    Stage.RECEIVED: RECEIVED,
    Stage.PASSED_ON: replace(RECEIVED, paid_by=UUID(int=2)),
    Stage.GONE: replace(PREPARED, state=SubsidyState.WITHDRAWN),
}


@pytest.mark.parametrize(("stage", "statement"), EACH.items())
def test_a_statement_stands_at_one_stage(stage, statement):
    assert stage_of(statement) is stage


def test_refused_is_gone_like_withdrawn():
    assert stage_of(replace(PREPARED, state=SubsidyState.REFUSED)) is Stage.GONE


def test_each_funder_has_its_own_sums_and_what_is_gone_counts_nowhere():
    statements = [
        replace(one, funder=funder, total=Money(minor, VND))
        for (funder, one), minor in zip(
            itertools.product(("city", "province"), EACH.values()), itertools.count(1), strict=False
        )
    ]
    found = sum_by_funder([("city", 2, Money(-7, VND)), ("ward", 1, Money(9, VND))], statements)
    expected = (("city", 2, -7, 1, 2, 3, 4), ("province", 0, 0, 6, 7, 8, 9), ("ward", 1, 9, 0, 0, 0, 0))
    assert found == tuple(
        FunderRow(funder, claims, *(Money(minor, VND) for minor in minors))
        for funder, claims, *minors in expected
    )


def test_the_page_says_when_nobody_owes_anything(app, client):
    shop = Shop(app.extensions[EXTENSION], client)
    page = client.get("/funders?lang=en", headers=shop.staff(Role.AUDITOR))
    assert (page.status_code, "No funder owes anything." in page.text) == (200, True)
    assert client.get("/funders", headers=shop.staff(Role.INSPECTOR)).status_code == 403


def test_the_page_follows_a_claim_from_open_to_sent(app, client, keyring, now):
    play_a_funded_day(app, keyring, now)
    shop = Shop(app.extensions[EXTENSION], client)
    headers = shop.staff(Role.FINANCE_CHECKER)

    def seen() -> str:
        return client.get("/funders?lang=en", headers=headers).text

    def people(name: str) -> Actor:
        return Actor(ActorKind.COMMAND, name)

    first = seen()
    assert "10,000\u00a0VND" in first
    assert "lienthong subsidy prepare city" in first
    assert "Nobody was asked for money yet." in first
    statement = UUID(int=3)
    with shop.running.database.begin() as tx:
        made = subsidies.prepare(tx, statement, funder="city", through_on=DAY, by=people("lan"), now=shop.now)
    second = seen()
    assert made.reference in second
    assert "subsidy prepare" not in second, "nothing is left to ask for"
    with shop.running.database.begin() as tx:
        subsidies.decide(
            tx, statement, SubsidyEvent.APPROVED, by=people("minh"), now=shop.now, confirmed=made.total
        )
    third = seen()
    assert third.count("Money awaited") == 2, "the column and the statement's state"
    for kind, begins in (("pdf", b"%PDF"), ("csv", "reference".encode("utf-8-sig"))):
        address = f"/v1/subsidies/{statement}/statement?format={kind}"
        assert f'href="{address}"' in third
        assert client.get(address, headers=headers).data.startswith(begins)
