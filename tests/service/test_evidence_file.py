"""Operators' documents: an independent script agrees with every statement, and finds any one row that is not as it was."""

import ast
import io
import json
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner

from fare.sell import Sold, sell_pass
from kernel.wire.cardinfo import Concession
from ledger.rules.evidence import CONTEXT
from service.cli import main
from service.commands import context
from service.jobs.settle_day import settle_day
from service.jobs.statements import SCRIPT
from service.services import EXTENSION
from service.staff import Role
from tests.played import DAY, ride_a_day, sign_terms
from tests.service.sellers import Shop
from tests.simulation import World

DAY_TEXT = DAY.isoformat()


@pytest.fixture
def shop(app, client, keyring, now) -> Shop:
    """A released day: rides, a senior's free one, one on a month pass, a fee, and a share for the depot."""
    ride_a_day(app, keyring, now)
    services = app.extensions[EXTENSION]
    with services.database.begin() as tx:
        city = World(tx, keyring, now)
        reader = city.reader("second")
        senior = city.card(9, concession=Concession.FREE_SENIOR)
        holder = city.card(10)
        books = services.shelf.books(tx)
    made = Shop(services, client)
    made.load(holder.issued, 500_000)
    with services.database.begin() as tx:
        sold = sell_pass(
            tx,
            pass_id=uuid4(),
            fare_account_id=holder.issued.fare_account_id,
            product_id="multimodal_month",
            scope="",
            starts_at=now,
            tariff=books.current(),
            now=now,
        )
    assert isinstance(sold, Sold)
    reader.facts = {"tariff_version": books.newest, "route_id": "26"}
    reader.tap(senior)
    reader.tap(holder, at=now)
    answer = client.post(
        "/v1/taps", data=json.dumps(reader.upload().to_json()), content_type="application/json"
    )
    assert answer.status_code == 200, answer.text
    shares = [{"house": "fare", "route": "*", "to": "depot", "per_mille": 100}]
    sign_terms(app, "transerco", now, fee_basis_points=125, fee_per_trip=10, shares=shares)
    sign_terms(app, "depot", now)
    list(
        settle_day(
            services.database,
            DAY,
            signer=keyring.bundle_key,
            seal_keys=keyring.seal_keys,
            now=services.clock.now,
        )
    )
    maker, checker = made.staff(Role.FINANCE_MAKER), made.staff(Role.FINANCE_CHECKER)
    paid = client.post("/v1/payouts", json={"book_day": DAY_TEXT}, headers=maker).json
    approval = {"decision": "approve", "total_minor": paid["total"]["minor"]}
    assert (
        client.post(f"/v1/payouts/{paid['payout_id']}/sign", json=approval, headers=checker).status_code
        == 200
    )
    assert client.post(f"/v1/payouts/{paid['payout_id']}/release", headers=maker).status_code == 200
    return made


def fetch(client, headers, operator: str, form: str):
    return client.get(f"/v1/payouts/{DAY_TEXT}/statements/{operator}?format={form}", headers=headers)


@pytest.fixture
def evidence(shop, client) -> bytes:
    return fetch(client, shop.staff(Role.AUDITOR), "transerco", "evidence").data


def check(tmp_path: Path, content: bytes, *trusted: str) -> subprocess.CompletedProcess:
    path = tmp_path / "evidence.jsonl"
    path.write_bytes(content)
    return subprocess.run(
        [sys.executable, "-I", SCRIPT, path, *trusted], capture_output=True, text=True, check=False
    )


def test_the_script_agrees_for_every_operator_and_imports_nothing_of_ours(shop, client, tmp_path, keyring):
    auditor = shop.staff(Role.AUDITOR)
    key = keyring.seal_keys[-1].public.raw.hex()
    for operator, net in {"transerco": "34,376", "depot": "2,000"}.items():
        ran = check(tmp_path, fetch(client, auditor, operator, "evidence").data, key)
        assert (ran.returncode, f"net {net}" in ran.stdout) == (0, True), ran.stdout + ran.stderr
    text = SCRIPT.read_text("utf-8")
    assert sum(isinstance(node, ast.stmt) for node in ast.walk(ast.parse(text))) <= 130, (
        "short enough to read"
    )
    for house in ("kernel", "ledger", "access", "fare", "parking", "readers", "service"):
        assert f"import {house}" not in text
        assert f"from {house}" not in text


def test_another_key_than_the_trusted_one_is_refused(evidence, tmp_path):
    ran = check(tmp_path, evidence, "00" * 32)
    assert (ran.returncode, "trust" in ran.stderr) == (1, True)


KINDS = (
    "settlement", "line", "claim", "terms", "share", "bill", "pass", "account", "ledger", "key", "seal", "chunk",
)  # fmt: skip


def resigned(rows: list[dict], key) -> bytes:
    """The file as a dishonest centre would write it anew: every row as it likes, signed with its own right key."""
    body = b"\n".join(json.dumps(row).encode() for row in rows)
    digest = sha256(body).digest()
    last = {
        "row": "signature",
        "key_id": key.public.key_id.hex(),
        "sha256": digest.hex(),
        "signature": key.sign(CONTEXT, digest).hex(),
    }
    return body + b"\n" + json.dumps(last).encode() + b"\n"


def altered(row: dict) -> dict:
    """The row with one of its figures (else its text) changed."""
    for name, value in row.items():
        if isinstance(value, int) and name != "number":
            return row | {name: value + 1}
    for name in ("record", "leaves", "message", "public_key", "account_id"):
        if name in row:
            last = "0" if row[name][-1] != "0" else "1"
            return row | {name: row[name][:-1] + last}
    raise AssertionError(f"what could be altered in {row}?")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", ["removed", "doubled", "altered"])
def test_one_row_removed_added_or_altered_is_found(evidence, tmp_path, keyring, kind, change):
    """Also when the centre signs the changed file anew: figures must follow from the sealed lines."""
    *rows, signature = [json.loads(line) for line in evidence.splitlines()]
    places = [n for n, row in enumerate(rows) if row["row"] == kind]
    assert places, f"the day has no {kind}"
    for place in places[:2]:
        changed = {
            "removed": [*rows[:place], *rows[place + 1 :]],
            "doubled": [*rows[: place + 1], *rows[place:]],
            "altered": [*rows[:place], altered(rows[place]), *rows[place + 1 :]],
        }[change]
        kept = b"\n".join(json.dumps(row).encode() for row in [*changed, signature])
        assert check(tmp_path, kept).returncode == 1, (kind, change, place)
        if (kind, change) not in HARMLESS:
            assert check(tmp_path, resigned(changed, keyring.seal_keys[-1])).returncode == 1, (
                kind,
                change,
                place,
            )


# Said twice, these still say the same: the key's and an account's row are names.
HARMLESS = {("key", "doubled"), ("account", "doubled")}


def test_nothing_is_told_before_the_release(app, client, keyring, now):
    ride_a_day(app, keyring, now)
    services = app.extensions[EXTENSION]
    list(settle_day(services.database, DAY, signer=keyring.bundle_key, now=services.clock.now))
    auditor = Shop(services, client).staff(Role.AUDITOR)
    answer = fetch(client, auditor, "transerco", "pdf")
    assert (answer.status_code, answer.json["type"]) == (409, "/problems/not-payable")


def test_statements_are_the_same_figures_in_three_forms(shop, client):
    auditor = shop.staff(Role.AUDITOR)
    pdf, again = (fetch(client, auditor, "transerco", "pdf").data for _ in range(2))
    assert pdf.startswith(b"%PDF")
    assert pdf == again
    text = fetch(client, auditor, "transerco", "csv").data.decode("utf-8-sig")
    head, line = text.splitlines()
    row = dict(zip(head.split(","), line.split(","), strict=True))
    assert (row["collected"], row["fees"], row["shared"], row["net"]) == ("20000", "290", "-2000", "34376")
    with zipfile.ZipFile(io.BytesIO(fetch(client, auditor, "transerco", "xlsx").data)) as book:
        assert b"34376" in book.read("xl/worksheets/sheet1.xml")
        assert b"<f>" not in book.read("xl/worksheets/sheet2.xml")
    assert fetch(client, auditor, "transerco", "doc").status_code == 422
    assert fetch(client, auditor, "nobody", "pdf").status_code == 404


def test_an_operator_gets_its_own_alone(shop, client):
    other = shop.staff(Role.PARKING_OPERATOR, "depot")
    assert fetch(client, other, "depot", "pdf").status_code == 200
    assert fetch(client, other, "transerco", "pdf").status_code == 403


def test_the_command_writes_everything(shop, keyring, monkeypatch, tmp_path):
    settings = shop.running.settings
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("LIENTHONG_CLOCK", settings.clock)
    monkeypatch.setattr(context, "keyring", lambda: keyring)
    context.settings.cache_clear()
    done = CliRunner().invoke(main, ["payout", "statements", DAY_TEXT, "--out", str(tmp_path / "out")])
    context.settings.cache_clear()
    assert done.exit_code == 0, done.output
    made = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert made == sorted(
        ["check_settlement.py"]
        + [
            f"{name}/{DAY_TEXT}.{ending}"
            for name in ("depot", "transerco")
            for ending in ("pdf", "xlsx", "csv", "evidence.jsonl")
        ]
    )
    ran = check(tmp_path, (tmp_path / f"out/transerco/{DAY_TEXT}.evidence.jsonl").read_bytes())
    assert ran.returncode == 0, ran.stderr
