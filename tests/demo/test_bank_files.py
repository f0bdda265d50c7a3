"""The bank's files over HTTP and into a folder: read by our readers, with faults on demand."""

import argparse
import io
import json
import threading
import time
import urllib.error
import urllib.request
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from demo.bank import Bank, Desk
from demo.bank_files import FORMATS
from tests.ledger.rails.files import read


@pytest.fixture
def bank(tmp_path: Path):
    """A bank with two days of payments; the address of its desk."""
    (tmp_path / "key").write_text("secret")
    bank = Bank(
        argparse.Namespace(
            secret_file=tmp_path / "key", clock="system", bin="970436", account="0011", opening=1_000,
            provider="payos", notify_url="",
        )
    )  # fmt: skip
    for day, minor in ((18, 50_000), (18, 20_000), (19, 7_000)):
        at = f"2026-11-{day}T09:00:00+07:00"
        bank.pay({"amount": minor, "description": "Nạp thẻ LT1", "paid_at": at, "notify": False})
    desk = type("BankDesk", (Desk,), {"bank": bank})
    with ThreadingHTTPServer(("127.0.0.1", 0), desk) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def get(bank: str, query: str) -> bytes:
    with urllib.request.urlopen(f"{bank}/file?{query}", timeout=10) as answer:
        return answer.read()


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_read_to_the_same_amounts(bank: str, kind: str):
    found = read(get(bank, f"format={kind}&day=2026-11-18"))
    assert (found.status, found.minors) == ("accepted", [[50_000, 20_000]])


def test_days_chain(bank: str):
    first, second = (read(get(bank, f"day=2026-11-{day}")).statements[0].end for day in (18, 19))
    assert (first.opening.minor, first.closing, second.closing.minor) == (1_000, second.opening, 78_000)


@pytest.mark.parametrize(
    ("fault", "minors", "reason"),
    [
        ("missing=FT00000001", [20_000], ""),
        ("twice=FT00000002", [50_000, 20_000, 20_000], ""),
        ("amount=FT00000001:45000", [45_000, 20_000], ""),
        ("contradict=1", [59_000, 20_000], ""),
        ("closing=5", [50_000, 20_000], "does-not-balance"),
        ("fold=1", [50_000, 20_000], ""),
    ],
)
def test_faults_on_demand(bank: str, fault: str, minors: list[int], reason: str):
    found = read(get(bank, f"day=2026-11-18&{fault}"))
    assert (found.minors, found.reason) == ([minors], reason)


def test_a_statement_may_come_late(bank: str, tmp_path: Path):
    into = tmp_path / "late.sta"
    body = json.dumps({"format": "mt940", "day": "2026-11-18", "into": str(into), "delay_s": 0.2}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{bank}/file", data=body), timeout=10).close()
    assert not into.exists()
    until = time.monotonic() + 10
    while not into.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert read(io.BytesIO(into.read_bytes()).getvalue()).status == "accepted"


@pytest.mark.parametrize("query", ["format=pdf", "day=yesterday", "amount=FT00000001:many"])
def test_what_nobody_writes_is_refused(bank: str, query: str):
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(bank, query)
    refused.value.close()
    assert refused.value.code == 422


def test_a_day_without_movements_has_a_statement_too(bank: str):
    found = read(get(bank, "day=2026-11-20"))
    assert (found.status, found.minors, found.statements[0].end.closing.minor) == ("accepted", [[]], 78_000)
