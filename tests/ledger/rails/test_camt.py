"""camt.053 and camt.054: published samples, versions, real-world variants, and what is never guessed."""

from datetime import UTC, date, datetime

import pytest

from demo.bank_statements import camt
from ledger.rails.bankfile import BalanceKind
from tests.ledger.rails.camt_text import HEAD, balance, document, entry
from tests.ledger.rails.files import read, sample

MOVES = [
    {"amount": 50_000, "paid_at": "2026-11-18T09:30:00+07:00", "reference": "FT1", "description": "Nap the LT1",
     "end_to_end": "E1"},
    {"amount": -20_000, "paid_at": "2026-11-18T23:59:59+07:00", "reference": "FT2", "description": "Hoan tien & <x>"},
]  # fmt: skip


@pytest.mark.parametrize("version", ["02", "04", "08"])
@pytest.mark.parametrize("message", ["053", "054"])
def test_every_version_says_the_same(version: str, message: str) -> None:
    statement = {"id": "S1", "account": "0011", "opening": 1_000, "day": "2026-11-18", "movements": MOVES}
    found = read(camt([statement], version=version, message=message))
    assert (found.opened.format, found.opened.version) == (f"camt.{message}", version)
    assert (found.status, found.minors) == ("accepted", [[50_000, -20_000]])
    first = found.statements[0].entries[0]
    assert first.booked_on == date(2026, 11, 18)
    assert first.booked_at == datetime(2026, 11, 18, 2, 30, tzinfo=UTC)
    part = first.parts[0]
    assert (part.end_to_end, part.bank_reference, part.text) == ("E1", "FT1", "Nap the LT1")
    assert part.counterparty == "NGUYEN VAN A"
    assert found.statements[0].entries[1].parts[0].end_to_end == "", "NOTPROVIDED is no reference"
    assert found.statements[0].entries[1].parts[0].text == "Hoan tien & <x>"
    assert found.closed.findings == ()


def test_genkgo_two_statements_chain() -> None:
    found = read(sample("genkgo_camt053.v2.multi.statement.xml"))
    assert (found.opened.format, found.opened.version, found.status) == ("camt.053", "02", "accepted")
    assert found.minors == [[885], [-700]]
    assert [one.head.statement for one in found.statements] == [
        "253EURNL26VAYB8060476890",
        "254EURNL26VAYB8060476890",
    ]
    ends = [(one.end.opening.minor, one.end.closing.minor) for one in found.statements]
    assert ends == [(1815, 2700), (2700, 2000)]
    assert found.statements[0].entries[0].parts[0].end_to_end == "000000001"


def test_genkgo_v8_of_several_currencies_is_quarantined() -> None:
    found = read(sample("genkgo_camt053.v8.xml"))
    assert (found.opened.version, found.status, found.reason) == ("08", "quarantined", "several-currencies")
    only = found.statements[0].entries[0]
    assert (only.kind, only.bank_reference) == ("PMNT/RCDT/BOOK", "AAAASESS-FP-CN_98765/01")
    assert only.parts[0].creditor_reference == "4654654654654654"
    assert only.parts[0].counterparty == "NAME NAME"


@pytest.mark.parametrize(
    ("closing", "hint"),
    [
        ("1491", "divisible by 9"),  # 1,500 with two digits swapped would be off by a multiple of 9
        ("1000", "may be missing or stand twice"),  # off by 500, the entry itself
        ("500", "sign may be wrong"),  # off by 1,000, twice the entry
        ("1499", ""),
    ],
)
def test_what_does_not_balance_is_quarantined_with_a_hint(closing: str, hint: str) -> None:
    found = read(document(balance("OPBD", "1000"), balance("CLBD", closing), entry("500")))
    assert (found.status, found.reason) == ("quarantined", "does-not-balance")
    message = found.statements[0].end.findings[0].message
    assert hint in message
    assert bool(hint) == (";" in message.partition("difference")[2])


def test_an_overdrawn_account_balances() -> None:
    body = (balance("OPBD", "1000", "DBIT"), balance("CLBD", "500", "DBIT"), entry("500"))
    found = read(document(*body))
    assert found.status == "accepted"
    assert found.statements[0].end.opening.minor == -1000


def test_opening_may_be_the_previous_closing() -> None:
    found = read(document(balance("PRCD", "1000"), balance("CLBD", "1500"), entry("500")))
    assert (found.status, found.statements[0].end.opening.minor) == ("accepted", 1000)


def test_opening_and_previous_closing_must_agree() -> None:
    body = (balance("OPBD", "1000"), balance("PRCD", "900"), balance("CLBD", "1500"), entry("500"))
    assert read(document(*body)).reason == "opening-differs"


@pytest.mark.parametrize(
    ("balances", "reason"),
    [
        ((balance("CLBD", "1500"),), "no-opening-balance"),
        ((balance("OPBD", "1000"),), "no-closing-balance"),
        ((balance("OPBD", "1000"), balance("OPBD", "900"), balance("CLBD", "1500")), "several-balances"),
        ((), "no-opening-balance"),
    ],
)
def test_missing_balances_are_never_guessed(balances: tuple[str, ...], reason: str) -> None:
    assert read(document(*balances, entry("500"))).reason == reason


def test_available_and_interim_balances_do_not_stand_for_booked_ones() -> None:
    body = (
        balance("OPBD", "1000"),
        balance("OPAV", "77"),
        balance("ITBD", "1200"),
        balance("CLBD", "1500"),
        balance("CLAV", "99", "DBIT"),
        balance("FWAV", "98"),
        entry("500"),
    )
    found = read(document(*body))
    assert found.status == "accepted"
    kinds = [one.kind for one in found.statements[0].end.balances]
    assert kinds[-2:] == [BalanceKind.CLOSING_AVAILABLE, BalanceKind.FORWARD_AVAILABLE]


def test_pages_of_one_statement_go_from_interim_to_interim() -> None:
    pages = (
        balance("OPBD", "1000") + balance("ITBD", "1500") + entry("500"),
        balance("ITBD", "1500") + balance("ITBD", "1700") + entry("200"),
        balance("ITBD", "1700") + balance("CLBD", "1600") + entry("100", "DBIT"),
    )
    account = "<Acct><Id><Othr><Id>1</Id></Othr></Id></Acct>"
    body = "".join(
        f"<Stmt><Id>S1</Id><StmtPgntn><PgNb>{n}</PgNb><LastPgInd>false</LastPgInd></StmtPgntn>"
        f"<ElctrncSeqNb>7</ElctrncSeqNb>{account}{page}</Stmt>"
        for n, page in enumerate(pages, 1)
    )
    found = read(HEAD.format(v="08", body=body).encode())
    assert (found.status, found.reason) == ("accepted", "")


def test_reversal_indicator_does_not_turn_the_sign() -> None:
    # ISO 20022: CRDT with RvslInd true means that the original was a debit; this one is money in
    body = (balance("OPBD", "1000"), balance("CLBD", "1300"))
    turned = entry("500", "CRDT", "<RvslInd>true</RvslInd>") + entry("200", "DBIT", "<RvslInd>true</RvslInd>")
    found = read(document(*body, turned))
    assert (found.status, found.minors) == ("accepted", [[500, -200]])
    assert all(one.reversal for one in found.statements[0].entries)


def test_pending_entries_are_no_part_of_the_balance() -> None:
    body = (balance("OPBD", "1000"), balance("CLBD", "1500"), entry("500"), entry("999", status="PDNG"))
    found = read(document(*body))
    assert (found.status, found.statements[0].codes) == ("accepted", ["not-booked"])
    assert [one.booked for one in found.statements[0].entries] == [True, False]


def batch(*amounts: str, count: int | None = None, total: str = "600") -> str:
    said = (
        "" if count is None else f'<Btch><NbOfTxs>{count}</NbOfTxs><TtlAmt Ccy="VND">{total}</TtlAmt></Btch>'
    )
    details = "".join(
        f"<TxDtls><Refs><EndToEndId>E{n}</EndToEndId></Refs><AmtDtls><TxAmt>"
        f'<Amt Ccy="VND">{amount}</Amt></TxAmt></AmtDtls></TxDtls>'
        for n, amount in enumerate(amounts)
    )
    return f"<NtryDtls>{said}{details}</NtryDtls>"


@pytest.mark.parametrize("mark", ["CRDT", "DBIT"])
def test_a_batch_has_its_payments_signed_as_the_entry(mark: str) -> None:
    closing = balance("CLBD", "1600") if mark == "CRDT" else balance("CLBD", "400")
    found = read(
        document(balance("OPBD", "1000"), closing, entry("600", mark, batch("100", "200", "300", count=3)))
    )
    assert (found.status, found.statements[0].codes) == ("accepted", [])
    only = found.statements[0].entries[0]
    sign = 1 if mark == "CRDT" else -1
    assert [part.amount.minor for part in only.parts] == [sign * 100, sign * 200, sign * 300]
    assert (only.batch_count, only.batch_total.minor) == (3, 600)


@pytest.mark.parametrize(
    ("details", "code"),
    [
        (batch("100", "200", count=3), "batch-count"),
        (batch("100", "200"), "parts-differ"),
        (batch("600", count=1, total="700"), "batch-total"),
    ],
)
def test_a_batch_that_does_not_add_up_is_told_of(details: str, code: str) -> None:
    raw = document(balance("OPBD", "1000"), balance("CLBD", "1600"), entry("600", more=details))
    assert code in read(raw).statements[0].codes
    assert read(raw).status == "accepted", "the entry itself balances"
    assert read(raw, strict=True).status == "quarantined"


@pytest.mark.parametrize(
    "charges",
    [
        '<Chrgs><Amt Ccy="VND">20</Amt><CdtDbtInd>DBIT</CdtDbtInd></Chrgs>',
        '<Chrgs><Rcrd><Amt Ccy="VND">15</Amt><CdtDbtInd>DBIT</CdtDbtInd></Rcrd><Rcrd><Amt Ccy="VND">5</Amt></Rcrd></Chrgs>',
        '<Chrgs><TtlChrgsAndTaxAmt Ccy="VND">20</TtlChrgsAndTaxAmt><Rcrd><Amt Ccy="VND">20</Amt></Rcrd></Chrgs>',
    ],
)
def test_charges_explain_a_payment_that_came_in_smaller(charges: str) -> None:
    more = charges + batch("600")
    found = read(document(balance("OPBD", "1000"), balance("CLBD", "1580"), entry("580", more=more)))
    assert (found.status, found.statements[0].codes) == ("accepted", [])
    assert found.statements[0].entries[0].charges.minor == 20


def test_a_total_that_the_file_gets_wrong_is_an_error() -> None:
    summary = "<TxsSummry><TtlNtries><NbOfNtries>2</NbOfNtries></TtlNtries></TxsSummry>"
    raw = document(balance("OPBD", "1000"), balance("CLBD", "1500"), summary, entry("500"))
    assert read(raw).reason == "summary-differs"
    right = "<TxsSummry><TtlCdtNtries><NbOfNtries>1</NbOfNtries><Sum>500.00</Sum></TtlCdtNtries></TxsSummry>"
    assert (
        read(document(balance("OPBD", "1000"), balance("CLBD", "1500"), right, entry("500"))).status
        == "accepted"
    )


@pytest.mark.parametrize(
    ("written", "day", "instant"),
    [
        ("<Dt>2026-11-18</Dt>", date(2026, 11, 18), None),
        ("<Dt>2026-11-18+07:00</Dt>", date(2026, 11, 18), None),
        ("<Dt>2026-11-18Z</Dt>", date(2026, 11, 18), None),
        ("<DtTm>2026-11-18T17:30:00Z</DtTm>", date(2026, 11, 19), datetime(2026, 11, 18, 17, 30, tzinfo=UTC)),
        ("<DtTm>2026-11-18T00:30:00</DtTm>", date(2026, 11, 18), datetime(2026, 11, 17, 17, 30, tzinfo=UTC)),
        ("<DtTm>2026-11-18T24:00:00</DtTm>", date(2026, 11, 19), datetime(2026, 11, 18, 17, tzinfo=UTC)),
        (
            "<DtTm>2026-11-18T12:00:00.123+09:00</DtTm>",
            date(2026, 11, 18),
            datetime(2026, 11, 18, 3, 0, 0, 123000, UTC),
        ),
    ],
)
def test_dates_with_and_without_zone(written: str, day: date, instant: datetime | None) -> None:
    more = f"<BookgDt>{written}</BookgDt>"
    raw = document(
        balance("OPBD", "1000"),
        balance("CLBD", "1500"),
        entry("500").replace("<BookgDt><Dt>2026-11-18</Dt></BookgDt>", more),
    )
    only = read(raw).statements[0].entries[0]
    assert (only.booked_on, only.booked_at) == (day, instant)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (document(balance("OPBD", "1"), balance("CLBD", "1", day="2026-02-30")), "impossible-date"),
        (document(balance("OPBD", "1", unit=""), balance("CLBD", "1", unit="")), "missing-currency"),
        (document(balance("OPBD", "1"), balance("CLBD", "2"), entry("1", unit="USD")), "several-currencies"),
        (document(balance("OPBD", "1"), balance("CLBD", "2"), entry("1.5")), "malformed-amount"),
        (document(balance("OPBD", "1"), balance("CLBD", "2"), entry("1,000")), "malformed-amount"),
        (document(balance("OPBD", "1"), balance("CLBD", "2"), entry("-1")), "malformed-amount"),
        (document(balance("OPBD", "1"), balance("CLBD", "2"), entry("1", "CREDIT")), "missing-direction"),
        (document(balance("OPBD", "1"), balance("CLBD", "1"))[:-40], "unreadable-xml"),
        (b"<Document/>", "unknown-message"),
        (b"<html><body>Sign in</body></html>", "unknown-message"),
        (HEAD.format(v="08", body="").encode(), "no-statement"),
    ],
)
def test_what_cannot_be_used_says_why(raw: bytes, reason: str) -> None:
    found = read(raw)
    assert (found.status, found.reason) == ("quarantined", reason)


def test_zero_decimals_are_no_decimals() -> None:
    found = read(document(balance("OPBD", "1000.00"), balance("CLBD", "1500.0000"), entry("500.00")))
    assert (found.status, found.minors) == ("accepted", [[500]])


@pytest.mark.parametrize("namespace", ["urn:iso:std:iso:20022:tech:xsd:camt.053.001.13", ""])
def test_other_versions_are_read_with_a_warning(namespace: str) -> None:
    raw = document(balance("OPBD", "1000"), balance("CLBD", "1500"), entry("500"))
    raw = raw.replace(b"urn:iso:std:iso:20022:tech:xsd:camt.053.001.02", namespace.encode())
    found = read(raw)
    assert (found.status, [one.code for one in found.closed.findings]) == ("accepted", ["unknown-version"])
    assert read(raw, strict=True).status == "quarantined"


def test_prefixed_namespace_reads() -> None:
    raw = document(balance("OPBD", "1000"), balance("CLBD", "1500"), entry("500")).decode()
    raw = raw.replace("<", "<c:").replace("<c:/", "</c:").replace("xmlns=", "xmlns:c=")
    assert read(raw.encode()).minors == [[500]]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "iso-8859-1", "windows-1252"])
def test_declared_encodings_read(encoding: str) -> None:
    declared = encoding.replace("-sig", "")
    text = document(
        balance("OPBD", "1000"),
        balance("CLBD", "1500"),
        entry("500", more="<AddtlNtryInf>Gebühr</AddtlNtryInf>"),
    )
    raw = f'<?xml version="1.0" encoding="{declared}"?>{text.decode()}'.encode(encoding)
    assert read(raw).statements[0].entries[0].text == "Gebühr"


def test_statements_that_do_not_chain() -> None:
    day = {"account": "0011", "day": "2026-11-18"}
    first = day | {"id": "A", "opening": 0, "movements": [MOVES[0]]}
    second = day | {"id": "B", "opening": 50_000, "movements": [MOVES[1]]}
    assert read(camt([first, second])).status == "accepted"
    turned = read(camt([second | {"sequence": 2}, first | {"sequence": 1}]))
    assert (turned.status, [one.code for one in turned.closed.findings]) == ("accepted", ["newest-first"])
    broken = read(camt([first, second | {"opening": 50_001}]))
    assert (broken.status, broken.reason) == ("quarantined", "chain-broken")
    other = read(camt([first, second | {"opening": 7, "account": "0012"}]))
    assert other.status == "accepted", "another account is another chain"
    twice = read(camt([first | {"sequence": 5}, first | {"sequence": 5}]))
    assert [one.code for one in twice.closed.findings] == ["statement-twice", "chain-broken"]
