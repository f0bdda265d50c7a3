"""MT940 as banks and old programs leave it: what is let pass, with which warning, and what is refused."""

import pytest

from tests.ledger.rails.files import File, read

LINE = ":61:2611181118C500,NTRFNONREF"


def one(line: str, *, after: str = "-\n") -> File:
    return read(
        f":20:S1\n:25:0011\n:28C:1/1\n:60F:C261118VND1000,\n{line}\n:62F:C261118VND1500,\n{after}".encode()
    )


@pytest.mark.parametrize(
    ("line", "codes"),
    [
        (":61:261118    C500,NTRFNONREF", []),  # four spaces where the entry date may stand
        (":61:261118    CD500,NTRFNONREF", []),
        (":61:2611181118c500,NTRFNONREF", ["mark-case"]),
    ],
)
def test_entry_lines_of_old_programs(line: str, codes: list[str]) -> None:
    found = one(line)
    assert (found.status, found.minors, found.statements[0].codes) == ("accepted", [[500]], codes)
    entry = found.statements[0].entries[0]
    assert entry.value_on == entry.booked_on


@pytest.mark.parametrize(
    ("between", "codes"),
    [
        ("-\n", []),
        ("-\n\x1a", []),  # the end mark of old systems, then the next file
        ("\x03\n\x01", []),
        ("VCBBVNVX\n940\nVCBBVNVX\n", []),  # a header again, with no dash before it
        ("-\nä4:\n", []),  # SWIFT's braces in Sweden's seven bits
        ("-å\nä4:\n", []),
        ("2. Tien mat, ngay 19\n", ["stray-text"]),
    ],
)
def test_what_stands_between_statements_is_no_part_of_a_balance(between: str, codes: list[str]) -> None:
    second = (
        ":20:S2\n:25:0011\n:28C:2/1\n:60F:C261118VND1500,\n:61:261118D1,NTRF\n:62F:C261118VND1499,\n-\n\x1a"
    )
    found = one(LINE, after=between + second)
    assert (found.status, found.minors) == ("accepted", [[500], [-1]])
    assert [statement.codes for statement in found.statements] == [codes, []]


@pytest.mark.parametrize(
    ("line", "reference", "bank_reference", "supplement"),
    [
        (":61:2611181118C500,NTRFLT12//FT26\n/OCMT/USD20,5/", "LT12", "FT26", "/OCMT/USD20,5/"),
        (":61:2611181118C500,NTRF0121470966      TRAN VAN A", "0121470966", "", "TRAN VAN A"),
        (":61:2611181118C500,NTRFNONREF          TRAN VAN A\nq 1", "", "", "TRAN VAN A q 1"),
        (":61:2611181118C500,NTRF2026-11-18-08.37.18.054696", "2026-11-18-08.37.18.054696", "", ""),
        (":61:2611181118C500,NTRFTFNr 40005 MSGID", "TFNr 40005 MSGID", "", ""),
    ],
)
def test_what_follows_a_reference_is_kept_apart(
    line: str, reference: str, bank_reference: str, supplement: str
) -> None:
    entry = one(line + "\n:86:free text").statements[0].entries[0]
    assert (entry.reference, entry.bank_reference, entry.supplement, entry.text) == (
        reference,
        bank_reference,
        supplement,
        "free text",
    )


def test_the_original_amount_and_charges_are_told() -> None:
    found = one(":61:2611181118C500,NTRFNONREF\n/OCMT/USD20,5//CHGS/VND30,/", after="")
    part = found.statements[0].entries[0].parts[0]
    assert (str(part.instructed), str(part.charges), found.status) == ("20.50 USD", "30 VND", "accepted")
    wrong = one(":61:2611181118C500,NTRFNONREF\n/OCMT/XYZ1,//CHGS/USD1,/").statements[0].entries[0].parts[0]
    assert (wrong.instructed, wrong.charges) == (None, None)


@pytest.mark.parametrize(("number", "warned"), [("0", False), ("00000/001", False), ("7", True)])
def test_only_a_numbered_statement_stands_twice(number: str, warned: bool) -> None:
    raw = f":20:STARTUMS\n:25:1\n:28C:{number}\n:60F:C261118VND0,\n:62F:C261118VND0,\n-\n"
    found = read((raw * 2).encode())
    assert [one.code for one in found.closed.findings] == ["statement-twice"] * warned


def test_another_encoding_is_told_of_once() -> None:
    raw = ":20:A\n:25:1\n:28C:1\n:60F:C261118VND0,\n:61:261118C1,NTRF\n:86:Geb\xfchr \x8d\xe9\n\x8d\n:62F:C261118VND1,\n"
    assert [one.code for one in read(raw.encode("latin-1")).closed.findings] == ["encoding"]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b":61:261118C500,NTRF\n:86:a piece of a statement\n", "no-reference"),
        (b":62F:C261118VND5,\n", "no-reference"),
        (b":20:A\n:25:1\n:28C:1\n:60F:C261118VND0,\n:86:a\0b\n:62F:C261118VND0,\n", "nul-byte"),
        (
            b":20:A\n:25:1\n:60F:C261118VND0,\n:86:" + b"x" * 200_000 + b"\n:62F:C261118VND0,\n",
            "line-too-long",
        ),
    ],
)
def test_pieces_and_broken_bytes_are_quarantined(raw: bytes, reason: str) -> None:
    found = read(raw)
    assert (found.opened.format, found.status, found.reason) == ("mt940", "quarantined", reason)


def test_a_field_of_too_many_lines_says_so() -> None:
    found = one(LINE + "\n:86:" + "word\n" * 300)
    assert (found.status, found.statements[0].codes) == ("accepted", ["field-too-long"])


@pytest.mark.parametrize(("kind", "reason"), [("166", ""), ("177", ""), ("109", "914"), ("159", "914")])
def test_only_a_return_has_a_reason(kind: str, reason: str) -> None:
    part = one(LINE + f"\n:86:{kind}?00X?20SVWZ+a?34914").statements[0].entries[0].parts[0]
    assert part.return_reason == reason


def test_the_trailer_of_a_network_is_no_text() -> None:
    found = one(LINE, after="-}{5:{MAC:0}{CHK:0}}{S:{SAC:}{COP:P}}\n")
    assert (found.status, found.statements[0].codes) == ("accepted", [])
