"""pain.001 out: the file that asks a bank to pay. Versions 001.09 and 001.03, valid by their ISO 20022 schemas.

Counts (NbOfTxs) and control sums (CtrlSum) are computed, on the message and on each batch. What would not be valid
is refused, never cut. Source: ISO 20022 CustomerCreditTransferInitiation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import Final

from lxml import etree

from kernel.errors import DomainError
from kernel.money import Money
from ledger.rails.fold import fold

_ID: Final = re.compile(r"[A-Za-z0-9/\-?:().,'+ ]{1,35}", re.ASCII)  # what SWIFT networks carry unchanged
_ACCOUNT: Final = re.compile(r"[A-Za-z0-9]{1,34}", re.ASCII)
_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", re.ASCII)
_BIC: Final = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?", re.ASCII)
_MOST_DIGITS: Final = 18  # of an amount and of a control sum
_LONGEST_NAME: Final = 140
_LONGEST_TEXT: Final = 140


class Version(Enum):
    """The message versions that are written."""

    V09 = "pain.001.001.09"
    V03 = "pain.001.001.03"


class UnwritablePaymentError(DomainError):
    """A payment file cannot be made of these values."""

    detail = "The payment file cannot carry {field}: {reason}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Who pays or is paid, at which account; `bic` may be empty, `bank` is then a national bank number."""

    name: str
    account: str
    bic: str = ""
    bank: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One transfer. `end_to_end` travels with it to the other side, and is how it is found on a statement."""

    end_to_end: str
    amount: Money
    creditor: Party
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Transfers from one account on one day."""

    batch_id: str
    execute_on: date
    debtor: Party
    payments: tuple[Payment, ...]


def write_pain001(
    message_id: str,
    batches: Sequence[Batch],
    *,
    created_at: datetime,
    initiator: str = "",
    version: Version = Version.V09,
) -> bytes:
    """Return the document as UTF-8 XML.

    Refused with UnwritablePaymentError: no payment at all, an id that is empty, too long, used twice or not of
    SWIFT's letters, an amount that is not more than nothing, several currencies in a batch, an account or BIC of
    the wrong shape, a name or text over its length. Names and texts are folded to ASCII.
    """
    payments = [payment for batch in batches for payment in batch.payments]
    _require(payments and all(batch.payments for batch in batches), "payments", "there is nothing to pay")
    ids = [payment.end_to_end for payment in payments]
    _require(len(set(ids)) == len(ids), "end_to_end", "an id stands twice")
    _require(len({batch.batch_id for batch in batches}) == len(batches), "batch_id", "an id stands twice")
    namespace = f"urn:iso:std:iso:20022:tech:xsd:{version.value}"
    root = etree.fromstring(f'<Document xmlns="{namespace}"/>')
    body = _Writer(namespace, version)
    message = body.add(root, "CstmrCdtTrfInitn")
    header = body.add(message, "GrpHdr")
    body.add(header, "MsgId", _id("message_id", message_id))
    body.add(
        header, "CreDtTm", created_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    )
    body.add(header, "NbOfTxs", str(len(payments)))
    body.add(header, "CtrlSum", _sum(payments))
    body.add(body.add(header, "InitgPty"), "Nm", _name("initiator", initiator or batches[0].debtor.name))
    for batch in batches:
        body.batch(message, batch)
    written: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return written


class _Writer:
    def __init__(self, namespace: str, version: Version) -> None:
        self.namespace = namespace
        self.newer = version is Version.V09

    def add(self, parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
        made = etree.SubElement(parent, f"{{{self.namespace}}}{name}")
        made.text = text
        return made

    def batch(self, message: etree._Element, batch: Batch) -> None:
        units = {payment.amount.currency for payment in batch.payments}
        _require(len(units) == 1, "amount", "one batch pays in one currency")
        block = self.add(message, "PmtInf")
        self.add(block, "PmtInfId", _id("batch_id", batch.batch_id))
        self.add(block, "PmtMtd", "TRF")
        self.add(block, "NbOfTxs", str(len(batch.payments)))
        self.add(block, "CtrlSum", _sum(batch.payments))
        day = self.add(block, "ReqdExctnDt", None if self.newer else batch.execute_on.isoformat())
        if self.newer:
            self.add(day, "Dt", batch.execute_on.isoformat())
        self.add(self.add(block, "Dbtr"), "Nm", _name("debtor", batch.debtor.name))
        self.account(self.add(block, "DbtrAcct"), batch.debtor.account)
        self.agent(self.add(block, "DbtrAgt"), batch.debtor)
        for payment in batch.payments:
            try:
                self.payment(block, payment)
            except UnwritablePaymentError as wrong:
                reason = f"{wrong.fields['reason']} (payment “{payment.end_to_end}”)"
                raise UnwritablePaymentError(field=wrong.fields["field"], reason=reason) from None

    def payment(self, block: etree._Element, payment: Payment) -> None:
        _require(payment.amount.minor > 0, "amount", f"{payment.amount} is not more than nothing")
        line = self.add(block, "CdtTrfTxInf")
        self.add(self.add(line, "PmtId"), "EndToEndId", _id("end_to_end", payment.end_to_end))
        amount = self.add(self.add(line, "Amt"), "InstdAmt", _decimal(payment.amount))
        amount.set("Ccy", payment.amount.currency.code)
        if payment.creditor.bic or payment.creditor.bank:
            self.agent(self.add(line, "CdtrAgt"), payment.creditor)
        self.add(self.add(line, "Cdtr"), "Nm", _name("creditor", payment.creditor.name))
        self.account(self.add(line, "CdtrAcct"), payment.creditor.account)
        text = fold(payment.text)
        _require(len(text) <= _LONGEST_TEXT, "text", f"at most {_LONGEST_TEXT} letters")
        if text:
            self.add(self.add(line, "RmtInf"), "Ustrd", text)

    def account(self, parent: etree._Element, number: str) -> None:
        _require(_ACCOUNT.fullmatch(number), "account", "1 to 34 letters or digits")
        kind = self.add(parent, "Id")
        if _IBAN.fullmatch(number):
            _require(_sound(number), "account", f"the check digits of IBAN {number} are wrong")
            self.add(kind, "IBAN", number)
        else:
            self.add(self.add(kind, "Othr"), "Id", number)

    def agent(self, parent: etree._Element, party: Party) -> None:
        bank = self.add(parent, "FinInstnId")
        if party.bic:
            _require(_BIC.fullmatch(party.bic), "bic", f"“{party.bic}” is no BIC")
            self.add(bank, "BICFI" if self.newer else "BIC", party.bic)
        else:
            self.add(self.add(bank, "Othr"), "Id", party.bank or "NOTPROVIDED")


def _sound(iban: str) -> bool:
    """Tell whether an IBAN's check digits are right. Source: ISO 13616, by ISO 7064 MOD 97-10."""
    return int("".join(str(int(letter, 36)) for letter in iban[4:] + iban[:4])) % 97 == 1


def _id(field: str, text: str) -> str:
    _require(
        _ID.fullmatch(text) and text.strip() == text, field, "1 to 35 of SWIFT's letters, no outer space"
    )
    _require(not text.startswith("/") and "//" not in text, field, "no leading and no double slash")
    return text


def _name(field: str, text: str) -> str:
    name = fold(text)
    _require(1 <= len(name) <= _LONGEST_NAME, field, f"a name of 1 to {_LONGEST_NAME} letters")
    return name


def _decimal(amount: Money) -> str:
    exponent = amount.currency.exponent
    digits = str(amount.minor).rjust(exponent + 1, "0")
    _require(len(digits) <= _MOST_DIGITS, "amount", f"at most {_MOST_DIGITS} digits")
    return f"{digits[:-exponent]}.{digits[-exponent:]}" if exponent else digits


def _sum(payments: Sequence[Payment]) -> str:
    """Return the sum over amounts as decimals, whatever their currency: what CtrlSum asks for."""
    scale = max(payment.amount.currency.exponent for payment in payments)
    total = sum(
        payment.amount.minor * 10 ** (scale - payment.amount.currency.exponent) for payment in payments
    )
    digits = str(total).rjust(scale + 1, "0")
    _require(len(digits) <= _MOST_DIGITS, "amount", f"a sum of at most {_MOST_DIGITS} digits")
    return f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits


def _require(holds: object, field: str, reason: str) -> None:
    if not holds:
        raise UnwritablePaymentError(field=field, reason=reason)
