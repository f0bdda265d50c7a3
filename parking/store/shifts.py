"""SQL of shifts, tickets and counts. Takes `tx`, decides nothing, commits nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from kernel.money import Money, currency
from parking.rules.shift import Shift, ShiftEvent, ShiftEventKind
from parking.rules.tickets import Ticket, TicketEnd

_SHIFT = "shift_id, place_id, operator_id, till, attendant, float_minor, currency, opened_at, opened_by"


def lock_till(tx: Connection, till: str) -> None:
    """Make payments, shifts and counts of one till wait for each other."""
    tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('parking-till:' || :till, 0))"), {"till": till}
    )


def insert_shift(tx: Connection, shift: Shift) -> None:
    """Write a shift as it is opened."""
    tx.execute(
        text(
            f"INSERT INTO parking_shift ({_SHIFT}) VALUES (:shift_id, :place_id, :operator_id, :till,"
            " :attendant, :float_minor, :currency, :opened_at, :opened_by)"
        ),
        {
            "shift_id": shift.shift_id,
            "place_id": shift.place_id,
            "operator_id": shift.operator_id,
            "till": shift.till,
            "attendant": shift.attendant,
            "float_minor": shift.float_.minor,
            "currency": shift.float_.currency.code,
            "opened_at": shift.opened_at,
            "opened_by": shift.opened_by,
        },
    )


def find_shift(tx: Connection, shift_id: UUID) -> Shift | None:
    """Return a shift as it was opened."""
    row = tx.execute(
        text(f"SELECT {_SHIFT} FROM parking_shift WHERE shift_id = :id"), {"id": shift_id}
    ).first()
    return _shift(row) if row else None


def find_last_at_till(tx: Connection, till: str) -> Shift | None:
    """Return the newest shift of a till, as it was opened."""
    row = tx.execute(
        text(
            f"SELECT {_SHIFT} FROM parking_shift WHERE till = :till ORDER BY opened_at DESC, shift_id LIMIT 1"
        ),
        {"till": till},
    ).first()
    return _shift(row) if row else None


def find_last_count(tx: Connection, till: str, *, before: datetime) -> datetime | None:
    """Return when the till was last counted in a shift opened before an instant."""
    found: datetime | None = tx.execute(
        text(
            "SELECT max(at) FROM parking_shift_event JOIN parking_shift USING (shift_id)"
            " WHERE till = :till AND opened_at < :before AND kind = 'counted'"
        ),
        {"till": till, "before": before},
    ).scalar()
    return found


def list_shifts(
    tx: Connection, place_ids: Iterable[str], *, since: datetime, until: datetime, limit: int
) -> tuple[Shift, ...]:
    """Return shifts of places that were opened in `[since, until)`, as they were opened, newest first."""
    rows = tx.execute(
        text(
            f"SELECT {_SHIFT} FROM parking_shift WHERE place_id = ANY (CAST(:places AS text[]))"
            " AND opened_at >= :since AND opened_at < :until ORDER BY opened_at DESC, shift_id LIMIT :limit"
        ),
        {"places": list(place_ids), "since": since, "until": until, "limit": limit},
    )
    return tuple(_shift(row) for row in rows)


def insert_event(tx: Connection, shift_id: UUID, number: int, event: ShiftEvent) -> None:
    """Write a shift's event."""
    tx.execute(
        text(
            "INSERT INTO parking_shift_event (shift_id, event_no, event_id, kind, amount_minor, note, at, actor)"
            " VALUES (:shift, :number, :id, :kind, :amount, :note, :at, :actor)"
        ),
        {
            "shift": shift_id,
            "number": number,
            "id": event.event_id,
            "kind": event.kind.value,
            "amount": None if event.amount is None else event.amount.minor,
            "note": event.note,
            "at": event.at,
            "actor": event.actor,
        },
    )


def list_events(tx: Connection, shift: Shift) -> tuple[ShiftEvent, ...]:
    """Return a shift's events in order."""
    rows = tx.execute(
        text(
            "SELECT event_id, kind, at, actor, amount_minor, note FROM parking_shift_event"
            " WHERE shift_id = :shift ORDER BY event_no"
        ),
        {"shift": shift.shift_id},
    )
    return tuple(
        ShiftEvent(
            event_id=row[0],
            kind=ShiftEventKind(row[1]),
            at=row[2],
            actor=row[3],
            amount=None if row[4] is None else Money(row[4], shift.float_.currency),
            note=row[5],
        )
        for row in rows
    )


def sum_cash(tx: Connection, till: str, *, after: datetime | None, until: datetime) -> int:
    """Return the cash that came into a till, less what was given back, in `(after, until]`, in minor units.

    For stays, and for rights that were sold there.
    """
    return int(
        tx.execute(
            text(
                """
                SELECT coalesce(sum(minor), 0)::bigint FROM (
                    SELECT amount_minor, paid_at FROM parking_payment WHERE till = :till
                    UNION ALL
                    SELECT price_minor, assigned_at FROM parking_right WHERE till = :till AND till <> ''
                    UNION ALL
                    SELECT -refund_minor, recorded_at FROM parking_right
                    JOIN parking_right_end USING (fare_account_id, right_id) WHERE till = :till AND till <> ''
                ) AS moved (minor, at)
                WHERE at > coalesce(CAST(:after AS timestamptz), '-infinity') AND at <= :until
                """
            ),
            {"till": till, "after": after, "until": until},
        ).scalar_one()
    )


def insert_tickets(
    tx: Connection,
    series: str,
    numbers: Sequence[int],
    *,
    place_id: str,
    operator_id: str,
    shift_id: UUID | None,
    at: datetime,
    actor: str,
) -> list[int]:
    """Write issued tickets and return the numbers that are new."""
    rows = tx.execute(
        text(
            "INSERT INTO parking_ticket (series, number, place_id, operator_id, shift_id, issued_at, issued_by)"
            " SELECT :series, n, :place, :operator, :shift, :at, :actor"
            " FROM unnest(CAST(:numbers AS bigint[])) AS n ON CONFLICT DO NOTHING RETURNING number"
        ),
        {
            "series": series,
            "numbers": list(numbers),
            "place": place_id,
            "operator": operator_id,
            "shift": shift_id,
            "at": at,
            "actor": actor,
        },
    )
    return [row[0] for row in rows]


def end_tickets(
    tx: Connection,
    series: str,
    numbers: Sequence[int],
    end: TicketEnd,
    *,
    note: str,
    at: datetime,
    actor: str,
) -> list[int]:
    """Write how tickets end and return the numbers that were open."""
    rows = tx.execute(
        text(
            "INSERT INTO parking_ticket_end (series, number, kind, note, ended_at, ended_by)"
            " SELECT :series, number, :kind, :note, :at, :actor FROM parking_ticket"
            " WHERE series = :series AND number = ANY (CAST(:numbers AS bigint[]))"
            " ON CONFLICT DO NOTHING RETURNING number"
        ),
        {
            "series": series,
            "numbers": list(numbers),
            "kind": end.value,
            "note": note,
            "at": at,
            "actor": actor,
        },
    )
    return [row[0] for row in rows]


def list_tickets(
    tx: Connection, place_id: str, *, since: datetime, until: datetime
) -> dict[str, list[Ticket]]:
    """Return the tickets issued at a place in `[since, until)`, by series."""
    rows = tx.execute(
        text(
            "SELECT series, number, ended.kind FROM parking_ticket"
            " LEFT JOIN parking_ticket_end AS ended USING (series, number)"
            " WHERE place_id = :place AND issued_at >= :since AND issued_at < :until"
        ),
        {"place": place_id, "since": since, "until": until},
    )
    found: dict[str, list[Ticket]] = {}
    for series, number, kind in rows:
        found.setdefault(series, []).append(Ticket(number, TicketEnd(kind) if kind else None))
    return found


def list_ticket_operators(tx: Connection, series: str, numbers: Sequence[int]) -> dict[int, str]:
    """Return whose tickets these numbers of a series are; numbers nobody issued are absent."""
    rows = tx.execute(
        text(
            "SELECT number, operator_id FROM parking_ticket WHERE series = :series"
            " AND number = ANY (CAST(:numbers AS bigint[]))"
        ),
        {"series": series, "numbers": list(numbers)},
    )
    return {row[0]: row[1] for row in rows}


def _shift(row: Row[Any]) -> Shift:
    unit = currency(row.currency)
    return Shift(
        shift_id=row.shift_id,
        place_id=row.place_id,
        operator_id=row.operator_id,
        till=row.till,
        attendant=row.attendant,
        opened_at=row.opened_at,
        opened_by=row.opened_by,
        float_=Money(row.float_minor, unit),
        taken=Money.zero(unit),
        dropped=Money.zero(unit),
    )
