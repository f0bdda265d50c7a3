"""`lienthong parking export` writes a whole file or none, says how far it is, and holds one part at a time."""

import csv
import tracemalloc
from datetime import timedelta
from io import StringIO

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from bench.parking_export import STAYS
from parking.publish_rates import publish_rates
from parking.rate_dir import HANOI, read_rate_dir
from service import exports, parking_rows
from service.cli import main
from service.commands import context, parking_export
from service.database import Database
from service.parking_rows import Kind, Period, sheet
from tests.parking.conftest import TWO
from tests.parking.test_exports import cells


@pytest.fixture
def books(database, now):
    """A database in which stays can be planted: `plant(at, number)`."""
    service = Database(database.url)
    early = now - timedelta(days=100)
    with service.begin() as tx:
        version = publish_rates(tx, read_rate_dir(HANOI), effective_at=early, **TWO, now=early).version

    def plant(at, stays):
        with service.begin() as tx:
            tx.execute(text(STAYS), {"day": at.date(), "at": at, "stays": stays, "version": version})

    yield service, plant
    service.dispose()


@pytest.fixture
def export(books, database, now, monkeypatch, tmp_path):
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", database.url)
    monkeypatch.setenv("LIENTHONG_CLOCK", f"fixed:{now.isoformat()}")
    context.settings.cache_clear()

    def run(kind, name, *words):
        return CliRunner().invoke(main, ["parking", "export", kind, "--out", str(tmp_path / name), *words])

    yield run
    context.settings.cache_clear()


DAYS = ("--from", "2026-11-18", "--to", "2026-11-19")


def test_an_operators_stays_as_csv_and_as_a_spreadsheet(export, books, now, tmp_path, monkeypatch):
    _, plant = books
    plant(now, 30)
    plant(now - timedelta(days=1), 7)
    monkeypatch.setattr(parking_export, "_EVERY", 10)
    done = export("stays", "stays.csv", "--operator", "dongda-parking", *DAYS)
    assert (done.exit_code, done.stdout) == (0, f"30 rows in {tmp_path / 'stays.csv'}\n")
    assert done.stderr.splitlines() == ["10 of 30", "20 of 30", "30 of 30"]
    *rows, total = csv.DictReader(StringIO((tmp_path / "stays.csv").read_text("utf-8")))
    assert (len(rows), total["session_id"], total["charged"]) == (30, "total", "750000")
    assert export("stays", "stays.xlsx", *DAYS).exit_code == 0
    heading, *page = cells((tmp_path / "stays.xlsx").read_bytes())
    assert [row["A"] for row in page] == [row["session_id"] for row in (*rows, total)]
    assert export("stays", "none.csv", "--operator", "nobody", *DAYS).stdout.startswith("0 rows")
    assert len(heading) == len(rows[0])


@pytest.mark.parametrize("kind", [each.value for each in Kind])
def test_every_kind_can_be_written(export, kind, tmp_path):
    done = export(kind, f"{kind}.csv", *DAYS)
    assert (done.exit_code, done.stdout) == (0, f"0 rows in {tmp_path / kind}.csv\n")
    assert len((tmp_path / f"{kind}.csv").read_text("utf-8").splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "words", "says"),
    [
        ("stays.pdf", DAYS, "the file is .csv or .xlsx"),
        ("stays.csv", ("--from", "2026-11-19", "--to", "2026-11-19"), "it is not after --from"),
        ("stays.csv", ("--from", "soon", "--to", "2026-11-19"), "soon"),
        ("stays.csv", ("--from", "2026-11-18"), "--to"),
    ],
)
def test_what_cannot_be_exported_says_why_and_leaves_no_file(export, name, words, says, tmp_path):
    done = export("stays", name, *words)
    assert (done.exit_code, says in done.output) == (2, True), done.output
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_ends_early_leaves_the_file_of_before(export, books, now, tmp_path, monkeypatch):
    _, plant = books
    plant(now, 3)
    (tmp_path / "stays.xlsx").write_text("yesterday's")
    monkeypatch.setattr(exports, "MOST_XLSX", 2)
    done = export("stays", "stays.xlsx", *DAYS)
    assert isinstance(done.exception, (exports.ExportTooLongError, SystemExit))
    assert done.exit_code != 0
    assert [each.name for each in tmp_path.iterdir()] == ["stays.xlsx"]
    assert (tmp_path / "stays.xlsx").read_text() == "yesterday's"


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_ten_times_the_stays_take_no_more_memory(books, now, form, tmp_path, monkeypatch):
    monkeypatch.setattr(parking_rows, "_PAGE", 50)
    service, plant = books
    plant(now, 200)
    plant(now + timedelta(days=1), 1_800)

    def most(days):
        period = Period(operators=None, since=now, until=now + timedelta(days=days))
        with service.read() as tx:
            found = sheet(tx, Kind.STAYS, period, now=now)
            tracemalloc.reset_peak()
            if form == "xlsx":
                exports.write_xlsx(found, tmp_path / "stays.xlsx")
            else:
                assert sum(1 for _ in exports.csv_lines(found)) > days * 200
            return tracemalloc.get_traced_memory()[1]

    tracemalloc.start()
    try:
        most(3)  # what is read once and kept
        few, many = most(1), most(3)
    finally:
        tracemalloc.stop()
    assert many < 1.2 * few, f"{many / few:.2f} times the memory"
