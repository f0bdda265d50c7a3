"""SQL over devices' journal heads and the links that wait beyond them. Local tables: one row a journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from access.rules.chain import START, Head, Link
from access.store.arrays import uuids


def lock_head(tx: Connection, device_id: UUID, journal_id: UUID, *, now: datetime) -> Head:
    """Return the journal's head, its row locked until the transaction ends; a new journal starts at START."""
    place = {"device": device_id, "journal": journal_id}
    tx.execute(
        text(
            "INSERT INTO device_head (device_id, journal_id, sequence, hash, changed_at)"
            " VALUES (:device, :journal, :sequence, :hash, :now)"
            " ON CONFLICT ON CONSTRAINT device_head_pk DO NOTHING"
        ),
        {**place, "sequence": START.sequence, "hash": START.hash, "now": now},
    )
    row = tx.execute(
        text(
            "SELECT sequence, hash FROM device_head"
            " WHERE device_id = :device AND journal_id = :journal FOR UPDATE"
        ),
        place,
    ).one()
    return Head(row.sequence, bytes(row.hash))


def move_head(tx: Connection, device_id: UUID, journal_id: UUID, head: Head, *, now: datetime) -> None:
    """Store where the head stands now."""
    tx.execute(
        text(
            "UPDATE device_head SET sequence = :sequence, hash = :hash, changed_at = :now"
            " WHERE device_id = :device AND journal_id = :journal"
        ),
        {
            "device": device_id,
            "journal": journal_id,
            "sequence": head.sequence,
            "hash": head.hash,
            "now": now,
        },
    )


def list_waiting(tx: Connection, device_id: UUID, journal_id: UUID) -> dict[int, Link]:
    """Return the links stored beyond the head, by sequence."""
    rows = tx.execute(
        text(
            "SELECT sequence, hash, previous_hash FROM device_unchained"
            " WHERE device_id = :device AND journal_id = :journal"
        ),
        {"device": device_id, "journal": journal_id},
    )
    return {
        row.sequence: Link(
            row.sequence, bytes(row.hash), None if row.previous_hash is None else bytes(row.previous_hash)
        )
        for row in rows
    }


def replace_waiting(
    tx: Connection, device_id: UUID, journal_id: UUID, *, passed: Iterable[int], added: Mapping[int, Link]
) -> None:
    """Drop the links that the head has passed and keep those that now wait."""
    place = {"device": device_id, "journal": journal_id}
    gone = list(passed)
    if gone:
        tx.execute(
            text(
                "DELETE FROM device_unchained WHERE device_id = :device AND journal_id = :journal"
                " AND sequence = ANY(CAST(:gone AS bigint[]))"
            ),
            {**place, "gone": gone},
        )
    if added:
        links = list(added.values())
        tx.execute(
            text(
                "INSERT INTO device_unchained (device_id, journal_id, sequence, hash, previous_hash)"
                " SELECT :device, :journal, * FROM unnest(CAST(:sequences AS bigint[]),"
                " CAST(:hashes AS bytea[]), CAST(:previous AS bytea[]))"
            ),
            {
                **place,
                "sequences": [link.sequence for link in links],
                "hashes": [link.hash for link in links],
                "previous": [link.previous_hash for link in links],
            },
        )


class Journal(NamedTuple):
    """One journal: where its head stands, how many records wait beyond a gap, the gap's last sequence, last change.

    The gap begins right after the head; `missing_to` is 0 where nothing waits, or where the next record hangs
    elsewhere (the journal has forked).
    """

    journal_id: UUID
    sequence: int
    waiting: int
    missing_to: int
    changed_at: datetime


def list_heads(tx: Connection, device_ids: Iterable[UUID]) -> dict[UUID, list[Journal]]:
    """Return the journals of these devices, by device, the longest unchanged first."""
    rows = tx.execute(
        text(
            "SELECT h.device_id, h.journal_id, h.sequence, h.changed_at, count(u.sequence) AS waiting,"
            " min(u.sequence) AS nearest"
            " FROM device_head h LEFT JOIN device_unchained u USING (device_id, journal_id)"
            " WHERE h.device_id = ANY(CAST(:ids AS uuid[]))"
            " GROUP BY h.device_id, h.journal_id, h.sequence, h.changed_at ORDER BY h.changed_at"
        ),
        {"ids": uuids(device_ids)},
    )
    found: dict[UUID, list[Journal]] = {}
    for row in rows:
        last = (row.nearest or 0) - 1
        missing_to = last if last > row.sequence else 0
        journal = Journal(row.journal_id, row.sequence, row.waiting, missing_to, row.changed_at)
        found.setdefault(row.device_id, []).append(journal)
    return found
