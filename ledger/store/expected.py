"""Movements that the books expect at the bank, told to reconciliation."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

_INSERT = """
INSERT INTO ledger_recon_item (item_id, side, pool, source_id, account, amount, fee, currency, occurred_on, identity,
    reference, end_to_end, qr_reference, payout, folded, reversal, recorded_at)
VALUES (:item_id, 'ledger', :pool, :source_id, '', :minor, 0, :currency,
    (CAST(:now AS timestamptz) AT TIME ZONE 'Asia/Ho_Chi_Minh')::date, '', :reference, :end_to_end, '', '', '', false, :now)
"""


def insert(
    tx: Connection,
    item_id: UUID,
    *,
    pool: str,
    source_id: UUID,
    minor: int,
    currency: str,
    now: datetime,
    reference: str = "",
    end_to_end: str = "",
) -> None:
    """Write one movement; `minor` is signed as the bank's statement will have it, a debit negative."""
    tx.execute(
        text(_INSERT),
        {
            "item_id": item_id,
            "pool": pool,
            "source_id": source_id,
            "minor": minor,
            "currency": currency,
            "now": now,
            "reference": reference,
            "end_to_end": end_to_end,
        },
    )
