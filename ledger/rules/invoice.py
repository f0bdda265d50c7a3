"""E-invoices: what one is about, its states as one table, its numbers, and what a changed charge asks of it.

Source: Decree 123/2020/NĐ-CP, articles 10 and 19, as amended by Decree 70/2025/NĐ-CP: an invoice is tied to its
transaction; a series' numbers run from 1 without a gap and are never used again, eight digits at most; a transport
invoice names the vehicle's plate; a wrong invoice is replaced by a new one that names it. Circular 32/2025/TT-BTC,
article 5: the symbol (C with a code of the tax authority or K without, two digits of the year, one letter of the
kind, two of the seller's own).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from kernel.errors import DomainError
from kernel.ids import OperatorId, uuid8
from kernel.money import Money, Rounding

SYMBOL: Final = re.compile(r"[CK]([0-9]{2})[TDLMNBGHX][A-Z]{2}", re.ASCII)
TAX_CODE: Final = re.compile(r"[0-9]{10}(?:-[0-9]{3})?|[0-9]{12}", re.ASCII)
LAST_NUMBER: Final = 99_999_999
LONGEST: Final = 200
JOB: Final = "job"


class InvoiceState(StrEnum):
    """Where an invoice stands; the values are the ones the table stores."""

    ISSUED = "issued"
    SENT = "sent"
    ACCEPTED = "accepted"
    REPLACED = "replaced"
    CANCELLED = "cancelled"


class InvoiceEvent(StrEnum):
    """What happens to an invoice. A refused one is ours to send again or to replace; its number stays its own."""

    SENT = "sent"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    REPLACED = "replaced"
    CANCELLED = "cancelled"


TRANSITIONS: Final[dict[InvoiceState, dict[InvoiceEvent, InvoiceState]]] = {
    InvoiceState.ISSUED: {
        InvoiceEvent.SENT: InvoiceState.SENT,
        InvoiceEvent.REPLACED: InvoiceState.REPLACED,
        InvoiceEvent.CANCELLED: InvoiceState.CANCELLED,
    },
    InvoiceState.SENT: {
        InvoiceEvent.ACCEPTED: InvoiceState.ACCEPTED,
        InvoiceEvent.REFUSED: InvoiceState.ISSUED,
    },
    InvoiceState.ACCEPTED: {
        InvoiceEvent.REPLACED: InvoiceState.REPLACED,
        InvoiceEvent.CANCELLED: InvoiceState.CANCELLED,
    },
    InvoiceState.REPLACED: {},
    InvoiceState.CANCELLED: {},
}
assert TRANSITIONS.keys() == set(InvoiceState), "every state has a row, the final ones too"


class TaxRate(StrEnum):
    """The rate of value-added tax that a price contains; NONE is outside the tax (public bus and metro)."""

    NONE = "KCT"
    ZERO = "0%"
    FIVE = "5%"
    EIGHT = "8%"
    TEN = "10%"


_PERCENT: Final = {
    TaxRate.NONE: 0,
    TaxRate.ZERO: 0,
    TaxRate.FIVE: 5,
    TaxRate.EIGHT: 8,
    TaxRate.TEN: 10,
}


class BadInvoiceError(DomainError):
    """An invoice or a series that cannot be."""

    detail = "The invoice's {field} cannot be “{value}”: {why}."


class InvoiceStateError(DomainError):
    """The invoice is not in a state that allows this."""

    detail = "Invoice {invoice} is {state}: it cannot be {event}."


class InvoiceSeriesError(DomainError):
    """No series of this operator has a number left for this year."""

    detail = "{operator} has no series for {house} in {year} with {count} numbers left: open one."


class UnknownInvoiceError(DomainError):
    """There is no such invoice."""

    detail = "There is no invoice {invoice}."


class SeriesDiffersError(DomainError):
    """The series is open already, with other facts."""

    detail = "Series {symbol} of {operator} is open already with another {field}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One operator's numbers of one year. Everything but `next_number` is fixed when it is opened."""

    operator_id: OperatorId
    symbol: str
    house: str
    template: int
    tax_rate: TaxRate
    seller_name: str
    seller_tax_code: str
    seller_address: str
    next_number: int = 1

    def __post_init__(self) -> None:
        if not SYMBOL.fullmatch(self.symbol):
            raise BadInvoiceError(
                field="symbol", value=self.symbol, why="it is like C26TLT (Circular 32/2025)"
            )
        if not TAX_CODE.fullmatch(self.seller_tax_code):
            raise BadInvoiceError(field="tax code", value=self.seller_tax_code, why="10, 10-3 or 12 digits")
        for field in ("operator_id", "house", "seller_name", "seller_address"):
            _text(field, getattr(self, field))
        if not 1 <= self.template <= 6:
            raise BadInvoiceError(field="template", value=str(self.template), why="1 to 6 (Circular 32/2025)")

    @property
    def year(self) -> int:
        """Return the year of its numbers."""
        found = SYMBOL.fullmatch(self.symbol)
        assert found, "checked when it was made"
        return 2000 + int(found[1])

    @property
    def left(self) -> int:
        """Return how many numbers it still has."""
        return LAST_NUMBER + 1 - self.next_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What an invoice is to say of one ride, stay or pass; a total of zero says that it needs none (any more).

    `plate` is the vehicle's; None where there is none to name (metro, car park), and empty is refused.
    """

    operator_id: OperatorId
    house: str
    subject_id: UUID
    happened_at: datetime
    total: Money
    title: str
    plate: str | None
    facts: Mapping[str, str]

    def __post_init__(self) -> None:
        if self.total.minor < 0:
            raise BadInvoiceError(field="total", value=str(self.total), why="it is less than nothing")
        if self.plate is not None:
            _text("plate", self.plate)
        for field in ("operator_id", "house", "title"):
            _text(field, getattr(self, field))
        if self.happened_at.tzinfo is None:
            raise BadInvoiceError(field="time", value=str(self.happened_at), why="it has no zone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """An issued invoice. Only `state`, `ended_by` and `notice_due` ever change."""

    operator_id: OperatorId
    symbol: str
    number: int
    invoice_id: UUID
    house: str
    subject_id: UUID
    revision: int
    replaces: UUID | None
    issued_on: date
    issued_at: datetime
    happened_at: datetime
    title: str
    plate: str | None
    facts: Mapping[str, str]
    total: Money
    tax: Money
    tax_rate: TaxRate
    state: InvoiceState
    ended_by: str = ""
    notice_due: bool = False

    @property
    def name(self) -> str:
        """Return how people name it: the symbol and eight digits."""
        return f"{self.symbol}-{self.number:08}"

    @property
    def live(self) -> bool:
        """Return whether it stands: neither replaced nor cancelled."""
        return bool(TRANSITIONS[self.state])


class Need(StrEnum):
    """What a draft asks, given the newest invoice of its subject."""

    NOTHING = "nothing"
    ISSUE = "issue"
    REPLACE = "replace"
    CANCEL = "cancel"
    WAIT = "wait"  # it is with the tax authority: the answer comes first


def need(current: Invoice | None, draft: Draft) -> Need:
    """Return what brings the invoices of a subject up to its draft; doing it makes the next answer NOTHING.

    What a person cancelled stays so until the charge itself changes; what a correction to nothing cancelled is
    issued anew when the charge comes back.
    """
    if current is None or not current.live:
        if draft.total.minor == 0:
            return Need.NOTHING
        by_hand = current is not None and current.ended_by != JOB
        return (
            Need.NOTHING if by_hand and current is not None and current.total == draft.total else Need.ISSUE
        )
    if same(current, draft):
        return Need.NOTHING
    if current.state is InvoiceState.SENT:
        return Need.WAIT
    return Need.REPLACE if draft.total.minor else Need.CANCEL


def same(invoice: Invoice, draft: Draft) -> bool:
    """Return whether an invoice still fits its charge: the amount and the facts. Words may have been amended."""
    return (invoice.total, dict(invoice.facts)) == (draft.total, dict(draft.facts))


def step(invoice: Invoice, event: InvoiceEvent) -> InvoiceState:
    """Return the next state; InvoiceStateError where the table has none."""
    found = TRANSITIONS[invoice.state].get(event)
    if found is None:
        raise InvoiceStateError(invoice=invoice.name, state=invoice.state.value, event=event.value)
    return found


def tax_in(total: Money, rate: TaxRate) -> Money:
    """Return the tax that a price contains, to the minor unit, halves up."""
    percent = _PERCENT[rate]
    return total.share(percent, 100 + percent, Rounding.HALF_UP)


def invoice_id(series: Series, number: int) -> UUID:
    """Return the id of a number of a series: it has one for ever."""
    return uuid8("invoice", series.operator_id, series.symbol, number)


def _text(field: str, value: str) -> None:
    if not value.strip() or len(value) > LONGEST or not value.isprintable():
        raise BadInvoiceError(field=field, value=value[:LONGEST], why=f"1 to {LONGEST} printable letters")
