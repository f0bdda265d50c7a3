"""The devices' pages in a browser: empty, a list with alarms, and a device suspended from its page."""

from dataclasses import replace

import pytest
from playwright.sync_api import expect

from access import health
from service import staff
from service.audit import Actor, ActorKind
from service.services import EXTENSION
from service.staff import Grant, Role
from tests.access.rules.test_alarm import WELL
from tests.e2e.test_day import accessible
from tests.simulation import World

EMAIL, PASSWORD = "duc@example.org", "correct horse battery"


def sign_in(page):
    page.goto("/devices")
    page.locator("#email").fill(EMAIL)
    page.locator("#password").fill(PASSWORD)
    page.locator("form button").click()


@pytest.fixture
def administrator(app):
    running = app.extensions[EXTENSION]
    with running.database.begin() as tx:
        staff.add(
            tx,
            email=EMAIL,
            display_name="Đức",
            password=PASSWORD,
            grants=(Grant(Role.ADMINISTRATOR),),
            by=Actor(ActorKind.COMMAND, "test"),
            now=running.clock.now(),
        )


@pytest.fixture
def readers(app, keyring, now):
    """Two readers: one well, one with a full disk and many unsent records."""
    with app.extensions[EXTENSION].database.begin() as tx:
        world = World(tx, keyring, now)
        for name, ill in (("bus-01", {}), ("bus-02", {"unsent": 12_345, "disk_mb": 3})):
            reader = world.reader(name)
            word = replace(
                WELL, received_at=now, said_at=now, journal_id=None, sequence=0, bundle_made_at=now,
                tariff_version="", key_id=reader.key.public.key_id,
            )  # fmt: skip
            health.hear(tx, reader.device_id, replace(word, **ill), now=now)


def test_no_devices_yet_is_explained_in_both_languages(open_page, administrator):
    page = open_page()
    sign_in(page)
    expect(page.get_by_text("Chưa có thiết bị nào ghi danh.")).to_be_visible()
    page.get_by_role("link", name="English").click()
    expect(page.get_by_text("No device has enrolled yet.")).to_be_visible()
    assert accessible(page) == []


@pytest.mark.parametrize(
    ("language", "alarm", "link"),
    [("vi-VN", "Nhiều bản ghi chưa gửi", "Thiết bị"), ("en-GB", "Many records unsent", "Devices")],
)
@pytest.mark.parametrize("width", [1280, 390])
def test_the_list_shows_what_needs_a_person(open_page, administrator, readers, language, alarm, link, width):
    page = open_page(language, width)
    sign_in(page)
    expect(page.get_by_role("link", name=link, exact=True)).to_have_attribute("aria-current", "page")
    row = page.get_by_role("row").nth(1)
    expect(row).to_contain_text("bus-02")
    expect(row).to_contain_text(alarm)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "scrolls sideways"
    assert accessible(page) == []


@pytest.mark.parametrize("width", [1280, 390])
def test_a_device_is_suspended_only_when_a_person_says_why_and_means_it(
    open_page, administrator, readers, width
):
    page = open_page("en-GB", width)
    sign_in(page)
    page.get_by_role("link", name="bus-01").click()
    assert accessible(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "scrolls sideways"
    page.get_by_role("radio", name="Suspend").check()
    page.get_by_label("Why").fill("the door was forced")
    page.get_by_role("button", name="Decide").click()
    # The browser holds it back: the box is not ticked.
    expect(page.get_by_text("At work")).to_be_visible()
    page.get_by_label("I mean bus-01").check()
    page.get_by_role("button", name="Decide").click()
    expect(page.get_by_role("status")).to_have_text("Done.")
    expect(page.get_by_role("heading", name="bus-01")).to_contain_text("Suspended")
    expect(page.get_by_role("row", name="Đức: the door was forced")).to_be_visible()
    expect(page.get_by_role("radio", name="Reinstate")).to_be_visible()
    assert accessible(page) == []
