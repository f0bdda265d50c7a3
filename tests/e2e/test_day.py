"""The first page: signing in, the empty day, a day that was played, in Vietnamese and English."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.e2e.conftest import EMAIL, PASSWORD
from tests.played import play_a_day


def sign_in(page, password=PASSWORD):
    page.goto("/")
    page.locator("#email").fill(EMAIL)
    page.locator("#password").fill(password)
    page.locator("form button").click()


def accessible(page):
    """No violation of WCAG A or AA that axe can see."""
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    return [
        (one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found.response["violations"]
    ]


@pytest.fixture
def played(app, keyring, now):
    """How many taps were stored on a day that was played and settled."""
    return play_a_day(app, keyring, now)


def test_sign_in_when_wrong_says_so_in_vietnamese(open_page):
    page = open_page()
    sign_in(page, "wrong password")
    expect(page.get_by_role("alert")).to_have_text("Sai e-mail hoặc mật khẩu.")
    assert accessible(page) == []


def test_day_without_taps_explains_itself_in_both_languages(open_page):
    page = open_page()
    sign_in(page)
    expect(page.get_by_text("Không có ghi nhận nào trong ngày này.")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "vi"
    page.get_by_role("link", name="English").click()
    expect(page.get_by_text("Nothing was recorded on this day.")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "en"
    # The choice is remembered without standing in the address.
    page.goto("/")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("vi-VN", ("Lượt chạm thẻ", "Quyết toán", "Đã niêm phong và ký", "20.000\u00a0VND")),
        ("en-GB", ("Taps", "Settlement", "Sealed and signed", "20,000\u00a0VND")),
    ],
)
@pytest.mark.parametrize("width", [1280, 390])
def test_day_that_was_played_shows_taps_fares_settlement_and_proof(open_page, played, language, words, width):
    page = open_page(language, width)
    sign_in(page)
    taps, settlement, sealed, amount = words
    row = (
        page.get_by_role("heading", name=taps, exact=True)
        .locator("xpath=..")
        .get_by_role("row", name="transerco")
    )
    expect(row.get_by_role("cell").first).to_have_text(str(played))
    settled = page.get_by_role("heading", name=settlement, exact=True).locator("xpath=..")
    expect(settled.get_by_role("row", name=re.compile("transerco"))).to_contain_text(amount)
    expect(page.get_by_text(sealed)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "scrolls sideways"
    assert accessible(page) == []


def test_sign_out_closes_the_door(open_page):
    page = open_page("en-GB")
    sign_in(page)
    page.get_by_role("button", name="Sign out").click()
    page.goto("/")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_docs_show_the_api(open_page):
    page = open_page("en-GB")
    page.goto("/docs")
    # The whole description is read first, which takes a slow machine its time; then a route at a time is shown.
    page.locator("rapi-doc").locator("[id='link-post-/v1/taps']").click(timeout=60_000)
    expect(page.locator("rapi-doc").get_by_text("chained_up_to").first).to_be_visible(timeout=30_000)
