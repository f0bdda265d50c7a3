"""Mandates over HTTP and by command: given, charged, handed over, failed and told, taken back."""

import json
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from kernel.money import VND, Money
from service.couriers import FileCourier, UndeliveredError
from service.jobs import mandates as job
from service.jobs import notices
from service.services import EXTENSION
from tests.service.test_selling_cli import run, shop

pytestmark = pytest.mark.usefixtures("described")

__all__ = ["run", "shop"]


def amount(minor: int) -> dict[str, object]:
    return {"minor": minor, "currency": "VND"}


@pytest.fixture
def running(app):
    return app.extensions[EXTENSION]


def given(client, card, rider, **change) -> tuple[str, object]:
    body = {
        "mandate_id": str(uuid4()), "token": "so-1", "below": amount(20_000), "amount": amount(100_000),
        "a_month": amount(500_000),
    }  # fmt: skip
    answer = client.post(f"/v1/accounts/{card.fare_account_id}/mandates", json=body | change, headers=rider)
    return body["mandate_id"], answer


def test_from_giving_to_a_charge_in_the_providers_file(client, running, shop, tmp_path: Path) -> None:
    card = shop.card()
    rider = shop.rider(card)
    mandate_id, first = given(client, card, rider)
    assert (first.status_code, first.json["state"]) == (201, "active")
    charges = tmp_path / "charges.jsonl"

    def charge(courier=None) -> job.Charged:
        return job.run(
            running.database, courier or FileCourier(charges), settings=running.settings, clock=running.clock
        )

    class Deaf:
        def deliver(self, _) -> None:
            raise UndeliveredError("nobody answers")

    assert charge(Deaf()) == job.Charged(made=1, handed=0, put_off=1)
    assert charge() == job.Charged(made=0, handed=1, put_off=0), (
        "a charge that was not taken is not made anew"
    )
    assert charge() == job.Charged(0, 0, 0)
    (line,) = charges.read_text("utf-8").splitlines()
    told = json.loads(line)
    assert (told["token"], told["amount"], told["mandate_id"]) == ("so-1", amount(100_000), mandate_id)
    assert told["reference"] in told["qr"]


def test_what_a_rider_may(client, shop) -> None:
    card = shop.card()
    rider = shop.rider(card)
    where = f"/v1/accounts/{card.fare_account_id}/mandates"
    mandate_id, _ = given(client, card, rider)
    again = {"mandate_id": mandate_id, "token": "so-1", "below": amount(20_000), "amount": amount(100_000)}
    hit = client.post(where, json=again | {"a_month": amount(500_000)}, headers=rider)
    assert (hit.status_code, hit.headers["Idempotency-Hit"]) == (200, "true")
    other = client.post(where, json=again | {"a_month": amount(500_001)}, headers=rider)
    assert (other.status_code, other.json["type"]) == (409, "/problems/id-reused")
    assert given(client, card, rider, a_month=amount(99_999))[1].status_code == 422
    assert client.get(where).status_code == 401
    assert [one["mandate_id"] for one in client.get(where, headers=rider).json["mandates"]] == [mandate_id]
    for _ in range(2):
        ended = client.post(f"{where}/{mandate_id}/revoke", headers=rider)
        assert (ended.status_code, ended.json["state"]) == (200, "revoked")
    assert client.post(f"{where}/{mandate_id}/resume", headers=rider).status_code == 409
    assert client.post(f"{where}/{uuid4()}/revoke", headers=rider).status_code == 404


def test_a_failure_is_told_once(client, running, shop, tmp_path: Path) -> None:
    card = shop.card()
    assert given(client, card, shop.rider(card))[1].status_code == 201
    clock = running.clock

    class Later:
        def now(self):
            return clock.now() + timedelta(days=1)

    courier = FileCourier(tmp_path / "charges.jsonl")
    job.run(running.database, courier, settings=running.settings, clock=clock)
    job.run(running.database, courier, settings=running.settings, clock=Later())
    limits = notices.Limits(low_balance=Money(1, VND))
    for expected in (1, 0):
        made = running.database.run(lambda tx: notices.collect(tx, limits=limits, now=Later().now()))
        assert made["mandate_failed"] == expected
    with running.database.read() as tx:
        (row,) = notices.list_notices(tx, card.fare_account_id, now=Later().now())
    assert (
        notices.document(row)["en"]["text"] == "100,000 VND could not be collected. It will be tried again."
    )


def test_by_command(run, shop, tmp_path: Path) -> None:
    card = shop.card()
    terms = ("--token", "so-1", "--below", "20000", "--amount", "100000", "--a-month", "500000")
    made = run("mandate", "give", str(card.serial), *terms)
    mandate_id = made.split()[2]
    assert "100,000 VND below 20,000 VND" in run("mandate", "list", str(card.serial))
    file = str(tmp_path / "charges.jsonl")
    assert run("mandate", "run", "--file", file) == "0 1 charges made, 1 handed over, 0 put off\n"
    assert run("mandate", "run", "--file", file) == "0 0 charges made, 0 handed over, 0 put off\n"
    assert run("mandate", "run").startswith("1 ")
    assert "revoked" in run("mandate", "revoke", str(card.serial), mandate_id)
    assert "it cannot resume" in run("mandate", "resume", str(card.serial), mandate_id)
