"""Notices: found once, told in both languages, handed over at least once under an id that never changes."""

import hashlib
import hmac
import http.server
import json
import threading
from datetime import date, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from access import deny, link
from access.deny import DenyReason
from kernel.money import VND, Money
from service.couriers import SIGNATURE, FileCourier, UndeliveredError, WebhookCourier
from service.jobs import notices as job
from service.notice_texts import NoticeKind, texts
from service.services import EXTENSION
from tests.service.sellers import Shop
from tests.service.test_passes_api import base, buy

LIMITS = job.Limits(Money(20_000, VND))


@pytest.fixture
def shop(app, client) -> Shop:
    made = Shop(app.extensions[EXTENSION], client)
    made.publish()
    return made


def collect(shop: Shop) -> dict[str, int]:
    return shop.running.database.run(lambda tx: job.collect(tx, limits=LIMITS, now=shop.now))


def told(shop: Shop, client, card) -> list[dict]:
    return client.get(f"{base(card)}/notices", headers=shop.rider(card)).json["notices"]


def stop(shop: Shop, card) -> None:
    with shop.running.database.begin() as tx:
        deny.deny(tx, (card.serial,), reason=DenyReason.DEBT, cause="bill", now=shop.now)


def fare_line(shop: Shop, card, day: date, minor: int, revision: int = 1) -> None:
    """A booked line as billing writes it."""
    with shop.running.database.begin() as tx:
        tx.execute(
            text(
                "INSERT INTO fare_bill_line (fare_account_id, service_day, revision, line_no, tap_id, component,"
                " operator_id, funder, route_id, rule, currency, delta_minor, trips_delta, book_day, entry_id)"
                " VALUES (:account, :day, :revision, 1, :tap, 'charged', 'transerco', 'rider', '26', 'r', 'VND',"
                " :minor, 1, :today, :tap)"
            ),
            {
                "account": card.fare_account_id,
                "day": day,
                "revision": revision,
                "tap": uuid4(),
                "minor": minor,
                "today": shop.now.date(),
            },
        )


def test_a_stopped_card_is_told_once(client, shop):
    card = shop.card()
    shop.running.clock.advance(timedelta(minutes=1))
    stop(shop, card)
    assert collect(shop)["denial"] == 1
    assert collect(shop)["denial"] == 0
    (one,) = told(shop, client, card)
    assert (one["kind"], one["facts"]["card"]) == ("denial", card.serial)
    assert "nạp tiền" in one["vi"]["text"]
    assert "top-up" in one["en"]["text"]


def test_what_is_told_of_a_linked_card_is_told_to_its_holder(client, shop):
    phone, card = shop.card(), shop.card()
    shop.running.clock.advance(timedelta(minutes=1))
    stop(shop, phone)
    assert collect(shop)["denial"] == 1
    assert told(shop, client, card) == []
    with shop.running.database.begin() as tx:
        link.record(
            tx, link_id=uuid4(), account=phone.fare_account_id, into=card.fare_account_id,
            effective_from=shop.now, reason="one rider", actor="desk", now=shop.now,
        )  # fmt: skip
    (one,) = told(shop, client, card)
    assert one["facts"]["card"] == phone.serial


@pytest.mark.parametrize(
    ("minor", "vi", "en"),
    [(5_000, "tính thêm 5.000 đồng", "5,000 VND more"), (-5_000, "hoàn 5.000 đồng", "given back")],
)
def test_a_late_change_of_a_past_day_is_told_and_todays_rides_are_not(client, shop, minor, vi, en):
    card = shop.card(100_000)
    today = shop.now.date()
    fare_line(shop, card, today - timedelta(days=1), minor, revision=2)
    fare_line(shop, card, today, 10_000, revision=2)
    fare_line(shop, card, today - timedelta(days=2), 10_000)  # its first bill, merely late
    assert collect(shop)["late_adjustment"] == 1
    (one,) = told(shop, client, card)
    assert vi in one["vi"]["text"]
    assert en in one["en"]["text"]


@pytest.mark.parametrize(("money", "told_of"), [(19_999, 1), (20_000, 0)])
def test_a_low_balance_is_told_once_a_day_to_who_rode(shop, money, told_of):
    rider, _idle = shop.card(money), shop.card(money)
    fare_line(shop, rider, shop.now.date(), 10_000)
    assert collect(shop)["low_balance"] == told_of
    assert collect(shop)["low_balance"] == 0


def test_a_pass_that_ends_is_told_unless_it_is_renewed_or_given_back(client, shop):
    ends, renewed, given_back = (shop.card(600_000) for _ in range(3))
    for card in (ends, renewed, given_back):
        me = shop.rider(card)
        sold = buy(client, card, me).json["pass_id"]
        if card is renewed:
            client.post(f"{base(card)}/passes/{sold}/renew", json={"pass_id": str(uuid4())}, headers=me)
        if card is given_back:
            client.post(f"{base(card)}/passes/{sold}/refund", json={}, headers=me)
    assert collect(shop)["pass_ending"] == 0
    shop.running.clock.advance(timedelta(days=28))
    assert collect(shop)["pass_ending"] == 1
    (one,) = told(shop, client, ends)
    assert one["facts"]["until"] == "04:00 18/12/2026"


class Flaky:
    """A courier that takes every second notice it is offered."""

    def __init__(self) -> None:
        self.offered: list[dict] = []

    def deliver(self, notice) -> None:
        self.offered.append(dict(notice))
        if len(self.offered) % 2:
            raise UndeliveredError("busy")


def test_what_is_not_taken_is_tried_again_with_the_same_id(shop):
    shop.running.clock.advance(timedelta(minutes=1))
    stop(shop, shop.card())
    shop.running.clock.advance(timedelta(minutes=1))
    collect(shop)
    courier = Flaky()
    now = lambda: shop.now  # noqa: E731
    assert job.deliver(shop.running.database, courier, now=now) == (0, 1)
    assert job.deliver(shop.running.database, courier, now=now) == (0, 0), "not before its time"
    shop.running.clock.advance(timedelta(minutes=1))
    assert job.deliver(shop.running.database, courier, now=now) == (1, 0)
    assert job.deliver(shop.running.database, courier, now=now) == (0, 0)
    assert courier.offered[0] == courier.offered[1]


def test_a_file_gets_one_json_line_a_notice(shop, tmp_path):
    shop.running.clock.advance(timedelta(minutes=1))
    cards = [shop.card() for _ in range(3)]
    shop.running.clock.advance(timedelta(minutes=1))
    for card in cards:
        stop(shop, card)
    collect(shop)
    out = tmp_path / "notices.jsonl"
    assert job.deliver(shop.running.database, FileCourier(out), now=lambda: shop.now) == (3, 0)
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert {line["fare_account_id"] for line in lines} == {str(card.fare_account_id) for card in cards}
    with pytest.raises(UndeliveredError):
        FileCourier(tmp_path / "no" / "such").deliver(lines[0])


@pytest.mark.parametrize("status", [204, 500])
def test_a_webhook_is_signed_and_only_2xx_counts(status):
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((body, self.headers[SIGNATURE], self.headers["Idempotency-Key"]))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        courier = WebhookCourier(f"http://127.0.0.1:{server.server_port}/", b"key")
        if status == 204:
            courier.deliver({"notice_id": "7"})
        else:
            with pytest.raises(UndeliveredError):
                courier.deliver({"notice_id": "7"})
        thread.join()
    ((body, signature, key),) = seen
    assert signature == hmac.new(b"key", body, hashlib.sha256).hexdigest()
    assert key == "7"


FACTS = {
    NoticeKind.LATE_ADJUSTMENT: {"day": "2026-11-18", "minor": -1, "currency": "VND"},
    NoticeKind.DENIAL: {"card": 7, "reason": "?"},
    NoticeKind.LOW_BALANCE: {"minor": 0, "currency": "VND"},
    NoticeKind.PARKING_ENDING: {"place": "Bãi xe 1", "until": "09:00 18/11/2026"},
    NoticeKind.PARKING_PASS_ENDING: {"product": "Vé tháng", "until": "09:00 18/11/2026"},
    NoticeKind.PASS_ENDING: {"product": "p", "scope": "", "until": "x"},
    NoticeKind.MANDATE_FAILED: {"minor": 1, "currency": "VND", "state": "paused"},
}


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_every_kind_speaks_both_languages(kind):
    made = texts(kind, FACTS[kind])
    assert made.keys() == {"vi", "en"}
    assert all(one["title"] and one["text"] and "{" not in one["text"] for one in made.values())
