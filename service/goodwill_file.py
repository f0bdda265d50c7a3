"""A goodwill file: CSV with `card_serial` and `amount`, read whole before anything is kept."""

import csv
import hashlib
import io
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection

from access import issue, link
from access.issue import UnknownCardError
from kernel.ids import FareAccountId
from kernel.money import VND, MalformedAmountError, Money
from ledger import goodwill, post
from ledger.goodwill import Batch
from ledger.rules.goodwill import GoodwillEvent, GoodwillLine, GoodwillLinesError, check_lines
from service import audit, purses
from service.audit import Actor

COLUMNS: Final = ("card_serial", "amount")
MAX_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class GoodwillFile:
    """A read file: its lines, what they come to, and its digest."""

    lines: tuple[GoodwillLine, ...]
    total: Money
    sha256: bytes


def read(tx: Connection, content: bytes, now: datetime) -> GoodwillFile:
    """Return the file's lines by account; GoodwillLinesError names every line that is wrong, with nothing kept."""
    try:
        rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True)
        if not rows.fieldnames or not set(COLUMNS) <= set(rows.fieldnames):
            raise GoodwillLinesError(count=1, errors=[{"line": 1, "why": f"needs {', '.join(COLUMNS)}"}])
        found, errors = [], []
        for number, row in enumerate(rows, 2):
            try:
                found.append(_line(tx, row, number, now))
            except (ValueError, TypeError, UnknownCardError, MalformedAmountError) as error:
                errors.append({"line": number, "why": str(error) or type(error).__name__})
    except (UnicodeDecodeError, csv.Error) as error:
        raise GoodwillLinesError(count=1, errors=[{"line": 0, "why": str(error)}]) from None
    if errors:
        raise GoodwillLinesError(count=len(errors), errors=errors[:100])
    return GoodwillFile(tuple(found), check_lines(found), hashlib.sha256(content).digest())


def propose(tx: Connection, content: bytes, *, reason: str, by: Actor, now: datetime) -> Batch:
    """Keep a file as a batch that waits for a second person."""
    file = read(tx, content, now)
    made = goodwill.propose(tx, file.lines, reason=reason.strip(), sha256=file.sha256, by=person(by), now=now)
    if not made.again:
        _audit(tx, "goodwill.proposed", made, by, now)
    return made


def decide(
    tx: Connection, batch: Batch, event: GoodwillEvent, *, by: Actor, note: str, now: datetime
) -> Batch:
    """Take a batch one step on, its riders locked in the order that everybody keeps (§8.5)."""
    riders = goodwill.riders_of(tx, batch.row.batch_id)
    if event in {GoodwillEvent.APPROVED, GoodwillEvent.UNDO_APPROVED}:
        post.book_day(tx, now.date(), now)
        issue.lock_accounts(tx, riders)
    done = goodwill.decide(tx, batch.row.batch_id, event, by=person(by), now=now, note=note)
    if not done.again:
        _audit(tx, f"goodwill.{event.value}", done, by, now)
        if event in {GoodwillEvent.APPROVED, GoodwillEvent.UNDO_APPROVED}:
            purses.changed(tx, riders, cause=f"goodwill:{batch.row.batch_id}", now=now)
    return done


def person(by: Actor) -> str:
    """Return who acts, as two signatures are compared."""
    return f"{by.kind.value}:{by.actor_id}"


def _line(tx: Connection, row: dict[Any, Any], number: int, now: datetime) -> GoodwillLine:
    if None in row or None in row.values():  # what csv makes of a row of another length
        raise ValueError("it has fewer or more cells than the header")
    if not row["card_serial"].strip().isdecimal():
        raise ValueError(f"no card's serial: “{row['card_serial']}”")
    card = issue.get_card(tx, serial=int(row["card_serial"]))
    account = link.current(tx, FareAccountId(card.fare_account_id), at=now)
    return GoodwillLine(account, Money.parse(row["amount"].strip(), VND), number)


def _audit(tx: Connection, action: str, batch: Batch, by: Actor, now: datetime) -> None:
    audit.record(
        tx,
        actor=by,
        action=action,
        subject_kind="goodwill",
        subject_id=str(batch.row.batch_id),
        now=now,
        detail={"lines": batch.row.line_count, "total": batch.row.total_minor, "state": batch.row.state},
    )
