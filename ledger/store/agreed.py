"""SQL of whether the three sides agree about payments. Takes `tx`, decides nothing, commits nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

# A provider's line that a payout of the bank stands for counts as the bank's word on the payment, too.
_AGREED = """
SELECT p.payment_id, p.intent_id, p.provider, p.paid_at, p.amount, p.currency, i.fare_account_id,
    listed.made_at AS provider_at, coalesce(booked.made_at, paid_out.made_at) AS bank_at,
    coalesce(x.reason, '') AS reason
FROM ledger_payment p
LEFT JOIN ledger_topup_intent i ON i.intent_id = p.intent_id
LEFT JOIN ledger_recon_item k ON k.item_id = p.payment_id
LEFT JOIN LATERAL (SELECT right_no, made_at FROM ledger_recon_edge e
    WHERE e.live AND e.relation = 'ledger-provider' AND e.left_no = k.item_no
    ORDER BY made_at LIMIT 1) listed ON true
LEFT JOIN LATERAL (SELECT made_at FROM ledger_recon_edge e
    WHERE e.live AND e.relation = 'ledger-bank' AND e.left_no = k.item_no
    ORDER BY made_at LIMIT 1) booked ON true
LEFT JOIN LATERAL (SELECT made_at FROM ledger_recon_edge e
    WHERE e.live AND e.relation = 'provider-bank' AND e.left_no = listed.right_no
    ORDER BY made_at LIMIT 1) paid_out ON true
LEFT JOIN LATERAL (SELECT reason FROM ledger_recon_exception o
    WHERE o.item_id = p.payment_id
    AND NOT EXISTS (SELECT FROM ledger_recon_exception_end e WHERE e.exception_id = o.exception_id)
    ORDER BY opened_at LIMIT 1) x ON true
WHERE p.entry_id IS NOT NULL AND {wanted}
ORDER BY p.paid_at, p.payment_id
"""


def list_of_payments(tx: Connection, payment_ids: Iterable[UUID]) -> Sequence[Row[Any]]:
    """Return what provider and bank said of these payments."""
    wanted = "p.payment_id = ANY (CAST(:ids AS uuid[]))"
    return tx.execute(text(_AGREED.format(wanted=wanted)), {"ids": list(payment_ids)}).all()


def list_of_accounts(tx: Connection, accounts: Iterable[UUID]) -> Sequence[Row[Any]]:
    """Return what provider and bank said of every top-up that these fare accounts were credited."""
    wanted = "i.fare_account_id = ANY (CAST(:ids AS uuid[]))"
    return tx.execute(text(_AGREED.format(wanted=wanted)), {"ids": list(accounts)}).all()
