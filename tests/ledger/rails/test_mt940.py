"""MT940: published samples, the many shapes of :61: and :86:, and what is never guessed."""

import re
from datetime import date

import mt940 as published
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.bank_statements import mt940
from ledger.rails.mt940_fields import entry_day, read_day
from tests.ledger.rails.files import File, read, sample


def statement(*lines: str, opening: str = "C261118VND1000,", closing: str = "C261118VND1500,") -> bytes:
    return "\n".join(
        (":20:S1", ":25:0011", ":28C:1/1", f":60F:{opening}", *lines, f":62F:{closing}", "-", "")
    ).encode()


def one(line: str, *details: str, closing: str = "C261118VND1500,") -> File:
    return read(statement(line, *details, closing=closing))


def test_three_statements_in_one_file_stay_apart() -> None:
    found = read(sample("WoLpH_cmxl_mt940.sta"))
    assert (found.opened.format, len(found.statements), found.status) == ("mt940", 3, "accepted")
    assert [len(one.entries) for one in found.statements] == [11, 2, 3]
    assert [one.head.account for one in found.statements] == [
        "45050050/76198810",
        "10020030/1234567",
        "BPHKPLPK/320000546101",
    ]
    assert [one.codes for one in found.statements] == [
        ["unknown-currency", "unknown-currency"],  # DEM was withdrawn from ISO 4217
        [],
        ["date-order"],  # closes in March 2002, opens in October 2003
    ]
    rent, salary = found.statements[1].entries
    assert (rent.amount.minor, rent.value_on, rent.booked_on) == (
        -80_000,
        date(2002, 11, 1),
        date(2002, 11, 2),
    )
    assert (rent.text, rent.parts[0].counterparty) == ("Miete November", "MUELLER")
    assert (salary.amount.minor, salary.text) == (300_000, "Gehalt Oktober FirmaMustermannGmbH")


def test_two_statements_of_one_reference_chain_by_their_numbers() -> None:
    found = read(sample("WoLpH_jejik_generic.sta"))
    assert (found.status, found.minors) == ("accepted", [[-1000], [-1000]])
    assert [one.head.sequence for one in found.statements] == ["1", "2"]


@pytest.mark.parametrize("name", ["WoLpH_cmxl_mt940.sta", "WoLpH_jejik_generic.sta"])
def test_amounts_agree_with_the_published_library(name: str) -> None:
    raw = sample(name)
    ours = read(raw)
    parts = re.split(r"(?m)^(?=:20:)", raw.decode())[1:]  # split first: the library mixes statements
    for part, found in zip(parts, ours.statements, strict=True):
        theirs = published.parse(part)
        said = [int(entry.data["amount"].amount.scaleb(2)) for entry in theirs]
        assert said == [entry.amount.minor for entry in found.entries]
        assert int(theirs.data["final_closing_balance"].amount.amount.scaleb(2)) == found.end.closing.minor


@pytest.mark.parametrize(
    ("line", "minor", "reversal", "value_on", "booked_on"),
    [
        (":61:2611181118C500,NTRFNONREF", 500, False, "2026-11-18", "2026-11-18"),
        (":61:261118C500,NTRFNONREF", 500, False, "2026-11-18", "2026-11-18"),
        (":61:2611181118CD500,NTRFNONREF", 500, False, "2026-11-18", "2026-11-18"),  # funds code D
        (":61:2611181118CR500,NTRFNONREF", 500, False, "2026-11-18", "2026-11-18"),  # funds code R
        (":61:2611181118RD500,NTRFNONREF", 500, True, "2026-11-18", "2026-11-18"),  # takes back a debit: in
        (":61:2611181118RDD500,NTRFNONREF", 500, True, "2026-11-18", "2026-11-18"),
        (":61:2701021231C500,NTRFNONREF", 500, False, "2027-01-02", "2026-12-31"),  # booked in the old year
        (":61:2612310102C500,NTRFNONREF", 500, False, "2026-12-31", "2027-01-02"),
        (":61:2802290229C500,NTRFNONREF", 500, False, "2028-02-29", "2028-02-29"),
        (":61:2611181118 C 500, NTRFNONREF", 500, False, "2026-11-18", "2026-11-18"),
        (":61:261118C500,00N000NONREF", 500, False, "2026-11-18", "2026-11-18"),
    ],
)
def test_entry_lines(line: str, minor: int, reversal: bool, value_on: str, booked_on: str) -> None:
    found = one(line)
    entry = found.statements[0].entries[0]
    assert (entry.amount.minor, entry.reversal) == (minor, reversal)
    assert (entry.value_on, entry.booked_on) == (date.fromisoformat(value_on), date.fromisoformat(booked_on))
    assert (found.status, found.statements[0].codes) == ("accepted", [])


@pytest.mark.parametrize("mark", ["D", "DR", "RC", "RCR"])
def test_marks_that_take_money_out(mark: str) -> None:
    found = one(f":61:2611181118{mark}500,NTRFREF1//BANK1", closing="C261118VND500,")
    assert (found.status, found.minors) == ("accepted", [[-500]])
    assert found.statements[0].entries[0].reversal == mark.startswith("R")


def test_references_and_supplement() -> None:
    found = one(":61:2611181118C500,NTRFLT12//FT26322\nCard payment", ":86:free text")
    entry = found.statements[0].entries[0]
    assert (entry.kind, entry.reference, entry.bank_reference) == ("NTRF", "LT12", "FT26322")
    assert entry.text == "free text"
    assert (
        one(":61:2611181118C500,NTRFLT12//FT1\nCard payment").statements[0].entries[0].text == "Card payment"
    )


@pytest.mark.parametrize(
    ("details", "text", "end_to_end", "who", "account"),
    [
        (":86:Nap the LTABC\n tu MB", "Nap the LTABC tu MB", "", "", ""),
        (
            ":86:166?00GUTSCHRIFT?20EREF+E2E-77            ?21SVWZ+Nap the LT?22ABC?30VCBBVNVX?31001?32NGUYEN\n?33 VAN A",
            "Nap the LT ABC",
            "E2E-77",
            "NGUYEN VAN A",
            "001",
        ),
        (
            ":86:/EREF/E2E-78/NAME/TRAN THI B/REMI/USTD//Nap the LTABC/",
            "Nap the LTABC",
            "E2E-78",
            "TRAN THI B",
            "",
        ),
        (":86:EREF+E2E-79 SVWZ+Nap the", "Nap the", "E2E-79", "", ""),
        (":86:EREF+NOTPROVIDED SVWZ+x", "x", "", "", ""),
        (":86:", "", "", "", ""),
        (":86:999PN5477SCHECK", "999PN5477SCHECK", "", "", ""),
        (":86:What? 20 cards", "What? 20 cards", "", "", ""),
    ],
)
def test_details(details: str, text: str, end_to_end: str, who: str, account: str) -> None:
    part = one(":61:2611181118C500,NTRFNONREF", details).statements[0].entries[0].parts[0]
    assert (part.text, part.end_to_end, part.counterparty, part.counterparty_account) == (
        text,
        end_to_end,
        who,
        account,
    )


def test_text_after_the_closing_balance_is_of_the_statement() -> None:
    raw = statement(":61:2611181118C500,NTRFNONREF", ":86:mine").replace(
        b"\n-\n", b"\n:64:C261118VND1400,\n:65:C261119VND1300,\n:86:not mine\n-\n"
    )
    found = read(raw)
    assert (found.status, found.statements[0].entries[0].text) == ("accepted", "mine")
    assert [one.code for one in found.statements[0].end.balances] == ["60F", "62F", "64", "65"]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (statement(opening="C2611181000,"), "missing-currency"),
        (statement(opening="C261318VND1500,"), "impossible-date"),
        (statement(opening="C260230VND1500,"), "impossible-date"),
        (statement(":61:2613011301C500,NTRF"), "impossible-date"),
        (statement(":61:2611311131C500,NTRF"), "impossible-date"),
        (statement(":61:2611180230C500,NTRF"), "impossible-date"),
        (statement(":61:2611181118C500,50NTRF"), "malformed-amount"),  # VND has no decimals
        (statement(":61:2611181118C1.500,00NTRF", closing="C261118VND2500,"), "malformed-amount"),
        (statement(":61:2611181118X500,NTRF"), "malformed-entry"),
        (statement(":61:garbage"), "malformed-entry"),
        (statement(":61:2611181118C500,NTRF", closing="garbage"), "malformed-balance"),
        (statement(":61:2611181118C501,NTRF"), "does-not-balance"),
        (statement(":61:2611181118C500,NTRF", closing="C261118USD15,00"), "several-currencies"),
        (b":20:A\n:25:1\n:28C:1\n:60F:C261118VND1,\n", "no-closing-balance"),
        (b":20:A\n:25:1\n:28C:1\n:62F:C261118VND1,\n", "no-opening-balance"),
        (b":25:1\n:60F:C261118VND1,\n:62F:C261118VND1,\n", "no-reference"),
    ],
)
def test_what_cannot_be_used_says_why(raw: bytes, reason: str) -> None:
    found = read(raw)
    assert (found.status, found.reason) == ("quarantined", reason)


def test_one_bad_statement_does_not_spoil_the_others() -> None:
    good = statement(":61:2611181118C500,NTRF")
    found = read(
        good
        + statement(":61:2613181118C500,NTRF", opening="C261118VND1500,", closing="C261118VND2000,")
        + good.replace(b":25:0011", b":25:0012")
    )
    assert [one.status for one in found.statements] == ["accepted", "quarantined", "accepted"]
    assert (found.status, found.reason) == ("quarantined", "impossible-date")


def test_pages_with_intermediate_balances_chain() -> None:
    first = b":20:A\n:25:1\n:28C:7/1\n:60F:C261118VND0,\n:61:261118C5,NTRF\n:62M:C261118VND5,\n-\n"
    second = b":20:A\n:25:1\n:28C:7/2\n:60M:C261118VND5,\n:61:261118D2,NTRF\n:62F:C261118VND3,\n-\n"
    found = read(first + second)
    assert (found.status, [(one.head.sequence, one.head.page) for one in found.statements]) == (
        "accepted",
        [("7", "1"), ("7", "2")],
    )
    assert (
        read(
            first + second.replace(b":60M:C261118VND5", b":60M:C261118VND6").replace(b"VND3", b"VND4")
        ).reason
        == "chain-broken"
    )


def test_an_overdrawn_account_balances() -> None:
    assert (
        read(statement(":61:261118C500,NTRF", opening="D261118VND1000,", closing="D261118VND500,")).status
        == "accepted"
    )


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("envelope", [False, True])
def test_line_ends_and_the_swift_envelope_do_not_matter(newline: str, envelope: bool) -> None:
    moves = [
        {
            "amount": 500,
            "paid_at": "2026-11-18T09:00:00+07:00",
            "reference": f"FT{n}",
            "description": "x" * 150,
        }
        for n in range(3)
    ]
    days = [
        {"id": "A", "account": "0011", "opening": 0, "day": "2026-11-18", "movements": moves},
        {"id": "B", "account": "0011", "opening": 1500, "day": "2026-11-19", "movements": [moves[0] | {"amount": -500, "reversal": True}]},
    ]  # fmt: skip
    found = read(mt940(days, envelope=envelope, newline=newline))
    assert (found.status, found.minors, found.closed.findings) == ("accepted", [[500, 500, 500], [-500]], ())
    assert found.statements[0].entries[0].text.replace(" ", "") == "x" * 150
    assert found.statements[1].entries[0].reversal


def test_header_lines_of_a_bank_are_let_pass() -> None:
    raw = b"ABNANL2A\n940\nABNANL2A\n" + statement(":61:2611181118C500,NTRF")
    assert read(raw).status == "accepted"


def test_other_encodings_are_read_with_a_warning() -> None:
    raw = statement(":61:2611181118C500,NTRF", ":86:Gebühr").decode().encode("cp1252")
    found = read(raw)
    assert (found.status, found.statements[0].entries[0].text) == ("accepted", "Gebühr")
    assert [one.code for one in found.closed.findings] == ["encoding"]


def test_years_and_days() -> None:
    assert read_day("790101") == date(2079, 1, 1)
    assert read_day("800101") == date(1980, 1, 1)
    assert entry_day(date(2028, 3, 1), "0229") == date(2028, 2, 29)
    with pytest.raises(ValueError):
        entry_day(date(2026, 3, 1), "0230")


@given(
    st.lists(st.integers(-(10**12), 10**12).filter(bool), max_size=20),
    st.integers(-(10**12), 10**12),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_a_bank_writes_is_read_to_the_same_amounts(
    amounts: list[int], opening: int, newline: str
) -> None:
    moves = [
        {
            "amount": amount,
            "paid_at": "2026-11-18T09:00:00+07:00",
            "reference": f"F{n}",
            "description": f"LT {n}",
        }
        for n, amount in enumerate(amounts)
    ]
    day = {"id": "A", "account": "0011", "opening": opening, "day": "2026-11-18", "movements": moves}
    found = read(mt940([day], newline=newline))
    assert (found.status, found.minors) == ("accepted", [amounts])
    assert found.statements[0].end.closing.minor == opening + sum(amounts)
    off = read(mt940([day | {"closing": opening + sum(amounts) + 1}], newline=newline))
    assert off.reason == "does-not-balance"
