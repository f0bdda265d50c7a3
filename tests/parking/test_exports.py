"""Exports: an operator's own rows, sums that are right, spreadsheets without formulas of others."""

import csv
import zipfile
from datetime import timedelta
from decimal import Decimal
from io import BytesIO, StringIO
from uuid import uuid4
from xml.etree import ElementTree as ET

import pytest

from parking.store.changes import count_begun, stream_begun
from service import exports
from service.exports import Sheet
from service.parking_rows import Kind, Period, sheet
from service.services import EXTENSION
from service.staff import Role
from tests.parking.apds_bodies import observation, problem
from tests.parking.test_settled import begun_and_left


@pytest.fixture
def week(now):
    return {"since": (now - timedelta(days=3)).isoformat(), "until": (now + timedelta(days=1)).isoformat()}


def rows_of(response):
    assert response.status_code == 200, response.text
    return list(csv.DictReader(StringIO(response.text)))


def test_stays_are_exported_with_their_sums_and_where_the_money_stands(client, begin, bearer, now, week):
    head = bearer()
    made = {begun_and_left(client, head, now) for _ in range(3)}
    client.post(
        f"/v1/parking/sessions/{min(made)}/corrections", headers=head,
        json={"event_id": str(uuid4()), "correction": "voided", "note": "test"},
    )  # fmt: skip
    answer = client.get("/v1/parking/exports/stays", headers=head, query_string=week)
    *rows, total = rows_of(answer)
    assert answer.headers["X-Total-Rows"] == "3"
    assert {row["session_id"] for row in rows} == made
    assert sorted(row["money"] for row in rows) == ["nothing", "unpaid", "unpaid"]
    assert (total["session_id"], total["currency"], total["charged"]) == ("total", "VND", "50000")
    assert sum(Decimal(row["charged"]) for row in rows) == Decimal(total["charged"])
    other = client.get("/v1/parking/exports/stays", headers=bearer("elsewhere"), query_string=week)
    assert rows_of(other) == []
    auditor = client.get("/v1/parking/exports/stays", headers=bearer("", Role.AUDITOR), query_string=week)
    assert auditor.data == answer.data


def cells(data):
    """The cells of a spreadsheet's rows, as text by column letter."""
    with zipfile.ZipFile(BytesIO(data)) as book:
        page = ET.fromstring(book.read("xl/worksheets/sheet1.xml"))
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    assert not list(page.iter(f"{space}f")), "no formula"
    return [
        {cell.get("r").rstrip("0123456789"): "".join(cell.itertext()) for cell in row}
        for row in page.iter(f"{space}row")
    ]


def test_a_spreadsheet_says_the_same(client, begin, bearer, now, week):
    head = bearer()
    begun_and_left(client, head, now)
    answer = client.get("/v1/parking/exports/stays", headers=head, query_string={**week, "format": "xlsx"})
    heading, row, total = cells(answer.data)
    column = {name: letter for letter, name in heading.items()}
    assert (column["session_id"], column["place_id"]) == ("A", "B")
    assert (row[column["charged"]], total[column["charged"]], total["A"]) == ("25000", "25000", "total")


def test_a_note_is_no_formula(client, apds, bearer, now, week):
    body = observation(now, description=[{"language": "vi", "string": '=HYPERLINK("http://x")'}])
    assert apds("POST", "/observations", body).status_code == 201
    (row,) = rows_of(client.get("/v1/parking/exports/observations", headers=bearer(), query_string=week))
    assert row["note"].startswith("'=")
    assert "30A" not in str(row), "no plate"
    book = client.get(
        "/v1/parking/exports/observations", headers=bearer(), query_string={**week, "format": "xlsx"}
    )
    assert '=HYPERLINK("http://x")' in str(cells(book.data))


def test_shifts_and_leakage_are_exported(client, begin, bearer, now, week):
    head = bearer()
    stay = begun_and_left(client, head, now)
    opened = {
        "shift_id": str(uuid4()), "place_id": "dong-da-01", "till": "booth-1", "attendant": "An",
        "float": {"minor": 100_000, "currency": "VND"},
    }  # fmt: skip
    client.post("/v1/parking/shifts", headers=head, json=opened)
    paid = {
        "payment_id": str(uuid4()), "method": "cash", "till": "booth-1",
        "amount": {"minor": 25_000, "currency": "VND"},
    }  # fmt: skip
    client.post(f"/v1/parking/sessions/{stay}/payments", headers=head, json=paid)
    shift, total = rows_of(client.get("/v1/parking/exports/shifts", headers=head, query_string=week))
    assert (shift["expected"], shift["counted"], total["taken"]) == ("125000", "", "25000")
    reading, _ = rows_of(client.get("/v1/parking/exports/leakage", headers=head, query_string=week))
    assert reading["attendant"] == "An"
    for kind in ("shifts", "leakage"):
        other = client.get(f"/v1/parking/exports/{kind}", headers=bearer("elsewhere"), query_string=week)
        assert rows_of(other) == []


@pytest.mark.parametrize(
    "change", [{"until": "2020-01-01T00:00:00Z"}, {"format": "pdf"}, {"since": "2020-01-01T00:00:00Z"}]
)
def test_a_period_is_forwards_and_bounded(client, begin, bearer, week, change):
    asked = client.get("/v1/parking/exports/stays", headers=bearer(), query_string={**week, **change})
    assert problem(asked) == (422, "malformed-request")


def test_parts_come_from_the_database_one_after_another(client, app, begin, bearer, now):
    head = bearer()
    made = {begun_and_left(client, head, now) for _ in range(5)}
    asked = {"since": now - timedelta(days=1), "until": now + timedelta(days=1)}
    with app.extensions[EXTENSION].database.read() as tx:
        assert count_begun(tx, ["dongda-parking"], **asked) == 5
        parts = list(stream_begun(tx, ["dongda-parking"], **asked, size=2))
    assert [len(part) for part in parts] == [2, 2, 1]
    assert {str(row.stay_id) for part in parts for row in part} == made


def test_sums_are_by_currency_and_exact(tmp_path):
    rows = [
        ("a", "VND", Decimal(1)),
        ("b", "EUR", Decimal("0.10")),
        ("c", "EUR", Decimal("0.20")),
        ("d", "VND", None),
    ]
    found = Sheet(("name", "currency", "value"), frozenset({"value"}), lambda: (row for row in rows))
    told = []
    lines = "".join(exports.csv_lines(found, told.append)).splitlines()
    assert lines[-2:] == ["total,EUR,0.30", "total,VND,1"]
    assert told == [1, 2, 3, 4]
    assert exports.write_xlsx(found, tmp_path / "x.xlsx") == 4


def test_what_a_spreadsheet_cannot_hold_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(exports, "MOST_XLSX", 2)
    found = Sheet(("name",), frozenset(), lambda: ((name,) for name in "abc"))
    with pytest.raises(exports.ExportTooLongError):
        exports.write_xlsx(found, tmp_path / "x.xlsx")


def test_every_kind_has_its_columns_for_nobody_in_particular(app, begin, now):
    period = Period(operators=None, since=now - timedelta(days=1), until=now)
    with app.extensions[EXTENSION].database.read() as tx:
        for kind in Kind:
            found = sheet(tx, kind, period, now=now)
            assert list(found.rows()) == []
            assert found.amounts <= set(found.columns)
