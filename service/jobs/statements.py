"""Operators' documents of a released day: statement as PDF, XLSX and CSV, evidence, and the script that checks it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from fare.evidence_lines import evidence_charges as fare_charges
from fare.evidence_lines import evidence_passes
from kernel.crypto.ed25519 import SigningKey
from kernel.ids import OperatorId
from ledger import close_period, payout, settle
from ledger.evidence import write_evidence
from ledger.rules.payout import NotPayableError, PayoutState
from ledger.rules.settlement import Settled
from parking.evidence_lines import evidence_charges as parking_charges
from service import statements
from service.database import Database

SCRIPT: Final = Path(__file__).parents[1] / "static" / "check_settlement.py"
RELEASED: Final = frozenset({PayoutState.RELEASED, PayoutState.EXECUTED})
WRITERS: Final = {
    "pdf": ("application/pdf", statements.write_pdf),
    "xlsx": (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        statements.write_xlsx,
    ),
    "csv": ("text/csv; charset=utf-8", statements.write_csv),
}


def released(tx: Connection, book_day: date) -> Settled:
    """Return a settled day whose payout is released: before that nobody is told. NotPayableError."""
    settled = settle.find_settled(tx, book_day)
    found = payout.find_of_day(tx, book_day)
    if settled is None or found is None or found.row.state not in RELEASED:
        raise NotPayableError(book_day=book_day.isoformat(), why="its statements are not released yet")
    return settled


def passed_on(tx: Connection, book_day: date, operator: OperatorId) -> int:
    """Return what the day's payout pays an operator of funders' money, in minor units."""
    found = payout.find_of_day(tx, book_day)
    parts = () if found is None else found.subsidies
    return sum(amount.minor for owner, amount in parts if owner == operator)


def evidence(
    tx: Connection, settled: Settled, operator: OperatorId, keys: Sequence[SigningKey]
) -> Iterator[bytes]:
    """Yield the lines of an operator's evidence file, signed with the key that sealed the day."""
    sealed_by = close_period.find_seal(tx, settled.book_day).key_id
    (signer,) = (key for key in keys if key.public.key_id == sealed_by)
    day = settled.book_day
    charges = chain(fare_charges(tx, day, operator), parking_charges(tx, day, operator))
    return write_evidence(
        tx,
        settled,
        operator,
        charges=charges,
        passes=evidence_passes(tx, day, operator),
        signer=signer,
    )


def write_documents(
    database: Database, book_day: date, folder: Path, keys: Sequence[SigningKey]
) -> Iterator[Path]:
    """Write every operator's documents into a folder of its own, and yield each path as it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / SCRIPT.name
    script.write_bytes(SCRIPT.read_bytes())
    yield script
    with database.read() as tx:
        settled = released(tx, book_day)
        for one in settled.settlements:
            home = folder / one.operator_id
            home.mkdir(exist_ok=True)
            for ending, (_, write) in WRITERS.items():
                path = home / f"{book_day}.{ending}"
                path.write_bytes(write(settled, one.operator_id, passed_on(tx, book_day, one.operator_id)))
                yield path
            path = home / f"{book_day}.evidence.jsonl"
            with path.open("wb") as file:
                file.writelines(evidence(tx, settled, one.operator_id, keys))
            yield path
