"""SQL of invoices and what became of them. Takes `tx`, decides nothing, commits nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from kernel.ids import OperatorId
from kernel.money import Money, currency
from ledger.rules.invoice import Invoice, InvoiceState, TaxRate

Key = tuple[str, str, UUID]
"""Operator, house and subject: what an invoice is about."""

_INVOICE: Final = (
    "i.operator_id, i.symbol, i.number, i.invoice_id, i.house, i.subject_id, i.revision, i.replaces, i.issued_on,"
    " i.issued_at, i.happened_at, i.title, i.plate, i.facts, i.currency, i.total, i.tax, i.tax_rate, i.state,"
    " i.ended_by, i.notice_due"
)
_WRITTEN: Final = (
    "operator_id, symbol, number, invoice_id, house, subject_id, revision, replaces, issued_on, issued_at,"
    " happened_at, title, plate, facts, currency, total, tax, tax_rate, state, ended_by, notice_due"
)


@dataclass(frozen=True, slots=True)
class InvoiceStep:
    """One thing that happened to an invoice after it was issued."""

    event: str
    state: str
    actor: str
    at: datetime
    note: str


def insert(tx: Connection, invoices: Sequence[Invoice]) -> None:
    """Write invoices, in one COPY."""
    if not invoices:
        return
    driver = tx.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor, cursor.copy(f"COPY ledger_invoice ({_WRITTEN}) FROM STDIN") as copy:
        for one in invoices:
            copy.write_row(
                (
                    one.operator_id,
                    one.symbol,
                    one.number,
                    one.invoice_id,
                    one.house,
                    one.subject_id,
                    one.revision,
                    one.replaces,
                    one.issued_on,
                    one.issued_at,
                    one.happened_at,
                    one.title,
                    one.plate,
                    json.dumps(dict(one.facts), ensure_ascii=False, sort_keys=True),
                    one.total.currency.code,
                    one.total.minor,
                    one.tax.minor,
                    one.tax_rate.value,
                    one.state.value,
                    one.ended_by,
                    one.notice_due,
                )
            )


def find_newest(tx: Connection, keys: Sequence[Key]) -> dict[Key, Invoice]:
    """Return the newest invoice of each subject that has one."""
    rows = tx.execute(
        text(
            f"SELECT newest.* FROM unnest(CAST(:operators AS text[]), CAST(:houses AS text[]),"
            " CAST(:subjects AS uuid[])) AS asked (operator_id, house, subject_id)"
            f" CROSS JOIN LATERAL (SELECT {_INVOICE} FROM ledger_invoice i WHERE i.operator_id = asked.operator_id"
            " AND i.house = asked.house AND i.subject_id = asked.subject_id ORDER BY i.revision DESC LIMIT 1) AS newest"
        ),
        {
            "operators": [key[0] for key in keys],
            "houses": [key[1] for key in keys],
            "subjects": [key[2] for key in keys],
        },
    )
    found = map(_invoice, rows)
    return {(one.operator_id, one.house, one.subject_id): one for one in found}


def find(tx: Connection, invoice_id: UUID, *, lock: bool = False) -> Invoice | None:
    """Return an invoice by its id, its row locked if asked."""
    row = tx.execute(
        text(
            f"SELECT {_INVOICE} FROM ledger_invoice i WHERE i.invoice_id = :id"
            + (" FOR UPDATE" if lock else "")
        ),
        {"id": invoice_id},
    ).one_or_none()
    return None if row is None else _invoice(row)


def find_by_name(tx: Connection, operator: str, symbol: str, number: int) -> Invoice | None:
    """Return an operator's invoice by symbol and number."""
    row = tx.execute(
        text(
            f"SELECT {_INVOICE} FROM ledger_invoice i"
            " WHERE i.operator_id = :operator AND i.symbol = :symbol AND i.number = :number"
        ),
        {"operator": operator, "symbol": symbol, "number": number},
    ).one_or_none()
    return None if row is None else _invoice(row)


def list_of_subject(tx: Connection, subject_id: UUID) -> tuple[Invoice, ...]:
    """Return every invoice about a ride or stay, whoever issued it, by operator and revision."""
    rows = tx.execute(
        text(
            f"SELECT {_INVOICE} FROM ledger_invoice i WHERE i.subject_id = :subject"
            " ORDER BY i.operator_id, i.revision"
        ),
        {"subject": subject_id},
    )
    return tuple(map(_invoice, rows))


def list_invoices(
    tx: Connection,
    *,
    operators: Iterable[str] | None,
    day: date | None,
    state: InvoiceState | None,
    limit: int,
) -> tuple[Invoice, ...]:
    """Return invoices by operator and number, limited as asked."""
    rows = tx.execute(
        text(
            f"SELECT {_INVOICE} FROM ledger_invoice i"
            " WHERE (CAST(:operators AS text[]) IS NULL OR i.operator_id = ANY(CAST(:operators AS text[])))"
            " AND (CAST(:day AS date) IS NULL OR i.issued_on = :day)"
            " AND (CAST(:state AS text) IS NULL OR i.state = :state)"
            " ORDER BY i.operator_id, i.symbol, i.number LIMIT :limit"
        ),
        {
            "operators": None if operators is None else sorted(operators),
            "day": day,
            "state": None if state is None else state.value,
            "limit": limit,
        },
    )
    return tuple(map(_invoice, rows))


def take_outbox(tx: Connection, *, limit: int) -> tuple[Invoice, ...]:
    """Return what waits to be sent, and notices of what was cancelled after it was sent, locked, in number order.

    Rows that another sender holds are left to it.
    """
    rows = tx.execute(
        text(
            f"SELECT {_INVOICE} FROM ledger_invoice i WHERE i.state = 'issued' OR i.notice_due"
            " ORDER BY i.operator_id, i.symbol, i.number LIMIT :limit FOR UPDATE SKIP LOCKED"
        ),
        {"limit": limit},
    )
    return tuple(map(_invoice, rows))


def move(
    tx: Connection,
    moved: Sequence[tuple[Invoice, str, InvoiceState, str]],
    *,
    actor: str,
    now: datetime,
    ended: bool = False,
) -> None:
    """Write what happened to invoices (invoice, event, state, note), and the states it led to."""
    if not moved:
        return
    values: Mapping[str, object] = {
        "ids": [one.invoice_id for one, _, _, _ in moved],
        "events": [event for _, event, _, _ in moved],
        "states": [state.value for _, _, state, _ in moved],
        "notes": [note for _, _, _, note in moved],
        "notices": [
            state is InvoiceState.CANCELLED and one.state is InvoiceState.ACCEPTED
            for one, _, state, _ in moved
        ],
        "actor": actor,
        "ended_by": actor if ended else "",
        "now": now,
    }
    asked = (
        " FROM unnest(CAST(:ids AS uuid[]), CAST(:events AS text[]), CAST(:states AS text[]),"
        " CAST(:notes AS text[]), CAST(:notices AS boolean[])) AS m (id, event, state, note, notice)"
    )
    tx.execute(
        text(
            "INSERT INTO ledger_invoice_event (invoice_id, event_no, event, state, actor, at, note)"
            " SELECT m.id, 1 + (SELECT count(*) FROM ledger_invoice_event e WHERE e.invoice_id = m.id),"
            f" m.event, m.state, :actor, :now, m.note {asked}"
        ),
        values,
    )
    tx.execute(
        text(
            "UPDATE ledger_invoice i SET state = m.state, ended_by = :ended_by, notice_due = m.notice"
            f"{asked} WHERE i.invoice_id = m.id"
        ),
        values,
    )


def clear_notices(tx: Connection, ids: Sequence[UUID]) -> None:
    """Write down that the notices of these cancelled invoices were sent."""
    tx.execute(
        text("UPDATE ledger_invoice SET notice_due = false WHERE invoice_id = ANY(CAST(:ids AS uuid[]))"),
        {"ids": list(ids)},
    )


def list_steps(tx: Connection, invoice_id: UUID) -> tuple[InvoiceStep, ...]:
    """Return what happened to an invoice after it was issued, in order."""
    rows = tx.execute(
        text(
            "SELECT event, state, actor, at, note FROM ledger_invoice_event WHERE invoice_id = :id ORDER BY event_no"
        ),
        {"id": invoice_id},
    )
    return tuple(InvoiceStep(*row) for row in rows)


def count_by_state(tx: Connection) -> tuple[tuple[str, str, int], ...]:
    """Return operator, state and how many invoices are in it."""
    rows = tx.execute(
        text(
            "SELECT operator_id, state, count(*) FROM ledger_invoice GROUP BY operator_id, state ORDER BY 1, 2"
        )
    )
    return tuple((row[0], row[1], int(row[2])) for row in rows)


def _invoice(row: Sequence[Any]) -> Invoice:
    unit = currency(row[14])
    return Invoice(
        operator_id=OperatorId(row[0]),
        symbol=row[1],
        number=row[2],
        invoice_id=row[3],
        house=row[4],
        subject_id=row[5],
        revision=row[6],
        replaces=row[7],
        issued_on=row[8],
        issued_at=row[9],
        happened_at=row[10],
        title=row[11],
        plate=row[12],
        facts=row[13],
        total=Money(row[15], unit),
        tax=Money(row[16], unit),
        tax_rate=TaxRate(row[17]),
        state=InvoiceState(row[18]),
        ended_by=row[19],
        notice_due=row[20],
    )
