"""`lienthong tariff simulate`: from files alone, and over the stored taps of a service."""

import json
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner

from fare.gtfs.load import pack
from fare.gtfs.read import files_of
from fare.rules.simulation import History
from kernel.ids import FareAccountId
from service.cli import main
from service.commands.simulate import _run
from service.simulation_page import page

TARIFFS = Path(__file__).parents[1] / "fare" / "tariffs"
TAPS = """rider,at,purpose,route,stop
an,2026-11-18T08:00-05:00,on,b1,
an,2026-11-18T09:00-05:00,on,b2,
ba,2026-11-18T10:00-05:00,on,b1,
<ca>,2026-12-18T10:00-05:00,on,b1,
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "taps.csv").write_text(TAPS, "utf-8")
    draft = tmp_path / "draft"
    draft.mkdir()
    for file in (TARIFFS / "mta").iterdir():
        text = file.read_text("utf-8").replace("2.00", "2.50") if file.name == "fare_products.txt" else None
        (draft / file.name).write_text(text or file.read_text("utf-8"), "utf-8")

    def command(*more: str, source: Path = draft):
        period = ("--from", "2026-11-01", "--to", "2026-11-30", "--processes", "1")
        return CliRunner().invoke(main, ["tariff", "simulate", str(source), *period, *more])

    return command


def offline(tmp_path):
    return "--taps", str(tmp_path / "taps.csv"), "--against", str(TARIFFS / "mta")


def test_rides_of_a_file_are_replayed_without_a_database(run, tmp_path):
    done = run(*offline(tmp_path), "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["taps"], found["accounts"]) == (3, 2)
    assert found["totals"]["charged"] == {"current": 400, "draft": 500, "difference": 100}
    assert found["riders"]["losers"] == 2


def test_the_report_is_one_file_with_a_table_for_every_chart(run, tmp_path):
    out = tmp_path / "report.html"
    done = run(*offline(tmp_path), "--out", str(out), "--lang", "en")
    assert done.exit_code == 0, done.output
    html = out.read_text("utf-8")
    assert html.count("<svg") == 8
    assert html.count("<table") >= html.count("<svg")
    assert "http" not in html
    assert "<script" not in html
    assert "4.00 USD" in html


def test_the_page_escapes_what_files_say():
    row = {"current": 1, "draft": 2, "difference": 1}
    found = {
        "current": {"tariff_version": "<b>"}, "draft": {"tariff_version": "&"}, "from": "", "to": "", "currency": "VND",
        "percent_of_accounts": 100, "taps": 0, "accounts": 0, "subsidy": [], "patterns": [],
        "totals": {"rides": row, "unpriced": row, "charged": row},
        "by": {"operator": [{"key": "<script>", "charged": row}], "route": [], "category": []},
        "riders": {"winners": 0, "same": 0, "losers": 0, "percentiles": [], "by_spending": []},
    }  # fmt: skip
    for language in ("vi", "en"):
        html = page(found, language)
        assert "<script>" not in html
        assert "&lt;script&gt;" in html
        assert "&lt;b&gt;" in html


@pytest.mark.parametrize(
    ("more", "told"),
    [(("--taps", "taps.csv"), "--against"), (("--to", "2026-10-31"), "--to lies before --from")],
)
def test_what_makes_no_sense_is_refused(run, tmp_path, monkeypatch, more, told):
    monkeypatch.chdir(tmp_path)
    done = run(*more)
    assert done.exit_code == 2
    assert told in done.output


def test_a_draft_with_errors_is_refused(run, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "agency.txt").write_text("agency_id\n", "utf-8")
    done = run(*offline(tmp_path), source=broken)
    assert done.exit_code == 1
    assert "errors" in done.output


def test_the_bar_is_full_at_the_end_though_an_account_made_no_tap(capfd):
    bundle = pack(files_of(TARIFFS / "mta"))
    made = History(FareAccountId(UUID(int=1)), ())
    _run(iter([made]), (bundle, bundle), of=3, processes=1)
    assert "100%" in capfd.readouterr().err
