"""The pages of rate proposals in a browser: nothing proposed, and a dearer price read and approved."""

from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from parking.apds.editions import ElementKind
from parking.proposals import Action, Asked
from parking.propose_rates import propose
from parking.publish_rates import publish_rates
from parking.rate_dir import HANOI, read_rate_dir
from service import staff
from service.audit import Actor, ActorKind
from service.services import EXTENSION
from service.staff import Grant, Role
from tests.e2e.test_day import accessible
from tests.parking.conftest import TWO

EMAIL, PASSWORD = "tuan@example.org", "correct horse battery"
LINES = [
    {"rateLineType": "incrementingRate", "sequence": number, "durationStart": f"PT{2 * number - 2}H",
     "incrementPeriod": "PT1H", "value": value, **({"durationEnd": f"PT{2 * number}H"} if number < 3 else {})}
    for number, value in enumerate((26_000, 35_000, 45_000), 1)
]  # fmt: skip


def sign_in(page):
    page.goto("/rate-proposals")
    page.locator("#email").fill(EMAIL)
    page.locator("#password").fill(PASSWORD)
    page.locator("form button").click()


@pytest.fixture
def checker(app):
    running = app.extensions[EXTENSION]
    with running.database.begin() as tx:
        staff.add(
            tx,
            email=EMAIL,
            display_name="Tuấn",
            password=PASSWORD,
            grants=(Grant(Role.FINANCE_CHECKER),),
            by=Actor(ActorKind.COMMAND, "test"),
            now=running.clock.now(),
        )


@pytest.fixture
def proposed(app):
    """A dearer first price of Đống Đa's car parks."""
    running = app.extensions[EXTENSION]
    at = datetime(2020, 1, 1, tzinfo=UTC)
    asked = Asked(
        action=Action.UPDATE,
        kind=ElementKind.RATE_TABLE,
        element_id="dong-da-car",
        version=1,
        attributes={"rateLineCollections": [{"applicableCurrency": "VND", "rateLines": LINES}]},
    )
    with running.database.begin() as tx:
        publish_rates(tx, read_rate_dir(HANOI), effective_at=at, **TWO, now=at)
        propose(tx, asked, by="credential:erp", now=running.clock.now(), allow=lambda operators: None)


def test_nothing_proposed_is_explained_in_both_languages(open_page, checker):
    page = open_page()
    sign_in(page)
    expect(page.get_by_text("Chưa có đề xuất nào.")).to_be_visible()
    page.get_by_role("link", name="English").click()
    expect(page.get_by_text("Nothing was proposed yet.")).to_be_visible()
    assert accessible(page) == []


@pytest.mark.parametrize(
    ("language", "link", "name", "amount"),
    [
        ("vi-VN", "Đề xuất giá", "Bảng giá dong-da-car", "26.000\u00a0VND"),
        ("en-GB", "Rate proposals", "Rate table dong-da-car", "26,000\u00a0VND"),
    ],
)
@pytest.mark.parametrize("width", [1280, 390])
def test_a_dearer_price_is_read_as_a_notice(
    open_page, checker, proposed, language, link, name, amount, width
):
    page = open_page(language, width)
    sign_in(page)
    expect(page.get_by_role("link", name=link, exact=True)).to_have_attribute("aria-current", "page")
    assert accessible(page) == []
    page.get_by_role("link", name=name).click()
    expect(page.get_by_role("row").filter(has_text=amount)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "scrolls sideways"
    assert accessible(page) == []


def test_it_is_approved_only_when_a_person_says_why_and_means_it(open_page, checker, proposed):
    page = open_page("en-GB")
    sign_in(page)
    page.get_by_role("link", name="Rate table dong-da-car").click()
    page.get_by_role("radio", name="Approve").check()
    page.get_by_label("Why").fill("decision 7/2026")
    page.get_by_role("button", name="Answer").click()
    # The browser holds it back: the box is not ticked.
    expect(page.get_by_role("heading", name="dong-da-car")).to_contain_text("Waits for an answer")
    page.get_by_label("I mean Rate table dong-da-car").check()
    page.get_by_role("button", name="Answer").click()
    expect(page.get_by_role("status")).to_have_text("Done.")
    expect(page.get_by_role("heading", name="dong-da-car")).to_contain_text("Published")
    expect(page.get_by_role("row", name="decision 7/2026")).to_contain_text("Tuấn")
    assert accessible(page) == []
