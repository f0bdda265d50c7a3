"""SQL over tap evidence: inserted in bulk, never changed. Relations between records are listed, not stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple, get_type_hints
from uuid import UUID

from sqlalchemy import Connection, text

from access.store.arrays import bigints, uuids
from access.store.committed import is_committed


class TapRow(NamedTuple):
    """One row of `tap`, in the order of its columns."""

    card_id: UUID
    tap_day: date
    tap_id: UUID
    device_id: UUID
    journal_id: UUID
    sequence: int
    record_hash: bytes
    counter: int
    tapped_at: datetime
    received_at: datetime
    clock_state: int
    purpose: int
    phase: int
    operator_id: str
    place: str
    stop_id: str
    route_id: str
    trip_id: str
    direction: int
    vehicle_class: str
    concession: int
    tariff_version: str
    mac_valid: bool
    exception: str
    sealed_under: UUID
    sealed: bytes


class SealedTap(NamedTuple):
    """One tap's sealed body, and what opens it."""

    tap_id: UUID
    record_hash: bytes
    sealed_under: UUID
    sealed: bytes


class ClaimRow(NamedTuple):
    """One row of `tap_claim`: a valid transaction MAC for (card, counter), and what it says of the tap before.

    For a code `counter` is its number, `tmv` tells it from others, and there is no tap before.
    """

    card_id: UUID
    counter: int
    tap_id: UUID
    tapped_at: datetime
    device_id: UUID
    tmv: bytes
    prior_tmv: bytes
    previous_reader: UUID


class TornRow(NamedTuple):
    """One row of `tap_torn`: the MAC value that proves this torn tap, should the card ever show it."""

    card_id: UUID
    counter: int
    tap_id: UUID
    tapped_at: datetime
    device_id: UUID
    tmv: bytes


class PriorRow(NamedTuple):
    """One row of `tap_prior`: the card's counter and MAC value that a torn or refused tap read from file 0F."""

    card_id: UUID
    counter: int
    tap_id: UUID
    tmv: bytes


class HeldRow(NamedTuple):
    """One row of `tap_held`: what a stored-value card held before and after; None where the tap did not look.

    `torn_tmv` is the MAC value that would prove a torn tap, None for one with a MAC of its own.
    """

    card_id: UUID
    counter: int
    tap_id: UUID
    device_id: UUID
    torn_tmv: bytes | None
    purse_before: int | None
    purse_after: int | None
    trips_before: bytes | None
    trips_after: bytes | None
    loaded: int
    action_id: UUID | None


class AsideRow(NamedTuple):
    """One row of `tap_aside`: signed or received bytes that are no tap of their journal."""

    device_id: UUID
    journal_id: UUID
    sequence: int
    record_hash: bytes
    reason: str
    received_at: datetime
    sealed_under: UUID
    sealed: bytes


class Stored(NamedTuple):
    """What is kept at one place of a journal."""

    hash: bytes
    reason: str


class Neighbour(NamedTuple):
    """A claim beside one of ours that does not fit it: a rival of the same counter, or a reader chain that breaks.

    `of` is our claim's tap; the rest is the other's.
    """

    of: UUID
    card_id: UUID
    counter: int
    tap_id: UUID
    tapped_at: datetime
    device_id: UUID
    tmv: bytes


class Proven(NamedTuple):
    """A torn tap that a later one of the card proves."""

    card_id: UUID
    counter: int
    tap_id: UUID
    tapped_at: datetime


_COPY: Final = {
    kind: f"COPY {table} ({', '.join(kind._fields)}) FROM STDIN (FORMAT BINARY)"
    for kind, table in (
        (TapRow, "tap"),
        (ClaimRow, "tap_claim"),
        (TornRow, "tap_torn"),
        (PriorRow, "tap_prior"),
        (HeldRow, "tap_held"),
    )
}
_SMALL: Final = frozenset({"clock_state", "purpose", "phase", "direction", "concession"})
_COLUMN: Final[dict[object, str]] = {
    UUID: "uuid",
    UUID | None: "uuid",
    bytes: "bytea",
    bytes | None: "bytea",
    int: "int8",
    int | None: "int8",
    str: "text",
    bool: "bool",
    date: "date",
    datetime: "timestamptz",
}
# Binary COPY takes no text to convert: each value must be of its column's very type.
_TYPES: Final[dict[type, tuple[str, ...]]] = {
    kind: tuple("int2" if name in _SMALL else _COLUMN[of] for name, of in get_type_hints(kind).items())
    for kind in _COPY
}


def copy_in(
    tx: Connection,
    rows: Sequence[TapRow] | Sequence[ClaimRow] | Sequence[TornRow] | Sequence[PriorRow] | Sequence[HeldRow],
) -> None:
    """Insert rows of one kind by COPY: the fastest way in, and all of them or none."""
    if not rows:
        return
    kind = type(rows[0])
    cursor: Any = tx.connection.cursor()
    with cursor, cursor.copy(_COPY[kind]) as copy:
        copy.set_types(_TYPES[kind])
        for row in rows:
            copy.write_row(row)


def insert_aside(tx: Connection, rows: Sequence[AsideRow]) -> None:
    """Keep these bytes; the same bytes kept for the same reason stay as they are."""
    for row in rows:
        tx.execute(
            text(
                f"INSERT INTO tap_aside ({', '.join(AsideRow._fields)})"
                f" VALUES ({', '.join(':' + name for name in AsideRow._fields)})"
                " ON CONFLICT ON CONSTRAINT tap_aside_pk DO NOTHING"
            ),
            row._asdict(),
        )


def list_stored(
    tx: Connection,
    device_id: UUID,
    journal_id: UUID,
    *,
    first: int,
    last: int,
    days: Iterable[date],
    never_placed: Iterable[str],
) -> dict[int, list[Stored]]:
    """Return what is kept of a journal between two sequences, taps of these days and bytes set aside alike.

    Bytes set aside for one of `never_placed` reasons hold no place in the journal and are left out.
    """
    rows = tx.execute(
        text(
            "SELECT sequence, record_hash, exception FROM tap WHERE device_id = :device AND journal_id = :journal"
            " AND sequence BETWEEN :first AND :last AND tap_day = ANY(CAST(:days AS date[]))"
            " UNION ALL SELECT sequence, record_hash, reason FROM tap_aside WHERE device_id = :device"
            " AND journal_id = :journal AND sequence BETWEEN :first AND :last"
            " AND reason <> ALL(CAST(:unplaced AS text[]))"
        ),
        {
            "device": device_id,
            "journal": journal_id,
            "first": first,
            "last": last,
            "days": sorted(set(days)),
            "unplaced": list(never_placed),
        },
    )
    found: dict[int, list[Stored]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(Stored(bytes(row[1]), row[2]))
    return found


def list_misfits(tx: Connection, claims: Sequence[ClaimRow]) -> tuple[Neighbour, ...]:
    """Return the stored claims right before, at and right after these that do not fit them; mostly none.

    At the same counter any other claim is a rival. One counter earlier it is a misfit when its device is not the
    reader that ours remembers, one later when it remembers another reader than ours. Pair by pair: an honest
    record beside a clone's does not hide it, whichever came first.
    """
    rows = tx.execute(
        text(
            "SELECT n.tap_id, c.card_id, c.counter, c.tap_id, c.tapped_at, c.device_id, c.tmv"
            " FROM unnest(CAST(:cards AS uuid[]), CAST(:counters AS bigint[]), CAST(:taps AS uuid[]),"
            "  CAST(:devices AS uuid[]), CAST(:readers AS uuid[]))"
            "  AS n (card_id, counter, tap_id, device_id, previous_reader)"
            " JOIN tap_claim c ON c.card_id = n.card_id AND c.counter BETWEEN n.counter - 1 AND n.counter + 1"
            " WHERE c.counter = n.counter AND c.tap_id <> n.tap_id"
            "  OR c.counter = n.counter - 1 AND c.device_id <> n.previous_reader"
            "  OR c.counter = n.counter + 1 AND c.previous_reader <> n.device_id"
        ),
        {
            "cards": uuids(claim.card_id for claim in claims),
            "counters": bigints(claim.counter for claim in claims),
            "taps": uuids(claim.tap_id for claim in claims),
            "devices": uuids(claim.device_id for claim in claims),
            "readers": uuids(claim.previous_reader for claim in claims),
        },
    )
    return tuple(Neighbour(*row) for row in rows)


def list_proven(tx: Connection, keys: Iterable[tuple[UUID, int]]) -> tuple[Proven, ...]:
    """Return the torn taps at these (card, counter) whose MAC value a later tap of the card read from file 0F."""
    wanted = set(keys)
    rows = tx.execute(
        text(
            "SELECT t.card_id, t.counter, t.tap_id, t.tapped_at"
            " FROM unnest(CAST(:cards AS uuid[]), CAST(:counters AS bigint[])) AS n (card_id, counter)"
            " JOIN tap_torn t ON t.card_id = n.card_id AND t.counter = n.counter"
            f" WHERE {is_committed('t')}"
        ),
        {"cards": uuids(key[0] for key in wanted), "counters": bigints(key[1] for key in wanted)},
    )
    return tuple(Proven(*row) for row in rows)


def list_newest_proven(tx: Connection, card_id: UUID, *, limit: int) -> tuple[SealedTap, ...]:
    """Return the card's last taps that it vouches for, by its counter, the newest first.

    Such a tap carries a valid MAC, or was torn and a later one read its MAC from file 0F.
    """
    rows = tx.execute(
        text(
            "SELECT t.tap_id, t.record_hash, t.sealed_under, t.sealed FROM ("
            "  SELECT card_id, counter, tap_id FROM tap_claim WHERE card_id = :card"
            "  UNION ALL SELECT x.card_id, x.counter, x.tap_id FROM tap_torn x WHERE x.card_id = :card"
            f"   AND {is_committed('x')}) AS c"
            " JOIN tap t ON t.card_id = c.card_id AND t.tap_id = c.tap_id"
            " ORDER BY c.counter DESC LIMIT :limit"
        ),
        {"card": card_id, "limit": limit},
    )
    return tuple(
        SealedTap(row.tap_id, bytes(row.record_hash), row.sealed_under, bytes(row.sealed)) for row in rows
    )
