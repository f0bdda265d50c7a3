"""Receipts: signed JSON that anybody can check, the same on paper, one's own only, with the e-invoice's number."""

import json
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner

from kernel.crypto.ed25519 import VerifyKey
from kernel.money import VND, Money
from ledger import invoice
from ledger.rules.invoice import Draft, Series, TaxRate
from parking.proof import check_proof
from parking.rate_dir import HANOI, load_rate_dir
from service import receipts
from service.cli import main
from service.staff import Role
from tests.parking.apds_bodies import problem
from tests.parking.test_settled import begun_and_left
from tests.service.sellers import Shop
from tests.service.test_topups_api import notice


@pytest.fixture
def ended(client, begin, bearer, now):
    """A guest's stay of half an hour that has ended, unpaid: (headers, its receipt's address)."""
    head = bearer()
    return head, f"/v1/parking/sessions/{begun_and_left(client, head, now)}/receipt"


def keys(client):
    return [
        VerifyKey(bytes.fromhex(each["ed25519"])) for each in client.get("/v1/receipts/keys").json["keys"]
    ]


def test_a_receipt_is_signed_and_proves_its_price(client, ended):
    head, url = ended
    document = client.get(url, headers=head).json
    assert receipts.verify(document, keys(client))
    receipt = document["receipt"]
    assert (receipt["total"]["minor"], receipt["place"]["name"]) == (25_000, "Bãi xe Đống Đa 01")
    assert check_proof(receipt["proof"], load_rate_dir(HANOI)) == ()
    assert client.get(url, headers=head).data == client.get(url, headers=head).data, "byte for byte the same"


@pytest.mark.parametrize(
    "alter",
    [
        lambda receipt: receipt["total"].update(minor=1),
        lambda receipt: receipt.update(left_at=None),
        lambda receipt: receipt.pop("operator_id"),
        lambda receipt: receipt.update(more="x"),
    ],
)
def test_an_altered_receipt_does_not_hold(client, ended, alter):
    head, url = ended
    document = client.get(url, headers=head).json
    alter(document["receipt"])
    assert not receipts.verify(document, keys(client))


def test_it_is_checked_offline_by_command(client, ended, tmp_path):
    head, url = ended
    file = tmp_path / "receipt.json"
    file.write_bytes(client.get(url, headers=head).data)
    key = client.get("/v1/receipts/keys").json["keys"][-1]["ed25519"]
    asked = ["receipt", "verify", str(file), "--key"]
    assert CliRunner().invoke(main, [*asked, key]).output == "holds: signed as it stands\n"
    assert CliRunner().invoke(main, [*asked, "00" * 32]).exit_code == 1
    assert CliRunner().invoke(main, [*asked, "zz"]).exit_code == 2
    file.write_text("{}")
    assert "no signed receipt" in CliRunner().invoke(main, [*asked, key]).output


def test_on_paper_it_is_the_same_bytes_for_the_same_receipt(client, ended):
    head, url = ended
    one, two = (client.get(url, headers=head, query_string={"format": "pdf"}) for _ in range(2))
    assert one.mimetype == "application/pdf"
    assert one.data.startswith(b"%PDF-")
    assert one.data == two.data
    assert problem(client.get(url, headers=head, query_string={"format": "doc"})) == (
        422,
        "malformed-request",
    )


def test_a_running_stay_has_no_receipt_and_another_operators_is_refused(client, begin, bearer, ended, now):
    _, url = ended
    assert problem(client.get(url, headers=bearer("elsewhere"))) == (403, "other-operator")
    assert client.get(url, headers=bearer("", Role.AUDITOR)).status_code == 200
    body = {
        "event_id": str(uuid4()), "place_id": "dong-da-01", "vehicle_class": "car_le9",
        "medium": {"kind": "plate", "value": "30A-999.99"},
        "entered_at": (now - timedelta(minutes=5)).isoformat(),
    }  # fmt: skip
    head = bearer()
    running = client.post("/v1/parking/sessions", headers=head, json=body).json["session_id"]
    assert problem(client.get(f"/v1/parking/sessions/{running}/receipt", headers=head)) == (409, "not-ended")
    assert problem(client.get(f"/v1/parking/sessions/{uuid4()}/receipt", headers=head)) == (
        404,
        "unknown-session",
    )


def test_the_e_invoice_is_on_the_receipt(client, begin, ended, now):
    head, url = ended
    session_id = url.split("/")[-2]
    series = Series(
        operator_id="dongda-parking", symbol="C26TDD", house="parking", template=1, tax_rate=TaxRate.EIGHT,
        seller_name="Bãi xe Đống Đa", seller_tax_code="0100000000", seller_address="Hà Nội",
    )  # fmt: skip
    draft = Draft(
        operator_id="dongda-parking", house="parking", subject_id=UUID(session_id), happened_at=now,
        total=Money(25_000, VND), title="Gửi xe", plate=None, facts={},
    )  # fmt: skip
    with begin() as tx:
        invoice.open_series(tx, series, by="mai", now=now)
        invoice.bring(tx, [draft], now)
    receipt = client.get(url, headers=head).json["receipt"]
    assert [each["number"] for each in receipt["invoices"]] == ["C26TDD-00000001"]


@pytest.fixture
def shop(app, client) -> Shop:
    made = Shop(app.extensions["lienthong"], client)
    made.publish()
    return made


def test_a_rider_fetches_own_receipts_only(client, begin, shop):
    mine, other = shop.card(100_000), shop.card(100_000)
    start = {
        "event_id": str(uuid4()), "place_id": "dong-da-01", "vehicle_class": "car_le9", "plate": "30A-123.45",
    }  # fmt: skip
    base = f"/v1/riders/{mine.fare_account_id}/parking"
    head = shop.rider(mine)
    session = client.post(base, headers=head, json=start).json["session_id"]
    client.post(f"{base}/{session}/stop", headers=head, json={"event_id": str(uuid4())})
    document = client.get(f"{base}/{session}/receipt", headers=head).json
    assert receipts.verify(document, keys(client))
    assert document["receipt"]["paid_from"] == "account"
    theirs = f"/v1/riders/{other.fare_account_id}/parking/{session}/receipt"
    assert problem(client.get(theirs, headers=shop.rider(other))) == (404, "unknown-session")
    assert problem(client.get(theirs, headers=head)) == (403, "not-yours")


def test_a_top_up_has_a_receipt_once_it_is_credited(client, begin, shop):
    mine, other = shop.card(0), shop.card(0)
    head = shop.rider(mine)
    asked = client.post(
        "/v1/topups",
        headers=head,
        json={
            "topup_id": str(uuid4()), "fare_account_id": str(mine.fare_account_id),
            "amount": {"minor": 50_000, "currency": "VND"},
        },
    ).json  # fmt: skip
    url = f"/v1/topups/{asked['topup_id']}/receipt"
    assert problem(client.get(url, headers=head)) == (409, "not-paid")
    assert client.post("/v1/notifications/payos", data=notice(asked, 50_000)).status_code == 200
    document = client.get(url, headers=head).json
    assert receipts.verify(document, keys(client))
    assert document["receipt"]["received"]["minor"] == 50_000
    assert client.get(url, headers=head, query_string={"format": "pdf"}).data.startswith(b"%PDF-")
    assert problem(client.get(url, headers=shop.rider(other))) == (403, "not-yours")
    assert json.loads(receipts.canonical({"b": 1, "a": "đ"})) == {"a": "đ", "b": 1}
