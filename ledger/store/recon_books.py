"""What reconciliation has to book and what it tells, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, text

# A bank movement settles the pool of whatever it was matched to, once, however many payments it bundles. A statement's
# movements have numbers near to each other, by which the index of matches by their right end finds them.
_SETTLED: Final = """
WITH held AS (
    SELECT e.relation, e.rule, e.left_no, b.item_no, b.currency, b.amount
    FROM ledger_recon_item b JOIN ledger_recon_edge e ON e.right_no = b.item_no
    WHERE b.source_id = :source_id AND b.side = 'bank' AND e.live AND e.right_no BETWEEN :low AND :high
), settled AS (
    SELECT l.pool, h.currency, h.amount AS net, 0 AS fee
    FROM held h JOIN ledger_recon_item l ON l.item_no = h.left_no
    WHERE h.relation = 'ledger-bank' AND h.rule NOT IN ('batched', 'by_hand')
    UNION ALL
    SELECT min(l.pool), h.currency, h.amount, 0
    FROM held h JOIN ledger_recon_item l ON l.item_no = h.left_no
    WHERE h.relation = 'ledger-bank' AND h.rule IN ('batched', 'by_hand')
    GROUP BY h.item_no, h.currency, h.amount
    UNION ALL
    SELECT min(p.pool), h.currency, h.amount, sum(p.fee)
    FROM held h JOIN ledger_recon_item p ON p.item_no = h.left_no
    WHERE h.relation = 'provider-bank'
    GROUP BY h.item_no, h.currency, h.amount
), target AS (
    SELECT pool, currency, sum(net) AS net, sum(fee) AS fee FROM settled GROUP BY pool, currency
), booked AS (
    SELECT pool, currency, sum(net) AS net, sum(fee) AS fee, max(booking_no) AS booking_no
    FROM ledger_recon_booking WHERE source_id = :source_id GROUP BY pool, currency
)
SELECT CAST(:source_id AS uuid) AS source_id, d.pool, d.currency, d.net, d.fee, d.booking_no,
    (SELECT last_on FROM ledger_bank_statement WHERE statement_id = :source_id) AS last_on
FROM (
    SELECT pool, currency, coalesce(t.net, 0) - coalesce(b.net, 0) AS net,
        coalesce(t.fee, 0) - coalesce(b.fee, 0) AS fee, coalesce(b.booking_no, 0) + 1 AS booking_no
    FROM target t FULL JOIN booked b USING (pool, currency)
) d WHERE d.net <> 0 OR d.fee <> 0 ORDER BY d.pool, d.currency
"""


def list_unbooked(tx: Connection, source_id: UUID) -> Sequence[Row[Any]]:
    """Return per pool what the live matches of a statement come to beyond what is booked for them."""
    low, high = tx.execute(
        text("SELECT min(item_no), max(item_no) FROM ledger_recon_item WHERE source_id = :source_id"),
        {"source_id": source_id},
    ).one()
    return tx.execute(text(_SETTLED), {"source_id": source_id, "low": low, "high": high}).all()


def insert_booking(tx: Connection, row: Row[Any], owner_id: UUID, entry_id: UUID, now: datetime) -> None:
    """Write down a booking of a statement's matches."""
    tx.execute(
        text(
            "INSERT INTO ledger_recon_booking (source_id, pool, booking_no, net, fee, currency, entry_owner_id, "
            "entry_id, booked_at) VALUES (:source_id, :pool, :booking_no, :net, :fee, :currency, :owner_id, "
            ":entry_id, :now)"
        ),
        {
            "source_id": row.source_id,
            "pool": row.pool,
            "booking_no": row.booking_no,
            "net": row.net,
            "fee": row.fee,
            "currency": row.currency,
            "owner_id": owner_id,
            "entry_id": entry_id,
            "now": now,
        },
    )


def get_items(tx: Connection, item_ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """Return movements by id with whether a live match holds them, in id order."""
    return tx.execute(
        text(
            "SELECT i.*, EXISTS (SELECT FROM ledger_recon_edge e WHERE e.live AND e.left_no = i.item_no "
            "AND e.relation <> 'ledger-provider') OR (i.side = 'bank' AND EXISTS "
            "(SELECT FROM ledger_recon_edge e WHERE e.live AND e.right_no = i.item_no)) AS held "
            "FROM ledger_recon_item i WHERE i.item_id = ANY(:ids) ORDER BY i.item_id"
        ),
        {"ids": list(item_ids)},
    ).all()


def insert_edges(
    tx: Connection, relation: str, pairs: Sequence[tuple[int, int]], match_id: UUID, now: datetime
) -> None:
    """Write a match that a person made, of movements by number."""
    tx.execute(
        text(
            "INSERT INTO ledger_recon_edge (relation, left_no, right_no, turn, rule, match_id, made_at) "
            "SELECT :relation, :left_no, :right_no, coalesce(max(turn), 0) + 1, 'by_hand', :match_id, :now "
            "FROM ledger_recon_edge WHERE left_no = :left_no AND right_no = :right_no"
        ),
        [
            {"relation": relation, "left_no": left, "right_no": right, "match_id": match_id, "now": now}
            for left, right in pairs
        ],
    )


# A match by rule is named by its movement that stands alone: the credit of a batch or a payout, else the left one.
_END: Final = """
UPDATE ledger_recon_edge SET live = false WHERE live AND (match_id = :match_id
    OR left_no = (SELECT item_no FROM ledger_recon_item WHERE item_id = :match_id)
        AND rule NOT IN ('by_hand', 'batched', 'payout')
    OR right_no = (SELECT item_no FROM ledger_recon_item WHERE item_id = :match_id)
        AND rule IN ('batched', 'payout')) RETURNING relation, left_no, right_no
"""


def end_match(tx: Connection, match_id: UUID) -> Sequence[Row[Any]]:
    """Take a match out of force; return (relation, left_no, right_no) of those of its edges that were in force."""
    return tx.execute(text(_END), {"match_id": match_id}).all()


# Both ends of an edge may be asked for; the end that is not is the other movement.
_MATCHES: Final = """
SELECT e.relation, e.rule, e.live, e.made_at, o.item_id, o.side, o.amount, o.currency, o.occurred_on, o.reference,
    o.qr_reference, coalesce(e.match_id, CASE WHEN e.rule IN ('batched', 'payout')
        THEN (CASE WHEN e.right_no = i.item_no THEN i.item_id ELSE o.item_id END)
        ELSE (CASE WHEN e.left_no = i.item_no THEN i.item_id ELSE o.item_id END) END) AS match_id
FROM ledger_recon_item i JOIN ledger_recon_edge e ON e.left_no = i.item_no OR e.right_no = i.item_no
JOIN ledger_recon_item o ON o.item_no = CASE WHEN e.left_no = i.item_no THEN e.right_no ELSE e.left_no END
WHERE i.item_id = :item_id ORDER BY e.made_at DESC, e.turn DESC, o.item_no LIMIT 1000
"""


def list_matches(tx: Connection, item_id: UUID) -> Sequence[Row[Any]]:
    """Return a movement's matches, in force or not, newest first, each with the movement at its other end."""
    return tx.execute(text(_MATCHES), {"item_id": item_id}).all()


def list_acts(tx: Connection, match_ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """Return what people did with these matches, oldest first."""
    return tx.execute(
        text(
            "SELECT match_id, act, note, actor, at FROM ledger_recon_hand WHERE match_id = ANY(:ids) ORDER BY at, act"
        ),
        {"ids": list(match_ids)},
    ).all()


def insert_act(tx: Connection, match_id: UUID, act: str, note: str, actor: str, now: datetime) -> bool:
    """Write down what a person did with a match; False when it was done before."""
    return (
        tx.execute(
            text(
                "INSERT INTO ledger_recon_hand (match_id, act, note, actor, at) "
                "VALUES (:match_id, :act, :note, :actor, :now) ON CONFLICT DO NOTHING"
            ),
            {"match_id": match_id, "act": act, "note": note, "actor": actor, "now": now},
        ).rowcount
        == 1
    )


# All movements are what runs have added up and what has arrived since.
_FIGURES: Final = """
WITH every AS (
    SELECT movements, moved FROM ledger_recon_total WHERE currency = :currency
    UNION ALL SELECT movements, moved FROM ledger_recon_arrival WHERE currency = :currency
), open AS (
    SELECT x.item_id, abs(x.amount) AS size, x.opened_at FROM ledger_recon_exception x WHERE currency = :currency
    AND NOT EXISTS (SELECT FROM ledger_recon_exception_end e WHERE e.exception_id = x.exception_id)
), unexplained AS (
    SELECT abs(l.amount) AS size FROM pg_temp.recon_left l WHERE currency = :currency
    AND NOT EXISTS (SELECT FROM open o WHERE o.item_id = l.item_id)
    AND NOT EXISTS (SELECT FROM ledger_recon_exception x JOIN ledger_recon_exception_end e USING (exception_id)
        WHERE x.item_id = l.item_id AND e.resolution IN ('written_off', 'to_suspense'))
)
SELECT (SELECT coalesce(sum(movements), 0) FROM every)::bigint AS movements,
    (SELECT coalesce(sum(moved), 0) FROM every) AS moved,
    (SELECT count(*) FROM open) AS queued, (SELECT coalesce(sum(size), 0) FROM open) AS queued_amount,
    (SELECT count(*) FROM unexplained) AS unexplained,
    (SELECT coalesce(sum(size), 0) FROM unexplained) AS unexplained_amount,
    (SELECT min(opened_at) FROM open) AS oldest,
    (SELECT count(*) FROM ledger_bank_file WHERE status = 'quarantined') AS quarantined_files,
    (SELECT count(*) FROM ledger_bank_statement s WHERE s.status = 'accepted'
        AND EXISTS (SELECT FROM ledger_bank_statement e WHERE e.status = 'accepted' AND e.account = s.account
            AND e.currency = s.currency AND (e.last_on, e.statement_id) < (s.last_on, s.statement_id))
        AND NOT EXISTS (SELECT FROM ledger_bank_statement e WHERE e.status = 'accepted' AND e.account = s.account
            AND e.currency = s.currency AND e.statement_id <> s.statement_id AND e.closing = s.opening)) AS chain_gaps
"""


def get_figures(tx: Connection, currency: str) -> Row[Any]:
    """Return counts and sums over all movements; runs in the transaction of `recon_left.set_aside`."""
    return tx.execute(text(_FIGURES), {"currency": currency}).one()


def sum_open(tx: Connection, currency: str) -> Sequence[Row[Any]]:
    """Return (reason, count, sum of absolute amounts) of the open exceptions."""
    return tx.execute(
        text(
            "SELECT reason, count(*) AS movements, sum(abs(amount)) AS total FROM ledger_recon_exception x "
            "WHERE currency = :currency AND NOT EXISTS "
            "(SELECT FROM ledger_recon_exception_end e WHERE e.exception_id = x.exception_id) "
            "GROUP BY reason ORDER BY reason"
        ),
        {"currency": currency},
    ).all()


def sum_differences(tx: Connection, currency: str) -> Sequence[Row[Any]]:
    """Return (day, books, bank) of the days on which the open exceptions of books and bank do not come to the same."""
    return tx.execute(
        text(
            "SELECT i.occurred_on AS day, coalesce(sum(x.amount) FILTER (WHERE x.side = 'ledger'), 0) AS books, "
            "coalesce(sum(x.amount) FILTER (WHERE x.side = 'bank'), 0) AS bank "
            "FROM ledger_recon_exception x JOIN ledger_recon_item i ON i.item_id = x.item_id "
            "WHERE x.currency = :currency AND x.side <> 'provider' AND x.reason <> 'missing_at_provider' AND NOT EXISTS "
            "(SELECT FROM ledger_recon_exception_end e WHERE e.exception_id = x.exception_id) GROUP BY i.occurred_on "
            "HAVING coalesce(sum(x.amount) FILTER (WHERE x.side = 'ledger'), 0) "
            "<> coalesce(sum(x.amount) FILTER (WHERE x.side = 'bank'), 0) ORDER BY day"
        ),
        {"currency": currency},
    ).all()


def sum_suspense(tx: Connection, currency: str) -> Sequence[Row[Any]]:
    """Return (reason, sum) of what the suspense queue still holds in the books."""
    return tx.execute(
        text(
            "SELECT reason, sum(amount) AS total FROM ledger_suspense s WHERE booked AND currency = :currency "
            "AND NOT EXISTS (SELECT FROM ledger_suspense_end e WHERE e.suspense_id = s.suspense_id) "
            "GROUP BY reason ORDER BY reason"
        ),
        {"currency": currency},
    ).all()


def list_closings(tx: Connection, currency: str) -> Sequence[Row[Any]]:
    """Return (account, closing, last_on) of the newest accepted statement of each account."""
    return tx.execute(
        text(
            "SELECT DISTINCT ON (account) account, closing, last_on FROM ledger_bank_statement "
            "WHERE status = 'accepted' AND currency = :currency "
            "ORDER BY account, last_on DESC NULLS LAST, received_at DESC"
        ),
        {"currency": currency},
    ).all()
