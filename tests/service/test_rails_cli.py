"""`lienthong qr`, `webhook` and `topup`: from the command line alone."""

import hashlib
import hmac
import json
from datetime import date

import pytest
from click.testing import CliRunner

from access import issue
from access.keyring import Keyring
from kernel.wire.cardinfo import Concession
from service import cli
from service.commands import context
from service.database import Database
from service.jobs import topups

QR = "00020101021138570010A00000072701270006970403011300110123456780208QRIBFTTA53037045802VN63049E6F"
KEY = "1a54716c8f0efb2744fb28b6e38b25da7f67a925d98bc1c18bd8faaecadd7675"


def lienthong(*arguments, **options):
    result = CliRunner().invoke(cli.main, list(arguments), **options)
    return result.exit_code, result.output if result.exit_code else result.stdout


@pytest.fixture(autouse=True)
def fresh_settings(monkeypatch):
    monkeypatch.delenv("LIENTHONG_DATABASE_URL", raising=False)
    context.settings.cache_clear()
    yield
    context.settings.cache_clear()


def test_qr_read_names_the_bank():
    code, output = lienthong("qr", "read", QR)
    assert code == 0
    assert "970403 Sacombank" in output
    assert "0011012345678" in output


def test_qr_read_json_from_standard_input():
    code, output = lienthong("qr", "read", "-", "--json", input=QR + "\n")
    found = json.loads(output)
    assert (code, found["account"], found["amount"], found["bank"]["short_name"]) == (
        0,
        "0011012345678",
        None,
        "Sacombank",
    )
    assert [warned["code"] for warned in found["warnings"]] == ["white-space"]


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (QR[:-1] + "0", "checksum"),
        # NAPAS §6.1.1 as printed: a right checksum over a broken nested length
        (
            "00020101021138570010A00000072701270006970403011200110123456780208QRIBFTTA53037045802VN6304F4E5",
            "38-01",
        ),
    ],
)
def test_qr_read_refuses_in_one_line(payload, why):
    code, output = lienthong("qr", "read", payload)
    assert code == 1
    assert why in output
    assert output.count("\n") == 1


def test_qr_write_and_draw(tmp_path):
    drawing = tmp_path / "qr.svg"
    wanted = ("--bin", "970403", "--account", "0011012345678")
    assert lienthong("qr", "write", *wanted, "--svg", str(drawing)) == (0, QR + "\n")
    assert drawing.read_text().startswith("<?xml")
    code, output = lienthong("qr", "write", *wanted, "--amount", "500000000")
    assert (code, "below 500,000,000 VND" in output) == (1, True)


def test_qr_banks():
    code, output = lienthong("qr", "banks", "ngoại", "thương")
    assert (code, output.split()[0]) == (0, "970436")
    assert lienthong("qr", "banks", "nowhere")[0] == 1


@pytest.fixture
def files(tmp_path):
    fields = {
        "orderCode": 123,
        "amount": 3000,
        "description": "VQRIO123",
        "accountNumber": "12345678",
        "reference": "TF230204212323",
        "transactionDateTime": "2023-02-04 18:25:00",
        "currency": "VND",
        "paymentLinkId": "124c33293c43417ab7879e14c8d9eb18",
        "code": "00",
        "desc": "Thành công",
    } | dict.fromkeys(
        (
            "counterAccountBankId",
            "counterAccountBankName",
            "counterAccountName",
            "counterAccountNumber",
            "virtualAccountName",
            "virtualAccountNumber",
        ),
        "",
    )
    # The published signature of the published sample.
    signature = "412e915d2871504ed31be63c8f62a149a4410d34c4c42affc9006ef9917eaa03"
    body, key = tmp_path / "body.json", tmp_path / "key"
    body.write_text(json.dumps({"data": fields, "signature": signature}))
    key.write_text(KEY + "\n")
    return body, key


def test_webhook_verify_accepts_the_published_sample(files):
    body, key = files
    code, output = lienthong("webhook", "verify", str(body), "--secret-file", str(key))
    assert (code, output.splitlines()[0]) == (0, "genuine: signed by payos")
    code, output = lienthong("webhook", "verify", str(body), "--secret-file", str(key), "--json")
    assert json.loads(output)["amount"] == {"minor": 3000, "currency": "VND"}


def test_webhook_verify_takes_a_key_of_any_bytes(files):
    body, key = files
    key.write_bytes(b"\xc0\xff\n")
    code, output = lienthong("webhook", "verify", str(body), "--secret-file", str(key))
    assert (code, "does not match" in output) == (1, True)


def test_webhook_verify_refuses_a_changed_body_and_an_empty_key(files, tmp_path):
    body, key = files
    body.write_text(body.read_text().replace("3000", "3001"))
    code, output = lienthong("webhook", "verify", str(body), "--secret-file", str(key))
    assert (code, "does not match" in output) == (1, True)
    key.write_text("\n")
    assert lienthong("webhook", "verify", str(body), "--secret-file", str(key))[0] == 1


@pytest.mark.parametrize(
    ("at", "code"), [("2024-10-03T16:37:40+07:00", 0), ("2024-10-03T16:50:00+07:00", 1), ("noon", 2)]
)
def test_webhook_verify_casso_has_a_replay_window(tmp_path, at, code):
    body, key = tmp_path / "body.json", tmp_path / "key"
    told = {
        "data": {"id": 1, "amount": 5, "accountNumber": "1", "transactionDateTime": "2024-10-03 15:06:37"}
    }
    body.write_text(json.dumps(told))
    key.write_text("k")
    line = "1727948258788." + json.dumps(told, sort_keys=True, separators=(",", ":"))
    header = (
        f"X-Casso-Signature: t=1727948258788,v1={hmac.new(b'k', line.encode(), hashlib.sha512).hexdigest()}"
    )
    options = ("--provider", "casso", "--secret-file", str(key), "--header", header, "--at", at)
    assert lienthong("webhook", "verify", str(body), *options)[0] == code


def test_topup_from_ask_to_credit(database, monkeypatch, now):
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", database.url)
    monkeypatch.setenv("LIENTHONG_CLOCK", f"fixed:{now.isoformat()}")
    context.settings.cache_clear()
    with database.engine.begin() as tx:
        card = issue.issue_card(
            tx,
            keyring=Keyring.ephemeral(),
            uid=b"\x04abcdef",
            concession=Concession.NORMAL,
            expiry=date(2030, 1, 1),
            now=now,
        )
    code, output = lienthong("topup", "ask", str(card.serial), "50000", "--json")
    asked = json.loads(output)
    assert (code, asked["state"], asked["amount"]["minor"]) == (0, "open", 50_000)
    again = lienthong("topup", "ask", str(card.serial), "50000", "--json", "--id", asked["topup_id"])
    assert again == (0, output)
    assert lienthong("topup", "ask", str(card.serial), "50001", "--id", asked["topup_id"])[0] == 1
    store(database, now, asked["qr"], 50_000, "FT1")
    store(database, now, asked["qr"], 49_000, "FT2")
    code, output = lienthong("topup", "sweep")
    assert (code, output.splitlines()[-1]) == (0, "2 notifications applied, 0 intents expired")
    assert "credited, reference LT" in lienthong("topup", "show", asked["topup_id"])[1]
    (waiting,) = json.loads(lienthong("topup", "suspense", "--json")[1])
    assert (waiting["reason"], waiting["amount"]["minor"], waiting["topup_id"]) == (
        "underpaid",
        49_000,
        asked["topup_id"],
    )
    assert "underpaid" in lienthong("topup", "suspense")[1]


def store(database, now, qr: str, minor: int, reference: str) -> None:
    """A verified notification that nobody has applied yet."""
    from ledger import notify
    from ledger.rails import vietqr

    told = {
        "orderCode": int(vietqr.read(qr).qr.bill),
        "amount": minor,
        "accountNumber": "0011001234567",
        "reference": reference,
        "transactionDateTime": now.isoformat(),
    }
    with database.engine.begin() as tx:
        notify.store_notification(tx, "payos", json.dumps({"data": told}).encode(), now)


def test_sweep_repeats_without_effect(database, monkeypatch):
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", database.url)
    context.settings.cache_clear()
    assert lienthong("topup", "sweep") == (0, "0 notifications applied, 0 intents expired\n")
    opened = Database(database.url, pool_size=1)
    assert topups.sweep(opened, settings=context.settings(), clock=context.clock(), shelf=context.shelf) == ()
    opened.dispose()
