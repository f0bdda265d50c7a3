"""The funders' page in a browser: nothing owed, and a claim with its statement and files."""

import re
from uuid import UUID

import pytest
from playwright.sync_api import expect

from service.audit import Actor, ActorKind
from service.jobs import subsidies
from service.services import EXTENSION
from tests.e2e.test_day import accessible, sign_in
from tests.played import DAY, play_a_funded_day


def test_nothing_owed_is_explained_in_both_languages(open_page):
    page = open_page()
    sign_in(page)
    page.get_by_role("link", name="Trợ giá").click()
    expect(page.get_by_text("Không có khoản trợ giá nào.")).to_be_visible()
    page.get_by_role("link", name="English").click()
    expect(page.get_by_text("No funder owes anything.")).to_be_visible()
    assert accessible(page) == []


@pytest.mark.parametrize(
    ("language", "words"),
    [("vi-VN", ("Trợ giá", "Chờ người thứ hai duyệt", "10.000\u00a0VND")), ("en-GB", ("Funders", "Waits for a second person", "10,000\u00a0VND"))],
)  # fmt: skip
@pytest.mark.parametrize("width", [1280, 390])
def test_a_statement_is_shown_with_its_state_sum_and_files(
    open_page, app, keyring, now, language, words, width
):
    play_a_funded_day(app, keyring, now)
    running = app.extensions[EXTENSION]
    with running.database.begin() as tx:
        made = subsidies.prepare(
            tx,
            UUID(int=3),
            funder="city",
            through_on=DAY,
            by=Actor(ActorKind.COMMAND, "lan"),
            now=running.clock.now(),
        )
    link, state, amount = words
    page = open_page(language, width)
    sign_in(page)
    page.get_by_role("link", name=link).click()
    row = page.get_by_role("row", name=re.compile(made.reference))
    expect(row).to_contain_text(state)
    expect(row).to_contain_text(amount)
    with page.expect_download() as file:
        row.get_by_role("link", name=f"{made.reference} CSV").click()
    assert file.value.suggested_filename == f"{made.reference}.csv"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "scrolls sideways"
    assert accessible(page) == []
