"""SQL over fare accounts, their data keys, and cards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row, text

from access.rules.medium import MediumKind, MediumState
from access.store.arrays import byteas, uuids
from kernel.wire.cardinfo import Concession


@dataclass(frozen=True, slots=True)
class Card:
    """One issued card as stored; its UID is known only by its keyed hash."""

    card_id: UUID
    fare_account_id: UUID
    uid_hash: bytes
    serial: int
    key_generation: int
    concession: Concession
    operator_id: str
    expires_on: date
    state: MediumState
    issued_at: datetime
    kind: MediumKind = MediumKind.TRANSIT
    uid_sealed: bytes | None = None


_COLUMNS = (
    "card_id, fare_account_id, uid_hash, serial, key_generation, concession, operator_id, expires_on, state,"
    " issued_at, kind, uid_sealed"
)


def _card(row: Row[tuple[object, ...]]) -> Card:
    return Card(
        row.card_id,
        row.fare_account_id,
        bytes(row.uid_hash),
        row.serial,
        row.key_generation,
        Concession(row.concession),
        row.operator_id,
        row.expires_on,
        MediumState(row.state),
        row.issued_at,
        MediumKind(row.kind),
        None if row.uid_sealed is None else bytes(row.uid_sealed),
    )


def next_serials(tx: Connection, count: int) -> list[int]:
    """Return `count` serials that were never given out."""
    rows = tx.execute(text("SELECT nextval('card_serial') FROM generate_series(1, :count)"), {"count": count})
    return list(rows.scalars())


def insert_accounts(tx: Connection, account_ids: Sequence[UUID], *, at: datetime) -> None:
    """Store new fare accounts."""
    tx.execute(
        text(
            "INSERT INTO fare_account (fare_account_id, opened_at)"
            " SELECT id, :at FROM unnest(CAST(:ids AS uuid[])) AS id"
        ),
        {"ids": list(account_ids), "at": at},
    )


def insert_guest(tx: Connection, account_id: UUID, *, at: datetime) -> None:
    """Store a fare account that no card belongs to, unless it is stored already."""
    tx.execute(
        text(
            "INSERT INTO fare_account (fare_account_id, opened_at) VALUES (:id, :at)"
            " ON CONFLICT (fare_account_id) DO NOTHING"
        ),
        {"id": account_id, "at": at},
    )


def insert_cards(tx: Connection, cards: Sequence[Card]) -> set[bytes]:
    """Store cards and return the UID hashes that were stored; one whose UID is stored already is left out."""
    rows = tx.execute(
        text(
            f"INSERT INTO card ({_COLUMNS})"
            " SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:accounts AS uuid[]), CAST(:hashes AS bytea[]),"
            " CAST(:serials AS bigint[]), CAST(:generations AS smallint[]), CAST(:concessions AS smallint[]),"
            " CAST(:operators AS text[]), CAST(:expiries AS date[]), CAST(:states AS text[]),"
            " CAST(:issued AS timestamptz[]), CAST(:kinds AS text[]), CAST(:sealed AS bytea[]))"
            " ON CONFLICT ON CONSTRAINT card_uid_unique DO NOTHING RETURNING uid_hash"
        ),
        {
            "ids": [card.card_id for card in cards],
            "accounts": [card.fare_account_id for card in cards],
            "hashes": [card.uid_hash for card in cards],
            "serials": [card.serial for card in cards],
            "generations": [card.key_generation for card in cards],
            "concessions": [int(card.concession) for card in cards],
            "operators": [card.operator_id for card in cards],
            "expiries": [card.expires_on for card in cards],
            "states": [card.state.value for card in cards],
            "issued": [card.issued_at for card in cards],
            "kinds": [card.kind.value for card in cards],
            "sealed": [card.uid_sealed for card in cards],
        },
    )
    return {bytes(row.uid_hash) for row in rows}


class KnownCard(NamedTuple):
    """What intake needs of a card, with its account's wrapped data key (None once erased)."""

    card_id: UUID
    fare_account_id: UUID
    serial: int
    key_generation: int
    wrapped: bytes | None
    kind: MediumKind


def find_known(tx: Connection, uid_hashes: Iterable[bytes]) -> dict[bytes, KnownCard]:
    """Return the cards of these UID hashes with their data keys, by hash; unknown ones are absent."""
    rows = tx.execute(
        text(
            "SELECT k.uid_hash, k.card_id, k.fare_account_id, k.serial, k.key_generation, d.wrapped, k.kind"
            " FROM card k LEFT JOIN data_key d ON d.owner_id = k.fare_account_id"
            " WHERE k.uid_hash = ANY(CAST(:hashes AS bytea[]))"
        ),
        {"hashes": byteas(uid_hashes)},
    )
    return {row[0]: _known(row[1:7]) for row in rows}


def find_tokens(tx: Connection, serials: Iterable[int]) -> dict[int, KnownCard]:
    """Return the media without an application of ours among these serials, with their data keys, by serial."""
    rows = tx.execute(
        text(
            "SELECT k.card_id, k.fare_account_id, k.serial, k.key_generation, d.wrapped, k.kind"
            " FROM card k LEFT JOIN data_key d ON d.owner_id = k.fare_account_id"
            " WHERE k.serial = ANY(CAST(:serials AS bigint[])) AND k.key_generation = 0"
        ),
        {"serials": sorted(set(serials))},
    )
    return {row[2]: _known(row) for row in rows}


def _known(row: Sequence[Any]) -> KnownCard:
    return KnownCard(row[0], row[1], row[2], row[3], row[4], MediumKind(row[5]))


class HiddenUid(NamedTuple):
    """What intake needs of a card that shows a random UID: the card, and its own UID, sealed under its account's key."""

    uid_hash: bytes
    card: KnownCard
    uid_sealed: bytes


def find_hidden(tx: Connection, serials: Iterable[int]) -> dict[int, HiddenUid]:
    """Return the cards of these serials that show random UIDs, by serial; others are absent."""
    rows = tx.execute(
        text(
            "SELECT k.uid_hash, k.card_id, k.fare_account_id, k.serial, k.key_generation, d.wrapped, k.kind, k.uid_sealed"
            " FROM card k LEFT JOIN data_key d ON d.owner_id = k.fare_account_id"
            " WHERE k.serial = ANY(CAST(:serials AS bigint[])) AND k.uid_sealed IS NOT NULL"
        ),
        {"serials": sorted(set(serials))},
    )
    return {row[3]: HiddenUid(bytes(row[0]), _known(row[1:7]), bytes(row[7])) for row in rows}


def find_by_uid_hash(tx: Connection, uid_hash: bytes) -> Card | None:
    """Return the card of this UID hash, or None."""
    row = tx.execute(
        text(f"SELECT {_COLUMNS} FROM card WHERE uid_hash = :hash"), {"hash": uid_hash}
    ).one_or_none()
    return _card(row) if row else None


def find_card(
    tx: Connection, *, card_id: UUID | None = None, serial: int | None = None, lock: bool = False
) -> Card | None:
    """Return the card of this id or serial, its row locked if asked, or None."""
    row = tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM card WHERE card_id = :card OR serial = :serial"
            + (" FOR UPDATE" if lock else "")
        ),
        {"card": card_id, "serial": serial},
    ).one_or_none()
    return _card(row) if row else None


def list_cards(tx: Connection, fare_account_ids: Iterable[UUID]) -> tuple[Card, ...]:
    """Return the cards of these fare accounts, by serial."""
    rows = tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM card WHERE fare_account_id = ANY(CAST(:ids AS uuid[])) ORDER BY serial"
        ),
        {"ids": uuids(fare_account_ids)},
    )
    return tuple(_card(row) for row in rows)


def set_state(tx: Connection, card_id: UUID, state: MediumState) -> None:
    """Store the card's state; the event that led there is stored beside it."""
    tx.execute(
        text("UPDATE card SET state = :state WHERE card_id = :id"), {"id": card_id, "state": state.value}
    )


def lock_accounts(tx: Connection, ids: Iterable[UUID]) -> set[UUID]:
    """Return the fare accounts that exist among `ids`, their rows locked in id order."""
    rows = tx.execute(
        text(
            "SELECT fare_account_id FROM fare_account WHERE fare_account_id = ANY(CAST(:ids AS uuid[]))"
            " ORDER BY fare_account_id FOR UPDATE"
        ),
        {"ids": uuids(ids)},
    )
    return set(rows.scalars())


def raise_versions(tx: Connection, ids: Iterable[UUID]) -> dict[UUID, int]:
    """Return the accounts' next row versions, stored; the rows must be locked already."""
    rows = tx.execute(
        text(
            "UPDATE fare_account SET row_version = row_version + 1"
            " WHERE fare_account_id = ANY(CAST(:ids AS uuid[])) RETURNING fare_account_id, row_version"
        ),
        {"ids": uuids(ids)},
    )
    return {row.fare_account_id: row.row_version for row in rows}


def lift_version(tx: Connection, account: UUID, by: int) -> None:
    """Raise one account's row version."""
    tx.execute(
        text("UPDATE fare_account SET row_version = row_version + :by WHERE fare_account_id = :id"),
        {"id": account, "by": by},
    )


def list_versions(tx: Connection, ids: Iterable[UUID]) -> dict[UUID, int]:
    """Return the accounts' row versions."""
    rows = tx.execute(
        text(
            "SELECT fare_account_id, row_version FROM fare_account"
            " WHERE fare_account_id = ANY(CAST(:ids AS uuid[]))"
        ),
        {"ids": uuids(ids)},
    )
    return {row.fare_account_id: row.row_version for row in rows}


def insert_data_keys(tx: Connection, wrapped: Mapping[UUID, bytes], *, at: datetime) -> None:
    """Store wrapped data keys by owner, in id order; an owner that has one keeps it."""
    owners = sorted(wrapped, key=lambda owner: owner.int)
    tx.execute(
        text(
            "INSERT INTO data_key (owner_id, wrapped, created_at)"
            " SELECT owner, key, :at FROM unnest(CAST(:owners AS uuid[]), CAST(:keys AS bytea[])) AS k (owner, key)"
            " ON CONFLICT ON CONSTRAINT data_key_pk DO NOTHING"
        ),
        {"owners": uuids(owners), "keys": byteas(wrapped[owner] for owner in owners), "at": at},
    )


def list_data_keys(tx: Connection, owners: Iterable[UUID]) -> dict[UUID, bytes | None]:
    """Return the wrapped data key of each owner that has one; None once it was erased."""
    rows = tx.execute(
        text("SELECT owner_id, wrapped FROM data_key WHERE owner_id = ANY(CAST(:ids AS uuid[]))"),
        {"ids": uuids(owners)},
    )
    return {row.owner_id: None if row.wrapped is None else bytes(row.wrapped) for row in rows}


def erase_data_keys(tx: Connection, owners: Iterable[UUID], *, at: datetime) -> int:
    """Destroy the wrapped data keys of these owners for good, and return how many there were."""
    done = tx.execute(
        text(
            "UPDATE data_key SET wrapped = NULL, erased_at = :at"
            " WHERE owner_id = ANY(CAST(:owners AS uuid[])) AND wrapped IS NOT NULL"
        ),
        {"owners": uuids(owners), "at": at},
    )
    return done.rowcount


def replace_uid_hashes(tx: Connection, hashes: Mapping[UUID, bytes]) -> None:
    """Store other hashes for these cards and forget their sealed UIDs."""
    ids = sorted(hashes, key=lambda card_id: card_id.int)
    tx.execute(
        text(
            "UPDATE card SET uid_hash = n.hash, uid_sealed = NULL"
            " FROM unnest(CAST(:ids AS uuid[]), CAST(:hashes AS bytea[])) AS n (id, hash) WHERE card_id = n.id"
        ),
        {"ids": uuids(ids), "hashes": byteas(hashes[card_id] for card_id in ids)},
    )
