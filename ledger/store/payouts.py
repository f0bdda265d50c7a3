"""SQL of payouts, their payments, steps and files. Takes `tx`, decides nothing, commits nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from kernel.ids import LedgerAccountId
from ledger.rules.payout import PayoutEvent, PayoutState, PayoutStep


@dataclass(frozen=True, slots=True)
class PayoutRow:
    """A payout as stored."""

    payout_id: UUID
    book_day: date
    currency: str
    revision: int
    execute_on: date
    state: PayoutState
    prepared_by: str
    prepared_at: datetime


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A payment as stored; where it goes stands as it was when it was prepared."""

    payment_no: int
    payer: str
    payee: str
    minor: int
    end_to_end: str
    name: str
    account: str
    bank: str
    bic: str


# What payouts moved of accounts on a book day: it is in the books of that day, yet no part of what was earned on it.
# Entries of payouts are owned by operators, so that few lines of the day are looked at.
PAID_OUT: Final = """
    SELECT account_id, sum(net)::bigint AS net FROM (
        SELECT credit_id AS account_id, amount AS net FROM ledger_line WHERE {mine}
        UNION ALL SELECT debit_id, -amount FROM ledger_line WHERE {mine}
    ) l GROUP BY account_id
""".format(
    mine="book_day = :book_day AND narrative LIKE 'payout.%' "
    "AND owner_id IN (SELECT owner_id FROM ledger_account WHERE owner_kind = 'operator')"
)
# What reconciliation calls the movements of payouts.
POOL: Final = "payouts"
_ROW: Final = ", ".join(PayoutRow.__slots__)
_PAYMENT: Final = ", ".join(PaymentRow.__slots__)


def lock_day(tx: Connection, book_day: date) -> None:
    """Make payouts of one day wait for each other."""
    tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('payout:' || :day, 0))"),
        {"day": book_day.isoformat()},
    )


def insert(tx: Connection, row: PayoutRow, payments: Sequence[PaymentRow]) -> None:
    """Write a payout with its payments."""
    tx.execute(
        text(
            f"INSERT INTO ledger_payout ({_ROW}) VALUES ({', '.join(f':{n}' for n in PayoutRow.__slots__)})"
        ),
        {name: getattr(row, name) for name in PayoutRow.__slots__} | {"state": row.state.value},
    )
    if payments:
        tx.execute(
            text(
                f"INSERT INTO ledger_payout_payment (payout_id, {_PAYMENT})"
                f" VALUES (:payout, {', '.join(f':{n}' for n in PaymentRow.__slots__)})"
            ),
            [
                {name: getattr(one, name) for name in PaymentRow.__slots__} | {"payout": row.payout_id}
                for one in payments
            ],
        )


def find(tx: Connection, payout_id: UUID, *, lock: bool = False) -> PayoutRow | None:
    """Return a payout, its row locked if asked, or None."""
    row = tx.execute(
        text(f"SELECT {_ROW} FROM ledger_payout WHERE payout_id = :id" + (" FOR UPDATE" if lock else "")),
        {"id": payout_id},
    ).one_or_none()
    return None if row is None else _row(row)


def list_of_day(tx: Connection, book_day: date, currency: str) -> tuple[PayoutRow, ...]:
    """Return a day's payouts, the newest revision first."""
    rows = tx.execute(
        text(
            f"SELECT {_ROW} FROM ledger_payout WHERE book_day = :day AND currency = :currency ORDER BY revision DESC"
        ),
        {"day": book_day, "currency": currency},
    )
    return tuple(map(_row, rows))


def list_payments(tx: Connection, payout_id: UUID) -> tuple[PaymentRow, ...]:
    """Return a payout's payments in order."""
    rows = tx.execute(
        text(f"SELECT {_PAYMENT} FROM ledger_payout_payment WHERE payout_id = :id ORDER BY payment_no"),
        {"id": payout_id},
    )
    return tuple(PaymentRow(*row) for row in rows)


def insert_step(tx: Connection, payout_id: UUID, made: PayoutStep) -> None:
    """Write a step, and the state it led to."""
    tx.execute(
        text(
            "INSERT INTO ledger_payout_step (payout_id, step_no, event, state, actor, at, note)"
            " VALUES (:payout, :step_no, :event, :state, :actor, :at, :note)"
        ),
        {
            "payout": payout_id,
            "step_no": made.step_no,
            "event": made.event.value,
            "state": made.state.value,
            "actor": made.actor,
            "at": made.at,
            "note": made.note,
        },
    )
    tx.execute(
        text("UPDATE ledger_payout SET state = :state WHERE payout_id = :payout"),
        {"state": made.state.value, "payout": payout_id},
    )


def list_steps(tx: Connection, payout_id: UUID) -> tuple[PayoutStep, ...]:
    """Return a payout's steps in order."""
    rows = tx.execute(
        text(
            "SELECT step_no, event, state, actor, at, note FROM ledger_payout_step WHERE payout_id = :id ORDER BY step_no"
        ),
        {"id": payout_id},
    )
    return tuple(PayoutStep(r[0], PayoutEvent(r[1]), PayoutState(r[2]), r[3], r[4], r[5]) for r in rows)


def insert_file(tx: Connection, payout_id: UUID, content: bytes, now: datetime) -> None:
    """Keep the payment file as it was released."""
    tx.execute(
        text("INSERT INTO ledger_payout_file (payout_id, content, made_at) VALUES (:id, :content, :now)"),
        {"id": payout_id, "content": content, "now": now},
    )


def find_file(tx: Connection, payout_id: UUID) -> bytes | None:
    """Return the payment file of a released payout."""
    found = tx.execute(
        text("SELECT content FROM ledger_payout_file WHERE payout_id = :id"), {"id": payout_id}
    ).scalar_one_or_none()
    return None if found is None else bytes(found)


def list_moved(
    tx: Connection, book_day: date, currency: str, kinds: Sequence[str]
) -> tuple[tuple[str, LedgerAccountId, int], ...]:
    """Return operator, account and credits less debits of its accounts of these kinds on a book day.

    Without what payouts of other days moved on it.
    """
    rows = tx.execute(
        text(
            f"WITH paid AS ({PAID_OUT}), moved AS ("
            "SELECT a.owner_name, a.account_id, sum(r.credits - r.debits)::bigint AS net FROM ledger_rollup r"
            " JOIN ledger_account a USING (owner_id, account_id)"
            " WHERE r.book_day = :book_day AND a.currency = :currency AND a.kind = ANY(:kinds)"
            " GROUP BY a.owner_name, a.account_id)"
            " SELECT owner_name, account_id, m.net - coalesce(p.net, 0) FROM moved m LEFT JOIN paid p USING (account_id)"
            " WHERE m.net <> coalesce(p.net, 0)"
            ' ORDER BY owner_name COLLATE "C", account_id'
        ),
        {"book_day": book_day, "currency": currency, "kinds": list(kinds)},
    )
    return tuple((row[0], LedgerAccountId(row[1]), int(row[2])) for row in rows)


def _row(row: Sequence[Any]) -> PayoutRow:
    return PayoutRow(row[0], row[1], row[2], row[3], row[4], PayoutState(row[5]), row[6], row[7])
