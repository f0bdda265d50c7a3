"""What every bank file comes down to: statements, their entries and balances, and what is wrong with them.

A reader yields these one by one, so that a file of any length is read in one pass with flat memory:
`FileOpened`, then for each statement `StatementOpened`, its `BankEntry`s and `StatementClosed`, then `FileClosed`.
Readers never raise for what stands in a file: it becomes a `Finding`, and an error quarantines its statement.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Final

from kernel.money import Currency, Money, UnknownCurrencyError, currency

NO_CURRENCY: Final = Currency("XXX", 2)  # ISO 4217: no currency; what a file did not say is never guessed
_DECIMAL: Final = re.compile(r"\+?([0-9]{0,18})(?:\.([0-9]*))?", re.ASCII)
_CODE: Final = re.compile(r"[A-Z]{3}", re.ASCII)


class Severity(Enum):
    """How bad a finding is: an error quarantines its statement, a warning does not (unless read strictly)."""

    ERROR = "error"
    WARNING = "warning"


class Status(Enum):
    """Whether a statement may be used."""

    ACCEPTED = "accepted"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a reader noticed: a stable code, words for a person, and where ("entry 3", "line 12")."""

    code: str
    severity: Severity
    message: str
    where: str = ""


def error(code: str, message: str, where: str = "") -> Finding:
    """Return a finding that quarantines."""
    return Finding(code, Severity.ERROR, message, where)


def warning(code: str, message: str, where: str = "") -> Finding:
    """Return a finding that only tells."""
    return Finding(code, Severity.WARNING, message, where)


class BalanceKind(Enum):
    """Which balance it is. Names and codes of ISO 20022 (ExternalBalanceType1Code); MT940's tags map onto them."""

    OPENING_BOOKED = "OPBD"
    PREVIOUSLY_CLOSED = "PRCD"
    CLOSING_BOOKED = "CLBD"
    INTERIM_BOOKED = "ITBD"
    OPENING_AVAILABLE = "OPAV"
    CLOSING_AVAILABLE = "CLAV"
    INTERIM_AVAILABLE = "ITAV"
    FORWARD_AVAILABLE = "FWAV"
    EXPECTED = "XPCD"
    INFORMATION = "INFO"
    OTHER = "OTHR"


@dataclass(frozen=True, slots=True)
class Balance:
    """One balance as written; negative when the account is overdrawn. `on` is None for an impossible date."""

    kind: BalanceKind
    amount: Money
    on: date | None
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPart:
    """One payment inside an entry. `amount` is signed as the entry is, None where the file does not say it.

    `instructed` is what the payer asked for, unsigned, where that is in another currency; `exchange_rate` as written.
    """

    amount: Money | None = None
    end_to_end: str = ""
    transaction: str = ""
    instruction: str = ""
    payment_information: str = ""
    bank_reference: str = ""
    creditor_reference: str = ""
    counterparty: str = ""
    counterparty_account: str = ""
    text: str = ""
    return_reason: str = ""
    charges: Money | None = None
    instructed: Money | None = None
    exchange_rate: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BankEntry:
    """One line of a statement. `amount` is signed: positive is money in, whatever mark the format uses.

    `booked` is False for pending and informational entries, which no booked balance contains. `charges` are what
    the bank kept or adds, positive. `supplement` is what MT940 adds to an entry line. `parts` are the payments that a
    batched entry bundles (at least one).
    """

    number: int
    amount: Money
    booked_on: date | None
    value_on: date | None
    booked_at: datetime | None = None
    status: str = "BOOK"
    booked: bool = True
    reversal: bool = False
    reference: str = ""
    bank_reference: str = ""
    kind: str = ""
    supplement: str = ""
    text: str = ""
    charges: Money | None = None
    batch_count: int | None = None
    batch_total: Money | None = None
    parts: tuple[EntryPart, ...] = ()


@dataclass(frozen=True, slots=True)
class FileOpened:
    """What the file is: "camt.053", "camt.054", "mt940", "provider-csv" or "unknown", with its version."""

    format: str
    version: str = ""
    message: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementOpened:
    """The head of a statement. `has_balances` is False for notifications and provider files."""

    number: int
    statement: str
    account: str
    currency: str
    sequence: str = ""
    page: str = ""
    created_at: datetime | None = None
    from_at: str = ""
    to_at: str = ""
    has_balances: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementClosed:
    """The end of a statement: balances, sums over booked entries, findings, and whether it may be used."""

    number: int
    balances: tuple[Balance, ...]
    opening: Money | None
    closing: Money | None
    entries: int
    credits: Money
    debits: Money
    findings: tuple[Finding, ...]
    status: Status
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileClosed:
    """The end of the file: findings about the whole, and whether every statement in it may be used."""

    statements: int
    entries: int
    findings: tuple[Finding, ...]
    status: Status
    reason: str


Event = FileOpened | StatementOpened | BankEntry | StatementClosed | FileClosed


def read_currency(code: str, where: str) -> tuple[Currency, Finding | None]:
    """Return the currency of a code, with a finding where it is missing or not of ISO 4217 today.

    A withdrawn code (DEM) is read with two decimals and a warning: sums hold in any scale.
    """
    code = code.strip()
    if not _CODE.fullmatch(code):
        return NO_CURRENCY, error("missing-currency", f"“{code}” is no currency code", where)
    try:
        return currency(code), None
    except UnknownCurrencyError:
        return Currency(code, 2), warning(
            "unknown-currency", f"{code} is not a currency of ISO 4217 today; read with two decimals", where
        )


def read_amount(text: str, unit: Currency) -> Money:
    """Return the amount of an unsigned decimal text ("1000.00", "1000.", ".5"); ValueError for anything else.

    Decimals beyond the currency's must be zeros: "1000.00" is 1,000 đồng, "1000.50" is no amount in VND.
    """
    found = _DECIMAL.fullmatch(text.strip())
    if found is None or not (found[1] or found[2]):
        raise ValueError(f"“{text.strip()}” is not an amount")
    decimals = found[2] or ""
    if decimals[unit.exponent :].strip("0"):
        raise ValueError(f"“{text.strip()}” has more decimals than {unit.code}")
    return Money(int((found[1] or "0") + decimals[: unit.exponent].ljust(unit.exponent, "0")), unit)
