"""A payment provider's settlement file as CSV: one row a payment, refund, chargeback or fee, with what it kept.

Providers name their columns differently; `COLUMNS` lists the names that are understood, marks and case aside.
Comma, semicolon or tab; UTF-8 with or without a mark. docs/bank-files.md has a sample.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final
from zoneinfo import ZoneInfo

from kernel.money import VND, Currency, Money
from ledger.rails.bank_tally import Chain, Tally
from ledger.rails.bankfile import (
    BankEntry,
    EntryPart,
    Event,
    FileOpened,
    StatementOpened,
    error,
    read_amount,
    read_currency,
    warning,
)
from ledger.rails.fold import squeeze
from ledger.rails.source import Source, TooLargeError

HANOI: Final = ZoneInfo("Asia/Ho_Chi_Minh")
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "transaction_id": (
        "transaction id",
        "id",
        "provider id",
        "mã giao dịch",
        "payment id",
        "transaction number",
        "transaction no",
    ),
    "order_code": ("order code", "order id", "mã đơn hàng", "mã đơn"),
    "reference": (
        "reference",
        "reference code",
        "reference number",
        "bank reference",
        "mã tham chiếu",
        "số tham chiếu",
    ),
    "kind": ("kind", "type", "loại", "loại giao dịch", "transfer type"),
    "amount": ("amount", "gross", "gross amount", "số tiền", "transfer amount"),
    "fee": ("fee", "fees", "phí", "phí giao dịch"),
    "net": ("net", "net amount", "thực nhận", "số tiền thực nhận", "settled amount", "settlement amount"),
    "currency": ("currency", "tiền tệ", "loại tiền"),
    "paid_at": (
        "paid at",
        "transaction date",
        "transaction datetime",
        "transaction time",
        "thời gian",
        "thời gian giao dịch",
        "ngày giao dịch",
    ),
    "payout_id": ("payout id", "settlement id", "batch id", "mã đối soát", "mã quyết toán"),
    "paid_out_on": ("paid out on", "payout date", "settlement date", "ngày quyết toán"),
    "account": ("account", "account number", "số tài khoản"),
    "description": ("description", "content", "nội dung", "transaction content"),
    "status": ("status", "trạng thái"),
}
REQUIRED: Final = ("transaction_id", "amount", "paid_at")
_NAMED: Final = {squeeze(alias): name for name, aliases in COLUMNS.items() for alias in aliases}
_OUT: Final = {"REFUND", "CHARGEBACK", "REVERSAL", "FEE", "OUT", "HOANTIEN", "TIENRA", "PAYOUT"}
_DONE: Final = {
    "",
    "SUCCESS",
    "SUCCEEDED",
    "PAID",
    "SETTLED",
    "COMPLETED",
    "BOOK",
    "THANHCONG",
    "DATHANHTOAN",
}
_GROUPED: Final = re.compile(r"[0-9]{1,3}(?:([.,])[0-9]{3})(?:\1[0-9]{3})*", re.ASCII)
_GROUPED_POINT: Final = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+\.[0-9]+", re.ASCII)
_DAY_FIRST: Final = re.compile(
    r"([0-9]{1,2})([/.-])([0-9]{1,2})\2([0-9]{4})(?:[ T]+([0-9]{1,2}:.+))?", re.ASCII
)
_LONGEST_LINE: Final = 1024 * 1024
_MOST_IDS: Final = 4_000_000


def columns_of(header: Iterable[str]) -> dict[str, int]:
    """Return {our name: column} of a header row; names nobody knows are left out."""
    found: dict[str, int] = {}
    for place, cell in enumerate(header):
        name = _NAMED.get(squeeze(cell))
        if name is not None:
            found.setdefault(name, place)
    if "reference" in found:  # payOS numbers a payment by its reference alone
        found.setdefault("transaction_id", found["reference"])
    return found


def is_header(line: str) -> bool:
    """Tell whether a line is the header of such a file."""
    try:
        cells = next(csv.reader([line], delimiter=delimiter_of(line)), [])
    except csv.Error:
        return False
    return columns_of(cells).keys() >= set(REQUIRED)


def delimiter_of(line: str) -> str:
    """Return the sign that separates the columns of a header."""
    return max(",;\t", key=line.count)


def read_provider_csv(source: Source, *, strict: bool = False) -> Iterator[Event]:
    """Yield the events of a provider's file, one statement without balances.

    Each row must say an amount, an id of its own and a time; where fee and net stand, amount - fee = net. Never
    raises for the file.
    """
    yield FileOpened("provider-csv")
    chain = Chain(strict)
    head = StatementOpened(number=1, statement="", account="", currency="", has_balances=False)
    tally = Tally(head, strict)
    yield head
    try:
        yield from _Rows(tally).walk(_lines(source))
    except TooLargeError as large:
        tally.findings.append(error("too-large", str(large)))
    except (csv.Error, UnicodeDecodeError) as broken:
        tally.findings.append(error("unreadable-csv", str(broken)))
    end = tally.close()
    yield end
    chain.add(head, end)
    yield chain.close()


def _lines(source: Source) -> Iterator[str]:
    rest, first = b"", True
    while chunk := source.read():
        if b"\0" in chunk:
            raise csv.Error("a byte of value zero stands in the text")
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise csv.Error(f"a line has more than {_LONGEST_LINE} bytes")
        for raw in whole:
            line = raw.decode() + "\n"
            yield line.removeprefix("\ufeff") if first else line
            first = False
    if rest:
        yield rest.decode().removeprefix("\ufeff") if first else rest.decode()


class _Rows:
    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.columns: dict[str, int] = {}
        self.seen: set[bytes] = set()
        self.row: list[str] = []

    def cell(self, name: str) -> str:
        place = self.columns.get(name)
        return "" if place is None or place >= len(self.row) else self.row[place].strip()

    def walk(self, lines: Iterator[str]) -> Iterator[Event]:
        header = next((line for line in lines if line.strip() and not line.startswith("sep=")), "")
        delimiter = delimiter_of(header)
        self.columns = columns_of(next(csv.reader([header], delimiter=delimiter), []))
        lacking = [name for name in REQUIRED if name not in self.columns]
        if lacking:
            self.tally.findings.append(error("missing-column", f"no column for {', '.join(lacking)}"))
            return
        for number, row in enumerate(csv.reader(lines, delimiter=delimiter), 2):
            self.row = row
            if not any(cell.strip() for cell in row):
                continue
            if squeeze(row[0]) in {"TOTAL", "TONG", "TONGCONG"}:
                self._total(f"line {number}")
                continue
            entry = self._entry(f"line {number}")
            if entry is not None:
                self.tally.entry(entry)
                yield entry

    def _entry(self, where: str) -> BankEntry | None:
        unit = VND
        if "currency" in self.columns:
            unit, wrong = read_currency(self.cell("currency"), where)
            if wrong is not None:
                self.tally.note((wrong,))
        identity = self.cell("transaction_id")
        if not identity:
            self.tally.note((error("missing-id", "a row without a transaction id", where),))
        self._check_twice(identity, where)
        try:
            amount, fee = self._money("amount", unit), self._money("fee", unit)
            net = self._money("net", unit)
        except ValueError as malformed:
            self.tally.note((error("malformed-amount", str(malformed), where),))
            return None
        if amount is None:
            self.tally.note((error("malformed-amount", "a row without an amount", where),))
            return None
        kind = squeeze(self.cell("kind"))
        if kind in _OUT and amount.minor > 0:
            amount = -amount
        kept = fee.minor if fee else 0
        if (
            net is not None
            and net.minor != amount.minor - kept
            and abs(net.minor) != abs(amount.minor) - kept
        ):
            self.tally.note((error("net-differs", f"{amount} less {fee} is not {net}", where),))
        booked = squeeze(self.cell("status")) in _DONE
        paid_at = self._instant("paid_at", where)
        out_at = self._instant("paid_out_on", where) if self.cell("paid_out_on") else None
        part = EntryPart(
            amount=amount,
            end_to_end=self.cell("order_code"),
            transaction=identity,
            payment_information=self.cell("payout_id"),
            bank_reference=self.cell("reference"),
            counterparty_account=self.cell("account"),
            text=self.cell("description"),
            charges=fee,
        )
        return BankEntry(
            number=self.tally.entries + 1,
            amount=amount,
            booked_on=None if paid_at is None else paid_at.astimezone(HANOI).date(),
            value_on=None if out_at is None else out_at.astimezone(HANOI).date(),
            booked_at=paid_at,
            status=self.cell("status") or "BOOK",
            booked=booked,
            reversal=kind in {"CHARGEBACK", "REVERSAL"},
            reference=identity,
            bank_reference=self.cell("reference"),
            kind=self.cell("kind"),
            text=part.text,
            charges=fee,
            parts=(part,),
        )

    def _check_twice(self, identity: str, where: str) -> None:
        mark = blake2b(identity.encode(), digest_size=8).digest()
        if identity and mark in self.seen:
            self.tally.note((error("id-twice", f"transaction {identity} stands twice", where),))
        elif len(self.seen) < _MOST_IDS:
            self.seen.add(mark)

    def _money(self, name: str, unit: Currency) -> Money | None:
        """Return a signed amount; đồng may be written with thousands separators ("1.000.000 ₫")."""
        text = self.cell(name)
        plain = re.sub(r"[\s₫đ]|VND$", "", text)
        negative, plain = plain.startswith("-"), plain.lstrip("-")
        if not plain:
            return None
        if unit == VND and _GROUPED.fullmatch(plain):
            plain = plain.replace(",", "").replace(".", "")
        elif _GROUPED_POINT.fullmatch(plain):
            plain = plain.replace(",", "")
        found = read_amount(plain, unit)
        return -found if negative else found

    def _instant(self, name: str, where: str) -> datetime | None:
        text = self.cell(name)
        for read in (datetime.fromisoformat, _written):
            try:
                at = read(text)
                return (at if at.tzinfo else at.replace(tzinfo=HANOI)).astimezone(UTC)
            except (ValueError, OverflowError):
                continue
        self.tally.note((error("impossible-date", f"“{text}” is no time", where),))
        return None

    def _total(self, where: str) -> None:
        try:
            said = self._money("amount", VND)
        except ValueError:
            said = None
        if said is None:
            self.tally.findings.append(warning("total-unread", "a total row without an amount", where))
            return
        self.tally.summary(what="total row", said=said.minor, got=self.tally.credits - self.tally.debits)


def _written(text: str) -> datetime:
    """Read 18/11/2026, 18-11-2026 9:30[:00] and 2026/11/18: the day first, unless the year is."""
    found = _DAY_FIRST.fullmatch(text)
    if found is None:
        return datetime.fromisoformat(text.replace("/", "-"))
    day, _, month, year, time = found.groups(default="00:00")
    return datetime.fromisoformat(f"{year}-{month:0>2}-{day:0>2}T{'0' * (time[1] == ':')}{time}")
