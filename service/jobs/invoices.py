"""E-invoices: bring them up to a settled day's charges, send what waits, take answers in. Steps commit one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain, islice
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from fare.invoice_lines import invoice_drafts as fare_drafts
from fare.publish import Shelf
from kernel.crypto.ed25519 import VerifyKey
from ledger import close_period, invoice
from ledger.invoice import Brought
from ledger.rails.einvoice import Answer, file_name, write_cancellation, write_einvoice
from ledger.rules.invoice import Draft, Invoice, Series
from parking.invoice_lines import invoice_drafts as parking_drafts
from service import audit
from service.audit import Actor
from service.database import Database
from service.einvoices import InvoiceStreet

BATCH: Final = 2_000


@dataclass(frozen=True, slots=True)
class InvoiceTally:
    """What has been done so far. `lacking` names operators that have no series, and how many rides, stays and passes wait."""

    issued: int = 0
    replaced: int = 0
    cancelled: int = 0
    waiting: int = 0
    lacking: tuple[tuple[str, int], ...] = ()


def open_series(tx: Connection, asked: Series, *, by: Actor, now: datetime) -> Series:
    """Open a series, with its line in the audit trail; SeriesDiffersError."""
    made = invoice.open_series(tx, asked, by=by.name, now=now)
    subject = f"{made.operator_id} {made.symbol}"
    audit.record(
        tx, actor=by, action="invoice.open_series", subject_kind="series", subject_id=subject, now=now
    )
    return made


def amend(
    tx: Connection, invoice_id: UUID, *, plate: str | None, title: str, by: Actor, now: datetime
) -> Invoice:
    """Replace an invoice that names a wrong plate or service, with its line in the audit trail."""
    made = invoice.amend(tx, invoice_id, plate=plate, title=title, by=by.name, now=now)
    _record(tx, "invoice.amend", invoice_id, by, now)
    return made


def cancel(tx: Connection, invoice_id: UUID, *, reason: str, by: Actor, now: datetime) -> Invoice:
    """Cancel an invoice, with its line in the audit trail."""
    made = invoice.cancel(tx, invoice_id, reason=reason, by=by.name, now=now)
    _record(tx, "invoice.cancel", invoice_id, by, now)
    return made


def _record(tx: Connection, action: str, invoice_id: UUID, by: Actor, now: datetime) -> None:
    audit.record(tx, actor=by, action=action, subject_kind="invoice", subject_id=str(invoice_id), now=now)


def issue_day(
    database: Database, book_day: date, *, signer: VerifyKey, now: Callable[[], datetime]
) -> Iterator[InvoiceTally]:
    """Yield the tally after each committed batch of a closed day's rides, stays and passes; DayNotClosedError.

    Running it again, also after it was killed, finds what is issued already and goes on. Days are brought up in
    their order: a later day's correction replaces what an earlier day's charge issued.
    """
    shelf = Shelf(signer)
    done = InvoiceTally()
    lacking: dict[str, int] = {}
    with database.read() as seen:
        close_period.find_seal(seen, book_day)
        books = shelf.books(seen)
        fares: Iterable[Draft] = fare_drafts(seen, book_day, books=books) if books.newest else ()
        opened = {(one.operator_id, one.house) for one in invoice.list_series(seen)}
        drafts = chain(fares, parking_drafts(seen, book_day))
        while batch := list(islice(drafts, BATCH)):
            ready = []
            for draft in batch:
                if (draft.operator_id, draft.house) in opened:
                    ready.append(draft)
                elif draft.total.minor:
                    lacking[draft.operator_id] = lacking.get(draft.operator_id, 0) + 1
            made = _bring(database, ready, now())
            done = InvoiceTally(
                done.issued + len(made.issued),
                done.replaced + made.replaced,
                done.cancelled + made.cancelled,
                done.waiting + made.waiting,
                tuple(sorted(lacking.items())),
            )
            yield done
    yield done


def _bring(database: Database, ready: list[Draft], now: datetime) -> Brought:
    return database.run(lambda tx: invoice.bring(tx, ready, now))


def send(database: Database, street: InvoiceStreet, *, now: Callable[[], datetime]) -> Iterator[int]:
    """Hand over everything that waits, batch by batch, and yield how many went after each.

    Killed between handing over and writing it down, the next run hands the same documents over again under the
    same names.
    """
    sent = 0
    while True:

        def work(tx: Connection) -> int:
            found = invoice.outbox(tx, limit=BATCH)
            street.send(_documents(tx, found))
            invoice.sent(tx, found, now())
            return len(found)

        count = database.run(work)
        if not count:
            return
        sent += count
        yield sent


def _documents(tx: Connection, found: Iterable[Invoice]) -> Iterator[tuple[str, bytes]]:
    series = {(one.operator_id, one.symbol): one for one in invoice.list_series(tx)}
    for one in found:
        of = series[one.operator_id, one.symbol]
        if one.notice_due:
            yield file_name(one), write_cancellation(one, of, invoice.list_steps(tx, one.invoice_id)[-1].note)
        else:
            replaced = invoice.get(tx, one.replaces) if one.replaces else None
            yield file_name(one), write_einvoice(one, of, replaced)


def take_answers(
    database: Database, street: InvoiceStreet, *, now: Callable[[], datetime]
) -> Iterator[tuple[str, int]]:
    """Write down the answers that came, a batch in a transaction, and yield each batch's name and size."""
    for name, answers in street.answers():
        database.run(lambda tx, answers=answers: _write_down(tx, answers, now()))  # type: ignore[misc]
        street.taken(name)
        yield name, len(answers)


def _write_down(tx: Connection, answers: Iterable[Answer], now: datetime) -> None:
    for one in answers:
        invoice.answered(tx, one.invoice_id, accepted=one.accepted, note=one.note, now=now)
