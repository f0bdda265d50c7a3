"""Writing and finding lines: the book-day locks, COPY, guarded balances, roll-ups."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from sqlalchemy import Connection, text

from ledger.rules import row
from ledger.rules.batch import CREDITS, DEBITS, OWNER, RollupDelta, Sums
from ledger.rules.row import COLUMNS, Row
from ledger.store import arrays
from ledger.store.connection import Driver, as_sqlalchemy, driver

SAVEPOINT: Final = "ledger_post"
_SET_SAVEPOINT: Final = f"SAVEPOINT {SAVEPOINT}"
_SHARE: Final = "SELECT ledger_share_days(%s::integer[])"
# How long a batch whose lines are written waits for balances that another holds. Undone by the savepoint's rollback.
_PATIENCE: Final = "SET LOCAL lock_timeout = '250ms'"
_NO_PATIENCE: Final = "SET LOCAL lock_timeout TO DEFAULT"
SELECT_COLUMNS: Final = ", ".join(f"l.{name}" for name in COLUMNS)
_COPY_LINES: Final = f"COPY ledger_line ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)".encode()
_INSERT_LINE: Final = (
    f"INSERT INTO ledger_line ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"
)
_INSERT_DERIVED: Final = "INSERT INTO ledger_derived (owner_id, entry_id, book_day) VALUES (%s, %s, %s)"
_COPY_DERIVED: Final = b"COPY ledger_derived (owner_id, entry_id, book_day) FROM STDIN (FORMAT BINARY)"
_MOVE: Final = f"SELECT * FROM ledger_move({', '.join(['%s'] * 7)}, %s::text, %s::date, %s::date, %s::bool)"
_ROLL_UP: Final = """
INSERT INTO ledger_rollup AS r (owner_id, account_id, book_day, service_day, slot, debits, credits)
SELECT d.owner_id, d.account_id, %s::date, d.service_day, pg_backend_pid() %% 64, d.debits, d.credits
FROM unnest(%s::uuid[], %s::uuid[], %s::date[], %s::numeric[], %s::numeric[])
    AS d (owner_id, account_id, service_day, debits, credits)
ORDER BY d.account_id, d.service_day
ON CONFLICT (owner_id, account_id, book_day, service_day, slot)
DO UPDATE SET debits = r.debits + excluded.debits, credits = r.credits + excluded.credits
"""


@dataclass(frozen=True, slots=True)
class RestAccount:
    """An account of a batch that is not an open guarded one of the entry's owner; None: never opened, or in the way."""

    account: int
    owner_id: UUID | None
    owner_kind: str | None
    currency: str | None
    state: str | None
    guarded: bool | None


class Move(NamedTuple):
    """What `ledger_move` is called with."""

    owners: arrays.UuidArray
    accounts: arrays.UuidArray
    debits: arrays.BigintArray
    credits: arrays.BigintArray
    shared: arrays.UuidArray
    shared_debits: arrays.BigintArray
    shared_credits: arrays.BigintArray
    currency: str
    book_day: date
    about: date | None
    judged: bool


def share_days(tx: Connection, days: Iterable[date]) -> date:
    """Hold these book days open until the transaction ends, in date order; return the last closed day.

    Before the first close that is the eve of 2020: no book day is older.

    Waits for a close that is under way on one of them.
    """
    numbers = [row.era_days(day) for day in sorted(days)]
    connection = driver(tx)
    # In a pipeline the transaction's BEGIN travels along instead of being waited for.
    with as_sqlalchemy(), connection.pipeline():
        return _day(connection.execute(_SHARE, (numbers,)))


def _numbers(values: Iterable[int]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


@contextmanager
def beginning(connection: Driver, book_day: date) -> Iterator[Callable[[], bool]]:
    """Set the savepoint and share the book day, while the caller's block works on.

    Yields what returns, after the block, whether the day is open.
    """
    # In a pipeline the transaction's BEGIN travels along instead of being waited for.
    with connection.pipeline():
        connection.execute(_SET_SAVEPOINT)
        shared = connection.execute(_SHARE, ([row.era_days(book_day)],))
        yield lambda: _day(shared) < book_day


def _day(found: psycopg.Cursor[tuple[Any, ...]]) -> date:
    (day,) = found.fetchone() or (None,)
    assert isinstance(day, date)
    return day


def move_of(sums: Sums, *, currency: str, book_day: date, judged: bool) -> Move:
    """Return what `moving` sends for these sums.

    Not `judged`, an account whose debits alone (taken first) would pass its floor is left as it is, so that what
    passes here passes in every order. Judged, the floor constraint has the last word.
    """
    moved = sums.moved
    accounts, shared = sorted(moved.keys() - sums.shared), sorted(sums.shared)
    single, several = [moved[account] for account in accounts], [moved[account] for account in shared]
    return Move(
        arrays.uuids([cell[OWNER] for cell in single]),
        arrays.uuids(accounts),
        arrays.bigints([cell[DEBITS] for cell in single]),
        arrays.bigints([cell[CREDITS] for cell in single]),
        arrays.uuids(shared),
        arrays.bigints([cell[DEBITS] for cell in several]),
        arrays.bigints([cell[CREDITS] for cell in several]),
        currency,
        book_day,
        sums.service_day,
        judged,
    )


@contextmanager
def moving(
    connection: Driver, move: Move, *, begun: bool = False
) -> Iterator[Callable[[], list[RestAccount]]]:
    """Lock a batch's guarded balances in id order and move them, while the caller's block works on.

    Yields what returns, after the block, the accounts that are not such; its end waits for the server. Whatever
    stands in the way (a floor, a closed book day) is returned as an account without a state. The roll-ups of the
    others are added to when all entries are about one service day.

    Not `begun`, it first does what `beginning` does. Begun, the lines are written already and whoever holds a balance
    may be waiting for one of their ids: the wait for balances is bounded then, and ends in LockNotAvailable.
    """
    arrays.teach(connection)
    # In a pipeline the transaction's BEGIN travels along instead of being waited for.
    with connection.pipeline():
        connection.execute(_PATIENCE if begun else _SET_SAVEPOINT)
        running = connection.execute(_MOVE, move)
        if begun:
            connection.execute(_NO_PATIENCE)
        yield lambda: [RestAccount(found[0].int, *found[1:]) for found in running.fetchall()]


def insert_few(connection: Driver, derived: Iterable[tuple[UUID, UUID, date]], lines: Iterable[Row]) -> None:
    """Register derived ids and append lines, as `copy_derived` and `copying_lines` do.

    For a few in a pipeline: they travel with the statements before them, where a COPY takes two more round trips.
    """
    for key in derived:
        connection.execute(_INSERT_DERIVED, key)
    for line in lines:
        connection.execute(_INSERT_LINE, row.values(line))


@contextmanager
def copying_lines(connection: Driver) -> Iterator[Callable[[bytes], None]]:
    """Append line rows: yields what takes the pieces of a binary COPY, and waits for the server at the end.

    UniqueViolation when an id is booked on that day.
    """
    with connection.cursor() as cursor, cursor.copy(_COPY_LINES) as copy:
        yield copy.write


def copy_derived(connection: Driver, payload: bytes) -> None:
    """Register derived ids, a binary COPY; UniqueViolation when one is booked on any day."""
    with connection.cursor() as cursor, cursor.copy(_COPY_DERIVED) as copy:
        copy.write(payload)


def keep(connection: Driver) -> None:
    """End the savepoint that `beginning` or `moving` set and keep what was written since."""
    connection.execute(f"RELEASE SAVEPOINT {SAVEPOINT}")


def roll_up(
    connection: Driver, deltas: Sequence[RollupDelta], owners: dict[int, UUID], *, book_day: date
) -> None:
    """Add to the roll-ups of append-only accounts, each connection in a row of its own."""
    connection.execute(
        _ROLL_UP,
        (
            book_day,
            [owners[d.account] for d in deltas],
            [UUID(int=d.account) for d in deltas],
            [d.service_day for d in deltas],
            _numbers([d.debits for d in deltas]),
            _numbers([d.credits for d in deltas]),
        ),
    )


@contextmanager
def all_or_nothing(connection: Driver) -> Iterator[None]:
    """Undo everything the block wrote when it raises."""
    connection.execute("SAVEPOINT ledger_groups")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK TO SAVEPOINT ledger_groups")
        raise
    finally:
        connection.execute("RELEASE SAVEPOINT ledger_groups")


def undo(connection: Driver) -> None:
    """Go back to the savepoint that `beginning` or `moving` set, and end it."""
    with connection.pipeline():
        connection.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
        connection.execute(f"RELEASE SAVEPOINT {SAVEPOINT}")


def find_derived_days(tx: Connection, keys: Collection[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], date]:
    """Return the book day of each derived (owner, entry) that is booked."""
    if not keys:
        return {}
    rows = tx.execute(
        text(
            "SELECT d.owner_id, d.entry_id, d.book_day FROM ledger_derived d "
            "JOIN unnest(CAST(:owners AS uuid[]), CAST(:entries AS uuid[])) AS q (owner_id, entry_id) "
            "ON d.owner_id = q.owner_id AND d.entry_id = q.entry_id"
        ),
        {"owners": [owner for owner, _ in keys], "entries": [entry for _, entry in keys]},
    )
    return {(found.owner_id, found.entry_id): found.book_day for found in rows}


def find_lines(
    tx: Connection, wanted: Collection[tuple[UUID, UUID, date, date]]
) -> dict[tuple[UUID, UUID], list[Row]]:
    """Return the stored lines of (owner, entry, first day, last day), in line order."""
    if not wanted:
        return {}
    rows = tx.execute(
        text(
            f"SELECT {SELECT_COLUMNS} FROM ledger_line l "
            "JOIN unnest(CAST(:owners AS uuid[]), CAST(:entries AS uuid[]), CAST(:firsts AS date[]), "
            "CAST(:lasts AS date[])) AS q (owner_id, entry_id, first_day, last_day) "
            "ON l.owner_id = q.owner_id AND l.entry_id = q.entry_id "
            "AND l.book_day BETWEEN q.first_day AND q.last_day "
            "ORDER BY l.owner_id, l.entry_id, l.line_no"
        ),
        {
            "owners": [w[0] for w in wanted],
            "entries": [w[1] for w in wanted],
            "firsts": [w[2] for w in wanted],
            "lasts": [w[3] for w in wanted],
        },
    )
    found: dict[tuple[UUID, UUID], list[Row]] = {}
    for one in rows:
        stored = Row(*one)
        found.setdefault((stored.owner_id, stored.entry_id), []).append(stored)
    return found


def find_anywhere(tx: Connection, owner_id: UUID, entry_id: UUID) -> list[Row]:
    """Return an entry's lines in order, whatever day it was booked on; empty when there are none."""
    rows = tx.execute(
        text(
            f"SELECT {SELECT_COLUMNS} FROM ledger_line l "
            "WHERE l.owner_id = :owner_id AND l.entry_id = :entry_id ORDER BY l.line_no"
        ),
        {"owner_id": owner_id, "entry_id": entry_id},
    )
    return [Row(*one) for one in rows]


RETRYABLE: Final = (
    psycopg.errors.UniqueViolation,
    psycopg.errors.CheckViolation,
    psycopg.errors.NumericValueOutOfRange,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.LockNotAvailable,
)
