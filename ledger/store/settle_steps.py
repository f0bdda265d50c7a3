"""SQL of the step table of settling (DESIGN §8.18): what was done to a day, and when. Takes `tx`, decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import Connection, text


class StepRow(NamedTuple):
    """One step of one run."""

    step: str
    run_no: int
    detail: str
    at: datetime


def lock(tx: Connection, book_day: date) -> None:
    """Make settlings of one day wait for each other until the transaction ends."""
    tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('settle:' || :day, 0))"),
        {"day": book_day.isoformat()},
    )


def insert(tx: Connection, book_day: date, step: str, detail: str, now: datetime) -> None:
    """Write down that a step was done."""
    tx.execute(
        text(
            "INSERT INTO ledger_settlement_step (book_day, step, run_no, detail, at) SELECT :day, :step,"
            " 1 + (SELECT count(*) FROM ledger_settlement_step WHERE book_day = :day AND step = :step), :detail, :now"
        ),
        {"day": book_day, "step": step, "detail": detail, "now": now},
    )


def list_steps(tx: Connection, book_day: date) -> Sequence[StepRow]:
    """Return a day's steps in the order in which they were done."""
    rows = tx.execute(
        text(
            "SELECT step, run_no, detail, at FROM ledger_settlement_step WHERE book_day = :day ORDER BY at, run_no"
        ),
        {"day": book_day},
    )
    return [StepRow(*row) for row in rows]
