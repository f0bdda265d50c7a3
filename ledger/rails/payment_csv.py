"""Payments to make, as a CSV with the columns id, amount, name, account and maybe bic, bank, text. Pure.

Nothing is guessed: a row with more or fewer cells than the header is refused, since a comma in a name that nobody
quoted would send the money to another account.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Final

from kernel.money import VND, MalformedAmountError, Money
from ledger.rails.pain001 import Party, Payment, UnwritablePaymentError

REQUIRED: Final = ("id", "amount", "name", "account")
OPTIONAL: Final = ("bic", "bank", "text")


def read_payments(raw: bytes) -> tuple[Payment, ...]:
    """Return the payments of a UTF-8 CSV, amounts in whole đồng. UnwritablePaymentError names the line."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = raw.count(b"\n", 0, wrong.start) + 1
        raise UnwritablePaymentError(field=f"line {line}", reason="it is not UTF-8") from None
    rows = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        header = next(rows, [])
        _check_header(header)
        return tuple(_payments(rows, header))
    except csv.Error as broken:
        raise UnwritablePaymentError(field=f"line {rows.line_num}", reason=str(broken)) from None


def _check_header(header: list[str]) -> None:
    for name in REQUIRED:
        if name not in header:
            raise UnwritablePaymentError(field="the header", reason=f"no column '{name}'")
    for name in header:
        if header.count(name) > 1:
            raise UnwritablePaymentError(field="the header", reason=f"column '{name}' stands twice")


def _payments(rows: Iterator[list[str]], header: list[str]) -> Iterator[Payment]:
    for number, cells in enumerate(rows, 2):
        if not any(cells):
            continue
        if len(cells) != len(header):
            raise UnwritablePaymentError(
                field=f"row {number}", reason=f"it has {len(cells)} cells, the header {len(header)}"
            )
        row = dict.fromkeys(OPTIONAL, "") | dict(zip(header, (cell.strip() for cell in cells), strict=True))
        try:
            amount = Money.parse(row["amount"], VND)
        except MalformedAmountError as wrong:
            raise UnwritablePaymentError(field=f"row {number}", reason=str(wrong).rstrip(".")) from None
        yield Payment(
            end_to_end=row["id"],
            amount=amount,
            creditor=Party(name=row["name"], account=row["account"], bic=row["bic"], bank=row["bank"]),
            text=row["text"],
        )
