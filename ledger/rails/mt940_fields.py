"""The fields of an MT940 statement: `:61:` entry lines, balances, and what `:86:` says in its many dialects.

Source: SWIFT MT940 (fields 60a, 61, 62a, 64, 65, 86); the ?-structure of :86: is the German DK convention and
/CODE/ words the Dutch and SWIFT one, both met in the wild.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from kernel.money import Currency, Money, UnknownCurrencyError, currency
from ledger.rails.bankfile import (
    NO_CURRENCY,
    Balance,
    BalanceKind,
    EntryPart,
    Finding,
    error,
    read_amount,
    read_currency,
    warning,
)

_BALANCE: Final = re.compile(r"(R?[CD])([0-9]{6})\s?([A-Z]{3})?\s?([0-9.,' ]+)", re.ASCII)
_LINE: Final = re.compile(
    r"(?P<value>[0-9]{6})(?P<entry>[0-9]{4}| {4})?\s?(?P<mark>(?i:RC|RD|EC|ED|C|D))(?P<funds>[A-Z])?\s?"
    r"(?P<amount>[0-9.,']+)\s?(?:(?P<kind>[NFS][A-Z0-9 ]{3}))?(?P<rest>.*)",
    re.ASCII | re.DOTALL,
)
_PADDED: Final = re.compile(r"(\S.{0,13}?)\s{2,}(\S.*)", re.DOTALL)
_HEADER: Final = re.compile(r"[A-Z0-9 ]{1,40}", re.ASCII)  # a bank's line between two statements
_ORIGINAL: Final = re.compile(r"/(OCMT|CHGS)/([A-Z]{3})([0-9]{1,15},[0-9]{0,5})", re.ASCII)
_COMMA: Final = re.compile(r"[0-9]+,[0-9]*", re.ASCII)
_STRUCTURED: Final = re.compile(r"\s*([0-9]{3})\s*([?<~^&!|+])(?=[0-9]{2})", re.ASCII)
_SLASHED: Final = re.compile(r"/([A-Z]{3,4})/(?=\S)", re.ASCII)
_SEPA: Final = re.compile(r"(EREF|KREF|MREF|CRED|DEBT|SVWZ|ABWA|ABWE|COAM|OAMT|IBAN|BIC)[+:]", re.ASCII)
_KINDS: Final = {
    "60F": BalanceKind.OPENING_BOOKED,
    "60M": BalanceKind.INTERIM_BOOKED,
    "62F": BalanceKind.CLOSING_BOOKED,
    "62M": BalanceKind.INTERIM_BOOKED,
    "64": BalanceKind.CLOSING_AVAILABLE,
    "65": BalanceKind.FORWARD_AVAILABLE,
}
NO_REFERENCE: Final = "NONREF"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryLine:
    """A `:61:` as it stands: the amount is signed (RC takes back a credit, RD takes back a debit)."""

    amount: Money
    booked_on: date | None
    value_on: date | None
    reversal: bool
    booked: bool
    kind: str
    reference: str
    bank_reference: str
    supplement: str


def read_day(text: str) -> date:
    """Return YYMMDD as a date: 00 to 79 are of this century. ValueError for a day that never was."""
    year = int(text[:2])
    return date(year + (2000 if year < 80 else 1900), int(text[2:4]), int(text[4:6]))


def entry_day(value_on: date, text: str) -> date:
    """Return MMDD in the year that lies nearest to the value date: 1231 beside 2 January is last year's."""
    month, day = int(text[:2]), int(text[2:])
    near: list[date] = []
    for year in (value_on.year, value_on.year - 1, value_on.year + 1):
        try:
            near.append(date(year, month, day))
        except ValueError:
            continue
    if not near:
        raise ValueError(f"{text} is no day of any year near {value_on.year}")
    return min(near, key=lambda one: abs(one - value_on))


def mt_amount(text: str, unit: Currency, findings: list[Finding], where: str) -> Money | None:
    """Return an unsigned amount with a decimal comma ("800,", "800,5"); None, with a finding, for anything else.

    A point in place of the comma and a missing comma are only warnings; thousands separators are not read.
    """
    written = text.strip()
    if not _COMMA.fullmatch(written):
        if "," in written or written.count(".") > 1 or "'" in written:
            findings.append(error("malformed-amount", f"“{written}” is not an amount", where))
            return None
        findings.append(warning("amount-form", f"“{written}” has no decimal comma", where))
    try:
        return read_amount(written.replace(",", "."), unit)
    except ValueError as malformed:
        findings.append(error("malformed-amount", str(malformed), where))
        return None


def read_balance(tag: str, text: str, findings: list[Finding]) -> Balance | None:
    """Return a balance field; None, with a finding, when it has no amount."""
    where = f":{tag}:"
    written, _, after = text.strip().partition("\n")
    stray = [line for line in after.splitlines() if line.strip() and not _HEADER.fullmatch(line.strip())]
    if stray:
        findings.append(warning("stray-text", f"“{stray[0][:60]}” after a balance is not read", where))
    found = _BALANCE.fullmatch(written.strip())
    if found is None:
        findings.append(error("malformed-balance", f"“{written[:60]}” is no balance", where))
        return None
    unit = NO_CURRENCY
    if found[3] is None:
        findings.append(error("missing-currency", "the balance names no currency", where))
    else:
        unit, wrong = read_currency(found[3], where)
        if wrong is not None:
            findings.append(wrong)
    amount = mt_amount(found[4], unit, findings, where)
    if amount is None:
        return None
    on: date | None = None
    try:
        on = read_day(found[2])
    except ValueError:
        findings.append(error("impossible-date", f"“{found[2]}” is no day (YYMMDD)", where))
    owed = found[1] in {"D", "RC"}
    return Balance(_KINDS[tag], -amount if owed else amount, on, tag)


def read_line(text: str, unit: Currency, findings: list[Finding], where: str) -> EntryLine | None:
    """Return a `:61:`; None, with a finding, when it has no readable amount.

    The mark comes before the funds code: RD is a reversed debit, DR a debit with funds code R.
    """
    first, _, supplement = text.partition("\n")
    found = _LINE.fullmatch(first.strip())
    if found is None:
        findings.append(error("malformed-entry", f"“{first.strip()[:80]}” is no entry line", where))
        return None
    amount = mt_amount(found["amount"], unit, findings, where)
    if amount is None:
        return None
    value_on, booked_on = None, None
    entry = (found["entry"] or "").strip()
    try:
        value_on = read_day(found["value"])
        booked_on = entry_day(value_on, entry) if entry else value_on
    except ValueError:
        shown = found["value"] + entry
        findings.append(error("impossible-date", f"“{shown}” is no day (YYMMDD and MMDD)", where))
    if found["kind"] is None:
        findings.append(warning("no-type", "the entry has no transaction type", where))
    reference, _, bank_reference = found["rest"].strip().partition("//")
    padded = _PADDED.fullmatch(reference)
    if padded is not None:  # a reference filled up to its sixteen places, then words
        reference, supplement = padded[1], f"{padded[2]} {supplement}"
    mark = found["mark"].upper()
    if mark != found["mark"]:
        findings.append(warning("mark-case", f"the mark {found['mark']} is written in lower case", where))
    return EntryLine(
        amount=-amount if mark in {"D", "RC", "ED"} else amount,
        booked_on=booked_on,
        value_on=value_on,
        reversal=mark in {"RC", "RD"},
        booked=mark not in {"EC", "ED"},
        kind=(found["kind"] or "").strip(),
        reference="" if reference.strip() == NO_REFERENCE else reference.strip(),
        bank_reference=bank_reference.strip(),
        supplement=" ".join(supplement.split()),
    )


def read_details(text: str, amount: Money, supplement: str = "") -> EntryPart:
    """Return what `:86:` says of a payment: remittance text, who, their account, the end-to-end reference.

    /OCMT/ (what was asked for, where it is of another currency) and /CHGS/ may stand there or in the supplement.
    """
    said = _original(f"{supplement}\n{text}", amount.currency)
    return replace(_told(text, amount), instructed=said.get("OCMT"), charges=said.get("CHGS"))


def _original(text: str, unit: Currency) -> dict[str, Money]:
    """Return charges in the entry's currency and what was asked for in another, by their words."""
    found: dict[str, Money] = {}
    for word, code, written in _ORIGINAL.findall(text.replace("\n", "")):
        try:
            asked = read_amount(written.replace(",", "."), currency(code))
        except (ValueError, UnknownCurrencyError):
            continue
        if (word == "CHGS") == (asked.currency == unit):
            found.setdefault(word, asked)
    return found


def _told(text: str, amount: Money) -> EntryPart:
    structured = _STRUCTURED.match(text)
    if structured is not None:
        return _question_marks(text[structured.end() - 1 :], structured[2], amount, structured[1])
    joined = " ".join(text.split())
    glued = text.replace("\n", "")
    words = dict(_pieces(_SLASHED, glued))
    if words.keys() & {"REMI", "EREF", "RTRN", "BENM", "ORDP", "TRTP", "CNTP"}:
        name = re.search(r"/NAME/([^/]+)", glued)
        account, _, rest = words.get("CNTP", "").partition("/")  # account, bank, name, city
        named = rest.split("/")[1:2]
        return EntryPart(
            amount=amount,
            end_to_end=_reference(words.get("EREF", "")),
            counterparty=name[1].strip() if name is not None else "".join(named).strip(),
            counterparty_account=words.get("IBAN", account).strip(" /"),
            text=re.sub(r"^(USTD|STRD)/+", "", words.get("REMI", "")).strip(" /") or joined,
            return_reason=words.get("RTRN", "").strip(" /"),
        )
    labels = dict(_pieces(_SEPA, glued))
    return EntryPart(
        amount=amount,
        end_to_end=_reference(labels.get("EREF", "")),
        text=labels.get("SVWZ", joined) or joined,
    )


def _question_marks(text: str, mark: str, amount: Money, kind: str) -> EntryPart:
    """Read ?20 to ?29 and ?60 to ?63 (remittance), ?30/?31/?38 (bank, account, IBAN), ?32 and ?33 (name).

    ?34 says more about the kind of any entry; why money came back only where the kind is a return.
    """
    glued = text.replace("\n", "")
    fields: dict[str, str] = {}
    for piece in glued.split(mark)[1:]:
        if piece[:2].isdecimal():
            fields[piece[:2]] = fields.get(piece[:2], "") + piece[2:]
        elif fields:
            last = next(reversed(fields))
            fields[last] += mark + piece
    chunks = [fields[code] for code in _REMITTANCE if code in fields]
    # A chunk of full length goes on in the next one without a gap; a shorter one ended with its word.
    remittance = "".join(chunk if len(chunk) >= _CHUNK else chunk + " " for chunk in chunks)
    labels = dict(_pieces(_SEPA, remittance))
    return EntryPart(
        amount=amount,
        end_to_end=_reference(labels.get("EREF", "")),
        counterparty=(fields.get("32", "") + fields.get("33", "")).strip(),
        counterparty_account=(labels.get("IBAN") or fields.get("38") or fields.get("31", "")).strip(),
        text=(labels.get("SVWZ") or remittance).strip(),
        return_reason=fields.get("34", "").strip() if kind in _RETURNS else "",
    )


_RETURNS: Final = {"108", "109", "159", "181", "184"}  # DK: direct debits and a transfer that came back
_CHUNK: Final = 27
_REMITTANCE: Final = (*map(str, range(20, 30)), *map(str, range(60, 64)))


def _pieces(label: re.Pattern[str], text: str) -> list[tuple[str, str]]:
    """Return (label, what follows it up to the next), in order."""
    found = list(label.finditer(text))
    ends = [one.start() for one in found[1:]] + [len(text)]
    return [(one[1], text[one.end() : end].strip()) for one, end in zip(found, ends, strict=False)]


def _reference(text: str) -> str:
    found = text.strip(" /")
    return "" if found in {"NOTPROVIDED", NO_REFERENCE} else found
