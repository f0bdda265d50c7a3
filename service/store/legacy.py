"""SQL of imports from an outgoing scheme, and of balances that nobody moves. Takes `tx`, decides nothing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from kernel.ids import FareAccountId


@dataclass(frozen=True, slots=True)
class TakenOn:
    """A card of the outgoing scheme as it was taken on; its number is kept by its last four digits only."""

    fare_account_id: FareAccountId
    number_tail: str
    concession: int
    balance_minor: int
    last_used_on: date | None


@dataclass(frozen=True, slots=True)
class Dormant:
    """An account with money on it that was not used since `last_used_on` (None: never)."""

    fare_account_id: FareAccountId
    minor: int
    currency: str
    last_used_on: date | None
    legacy: bool


def begin(
    tx: Connection,
    batch_id: UUID,
    *,
    scheme: str,
    sha256: bytes,
    currency: str,
    totals: Mapping[str, object],
    by: str,
    now: datetime,
) -> datetime | None:
    """Write that an import has begun, or find it; return when it was finished, None while it is not."""
    tx.execute(
        text(
            "INSERT INTO legacy_import (batch_id, scheme, sha256, currency, totals, imported_by, begun_at)"
            " VALUES (:id, :scheme, :sha, :currency, CAST(:totals AS jsonb), :by, :now)"
            " ON CONFLICT ON CONSTRAINT legacy_import_pk DO NOTHING"
        ),
        {
            "id": batch_id,
            "scheme": scheme,
            "sha": sha256,
            "currency": currency,
            "totals": json.dumps(dict(totals), sort_keys=True),
            "by": by,
            "now": now,
        },
    )
    found: datetime | None = tx.execute(
        text("SELECT ended_at FROM legacy_import WHERE batch_id = :id"), {"id": batch_id}
    ).scalar_one()
    return found


def find_other(tx: Connection, sha256: bytes, scheme: str) -> str | None:
    """Return another scheme that a file of this content was taken on under, or None."""
    found: str | None = tx.execute(
        text(
            "SELECT scheme FROM legacy_import WHERE sha256 = :sha AND scheme <> :scheme ORDER BY begun_at LIMIT 1"
        ),
        {"sha": sha256, "scheme": scheme},
    ).scalar_one_or_none()
    return found


def end(tx: Connection, batch_id: UUID, now: datetime) -> None:
    """Write that an import is finished."""
    tx.execute(
        text("UPDATE legacy_import SET ended_at = :now WHERE batch_id = :id AND ended_at IS NULL"),
        {"id": batch_id, "now": now},
    )


def insert_cards(
    tx: Connection, rows: Sequence[TakenOn], *, scheme: str, batch_id: UUID, currency: str, now: datetime
) -> set[FareAccountId]:
    """Write cards and return the accounts that are new; one that was taken on before stays as it is."""
    found = tx.execute(
        text(
            "INSERT INTO legacy_card (fare_account_id, scheme, number_tail, concession, balance_minor, currency,"
            " last_used_on, batch_id, imported_at)"
            " SELECT account, :scheme, tail, concession, minor, :currency, used, :batch, :now"
            " FROM unnest(CAST(:accounts AS uuid[]), CAST(:tails AS text[]), CAST(:concessions AS smallint[]),"
            " CAST(:minors AS bigint[]), CAST(:used AS date[])) AS c (account, tail, concession, minor, used)"
            " ON CONFLICT ON CONSTRAINT legacy_card_pk DO NOTHING RETURNING fare_account_id"
        ),
        {
            "scheme": scheme,
            "currency": currency,
            "batch": batch_id,
            "now": now,
            "accounts": [row.fare_account_id for row in rows],
            "tails": [row.number_tail for row in rows],
            "concessions": [row.concession for row in rows],
            "minors": [row.balance_minor for row in rows],
            "used": [row.last_used_on for row in rows],
        },
    )
    return {FareAccountId(account) for account in found.scalars()}


def find_card(tx: Connection, account: FareAccountId) -> Any:
    """Return (concession, moved_to) of a card that was taken on, or None."""
    return tx.execute(
        text("SELECT concession, moved_to FROM legacy_card WHERE fare_account_id = :id FOR UPDATE"),
        {"id": account},
    ).one_or_none()


def set_moved(tx: Connection, account: FareAccountId, card_id: UUID, now: datetime) -> None:
    """Write which card of ours its holder has now."""
    tx.execute(
        text("UPDATE legacy_card SET moved_to = :card, moved_at = :now WHERE fare_account_id = :id"),
        {"id": account, "card": card_id, "now": now},
    )


def list_dormant(tx: Connection, since: date, *, limit: int) -> tuple[Dormant, ...]:
    """Return accounts with stored value and neither a tap nor a booked line since a day, the most money first."""
    rows = tx.execute(
        text(
            """
            SELECT b.owner_id, b.posted, b.currency,
                   greatest(l.last_used_on,
                            (SELECT max(t.tap_day) FROM card AS c JOIN tap AS t USING (card_id)
                             WHERE c.fare_account_id = b.owner_id),
                            (SELECT max(e.book_day) FROM ledger_line AS e
                             WHERE e.owner_id = b.owner_id AND e.kind NOT LIKE 'legacy.%')) AS used,
                   l.fare_account_id IS NOT NULL AS legacy
            FROM ledger_balance AS b LEFT JOIN legacy_card AS l ON l.fare_account_id = b.owner_id
            WHERE b.kind = 'rider_stored_value' AND b.posted > 0
              AND NOT EXISTS (SELECT FROM card AS c JOIN tap AS t USING (card_id)
                              WHERE c.fare_account_id = b.owner_id AND t.tap_day >= :since)
              AND NOT EXISTS (SELECT FROM ledger_line AS e WHERE e.owner_id = b.owner_id
                              AND e.book_day >= :since AND e.kind NOT LIKE 'legacy.%')
              AND coalesce(l.last_used_on < :since, true)
            ORDER BY b.posted DESC, b.owner_id LIMIT :limit
            """
        ),
        {"since": since, "limit": limit},
    )
    return tuple(Dormant(FareAccountId(row[0]), *row[1:]) for row in rows)
