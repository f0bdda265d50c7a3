"""A real browser (Debian's chromium) in front of the real service on a real port."""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from service import staff
from service.audit import Actor, ActorKind
from service.services import EXTENSION
from service.staff import Grant, Role

EMAIL, PASSWORD = "mai@example.org", "correct horse battery"


@pytest.fixture
def live(app) -> Iterator[str]:
    """The service's address; a member of staff can sign in."""
    services = app.extensions[EXTENSION]
    with services.database.begin() as tx:
        staff.add(
            tx,
            email=EMAIL,
            display_name="Mai",
            password=PASSWORD,
            grants=(Grant(Role.AUDITOR),),
            by=Actor(ActorKind.COMMAND, "test"),
            now=services.clock.now(),
        )
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window. No sandbox: inside a container it has no namespaces to build one from."""
    program = shutil.which("chromium")
    assert program, "make e2e installs chromium, or says that it cannot"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield opened
        opened.close()


@dataclass
class Watched:
    """A page, what it complained about, and where it went."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)


@pytest.fixture
def open_page(browser, live):
    """Open pages in a language; afterwards nothing may have been complained about or fetched from elsewhere."""
    opened = []

    def open_page(language="vi-VN", width=1280):
        context = browser.new_context(
            locale=language, viewport={"width": width, "height": 900}, base_url=live
        )
        watched = Watched(context.new_page())
        watched.page.on("console", lambda said: said.type == "error" and watched.complaints.append(said.text))
        watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        watched.page.on("request", lambda request: watched.addresses.append(request.url))
        opened.append((context, watched))
        return watched.page

    yield open_page
    for context, watched in opened:
        context.close()
        outside = [url for url in watched.addresses if not url.startswith((live, "data:", "blob:"))]
        assert not outside, "nothing is loaded from elsewhere"
        # A refused sign-in is a 401, which the browser mentions; everything else would be ours.
        assert not [text for text in watched.complaints if "401" not in text], watched.complaints
