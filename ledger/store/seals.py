"""Sealed days: leaves hashed in the server, chunks, seals, closings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Final

from sqlalchemy import Connection, text

from kernel.crypto.ed25519 import VerifyKey
from ledger.rules.chain import SealKey
from ledger.rules.row import COLUMNS, era_days
from ledger.rules.seal import CHUNK, LEAF_SIZE, Chunk, Seal
from ledger.store.connection import as_sqlalchemy, driver

_SEAL_COLUMNS: Final = (
    "book_day, position, leaf_count, root, previous_head, head, key_id, signature, sealed_at, history"
)
_ROW: Final = ", ".join(f"l.{name}" for name in COLUMNS)
_LEAVES: Final = f"""
COPY (
    SELECT uuid_send(l.owner_id) || uuid_send(l.entry_id) || int2send(l.line_no)
        || sha256('\\x00'::bytea || record_send(ROW({_ROW})))
    FROM ledger_line l WHERE l.book_day = %s ORDER BY l.owner_id, l.entry_id, l.line_no
) TO STDOUT (FORMAT BINARY)
"""
_TUPLE: Final = 2 + 4 + LEAF_SIZE
# A leaf begins with its key, so that sorting the leaves is sorting by key.
_PIECES: Final = f"""
COPY (
    SELECT string_agg(leaf, ''::bytea) FROM (
        SELECT (row_number() OVER (ORDER BY leaf) - 1) / {CHUNK} AS chunk_no, leaf FROM (
            SELECT uuid_send(l.owner_id) || uuid_send(l.entry_id) || int2send(l.line_no)
                || sha256('\\x00'::bytea || record_send(ROW({_ROW}))) AS leaf
            FROM ledger_line l WHERE l.book_day = %s
        ) hashed
    ) numbered GROUP BY chunk_no ORDER BY chunk_no
) TO STDOUT (FORMAT BINARY)
"""


def take_days_alone(tx: Connection, first: date, last: date) -> None:
    """Wait for the posters of these book days and keep others off until the transaction ends, in date order.

    A close adds up and hashes whole days: until then it has the memory and the processes for that.
    """
    tx.execute(text("SET LOCAL work_mem = '128MB'"))
    tx.execute(text("SET LOCAL parallel_tuple_cost = 0.01"))
    tx.execute(text("SELECT pg_advisory_xact_lock(1279607891, 0)"))
    tx.execute(
        text(
            "SELECT pg_advisory_xact_lock(1279607889, day) FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS day"
        ),
        {"first": era_days(first), "last": era_days(last)},
    )


def list_active_days(tx: Connection, after: date, through: date) -> list[date]:
    """Return the book days in (after, through] on which anything was booked."""
    rows = tx.execute(
        text(
            "SELECT book_day FROM ledger_control WHERE book_day > :after AND book_day <= :through "
            "UNION SELECT book_day FROM ledger_rollup WHERE book_day > :after AND book_day <= :through "
            "ORDER BY book_day"
        ),
        {"after": after, "through": through},
    )
    return list(rows.scalars())


def leaves(tx: Connection, book_day: date) -> Iterator[bytes]:
    """Return key and hash of each line of a day, in key order; the server hashes."""
    statement = _LEAVES.replace("%s", f"DATE '{book_day.isoformat()}'")
    buffer = b""
    started = False
    with driver(tx).cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for block in copy:
            buffer += bytes(block)
            if not started:
                if len(buffer) < 19:
                    continue
                buffer, started = buffer[19:], True
            whole = len(buffer) // _TUPLE * _TUPLE
            for at in range(0, whole, _TUPLE):
                yield buffer[at + 6 : at + _TUPLE]
            buffer = buffer[whole:]


def pieces(tx: Connection, book_day: date) -> Iterator[bytes]:
    """Return a day's leaves, each key and hash, in pieces of a chunk: the pieces in key order, a piece in any.

    The server hashes and sorts with all its processes: leaves are few bytes, and their hashing is what takes long.
    """
    statement = _PIECES.replace("%s", f"DATE '{book_day.isoformat()}'")
    with driver(tx).cursor() as cursor, cursor.copy(statement.encode()) as copy:
        copy.set_types(["bytea"])
        for (piece,) in copy.rows():
            yield piece


def compare_leaves(tx: Connection, book_day: date) -> tuple[int, bool]:
    """Hash a day's lines anew and compare them with its chunks, in the server: how many lines, and whether alike.

    A leaf begins with its key, so that sorting the leaves is sorting by key.
    """
    found = tx.execute(
        text(
            f"""
            WITH leaf AS (
                SELECT (row_number() OVER (ORDER BY leaf) - 1) / {CHUNK} AS chunk_no, leaf FROM (
                    SELECT uuid_send(l.owner_id) || uuid_send(l.entry_id) || int2send(l.line_no)
                           || sha256('\\x00'::bytea || record_send(ROW({_ROW}))) AS leaf
                    FROM ledger_line l WHERE l.book_day = :book_day
                ) hashed
            ), fresh AS (
                SELECT chunk_no, count(*) AS lines, string_agg(leaf, ''::bytea) AS leaves FROM leaf GROUP BY chunk_no
            )
            SELECT coalesce(sum(f.lines), 0), count(*) FILTER (WHERE f.leaves IS DISTINCT FROM c.leaves)
            FROM fresh f FULL JOIN (SELECT chunk_no, leaves FROM ledger_seal_chunk WHERE book_day = :book_day) c
              USING (chunk_no)
            """
        ),
        {"book_day": book_day},
    ).one()
    return int(found[0]), found[1] == 0


def insert_key(tx: Connection, new: SealKey, now: datetime) -> None:
    """Store a public key, and who vouches for it, unless it is there."""
    tx.execute(
        text(
            "INSERT INTO ledger_seal_key (key_id, public_key, added_at, introduced_by, from_position, introduction) "
            "VALUES (:key_id, :public, :now, :by, :position, :introduction) ON CONFLICT (key_id) DO NOTHING"
        ),
        {
            "key_id": new.key.key_id,
            "public": new.key.raw,
            "now": now,
            "by": new.introduced_by,
            "position": new.from_position,
            "introduction": new.introduction,
        },
    )


def list_keys(tx: Connection) -> list[SealKey]:
    """Return the public keys that seals were signed with, oldest first."""
    rows = tx.execute(
        text(
            "SELECT public_key, introduced_by, from_position, introduction FROM ledger_seal_key "
            "ORDER BY added_at, key_id"
        )
    )
    return [SealKey(VerifyKey(bytes(found[0])), *found[1:]) for found in rows]


def insert_seal(tx: Connection, seal: Seal, chunks: Sequence[Chunk]) -> None:
    """Store a seal and its chunks."""
    tx.execute(
        text(
            f"INSERT INTO ledger_seal ({_SEAL_COLUMNS}) VALUES (:book_day, :position, :leaf_count, :root, "
            ":previous_head, :head, :key_id, :signature, :sealed_at, :history)"
        ),
        {
            "book_day": seal.book_day,
            "position": seal.position,
            "leaf_count": seal.leaf_count,
            "root": seal.root,
            "previous_head": seal.previous_head,
            "head": seal.head,
            "key_id": seal.key_id,
            "signature": seal.signature,
            "sealed_at": seal.sealed_at,
            "history": seal.history,
        },
    )
    copied = "COPY ledger_seal_chunk (book_day, chunk_no, leaves, root) FROM STDIN (FORMAT BINARY)"
    with as_sqlalchemy(), driver(tx).cursor() as cursor, cursor.copy(copied.encode()) as copy:
        copy.set_types(["date", "int4", "bytea", "bytea"])
        for chunk in chunks:
            copy.write_row((seal.book_day, chunk.number, chunk.leaves, chunk.root))


def list_seals(tx: Connection, *, first: date | None = None, last: date | None = None) -> list[Seal]:
    """Return the seals of closed days, in order."""
    rows = tx.execute(
        text(
            f"SELECT {_SEAL_COLUMNS} FROM ledger_seal "
            "WHERE (CAST(:first AS date) IS NULL OR book_day >= :first) "
            "AND (CAST(:last AS date) IS NULL OR book_day <= :last) ORDER BY position"
        ),
        {"first": first, "last": last},
    )
    return [Seal(*found) for found in rows]


def list_heads(tx: Connection, *, before: int | None = None) -> list[bytes]:
    """Return the heads of all seals in order, or of those before a position."""
    rows = tx.execute(
        text(
            "SELECT head FROM ledger_seal WHERE CAST(:before AS integer) IS NULL OR position < :before "
            "ORDER BY position"
        ),
        {"before": before},
    )
    return [bytes(found) for found in rows.scalars()]


def find_by_head(tx: Connection, head: bytes) -> Seal | None:
    """Return the seal of a head; None when it is not in the chain."""
    rows = tx.execute(text(f"SELECT {_SEAL_COLUMNS} FROM ledger_seal WHERE head = :head"), {"head": head})
    found = rows.one_or_none()
    return None if found is None else Seal(*found)


def last_seal(tx: Connection) -> Seal | None:
    """Return the newest seal; None before the first close."""
    rows = tx.execute(text(f"SELECT {_SEAL_COLUMNS} FROM ledger_seal ORDER BY position DESC LIMIT 1")).all()
    return Seal(*rows[0]) if rows else None


def find_chunk_of(tx: Connection, book_day: date, key: bytes) -> Chunk | None:
    """Return the chunk of a sealed day whose leaves span a key; None when the day ends before it."""
    found = tx.execute(
        text(
            "SELECT chunk_no, leaves, root FROM ledger_seal_chunk WHERE book_day = :book_day "
            "AND substring(leaves FROM octet_length(leaves) - 65 FOR 34) >= :key ORDER BY chunk_no LIMIT 1"
        ),
        {"book_day": book_day, "key": key},
    ).one_or_none()
    return None if found is None else Chunk(found.chunk_no, found.leaves, found.root)


def list_chunk_roots(tx: Connection, book_day: date) -> list[bytes]:
    """Return the roots of a day's chunks, in order."""
    rows = tx.execute(
        text("SELECT root FROM ledger_seal_chunk WHERE book_day = :book_day ORDER BY chunk_no"),
        {"book_day": book_day},
    )
    return [bytes(found) for found in rows.scalars()]


def chunks(tx: Connection, book_day: date) -> Iterator[Chunk]:
    """Return a day's chunks one after the other."""
    # Binary: as text a day's leaves would take twice the bytes and be decoded.
    with driver(tx).cursor("chunks", binary=True) as cursor:
        cursor.itersize = 64
        cursor.execute(
            "SELECT chunk_no, leaves, root FROM ledger_seal_chunk WHERE book_day = %s ORDER BY chunk_no",
            (book_day,),
        )
        for found in cursor:
            yield Chunk(*found)
