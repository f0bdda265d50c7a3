"""The exceptions queue of reconciliation in SQL: who is left over and why, and how each was ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, text

from ledger.rules.reconcile import Resolution, Why

_DAY_OF_GRACE: Final = 1  # a movement late in the evening may be booked on the next day

# Every movement that nothing explains, with the first reason that fits. `other` is the amount of whoever shares its
# reference. Runs over what `recon_left.set_aside` set aside.
_REASONS: Final = f"""
WITH related AS (
    SELECT x.item_id, r.side, r.item_id AS other_id, r.amount, r.reversal, 'reference' AS by
    FROM pg_temp.recon_left x JOIN ledger_recon_item r ON r.reference = x.reference AND r.item_id <> x.item_id
    WHERE x.reference <> '' AND r.reference <> ''
    UNION ALL
    SELECT x.item_id, r.side, r.item_id, r.amount, r.reversal, 'qr'
    FROM pg_temp.recon_left x JOIN ledger_recon_item r ON r.qr_reference = x.qr_reference AND r.item_id <> x.item_id
    WHERE x.qr_reference <> '' AND r.qr_reference <> ''
), about AS (
    SELECT x.item_id,
        min(r.amount) FILTER (WHERE r.side <> x.side AND r.amount <> x.amount AND sign(r.amount) = sign(x.amount)
            AND o.item_id IS NOT NULL) AS other,
        bool_or(r.side = x.side AND r.amount = x.amount AND r.by = 'reference' AND r.reversal = x.reversal) AS twin,
        bool_or(sign(r.amount) = -sign(x.amount)) AS opposite
    FROM pg_temp.recon_left x JOIN related r USING (item_id)
    LEFT JOIN pg_temp.recon_left o ON o.item_id = r.other_id
    GROUP BY x.item_id
), alike AS (
    SELECT b.item_id FROM pg_temp.recon_left b JOIN pg_temp.recon_left l ON l.side = 'ledger'
        AND l.amount = b.amount AND l.currency = b.currency
        AND b.occurred_on BETWEEN l.occurred_on - 1 AND l.occurred_on + 1
    WHERE b.side = 'bank' AND b.folded <> '' AND b.qr_reference = '' AND b.amount > 0
    AND (l.qr_reference = '' OR position(left(l.qr_reference, 8) IN b.folded) > 0)
    GROUP BY b.item_id
), judged AS (
    SELECT x.item_id, x.side, x.amount, x.currency,
        CASE WHEN a.other IS NOT NULL THEN a.other::text ELSE '' END AS detail,
        CASE
        WHEN x.amount < 0 AND a.opposite THEN 'chargeback'
        WHEN a.other IS NOT NULL THEN 'wrong_amount'
        WHEN x.side = 'bank' AND x.amount < 0 THEN 'unknown_debit'
        WHEN x.side = 'bank' AND a.twin THEN 'repeated_line'
        WHEN x.side = 'bank' AND t.intent_id IS NOT NULL THEN 'missing_notification'
        WHEN x.side = 'bank' AND k.item_id IS NOT NULL THEN 'ambiguous'
        WHEN x.side = 'bank' THEN 'unknown_credit'
        WHEN x.side = 'provider' AND x.lp AND (x.reversal OR x.amount < 0) THEN 'chargeback'
        WHEN x.side = 'provider' AND x.lp THEN 'not_booked'
        WHEN x.side = 'provider' THEN 'payout_awaited'
        WHEN EXISTS (SELECT FROM ledger_recon_edge e JOIN ledger_recon_item p ON p.item_no = e.right_no
            WHERE e.live AND e.relation = 'ledger-provider' AND e.left_no = x.item_no AND p.payout <> '')
            THEN 'payout_awaited'
        WHEN EXISTS (SELECT FROM ledger_bank_statement s WHERE s.status = 'accepted' AND s.currency = x.currency
            AND s.last_on >= x.occurred_on + {_DAY_OF_GRACE}) THEN 'missing_at_bank'
        ELSE 'statement_awaited' END AS reason
    FROM pg_temp.recon_left x
    LEFT JOIN about a ON a.item_id = x.item_id
    LEFT JOIN alike k ON k.item_id = x.item_id
    LEFT JOIN ledger_topup_intent t ON t.reference = x.qr_reference AND x.side = 'bank'
    UNION ALL
    SELECT i.item_id, i.side, i.amount, i.currency, '', 'missing_at_provider'
    FROM ledger_recon_open o JOIN ledger_recon_item i USING (item_no) JOIN provider_days d ON d.pool = i.pool
        AND i.occurred_on BETWEEN d.first_on AND d.last_on - {_DAY_OF_GRACE}
    WHERE o.relation = 'ledger-provider' AND i.side = 'ledger' AND EXISTS (SELECT FROM ledger_recon_edge e
        WHERE e.live AND e.relation = 'ledger-bank' AND e.left_no = i.item_no)
)
"""
_PROVIDER_DAYS: Final = """
provider_days AS MATERIALIZED (
    SELECT pool,
        (SELECT min(occurred_on) FROM ledger_recon_item i WHERE i.side = 'provider' AND i.pool = p.pool) AS first_on,
        (SELECT max(occurred_on) FROM ledger_recon_item i WHERE i.side = 'provider' AND i.pool = p.pool) AS last_on
    FROM ledger_recon_pool p
), """
_JUDGED: Final = _REASONS.replace("WITH related", f"WITH {_PROVIDER_DAYS} related", 1)
_OPEN: Final = """
SELECT x.exception_id, x.item_id, x.reason, x.detail FROM ledger_recon_exception x
WHERE NOT EXISTS (SELECT FROM ledger_recon_exception_end e WHERE e.exception_id = x.exception_id)
"""


def judge(tx: Connection, now: datetime, actor: str) -> tuple[int, int]:
    """Open, restate and end exceptions so that the queue says what is left over now; return (opened, ended).

    A movement that a person ended (written off, to suspense) stays ended. Runs in the transaction of `set_aside`.
    """
    tx.execute(text("DROP TABLE IF EXISTS pg_temp.recon_judged"))
    tx.execute(
        text(
            "CREATE TEMPORARY TABLE recon_judged ON COMMIT DROP AS "
            f"{_JUDGED} SELECT DISTINCT ON (item_id) * FROM judged ORDER BY item_id, reason"
        )
    )
    ended = tx.execute(
        text(
            "INSERT INTO ledger_recon_exception_end (exception_id, resolution, actor, ended_at) "
            f"SELECT o.exception_id, CASE WHEN j.item_id IS NULL THEN :matched ELSE :restated END, :actor, :now "
            f"FROM ({_OPEN}) o LEFT JOIN pg_temp.recon_judged j ON j.item_id = o.item_id "
            "WHERE j.item_id IS NULL OR (j.reason, j.detail) <> (o.reason, o.detail)"
        ),
        {
            "matched": Resolution.MATCHED.value,
            "restated": Resolution.RESTATED.value,
            "actor": actor,
            "now": now,
        },
    ).rowcount
    opened = tx.execute(
        text(
            "INSERT INTO ledger_recon_exception (exception_id, item_id, side, reason, amount, currency, detail, "
            "opened_at, assigned_to) SELECT gen_random_uuid(), j.item_id, j.side, j.reason, j.amount, j.currency, "
            "j.detail, coalesce(was.opened_at, :now), coalesce(was.assigned_to, '') FROM pg_temp.recon_judged j "
            "LEFT JOIN LATERAL (SELECT min(x.opened_at) AS opened_at, max(x.assigned_to) AS assigned_to "
            "FROM ledger_recon_exception x JOIN ledger_recon_exception_end e USING (exception_id) "
            "WHERE x.item_id = j.item_id AND e.resolution = :restated) was ON true "
            "WHERE NOT EXISTS (SELECT FROM ledger_recon_exception x LEFT JOIN ledger_recon_exception_end e "
            "USING (exception_id) WHERE x.item_id = j.item_id "
            "AND (e.exception_id IS NULL OR e.resolution IN ('written_off', 'to_suspense')))"
        ),
        {"now": now, "restated": Resolution.RESTATED.value},
    ).rowcount
    return opened, ended


_LIST: Final = """
SELECT x.exception_id, x.item_id, x.side, x.reason, x.amount, x.currency, x.detail, x.opened_at, x.assigned_to,
    i.occurred_on, i.reference, i.pool, i.source_id, i.qr_reference, p.resolution AS proposed, p.actor AS proposer
FROM ledger_recon_exception x JOIN ledger_recon_item i ON i.item_id = x.item_id
LEFT JOIN LATERAL (SELECT resolution, actor FROM ledger_recon_proposal r
    WHERE r.exception_id = x.exception_id ORDER BY proposal_no DESC LIMIT 1) p ON true
WHERE NOT EXISTS (SELECT FROM ledger_recon_exception_end e WHERE e.exception_id = x.exception_id)
"""


def list_open(tx: Connection, *, why: Why | None, limit: int) -> Sequence[Row[Any]]:
    """Return open exceptions, oldest first."""
    return tx.execute(
        text(
            f"{_LIST} AND (:reason = '' OR x.reason = :reason) ORDER BY x.opened_at, x.exception_id LIMIT :limit"
        ),
        {"reason": "" if why is None else why.value, "limit": limit},
    ).all()


def lock_open(tx: Connection, exception_ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """Return open exceptions by id, in id order, locked until this transaction ends."""
    return tx.execute(
        text(f"{_LIST} AND x.exception_id = ANY(:ids) ORDER BY x.exception_id FOR UPDATE OF x"),
        {"ids": list(exception_ids)},
    ).all()


def assign(tx: Connection, exception_ids: Sequence[UUID], owner: str) -> int:
    """Give exceptions an owner; return how many."""
    return tx.execute(
        text("UPDATE ledger_recon_exception SET assigned_to = :owner WHERE exception_id = ANY(:ids)"),
        {"owner": owner, "ids": list(exception_ids)},
    ).rowcount


def insert_proposal(
    tx: Connection, exception_id: UUID, resolution: str, note: str, actor: str, now: datetime
) -> None:
    """Write down how somebody proposes to end an exception."""
    tx.execute(
        text(
            "INSERT INTO ledger_recon_proposal (exception_id, proposal_no, resolution, note, actor, at) "
            "SELECT :exception_id, coalesce(max(proposal_no), 0) + 1, :resolution, :note, :actor, :now "
            "FROM ledger_recon_proposal WHERE exception_id = :exception_id"
        ),
        {"exception_id": exception_id, "resolution": resolution, "note": note, "actor": actor, "now": now},
    )


def insert_end(
    tx: Connection, exception_id: UUID, resolution: str, entry_id: UUID | None, actor: str, now: datetime
) -> None:
    """Write down how an exception was ended."""
    tx.execute(
        text(
            "INSERT INTO ledger_recon_exception_end (exception_id, resolution, entry_id, actor, ended_at) "
            "VALUES (:exception_id, :resolution, :entry_id, :actor, :now)"
        ),
        {
            "exception_id": exception_id,
            "resolution": resolution,
            "entry_id": entry_id,
            "actor": actor,
            "now": now,
        },
    )
