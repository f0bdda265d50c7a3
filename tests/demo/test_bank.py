"""The demo's bank, as a process: it reads our QR with its own eyes and notifies a real service over HTTP."""

import ast
import json
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from access import issue
from demo import bank_wire
from kernel.ids import FareAccountId
from kernel.money import VND, Money
from kernel.wire.cardinfo import Concession
from ledger import accounts, notify, suspense, topup
from ledger.rails import vietqr
from ledger.rails.fold import find_references
from ledger.rules import chart
from ledger.rules.intent import IntentId
from service.jobs.topups import merchant_of
from service.services import EXTENSION

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "file", ["demo/bank.py", "demo/bank_wire.py", "demo/bank_files.py", "demo/bank_statements.py"]
)
def test_bank_imports_no_house(file):
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    foreign = [name for name in names if name.split(".")[0] not in sys.stdlib_module_names]
    assert set(foreign) <= {"demo.bank_wire", "demo.bank_files", "demo.bank_statements"}


class Silent(WSGIRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def served(app):
    """The application behind a real socket."""
    with make_server("127.0.0.1", 0, app, handler_class=Silent) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class BankClient:
    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, path: str, body: object = None) -> dict:
        raw = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data=raw), timeout=30) as answer:
            return json.load(answer)


@contextmanager
def running_bank(tmp_path, notify_url, *extra):
    secret = tmp_path / "key"
    secret.write_text("provider\n")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "demo.bank",
            "--port",
            "0",
            "--notify-url",
            notify_url,
            "--secret-file",
            str(secret),
            *list(extra),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found
        yield BankClient(found[0])
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


@pytest.fixture
def bank(app, tmp_path, now):
    with (
        served(app) as url,
        running_bank(
            tmp_path, f"{url}/v1/notifications/payos", "--clock", f"fixed:{now.isoformat()}"
        ) as client,
    ):
        yield client


class Rider:
    def __init__(self, running, keyring, now) -> None:
        self.running, self.now = running, now
        with running.database.begin() as tx:
            self.account: FareAccountId = issue.issue_card(
                tx,
                keyring=keyring,
                uid=uuid4().bytes[:7],
                concession=Concession.NORMAL,
                expiry=date(2030, 1, 1),
                now=now,
            ).fare_account_id

    def ask(self, minor: int):
        with self.running.database.begin() as tx:
            return topup.create_intent(
                tx,
                topup.Asked(
                    intent_id=IntentId(uuid4()),
                    fare_account_id=self.account,
                    amount=Money(minor, VND),
                    provider="payos",
                ),
                merchant=merchant_of(self.running.settings),
                lifetime=timedelta(minutes=60),
                now=self.now,
            ).intent

    def minor(self, spec) -> int:
        with self.running.database.begin() as tx:
            accounts.open_accounts(tx, (spec,), self.now)
            return accounts.read_balances(tx, (spec.account_id,), self.now)[spec.account_id].posted.minor

    @property
    def loaded(self) -> int:
        return self.minor(chart.rider_stored_value(self.account))


@pytest.fixture
def rider(app, keyring, now):
    return Rider(app.extensions[EXTENSION], keyring, now)


def test_five_shuffled_notifications_with_wrong_payments_among_them(bank, rider, now):
    right, under, over = rider.ask(50_000), rider.ask(30_000), rider.ask(20_000)
    bank.call(
        "/pay",
        {
            "payments": [
                {"qr": right.qr},
                {"qr": under.qr, "amount": 29_000},
                {"qr": over.qr, "amount": 25_000},
                {"amount": 7_000, "description": "tra tien an trua"},
            ],
            "times": 5,
            "shuffle": True,
            "seed": 7,
        },
    )
    assert bank.call("/flush", {"timeout_s": 20}) == {"sent": True}
    statuses = [one["status"] for one in bank.call("/deliveries")["deliveries"]]
    assert statuses == [200] * 20
    assert rider.loaded == 50_000
    with rider.running.database.read() as tx:
        queue = suspense.list_suspense(tx, now=now)
        assert notify.list_due(tx) == ()
    assert sorted((row.reason, row.amount.minor) for row in queue) == [
        ("overpaid", 25_000),
        ("underpaid", 29_000),
        ("unknown", 7_000),
    ]
    # Three sides agree: what the bank was paid is what the books say the provider holds.
    paid = sum(movement["amount"] for movement in bank.call("/statement")["movements"])
    assert paid == rider.minor(chart.provider_clearing("payos")) == 111_000


def test_faults_on_demand(bank, rider, now):
    folded, forged, missing, contradicted = (rider.ask(10_000) for _ in range(4))
    bank.call("/pay", {"qr": folded.qr, "fold": True, "order_code": None})
    bank.call("/pay", {"qr": forged.qr, "forge": True})
    bank.call("/pay", {"qr": missing.qr, "notify": False})
    bank.call("/pay", {"qr": contradicted.qr, "contradict": 90_000})
    late = rider.ask(10_000)
    bank.call("/pay", {"qr": late.qr, "paid_at": "2026-11-18T10:00:00+07:00"})
    bank.call("/flush", {})
    assert sorted(one["status"] for one in bank.call("/deliveries")["deliveries"]) == [
        200,
        200,
        200,
        200,
        401,
    ]
    assert rider.loaded == 20_000
    with rider.running.database.read() as tx:
        assert {row.reason for row in suspense.list_suspense(tx, now=now)} == {"contradiction", "late"}
    statement = bank.call("/statement")
    assert statement["closing"] == statement["opening"] + 50_000
    assert [movement["balance"] for movement in statement["movements"]] == [
        10_000,
        20_000,
        30_000,
        40_000,
        50_000,
    ]


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"amount": 0},
        {"amount": "5"},
        {"qr": "hello"},
        {"qr": vietqr.write(vietqr.VietQr(bin="970436", account="1", amount=Money(5, VND)))},
        {"payments": []},
        # NAPAS §6.1.1 as printed: the checksum is right over a broken nested length
        {
            "qr": "00020101021138570010A00000072701270006970403011200110123456780208QRIBFTTA53037045802VN6304F4E5",
            "amount": 5,
        },
    ],
)
def test_bank_refuses(bank, order):
    with pytest.raises(urllib.error.HTTPError) as refused:
        bank.call("/pay", order)
    refused.value.close()
    assert refused.value.code == 422
    assert bank.call("/statement")["movements"] == []


def test_bank_tries_again_when_nobody_answers(tmp_path, app, rider):
    intent = rider.ask(50_000)
    with make_server("127.0.0.1", 0, None, handler_class=Silent) as holder:
        port = holder.server_port
    extra = ("--clock", f"fixed:{rider.now.isoformat()}")
    with running_bank(tmp_path, f"http://127.0.0.1:{port}/v1/notifications/payos", *extra) as bank:
        bank.call("/pay", {"qr": intent.qr})
        with pytest.raises(urllib.error.HTTPError) as not_yet:
            bank.call("/flush", {"timeout_s": 0.3})
        not_yet.value.close()
        with make_server("127.0.0.1", port, app, handler_class=Silent) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            assert bank.call("/flush", {"timeout_s": 20}) == {"sent": True}
            server.shutdown()
            thread.join()
        statuses = [one["status"] for one in bank.call("/deliveries")["deliveries"]]
    assert statuses[0] == 0
    assert statuses[-1] == 200
    assert rider.loaded == 50_000


def test_both_read_the_same_qr():
    qr = vietqr.VietQr(
        bin="970436",
        account="0011001234567",
        amount=Money(50_000, VND),
        bill="7",
        reference="LT1",
        purpose="nạp thẻ",
    )
    seen = bank_wire.scan(vietqr.write(qr))
    assert seen == {
        "bin": "970436",
        "account": "0011001234567",
        "amount": 50_000,
        "bill": "7",
        "reference": "LT1",
        "purpose": "nap the",
    }


def test_our_reference_survives_the_bank(rider):
    intent = rider.ask(50_000)
    words = bank_wire.scan(intent.qr)["purpose"]
    assert find_references(bank_wire.as_banks_write(words, "000017")) == (intent.reference,)


def test_clock_texts():
    at = "2026-11-18T04:30:00+07:00"
    assert bank_wire.world_time(f"fixed:{at}").isoformat() == at
    assert bank_wire.world_time(f"scaled;{at};0;1").year > 2070
    assert bank_wire.world_time("system").tzinfo is not None
