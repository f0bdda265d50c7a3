"""What a funder is handed: its statement as PDF and CSV, every claim by operator, route, day and rule."""

from __future__ import annotations

import csv
import io
from typing import Final

from ledger.rules.subsidy import Subsidy
from service.pdf import Column, Paper
from service.settings import Settings

COLUMNS: Final = ("operator_id", "house", "route_id", "service_day", "component", "rule", "rides", "amount")
_TITLES: Final = {
    "operator_id": "Đơn vị", "house": "Dịch vụ", "route_id": "Tuyến / điểm", "service_day": "Ngày vận hành",
    "component": "Khoản", "rule": "Quy định", "rides": "Lượt", "amount": "Số tiền",
}  # fmt: skip
_NUMBERS: Final = {"rides", "amount"}


def rows(made: Subsidy) -> list[list[str | int]]:
    """Return a statement's claims, amounts in minor units."""
    return [
        [
            one.operator_id, one.house, one.route_id, one.service_day.isoformat(), one.component, one.rule, one.rides,
            one.amount.minor,
        ]
        for one in made.claims
    ]  # fmt: skip


def write_csv(made: Subsidy) -> bytes:
    """Return the claims as UTF-8 CSV with the fields' names, each row with the statement's reference."""
    out = io.StringIO(newline="")
    written = csv.writer(out)
    written.writerow(("reference", "funder", *COLUMNS))
    for row in rows(made):
        written.writerow((made.reference, made.funder, *row))
    return out.getvalue().encode("utf-8-sig")


def write_pdf(made: Subsidy, settings: Settings) -> bytes:
    """Return the statement to print, with the account to pay to and the text that a payment must carry."""
    paper = Paper(
        f"Bảng kê trợ giá · {made.funder}",
        made_at=made.prepared_at,
        footer=f"Liên Thông · {made.reference}",
        wide=True,
    )
    total = _shown(made.total.minor)
    paper.facts(
        (
            ("Đến hết ngày", made.through_on.isoformat()),
            ("Tổng cộng (VND)", total),
            (
                "Chuyển vào",
                f"{settings.topup_account} · {settings.topup_account_name} · {settings.topup_bank_bin}",
            ),
            ("Nội dung chuyển khoản", made.reference),
        )
    )
    paper.heading("Chi tiết")
    paper.rows(
        [Column(_TITLES[name], 3 if name == "rule" else 2, name in _NUMBERS) for name in COLUMNS],
        ([cell if isinstance(cell, str) else _shown(cell) for cell in row] for row in rows(made)),
        total=["", "", "", "", "", "", "", total],
    )
    return paper.written()


def _shown(value: int) -> str:
    return f"{value:,}".replace(",", ".")
