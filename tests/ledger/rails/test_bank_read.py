"""Any bank file: format detection, the size limit, hostile XML, garbage, flat memory, and provider CSV."""

import io
import tracemalloc
from datetime import UTC, date, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from demo.bank_statements import camt, mt940, provider_csv
from ledger.rails.bank_json import write_json
from ledger.rails.bank_read import read_bank_file
from tests.ledger.rails.files import read, sample


def moves(count: int) -> list[dict[str, object]]:
    return [
        {
            "amount": 1_000 + n,
            "paid_at": "2026-11-18T09:00:00+07:00",
            "reference": f"FT{n}",
            "description": f"LT {n}",
        }
        for n in range(count)
    ]


def day(count: int, opening: int = 0) -> dict[str, object]:
    return {"id": "S1", "account": "0011", "opening": opening, "day": "2026-11-18", "movements": moves(count)}


WRITERS = {
    "camt.053": lambda d: camt([d]),
    "mt940": lambda d: mt940([d]),
    "provider-csv": lambda d: provider_csv(d["movements"]),
}


@pytest.mark.parametrize("format_", WRITERS)
def test_formats_are_seen_from_the_content(format_: str) -> None:
    raw = WRITERS[format_](day(3))
    found = read(raw)
    assert (found.opened.format, found.status, found.minors) == (format_, "accepted", [[1000, 1001, 1002]])
    assert read(b"\xef\xbb\xbf" + raw).minors == [[1000, 1001, 1002]]


@pytest.mark.parametrize(
    "raw", [b"", b"\n\n", b"hello", b"%PDF-1.7", b"\0" * 100, b"a,b,c\n1,2,3\n", b"PK\x03\x04"]
)
def test_unknown_formats_are_quarantined(raw: bytes) -> None:
    found = read(raw)
    assert (found.opened.format, found.status, found.reason) == ("unknown", "quarantined", "unknown-format")


DOCTYPES = [
    '<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
    '<!DOCTYPE d SYSTEM "file:///etc/passwd">',
    '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    "<!DOCTYPE Document>",
    '<!DOCTYPE d [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p.dtd"> %p;]>',
]


@pytest.mark.parametrize("doctype", DOCTYPES)
@pytest.mark.parametrize("padding", [0, 100_000])
def test_a_document_type_is_refused_before_anything_is_read(doctype: str, padding: int) -> None:
    head, _, rest = camt([day(1)]).decode().partition("\n")
    raw = f"{head}<!-- {'x' * padding} -->{doctype}{rest.replace('LT 0', '&a;')}".encode()
    found = read(raw)
    assert (found.status, found.reason, found.statements) == ("quarantined", "forbidden-xml", [])


def test_an_entity_that_nobody_declared_is_broken_xml() -> None:
    found = read(camt([day(1)]).replace(b"LT 0", b"&secret;"))
    assert (found.status, found.reason) == ("quarantined", "unreadable-xml")


@pytest.mark.parametrize("format_", WRITERS)
def test_the_limit_holds_to_the_byte(format_: str) -> None:
    raw = WRITERS[format_](day(400))
    assert read(raw, max_bytes=len(raw)).status == "accepted"
    over = read(raw, max_bytes=len(raw) - 1)
    assert (over.status, over.reason) == ("quarantined", "too-large")


@pytest.mark.parametrize("format_", WRITERS)
def test_a_file_cut_anywhere_is_never_accepted_as_if_whole(format_: str) -> None:
    raw = WRITERS[format_](day(5))
    whole = read(raw)
    for at in range(0, len(raw) - 3, 7):
        cut = read(raw[:at])
        if format_ == "provider-csv" and cut.status == "accepted":
            continue  # a table has no end mark; its total row and the three-way match find what is missing
        assert cut.status == "quarantined" or cut.minors == whole.minors


@given(st.binary(max_size=300), st.sampled_from(["camt.053", "mt940", "provider-csv"]), st.integers(0, 2000))
@example(b"\r", "mt940", 100)
@example(b'"', "provider-csv", 60)
@example(b"\0", "provider-csv", 60)
def test_garbage_inside_a_file_never_raises(noise: bytes, format_: str, at: int) -> None:
    raw = WRITERS[format_](day(3))
    at %= len(raw)
    found = read(raw[:at] + noise + raw[at + len(noise) :])
    assert found.status in {"accepted", "quarantined"}
    "".join(write_json(read_bank_file(io.BytesIO(raw[:at] + noise + raw[at:]))))


@given(st.text(alphabet=":2061FCDVN,/?{}-\n\r0149 ", max_size=400))
def test_anything_like_mt940_never_raises(text: str) -> None:
    read(b":20:A\n" + text.encode())


@pytest.mark.parametrize("format_", WRITERS)
def test_memory_stays_flat(format_: str) -> None:
    def peak(count: int) -> int:
        raw = io.BytesIO(WRITERS[format_](day(count)))
        tracemalloc.start()
        try:
            for _ in read_bank_file(raw):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(50)
    small, large = peak(300), peak(3_000)
    assert large < small + 1_200_000, (
        "ten times the entries, the same memory (but a hint's amounts and known ids)"
    )


def test_a_day_off_by_one_dong_is_quarantined_for_every_sample() -> None:
    raw = sample("genkgo_camt053.v2.multi.statement.xml")
    found = read(raw.replace(b">8.85<", b">8.86<"))
    assert (found.status, found.reason) == ("quarantined", "does-not-balance")


HEADER = "Mã giao dịch;Mã đơn hàng;Số tiền;Phí;Thực nhận;Thời gian;Nội dung;Loại\n"


def test_a_vietnamese_provider_file() -> None:
    raw = "\ufeff" + HEADER + "T1;77;1.000.000 ₫;11.000;989.000;18/11/2026 09:30;Nạp thẻ LT1;payment\nT2;78;50.000;;;2026-11-18 10:00:00;x;refund\n"  # fmt: skip
    found = read(raw.encode())
    assert (found.status, found.minors) == ("accepted", [[1_000_000, -50_000]])
    first = found.statements[0].entries[0]
    assert (first.charges.minor, first.reference, first.parts[0].end_to_end) == (11_000, "T1", "77")
    assert (first.booked_on, first.booked_at) == (
        date(2026, 11, 18),
        datetime(2026, 11, 18, 2, 30, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("T1;77;1000;10;991;2026-11-18;x;payment", "net-differs"),
        (";77;1000;10;990;2026-11-18;x;payment", "missing-id"),
        ("T1;77;;10;990;2026-11-18;x;payment", "malformed-amount"),
        ("T1;77;10,5;;;2026-11-18;x;payment", "malformed-amount"),
        ("T1;77;1000;10;990;2026-02-30;x;payment", "impossible-date"),
        ("T1;77;1000;10;990;2026-11-18;x;payment\nT1;77;1000;10;990;2026-11-18;x;payment", "id-twice"),
        ("T1;77;1000;10;990;2026-11-18;x;payment\nTổng cộng;;1001", "summary-differs"),
    ],
)
def test_provider_rows_that_cannot_be_used(row: str, reason: str) -> None:
    found = read((HEADER + row + "\n").encode())
    assert (found.status, found.reason) == ("quarantined", reason)


def test_rows_that_did_not_succeed_do_not_count() -> None:
    raw = "id,amount,paid at,status\nT1,1000,2026-11-18,success\nT2,500,2026-11-18,failed\n"
    found = read(raw.encode())
    assert [entry.booked for entry in found.statements[0].entries] == [True, False]
    assert found.statements[0].end.credits.minor == 1000


def test_a_file_without_ids_is_numbered_by_its_references() -> None:
    raw = "orderCode,amount,reference,transactionDateTime\n7,3000,TF1,2026-11-18 09:30:00\n8,10,TF1,2026-11-18 09:31:00\n"
    found = read(raw.encode())
    assert (found.opened.format, found.reason, found.minors) == ("provider-csv", "id-twice", [[3000, 10]])


@pytest.mark.parametrize("row", [b"T1,5,2026-11-18,a\0b\n", b"T1,5,2026-11-18," + b"x" * 3_000_000])
def test_a_provider_file_of_broken_lines_is_unreadable(row: bytes) -> None:
    found = read(b"id,amount,paid at,description\n" + row)
    assert (found.status, found.reason) == ("quarantined", "unreadable-csv")


def test_what_is_wrong_with_xml_is_told_on_one_line() -> None:
    (told,) = read(camt([day(1)]).replace(b"<BkToCstmrStmt>", b"<BkToCstmrStmt>\0")).closed.findings
    assert told.code == "unreadable-xml"
    assert "\n" not in told.message


@pytest.mark.parametrize("before", ["", "\n\n", "sep=;\r\n", "\ufeffsep=;\n"])
@pytest.mark.parametrize(
    "written", ["2026-11-18 09:30", "2026/11/18 09:30:00", "18/11/2026 9:30", "18-11-2026 09:30:00", "18.11.2026 09:30"]
)  # fmt: skip
def test_days_as_providers_write_them(before: str, written: str) -> None:
    found = read(f"{before}id;amount;paid at\nT1;5;{written}\n".encode())
    assert (found.status, found.minors) == ("accepted", [[5]])
    assert found.statements[0].entries[0].booked_at == datetime(2026, 11, 18, 2, 30, tzinfo=UTC)


@pytest.mark.parametrize("day_", ["18/13/2026", "31/11/2026", "1/2", "18/11-2026", "20261118T"])
def test_days_that_never_were(day_: str) -> None:
    assert read(f"id,amount,paid at\nT1,5,{day_}\n".encode()).reason == "impossible-date"


@pytest.mark.parametrize(
    ("row", "minor", "status"),
    [
        ("payment,VND,5000,100,4900", 5000, "accepted"),
        ("refund,VND,-2000,100,-2100", -2000, "accepted"),  # the fee goes out too
        ("refund,VND,2000,100,-2100", -2000, "accepted"),
        ("refund,VND,-2000,100,-1900", -2000, "accepted"),  # the fee comes back
        ("payment,VND,5000,100,5100", 5000, "quarantined"),
        ('payment,USD,"1,005.25",0.25,"1,005.00"', 100_525, "accepted"),
    ],
)
def test_net_is_the_amount_less_the_fee(row: str, minor: int, status: str) -> None:
    found = read(f"id,paid at,kind,currency,amount,fee,net\nT1,2026-11-18,{row}\n".encode())
    assert (found.status, found.minors) == (status, [[minor]])
