"""E-invoices as files: the document that goes out, the notice of a cancellation, and the answers that come back.

The document has the element names of the tax authority's XML format (Decision 1450/QĐ-TCT, part II) for what we
know of a ride, a stay or a pass; the seller's digital signature is the adapter's own business, and no schema of the authority's
was at hand to check it by.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from lxml import etree

from kernel.errors import DomainError
from kernel.service_day import local_date
from ledger.rules.book_day import ZONE
from ledger.rules.invoice import Invoice, Series

VERSION: Final = "2.1.0"
_TITLES: Final = {1: "Hóa đơn giá trị gia tăng", 2: "Hóa đơn bán hàng", 5: "Tem, vé, thẻ điện tử"}
_FACTS: Final = {
    "route": "Tuyến",
    "from": "Điểm đi",
    "to": "Điểm đến",
    "place": "Điểm đỗ",
    "entered": "Giờ vào",
    "left": "Giờ ra",
    "product": "Loại vé",
    "scope": "Phạm vi",
    "valid_from": "Hiệu lực từ",
    "valid_to": "Hiệu lực đến",
}
COLUMNS: Final = ("invoice_id", "verdict", "note")


class MalformedAnswersError(DomainError):
    """A file of answers cannot be read; nothing of it was taken."""

    detail = "Line {line} of the answers: {why}."


@dataclass(frozen=True, slots=True)
class Answer:
    """What the tax authority said of one invoice; `note` is its code or its reason."""

    invoice_id: UUID
    accepted: bool
    note: str


def file_name(invoice: Invoice) -> str:
    """Return the name of its file: operator, symbol and number, so that sending twice writes one file."""
    kind = "huy" if invoice.notice_due else "hd"
    return f"{invoice.operator_id}/{kind}-{invoice.symbol}-{invoice.number:08}.xml"


def write_einvoice(invoice: Invoice, series: Series, replaced: Invoice | None = None) -> bytes:
    """Return an invoice's document, UTF-8. `replaced` is the one that it replaces."""
    document = etree.Element("HDon")
    body = etree.SubElement(document, "DLHDon", Id=str(invoice.invoice_id))
    general = etree.SubElement(body, "TTChung")
    _add(general, "PBan", VERSION)
    _add(general, "THDon", _TITLES.get(series.template, "Hóa đơn"))
    _add(general, "KHMSHDon", str(series.template))
    _add(general, "KHHDon", invoice.symbol)
    _add(general, "SHDon", str(invoice.number))
    _add(general, "NLap", invoice.issued_on.isoformat())
    _add(general, "DVTTe", invoice.total.currency.code)
    if replaced is not None:
        related = etree.SubElement(general, "TTHDLQuan")
        _add(related, "TCHDon", "1")  # 1: replaces
        _add(related, "KHMSHDCLQuan", str(series.template))
        _add(related, "KHHDCLQuan", replaced.symbol)
        _add(related, "SHDCLQuan", str(replaced.number))
        _add(related, "NLHDCLQuan", replaced.issued_on.isoformat())
    content = etree.SubElement(body, "NDHDon")
    seller = etree.SubElement(content, "NBan")
    _add(seller, "Ten", series.seller_name)
    _add(seller, "MST", series.seller_tax_code)
    _add(seller, "DChi", series.seller_address)
    _add(etree.SubElement(content, "NMua"), "Ten", "Khách lẻ không lấy hóa đơn")
    net = invoice.total - invoice.tax
    item = etree.SubElement(etree.SubElement(content, "DSHHDVu"), "HHDVu")
    _add(item, "TChat", "1")
    _add(item, "STT", "1")
    _add(item, "THHDVu", invoice.title)
    _add(item, "SLuong", "1")
    _add(item, "DGia", str(net.minor))
    _add(item, "ThTien", str(net.minor))
    _add(item, "TSuat", invoice.tax_rate.value)
    further = etree.SubElement(item, "TTKhac")
    _fact(further, "Thời điểm", invoice.happened_at.astimezone(ZONE).isoformat(timespec="seconds"))
    _fact(further, "Mã giao dịch", str(invoice.subject_id))
    if invoice.plate is not None:
        _fact(further, "Biển kiểm soát", invoice.plate)
    for name, value in sorted(invoice.facts.items()):
        _fact(further, _FACTS.get(name, name), value)
    totals = etree.SubElement(content, "TToan")
    _add(totals, "TgTCThue", str(net.minor))
    _add(totals, "TgTThue", str(invoice.tax.minor))
    _add(totals, "TgTTTBSo", str(invoice.total.minor))
    return _bytes(document)


def write_cancellation(invoice: Invoice, series: Series, reason: str) -> bytes:
    """Return the notice that an accepted invoice is cancelled, UTF-8 (form 04/SS-HĐĐT's fields)."""
    document = etree.Element("TBao")
    body = etree.SubElement(document, "DLTBao", Id=str(invoice.invoice_id))
    _add(body, "PBan", VERSION)
    _add(body, "MST", series.seller_tax_code)
    _add(body, "TNNT", series.seller_name)
    listed = etree.SubElement(etree.SubElement(body, "DSHDon"), "HDon")
    _add(listed, "KHMSHDon", str(series.template))
    _add(listed, "KHHDon", invoice.symbol)
    _add(listed, "SHDon", str(invoice.number))
    _add(listed, "Ngay", local_date(invoice.issued_at, ZONE).isoformat())
    _add(listed, "TCTBao", "1")  # 1: cancelled
    _add(listed, "LDo", reason)
    return _bytes(document)


def read_answers(content: bytes) -> Iterator[Answer]:
    """Yield the answers of a CSV file with the columns invoice_id, verdict (accepted or refused), note.

    MalformedAnswersError names the line; the caller takes all of a file or none.
    """
    try:
        rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise MalformedAnswersError(line=1, why=f"the columns are {', '.join(COLUMNS)}")
        for number, row in enumerate(rows, 2):
            if row["verdict"] not in {"accepted", "refused"}:
                raise MalformedAnswersError(line=number, why="the verdict is accepted or refused")
            try:
                found = UUID(row["invoice_id"] or "")
            except ValueError:
                raise MalformedAnswersError(line=number, why="the invoice_id is no id") from None
            yield Answer(found, row["verdict"] == "accepted", (row["note"] or "")[:200])
    except (UnicodeDecodeError, csv.Error) as error:
        raise MalformedAnswersError(line=1, why=str(error)) from None


def _add(parent: etree._Element, name: str, text: str) -> None:
    etree.SubElement(parent, name).text = text


def _fact(parent: etree._Element, name: str, value: str) -> None:
    one = etree.SubElement(parent, "TTin")
    _add(one, "TTruong", name)
    _add(one, "DLieu", value)


def _bytes(document: etree._Element) -> bytes:
    written: bytes = etree.tostring(document, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return written
