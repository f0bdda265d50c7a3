"""A played day's e-invoices from the outside: issued once, sent as files, answered, amended, seen by whom they concern."""

import pytest
from click.testing import CliRunner

from service.cli import main
from service.commands import context
from service.services import EXTENSION
from service.staff import Role
from tests.played import DAY, play_a_day
from tests.service.sellers import Shop

pytestmark = pytest.mark.usefixtures("described")

DAY_TEXT = DAY.isoformat()
OPEN = (
    "invoice", "series", "transerco", "C26TLT", "--house", "fare", "--tax", "KCT",
    "--name", "Tổng công ty Vận tải Hà Nội", "--tax-code", "0100105327", "--address", "Hà Nội",
)  # fmt: skip


@pytest.fixture
def shop(app, client, keyring, now) -> Shop:
    play_a_day(app, keyring, now)
    return Shop(app.extensions[EXTENSION], client)


@pytest.fixture
def run(shop, monkeypatch, tmp_path, keyring):
    """Run a command line on the played day."""
    settings = shop.running.settings
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("LIENTHONG_CLOCK", settings.clock)
    monkeypatch.setenv("LIENTHONG_INVOICE_DIR", str(tmp_path / "invoices"))
    monkeypatch.setattr(context, "keyring", lambda: keyring)
    context.settings.cache_clear()

    def run(*words, code=0):
        done = CliRunner().invoke(main, [*words])
        assert done.exit_code == code, done.output
        return done.output

    yield run
    context.settings.cache_clear()


def test_a_day_goes_out_and_the_answers_come_back(run, shop, client, tmp_path):
    assert "transerco has no series: 2 rides, stays or passes wait" in run("invoice", "issue", DAY_TEXT)
    assert "the next number is 1" in run(*OPEN)
    assert "2 issued" in run("invoice", "issue", DAY_TEXT)
    assert run("invoice", "issue", DAY_TEXT).startswith("0 issued")
    assert "the next number is 3" in run(*OPEN)
    run("invoice", "send")
    folder = tmp_path / "invoices"
    sent = sorted(path.name for path in (folder / "out/transerco").iterdir())
    assert sent == ["hd-C26TLT-00000001.xml", "hd-C26TLT-00000002.xml"]
    auditor = shop.staff(Role.AUDITOR)
    one, two = client.get(f"/v1/invoices?day={DAY_TEXT}&state=sent", headers=auditor).json["invoices"]
    assert (one["total"]["minor"], one["tax_rate"], one["facts"]["route"]) == (10_000, "KCT", "26")
    (folder / "answers").mkdir()
    (folder / "answers/1.csv").write_text(
        f"invoice_id,verdict,note\n{one['invoice_id']},accepted,M1\n{two['invoice_id']},refused,plate\n"
    )
    assert "1.csv: 2 answers" in run("invoice", "answers")
    assert run("invoice", "answers") == ""
    listed = run("invoice", "list", "--day", DAY_TEXT)
    assert "accepted" in listed
    assert "issued" in listed
    assert listed.endswith("no number is missing\n")
    better = run("invoice", "amend", two["invoice_id"], "--plate", "29B-101.27")
    assert "C26TLT-00000003" in better
    assert "29B-101.27" in better
    gone = run("invoice", "cancel", one["invoice_id"], "--reason", "the ride was undone")
    assert "cancelled" in gone
    run("invoice", "send")
    assert (folder / "out/transerco/huy-C26TLT-00000001.xml").exists()
    told = client.get(f"/v1/invoices/{one['invoice_id']}", headers=auditor).json
    assert [step["event"] for step in told["steps"]] == ["sent", "accepted", "cancelled"]
    of = client.get(f"/v1/invoices/of/{two['subject_id']}", headers=auditor).json["invoices"]
    assert [one["state"] for one in of] == ["replaced", "sent"]
    assert "cancelled by" in run("invoice", "show", one["invoice_id"])


def test_a_malformed_file_of_answers_stops_and_stays(run, tmp_path):
    answers = tmp_path / "invoices/answers"
    answers.mkdir(parents=True)
    (answers / "bad.csv").write_text("nothing")
    assert "Line 1 of the answers" in run("invoice", "answers", code=1)
    assert (answers / "bad.csv").exists()


def test_an_open_day_is_not_invoiced(run):
    assert "is not closed" in run("invoice", "issue", "2026-11-20", code=1)


BODY = {
    "operator_id": "transerco",
    "symbol": "C26TLT",
    "house": "fare",
    "tax_rate": "KCT",
    "seller_name": "Transerco",
    "seller_tax_code": "0100105327",
    "seller_address": "Hà Nội",
}


def test_series_by_the_api_is_opened_once_by_finance(shop, client):
    maker = shop.staff(Role.FINANCE_MAKER)
    assert client.post("/v1/invoices/series", json=BODY, headers=maker).status_code == 201
    again = client.post("/v1/invoices/series", json=BODY | {"tax_rate": "8%"}, headers=maker)
    assert (again.status_code, again.json["type"]) == (409, "/problems/series-differs")
    bad = client.post("/v1/invoices/series", json=BODY | {"symbol": "ABC123"}, headers=maker)
    assert (bad.status_code, bad.json["type"]) == (422, "/problems/bad-invoice")
    for role in (Role.FINANCE_CHECKER, Role.AUDITOR):
        assert client.post("/v1/invoices/series", json=BODY, headers=shop.staff(role)).status_code == 403


def test_an_operator_sees_its_own_alone(run, shop, client):
    run(*OPEN)
    run("invoice", "issue", DAY_TEXT)
    maker = shop.staff(Role.FINANCE_MAKER)
    (one, _) = client.get("/v1/invoices?operator=transerco", headers=maker).json["invoices"]
    other = shop.staff(Role.PARKING_OPERATOR, "dongda-parking")
    assert client.get("/v1/invoices", headers=other).json == {"invoices": [], "series": []}
    assert client.get("/v1/invoices?operator=transerco", headers=other).json["invoices"] == []
    assert client.get(f"/v1/invoices/of/{one['subject_id']}", headers=other).json["invoices"] == []
    assert client.get(f"/v1/invoices/{one['invoice_id']}", headers=other).status_code == 403
    assert client.get("/v1/invoices?state=lost", headers=maker).status_code == 422
