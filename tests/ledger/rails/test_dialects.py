"""Bank files as banks write them: dialects, totals, foreign money, broken wrappings. One table a format."""

import pytest

from tests.ledger.rails.camt_text import balance, document, entry
from tests.ledger.rails.files import read

LINE = ":61:2611181118C500,NTRFNONREF"
OPENS, CLOSES = balance("OPBD", "1000"), balance("CLBD", "1500")


def mt(
    *lines: str, account: str = ":25:0011", opening: str = "1000", closing: str = "1500", end: str = "-\r\n"
) -> str:
    """One statement of MT940 with CRLF, as SWIFT has it."""
    return "\r\n".join(
        (":20:S1", account, ":28C:1/1", f":60F:C261118VND{opening},", *lines, f":62F:C261118VND{closing},", end)
    )  # fmt: skip


HEAD = "{1:F01BANKVNVXAXXX0000000000}{2:I940BANKVNVXXXXXN}{3:{108:X}}{4:\r\n"
TRAILER = "{5:{CHK:123456789ABC}}"
SECOND = mt(LINE, opening="1500", closing="2000").replace(":28C:1", ":28C:2")
QUEUED = HEAD + SECOND.replace("-\r\n", "-}")


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + mt(LINE, end="-}") + QUEUED,  # a queue of messages, one line from end to head
        HEAD + mt(LINE, end="-}") + TRAILER + QUEUED + TRAILER + "\r\n",
        HEAD + mt(LINE, end="-}") + TRAILER + "$" + QUEUED + TRAILER,  # SWIFT's RJE files
        HEAD + mt(LINE, end="-}") + "$\r\n" + QUEUED + "$\r\n",
        "\x01" + HEAD + mt(LINE, end="-}") + "\x03\r\n\x01" + QUEUED + "\x03",
        mt(LINE, end="") + SECOND,  # nothing between them but the next :20:
        "\ufeff\r\n\r\n" + mt(LINE + "   ", ":86:x   ", "") + "\r\n" + SECOND,
    ],
)
def test_statements_wrapped_in_any_way_are_the_same_two(raw: str) -> None:
    found = read(raw.encode())
    assert (found.status, found.minors, found.closed.findings) == ("accepted", [[500], [500]], ())
    assert [one.end.closing.minor for one in found.statements if one.end and one.end.closing] == [1500, 2000]


@pytest.mark.parametrize("line", [":25P:0011\r\nBANKVNVX", ":25P:0011", ":25:0011 "])
def test_the_account_is_without_its_bank(line: str) -> None:
    assert read(mt(LINE, account=line).encode()).statements[0].head.account == "0011"


@pytest.mark.parametrize(
    ("details", "text", "end_to_end", "who", "account"),
    [
        ("/EREF/X1//MARF/M//CNTP/NL12ABNA0123456789/ABNANL2A/J DOE///REMI/USTD//hello world/",
         "hello world", "X1", "J DOE", "NL12ABNA0123456789"),
        ("/CNTP/0011///NGUYEN VAN A//REMI/Nap the", "Nap the", "", "", "0011"),
        ("/BENM//NAME/TRAN B/IBAN/DE89370400440532013000/REMI/x", "x", "", "TRAN B", "DE89370400440532013000"),
        ("051<00Gutschrift<20EREF+ABC<21SVWZ+pay me<30BANKX<31ACC<32Nguyen Van<33 A",
         "pay me", "ABC", "Nguyen Van A", "ACC"),
        ("166?00GUTSCHRIFT?20EREF+E2E-1234567890123456789?2101?22SVWZ+LTABC?30BANK?31001?32NG\r\n?33 A",
         "LTABC", "E2E-123456789012345678901", "NG A", "001"),
        ("text\r\n::not a tag\r\n:99:zzz\r\n:61 neither", "text ::not a tag :99:zzz :61 neither", "", "", ""),
        ("one\r\n:86:two", "one two", "", "", ""),
    ],
)  # fmt: skip
def test_details_in_their_dialects(details: str, text: str, end_to_end: str, who: str, account: str) -> None:
    part = read(mt(LINE, f":86:{details}").encode()).statements[0].entries[0].parts[0]
    assert (part.text, part.end_to_end, part.counterparty, part.counterparty_account) == (
        text, end_to_end, who, account,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (mt(LINE)[:60], "malformed-entry"),
        (mt(LINE).split(":62F")[0], "no-closing-balance"),
        (mt(LINE).replace(":60F:C", ":60F:C "), "malformed-balance"),
        (mt(LINE) + SECOND.replace("C261118VND1500,", "C261118VND1501,").replace("VND2000", "VND2001"), "chain-broken"),
        (mt(":61:2702290229C500,NTRF"), "impossible-date"),  # 2027 has no 29 February
        (mt(":61:2611181118C5,1234NTRF").replace("VND", "KWD"), "malformed-amount"),  # KWD has three decimals
    ],
)  # fmt: skip
def test_cut_or_contradicting_mt940_says_why(raw: str, reason: str) -> None:
    found = read(raw.encode())
    assert (found.status, found.reason) == ("quarantined", reason)


def summary(inside: str) -> bytes:
    return document(OPENS, CLOSES, f"<TxsSummry>{inside}</TxsSummry>", entry("700"), entry("200", "DBIT"))


@pytest.mark.parametrize(
    ("inside", "status"),
    [
        ("<TtlNtries><NbOfNtries>2</NbOfNtries><Sum>900</Sum></TtlNtries>", "accepted"),
        ("<TtlNtries><Sum>901</Sum></TtlNtries>", "quarantined"),
        ("<TtlCdtNtries><NbOfNtries>1</NbOfNtries><Sum>700</Sum></TtlCdtNtries>", "accepted"),
        ("<TtlCdtNtries><NbOfNtries>2</NbOfNtries></TtlCdtNtries>", "quarantined"),
        ("<TtlDbtNtries><NbOfNtries>2</NbOfNtries></TtlDbtNtries>", "quarantined"),
        ("<TtlDbtNtries><Sum>201</Sum></TtlDbtNtries>", "quarantined"),
        # version 02 has the net beside its mark, 04 and later inside an element of its own
        ("<TtlNtries><TtlNetNtryAmt>500</TtlNetNtryAmt><CdtDbtInd>CRDT</CdtDbtInd></TtlNtries>", "accepted"),
        ("<TtlNtries><TtlNetNtryAmt>500</TtlNetNtryAmt><CdtDbtInd>DBIT</CdtDbtInd></TtlNtries>", "quarantined"),
        ("<TtlNtries><TtlNetNtry><Amt>500</Amt><CdtDbtInd>CRDT</CdtDbtInd></TtlNetNtry></TtlNtries>", "accepted"),
        ("<TtlNtries><TtlNetNtry><Amt>900</Amt><CdtDbtInd>CRDT</CdtDbtInd></TtlNetNtry></TtlNtries>", "quarantined"),
    ],
)  # fmt: skip
def test_every_total_that_a_statement_gives_is_checked(inside: str, status: str) -> None:
    found = read(summary(inside))
    assert (found.status, found.reason) == (status, "" if status == "accepted" else "summary-differs")


def details(inside: str) -> bytes:
    refs = "<Refs><EndToEndId>E1</EndToEndId></Refs>"
    return document(
        OPENS,
        CLOSES,
        entry("500", more=f"<NtryDtls><TxDtls>{refs}{inside}</TxDtls></NtryDtls>"),
        version="08",
    )


RATE = "<CcyXchg><SrcCcy>USD</SrcCcy><TrgtCcy>VND</TrgtCcy><XchgRate>25.0</XchgRate></CcyXchg>"
ASKED = '<InstdAmt><Amt Ccy="USD">20.00</Amt></InstdAmt>'


@pytest.mark.parametrize(
    "inside",
    [
        f'<AmtDtls>{ASKED}<TxAmt><Amt Ccy="VND">500</Amt>{RATE}</TxAmt></AmtDtls>',
        f'<AmtDtls>{ASKED}<CntrValAmt><Amt Ccy="VND">500</Amt>{RATE}</CntrValAmt></AmtDtls>',
        (
            f'<Amt Ccy="USD">20.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><AmtDtls>{ASKED}<CntrValAmt><Amt Ccy="VND">500</Amt>'
            f"{RATE}</CntrValAmt></AmtDtls>"
        ),
    ],
)
def test_money_of_another_currency_is_told_and_never_summed(inside: str) -> None:
    found = read(details(inside))
    (part,) = found.statements[0].entries[0].parts
    assert (found.status, found.statements[0].codes) == ("accepted", [])
    assert (str(part.amount), str(part.instructed), part.exchange_rate) == ("500 VND", "20.00 USD", "25.0")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (document(OPENS, CLOSES, entry("5e2")), "malformed-amount"),
        (document(OPENS, CLOSES, entry("500,00")), "malformed-amount"),
        (document(OPENS, CLOSES, entry("500", unit="")), "missing-currency"),
        (document(OPENS, balance("CLBD", "1500", unit="USD"), entry("500")), "several-currencies"),
        (document(OPENS, balance("OPBD", "1001"), CLOSES, entry("500")), "several-balances"),
        (b'<?xml version="1.0" encoding="x-unknown"?>' + document(OPENS, CLOSES, entry("500")), "unreadable-xml"),
        (b'<?xml version="1.0" encoding="shift_jis"?>' + document(OPENS, CLOSES, entry("500")), "unreadable-xml"),
        (document(OPENS, CLOSES, entry("500", more="<AddtlNtryInf>&nobody;</AddtlNtryInf>")), "unreadable-xml"),
        (document(OPENS, CLOSES, entry("500")).replace(b"BOOK", b"BOOK\xfc"), "unreadable-xml"),  # not UTF-8
        (document(OPENS, CLOSES, entry("500")) + b"junk", "unreadable-xml"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]>' + document(OPENS, CLOSES, entry("500")), "forbidden-xml"),
    ],
)  # fmt: skip
def test_camt_that_cannot_be_used_says_why(raw: bytes, reason: str) -> None:
    found = read(raw)
    assert (found.status, found.reason) == ("quarantined", reason)


def test_white_space_before_a_document_is_let_pass_with_a_warning() -> None:
    found = read(b'\n  <?xml version="1.0"?>' + document(OPENS, CLOSES, entry("500")))
    assert (found.status, found.minors) == ("accepted", [[500]])
    assert [one.code for one in found.closed.findings] == ["white-space"]
