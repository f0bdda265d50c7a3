"""E-invoices: an operator's series, invoices brought up to the charges they are about, and their way out.

Numbers are given under the lock of the series and written in the same transaction: a roll-back gives them back
before anybody else sees them, so no number is missing and none is used twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.ids import OperatorId
from kernel.service_day import local_date
from ledger.rules.book_day import ZONE
from ledger.rules.invoice import (
    JOB,
    Draft,
    Invoice,
    InvoiceEvent,
    InvoiceSeriesError,
    InvoiceState,
    Need,
    Series,
    SeriesDiffersError,
    UnknownInvoiceError,
    invoice_id,
    need,
    step,
    tax_in,
)
from ledger.store import invoice_series as series_store
from ledger.store import invoices as store
from ledger.store.invoices import InvoiceStep

__all__ = ["Invoice", "InvoiceStep"]
_FIXED: Final = ("house", "template", "tax_rate", "seller_name", "seller_tax_code", "seller_address")


@dataclass(frozen=True, slots=True)
class Brought:
    """What bringing invoices up to their drafts did; `waiting` are with the tax authority and come later."""

    issued: tuple[Invoice, ...] = ()
    replaced: int = 0
    cancelled: int = 0
    waiting: int = 0


def open_series(tx: Connection, series: Series, *, by: str, now: datetime) -> Series:
    """Open a series at number 1, or return it as it stands. SeriesDiffersError where its facts are others."""
    if series_store.insert(tx, replace(series, next_number=1), by=by, now=now):
        return series
    (found,) = (
        one for one in series_store.list_series(tx, [series.operator_id]) if one.symbol == series.symbol
    )
    for field in _FIXED:
        if getattr(found, field) != getattr(series, field):
            raise SeriesDiffersError(symbol=series.symbol, operator=series.operator_id, field=field)
    return found


def bring(tx: Connection, drafts: Sequence[Draft], now: datetime) -> Brought:
    """Issue, replace or cancel whatever these drafts ask for, all or none; repeating it changes nothing.

    One draft a ride, stay or pass and operator. A new invoice takes the next number of its operator's oldest series
    for the house and this year. InvoiceSeriesError when none has numbers left.
    """
    if not drafts:
        return Brought()
    series = series_store.list_series(tx, [draft.operator_id for draft in drafts], lock=True)
    keys = [(draft.operator_id, draft.house, draft.subject_id) for draft in drafts]
    assert len(set(keys)) == len(keys), "one draft a subject and operator"
    newest = store.find_newest(tx, keys)
    numbers = _Numbers(series, local_date(now, ZONE).year)
    made: list[Invoice] = []
    ended: list[tuple[Invoice, str, InvoiceState, str]] = []
    waiting = 0
    for key, draft in zip(keys, drafts, strict=True):
        current = newest.get(key)
        match need(current, draft):
            case Need.NOTHING:
                continue
            case Need.WAIT:
                waiting += 1
                continue
            case Need.ISSUE:
                made.append(numbers.give(draft, current, now, replaces=None))
            case Need.REPLACE:
                assert current is not None
                made.append(numbers.give(_kept(draft, current), current, now, replaces=current.invoice_id))
                ended.append(_end(current, InvoiceEvent.REPLACED, f"by {made[-1].name}"))
            case Need.CANCEL:
                assert current is not None
                ended.append(_end(current, InvoiceEvent.CANCELLED, "nothing is charged any more"))
    store.insert(tx, made)
    store.move(tx, ended, actor=JOB, now=now, ended=True)
    for operator, symbol, next_number in numbers.moved():
        series_store.move(tx, operator, symbol, next_number)
    replaced = sum(one.replaces is not None for one in made)
    return Brought(tuple(made), replaced, len(ended) - replaced, waiting)


def _kept(draft: Draft, current: Invoice) -> Draft:
    """A change of the charge alone keeps the words that a person may have amended."""
    if dict(current.facts) != dict(draft.facts):
        return draft
    return replace(draft, title=current.title, plate=current.plate)


class _Numbers:
    """The numbers of locked series, given from the oldest that has any."""

    def __init__(self, series: Iterable[Series], year: int) -> None:
        self.year = year
        self.series = {(one.operator_id, one.symbol): one for one in series if one.year == year}
        self.given: set[tuple[OperatorId, str]] = set()

    def give(self, draft: Draft, before: Invoice | None, now: datetime, *, replaces: UUID | None) -> Invoice:
        found = next(
            (
                one
                for one in self.series.values()
                if one.operator_id == draft.operator_id and one.house == draft.house and one.left
            ),
            None,
        )
        if found is None:
            raise InvoiceSeriesError(
                operator=draft.operator_id, house=draft.house, year=str(self.year), count="1"
            )
        place = found.operator_id, found.symbol
        self.series[place] = replace(found, next_number=found.next_number + 1)
        self.given.add(place)
        return Invoice(
            operator_id=found.operator_id,
            symbol=found.symbol,
            number=found.next_number,
            invoice_id=invoice_id(found, found.next_number),
            house=draft.house,
            subject_id=draft.subject_id,
            revision=1 if before is None else before.revision + 1,
            replaces=replaces,
            issued_on=local_date(now, ZONE),
            issued_at=now,
            happened_at=draft.happened_at,
            title=draft.title,
            plate=draft.plate,
            facts=dict(draft.facts),
            total=draft.total,
            tax=tax_in(draft.total, found.tax_rate),
            tax_rate=found.tax_rate,
            state=InvoiceState.ISSUED,
        )

    def moved(self) -> list[tuple[str, str, int]]:
        return [(*place, self.series[place].next_number) for place in sorted(self.given)]


def _end(current: Invoice, event: InvoiceEvent, note: str) -> tuple[Invoice, str, InvoiceState, str]:
    return current, event.value, step(current, event), note


def amend(tx: Connection, invoice: UUID, *, plate: str | None, title: str, by: str, now: datetime) -> Invoice:
    """Replace an invoice that names a wrong plate or service by a new one that names it; return the new one.

    Amounts follow the charge and are never amended here. The same words again answer the invoice that stands.
    UnknownInvoiceError, InvoiceStateError, BadInvoiceError, InvoiceSeriesError.
    """
    old = get(tx, invoice)
    series = series_store.list_series(tx, [old.operator_id], lock=True)
    old = get(tx, invoice, lock=True)
    draft = Draft(
        operator_id=old.operator_id,
        house=old.house,
        subject_id=old.subject_id,
        happened_at=old.happened_at,
        total=old.total,
        title=title or old.title,
        plate=old.plate if plate is None else plate,
        facts=old.facts,
    )
    if (draft.title, draft.plate) == (old.title, old.plate):
        return old
    ended = _end(old, InvoiceEvent.REPLACED, "amended")
    numbers = _Numbers(series, local_date(now, ZONE).year)
    made = numbers.give(draft, old, now, replaces=old.invoice_id)
    store.insert(tx, [made])
    store.move(tx, [ended], actor=by, now=now, ended=True)
    for operator, symbol, next_number in numbers.moved():
        series_store.move(tx, operator, symbol, next_number)
    return made


def cancel(tx: Connection, invoice: UUID, *, reason: str, by: str, now: datetime) -> Invoice:
    """Cancel an invoice; its number is never used again, and a notice goes out where it had been accepted.

    Cancelling a cancelled one answers it. UnknownInvoiceError, InvoiceStateError.
    """
    found = get(tx, invoice, lock=True)
    if found.state is InvoiceState.CANCELLED:
        return found
    store.move(tx, [_end(found, InvoiceEvent.CANCELLED, reason)], actor=by, now=now, ended=True)
    return get(tx, invoice)


def outbox(tx: Connection, *, limit: int) -> tuple[Invoice, ...]:
    """Return what waits to be sent, locked until the transaction ends; other senders see the rest."""
    return store.take_outbox(tx, limit=limit)


def sent(tx: Connection, invoices: Sequence[Invoice], now: datetime) -> None:
    """Write down that these, taken from the outbox in this transaction, have been handed over."""
    issued = [one for one in invoices if one.state is InvoiceState.ISSUED]
    moved = [(one, InvoiceEvent.SENT.value, step(one, InvoiceEvent.SENT), "") for one in issued]
    store.move(tx, moved, actor=JOB, now=now)
    store.clear_notices(tx, [one.invoice_id for one in invoices if one.notice_due])


def answered(tx: Connection, invoice: UUID, *, accepted: bool, note: str, now: datetime) -> Invoice:
    """Write down the tax authority's answer, once: the same answer again changes nothing.

    UnknownInvoiceError, InvoiceStateError.
    """
    found = get(tx, invoice, lock=True)
    event = InvoiceEvent.ACCEPTED if accepted else InvoiceEvent.REFUSED
    steps = store.list_steps(tx, invoice)
    if steps and (steps[-1].event, steps[-1].note) == (event.value, note):
        return found
    store.move(tx, [(found, event.value, step(found, event), note)], actor=JOB, now=now)
    return get(tx, invoice)


def get(tx: Connection, invoice: UUID, *, lock: bool = False) -> Invoice:
    """Return an invoice; UnknownInvoiceError."""
    found = store.find(tx, invoice, lock=lock)
    if found is None:
        raise UnknownInvoiceError(invoice=str(invoice))
    return found


def find_named(tx: Connection, operator: str, symbol: str, number: int) -> Invoice | None:
    """Return an operator's invoice by symbol and number, or None."""
    return store.find_by_name(tx, operator, symbol, number)


def list_of(tx: Connection, subject_id: UUID) -> tuple[Invoice, ...]:
    """Return every invoice about a ride (by its first tap), a stay or a pass, by operator and revision: for receipts."""
    return store.list_of_subject(tx, subject_id)


def list_invoices(
    tx: Connection,
    *,
    operators: Iterable[str] | None = None,
    day: date | None = None,
    state: InvoiceState | None = None,
    limit: int = 1_000,
) -> tuple[Invoice, ...]:
    """Return invoices by operator and number."""
    return store.list_invoices(tx, operators=operators, day=day, state=state, limit=limit)


def list_series(tx: Connection, operators: Iterable[str] | None = None) -> tuple[Series, ...]:
    """Return the series of some operators, or of all."""
    return series_store.list_series(tx, operators)


def list_steps(tx: Connection, invoice: UUID) -> tuple[InvoiceStep, ...]:
    """Return what happened to an invoice after it was issued."""
    return store.list_steps(tx, invoice)


def gaps(tx: Connection) -> tuple[tuple[str, str, int], ...]:
    """Return every number that was given and has no invoice (operator, symbol, number): always none."""
    return tuple(series_store.stream_gaps(tx))


def counts(tx: Connection) -> tuple[tuple[str, str, int], ...]:
    """Return operator, state and how many invoices are in it."""
    return store.count_by_state(tx)
