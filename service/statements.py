"""An operator's statement of a settled day as PDF, XLSX and CSV: the same figures three times."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Final

import xlsxwriter

from kernel.ids import OperatorId
from kernel.money import Money
from ledger.rules.settlement import Settled
from service.pdf import Column, Paper

LINE_COLUMNS: Final = (
    "service_day", "house", "mode", "route_id", "trips", "face_value", "waived", "discounted", "pass_covered",
    "cap_covered", "collected", "refunded", "pass_revenue", "shared", "fees", "net",
)  # fmt: skip
CLAIM_COLUMNS: Final = ("service_day", "house", "route_id", "funder", "component", "rule", "rides", "amount")
# Statements go to Vietnamese operators: Vietnamese first, the field's name for machines in the CSV.
TITLES: Final = {
    "service_day": "Ngày vận hành", "house": "Dịch vụ", "mode": "Loại", "route_id": "Tuyến / điểm", "trips": "Lượt",
    "face_value": "Mệnh giá", "waived": "Miễn phí", "discounted": "Giảm giá", "pass_covered": "Vé tháng",
    "cap_covered": "Vượt trần", "collected": "Đã thu", "refunded": "Hoàn trả", "pass_revenue": "Doanh thu vé tháng",
    "shared": "Chia sẻ", "fees": "Phí", "net": "Thực nhận", "funder": "Bên chi trả", "component": "Khoản",
    "rule": "Quy định", "rides": "Lượt", "amount": "Số tiền", "cash_kept": "Tiền mặt đã giữ", "to_pay": "Phải trả",
    "subsidy": "Trợ giá phải thu", "passed_on": "Trợ giá đã nhận, chuyển kèm", "payment": "Số tiền thanh toán",
}  # fmt: skip
_WORDS: Final = {"service_day", "house", "mode", "route_id", "funder", "component", "rule"}

Cell = str | int


def line_rows(settled: Settled, operator: OperatorId) -> list[list[Cell]]:
    """Return an operator's lines, amounts in minor units."""
    return [
        [_cell(getattr(one, name)) for name in LINE_COLUMNS]
        for one in settled.lines
        if one.operator_id == operator
    ]


def claim_rows(settled: Settled, operator: OperatorId) -> list[list[Cell]]:
    """Return what funders owe an operator."""
    return [
        [_cell(getattr(one, name)) for name in CLAIM_COLUMNS]
        for one in settled.claims
        if one.operator_id == operator
    ]


def totals(settled: Settled, operator: OperatorId, passed_on: int) -> list[tuple[str, int]]:
    """Return an operator's sums by name; `passed_on` is what the payout has of funders' money besides."""
    (one,) = (each for each in settled.settlements if each.operator_id == operator)
    names = (*LINE_COLUMNS[4:], "subsidy", "cash_kept", "to_pay")
    sums = [(name, _number(_cell(getattr(one, name)))) for name in names]
    return [*sums, ("passed_on", passed_on), ("payment", one.to_pay.minor + passed_on)]


def write_csv(settled: Settled, operator: OperatorId, passed_on: int = 0) -> bytes:
    """Return the lines as UTF-8 CSV with the fields' names; sums are in the other forms."""
    del passed_on
    out = io.StringIO(newline="")
    rows = csv.writer(out)
    rows.writerow(("operator_id", "book_day", *LINE_COLUMNS))
    for row in line_rows(settled, operator):
        rows.writerow((operator, settled.book_day.isoformat(), *row))
    return out.getvalue().encode("utf-8-sig")


def write_xlsx(settled: Settled, operator: OperatorId, passed_on: int = 0) -> bytes:
    """Return a workbook with sums, lines and claims; no cell is ever a formula."""
    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(out, options) as book:
        book.set_properties(
            {"title": _title(settled, operator), "created": settled.settlements[0].settled_at}
        )
        bold, number = book.add_format({"bold": True}), book.add_format({"num_format": "#,##0"})
        for name, head, rows in (
            (
                "Tổng hợp",
                ("Khoản", "VND"),
                [[TITLES[key], value] for key, value in totals(settled, operator, passed_on)],
            ),
            ("Chi tiết", [TITLES[key] for key in LINE_COLUMNS], line_rows(settled, operator)),
            ("Trợ giá", [TITLES[key] for key in CLAIM_COLUMNS], claim_rows(settled, operator)),
        ):
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, head, bold)
            for at, row in enumerate(rows, 1):
                sheet.write_row(at, 0, row, number)
            sheet.freeze_panes(1, 0)
            sheet.set_column(0, len(head) - 1, 16)
    return out.getvalue()


def write_pdf(settled: Settled, operator: OperatorId, passed_on: int = 0) -> bytes:
    """Return the statement to print."""
    paper = Paper(
        _title(settled, operator),
        made_at=settled.settlements[0].settled_at,
        footer=f"Liên Thông · {operator} · {settled.book_day.isoformat()}",
        wide=True,
    )
    paper.facts((TITLES[name], _shown(value)) for name, value in totals(settled, operator, passed_on))
    paper.heading("Chi tiết theo tuyến và ngày vận hành (VND)")
    _table(paper, LINE_COLUMNS, line_rows(settled, operator))
    claims = claim_rows(settled, operator)
    if claims:
        paper.heading("Trợ giá phải thu theo bên chi trả (VND)")
        _table(paper, CLAIM_COLUMNS, claims)
    paper.say(
        "Tệp bằng chứng kèm theo cho phép tính lại bảng kê này một cách độc lập (check_settlement.py).",
        faint=True,
    )
    return paper.written()


def _table(paper: Paper, names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    columns = [
        Column(TITLES[name], 3 if name in {"rule", "service_day"} else 2, name not in _WORDS)
        for name in names
    ]
    paper.rows(columns, ([cell if isinstance(cell, str) else _shown(cell) for cell in row] for row in rows))


def _title(settled: Settled, operator: OperatorId) -> str:
    return f"Bảng kê quyết toán {settled.book_day.isoformat()} · {operator}"


def _cell(value: object) -> Cell:
    if isinstance(value, Money):
        return value.minor
    return value if isinstance(value, int) else str(value)


def _number(value: Cell) -> int:
    assert isinstance(value, int), "sums are numbers"
    return value


def _shown(value: int) -> str:
    return f"{value:,}".replace(",", ".")
