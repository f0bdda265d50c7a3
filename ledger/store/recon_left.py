"""What the keys left over: payouts, batches, splits and matching by text, over few movements. Set-based SQL.

`recon_left` lives for one transaction: the movements that nothing explains, with what each is still open for.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, text

from ledger.rules.reconcile import Rule
from ledger.store.recon_match import TAKE_OUT

_NEAR: Final = 3  # days between the two dates of one movement, for rules without a reference

# Open at the bank: the books' and the bank's movements, found by their edges, or as `match_relation` left them.
_BY_EDGES: Final = """(
    SELECT * FROM ledger_recon_item x WHERE side = 'ledger' AND NOT EXISTS
        (SELECT FROM ledger_recon_edge e WHERE e.live AND e.relation = 'ledger-bank' AND e.left_no = x.item_no)
    UNION ALL
    SELECT * FROM ledger_recon_item x WHERE side = 'bank' AND NOT EXISTS
        (SELECT FROM ledger_recon_edge e WHERE e.live AND e.right_no = x.item_no)
)"""
_AS_LEFT: Final = "pg_temp.recon_open"
# A payment whose row of the provider's file was paid out is explained by way of the provider.
_LEFT_OVER: Final = """
CREATE TEMPORARY TABLE recon_left ON COMMIT DROP AS
SELECT i.*, true AS lb, true AS pb, false AS lp FROM {open} i WHERE NOT EXISTS (
    SELECT FROM ledger_recon_edge e JOIN ledger_recon_edge o ON o.live AND o.relation = 'provider-bank'
        AND o.left_no = e.right_no
    WHERE e.live AND e.relation = 'ledger-provider' AND e.left_no = i.item_no)
UNION ALL
SELECT i.*, false, pb.left_no IS NULL, lp.left_no IS NULL FROM ledger_recon_item i
LEFT JOIN ledger_recon_edge lp ON lp.live AND lp.relation = 'ledger-provider' AND lp.right_no = i.item_no
LEFT JOIN ledger_recon_edge pb ON pb.live AND pb.relation = 'provider-bank' AND pb.left_no = i.item_no
WHERE i.side = 'provider' AND (lp.left_no IS NULL OR (i.payout <> '' AND pb.left_no IS NULL))
"""
# A provider pays out many payments, less its fees, as one credit that names the payout.
_PAYOUTS: Final = """
WITH payout AS (
    SELECT pool, payout, currency, sum(amount) - sum(fee) AS net,
        upper(regexp_replace(payout, '[^0-9A-Za-z]', '', 'g')) AS folded
    FROM pg_temp.recon_left WHERE side = 'provider' AND payout <> '' AND pb GROUP BY pool, payout, currency
), found AS (
    SELECT o.pool, o.payout, b.item_no, count(*) OVER (PARTITION BY o.pool, o.payout) AS banks,
        count(*) OVER (PARTITION BY b.item_no) AS payouts
    FROM payout o JOIN pg_temp.recon_left b ON b.side = 'bank' AND b.lb AND b.pb AND b.currency = o.currency
        AND abs(b.amount - o.net) <= :tolerance
        AND (b.end_to_end = o.payout OR b.reference = o.payout OR position(o.folded IN b.folded) > 0)
    WHERE length(o.folded) >= 4
)
INSERT INTO ledger_recon_edge (relation, left_no, right_no, turn, rule, made_at)
SELECT 'provider-bank', p.item_no, f.item_no, 1, 'payout', :now
FROM found f JOIN pg_temp.recon_left p ON p.side = 'provider' AND p.pb AND p.pool = f.pool AND p.payout = f.payout
WHERE f.banks = 1 AND f.payouts = 1
ON CONFLICT DO NOTHING
"""
# One payment that the bank booked in several credits under its reference, or several booked as one batched credit.
_SPLIT: Final = """
WITH many AS (
    SELECT {key} AS key, currency, sum(amount) AS total FROM pg_temp.recon_left
    WHERE side = '{many}' AND lb AND pb AND {key} <> '' AND NOT reversal GROUP BY {key}, currency HAVING count(*) > 1
), one AS (
    SELECT {key} AS key, currency, min(item_no) AS item_no, min(amount) AS amount FROM pg_temp.recon_left
    WHERE side = '{one}' AND lb AND pb AND {key} <> '' AND NOT reversal GROUP BY {key}, currency HAVING count(*) = 1
), made AS (
    INSERT INTO ledger_recon_edge (relation, left_no, right_no, turn, rule, made_at)
    SELECT 'ledger-bank', {left}, {right}, 1, :rule, :now
    FROM many JOIN one USING (key, currency)
    JOIN pg_temp.recon_left x ON x.side = '{many}' AND x.lb AND x.pb AND x.{key} = many.key
        AND x.currency = many.currency AND NOT x.reversal
    WHERE abs(many.total - one.amount) <= :tolerance
    ON CONFLICT DO NOTHING RETURNING left_no, right_no
)
"""
# No reference survived: the same amount within a few days, and the text of one inside the other's, one candidate only.
_TEXT: Final = """
WITH told AS (
    SELECT l.*, upper(regexp_replace(l.reference, '[^0-9A-Za-z]', '', 'g')) AS words
    FROM pg_temp.recon_left l WHERE l.side = 'ledger' AND l.lb
), candidate AS (
    SELECT l.item_no AS left_no, b.item_no AS right_no,
        count(*) OVER (PARTITION BY l.item_no) AS rights, count(*) OVER (PARTITION BY b.item_no) AS lefts
    FROM told l JOIN pg_temp.recon_left b ON b.side = 'bank' AND b.lb AND b.pb AND b.currency = l.currency
        AND b.amount = l.amount AND NOT b.reversal
        AND b.occurred_on BETWEEN l.occurred_on - {near} AND l.occurred_on + {near}
        AND ((length(l.qr_reference) > 0 AND position(l.qr_reference IN b.folded) > 0)
            OR (length(l.words) >= 6 AND position(l.words IN b.folded) > 0)
            OR (length(b.reference) >= 6 AND b.reference = l.identity))
), made AS (
    INSERT INTO ledger_recon_edge (relation, left_no, right_no, turn, rule, made_at)
    SELECT 'ledger-bank', left_no, right_no, 1, 'amount_time_text', :now FROM candidate
    WHERE rights = 1 AND lefts = 1
    ON CONFLICT DO NOTHING RETURNING left_no, right_no
)
""".replace("{near}", str(_NEAR))
_TAKE_OUT: Final = TAKE_OUT.format(table="recon_left")


def set_aside(tx: Connection, *, as_left: bool = False) -> int:
    """Set aside what nothing explains, for this transaction; return how many movements that is.

    `as_left` takes the bank's side as `recon_match.match_relation` left it, instead of asking every movement.
    """
    tx.execute(text("DROP TABLE IF EXISTS pg_temp.recon_left"))
    done = tx.execute(text(_LEFT_OVER.replace("{open}", _AS_LEFT if as_left else _BY_EDGES)))
    tx.execute(text("ANALYZE recon_left"))
    return done.rowcount


def match_payouts(tx: Connection, now: datetime, *, minor: int) -> int:
    """Match payments to the one credit their provider paid out, fees explained; return how many payments."""
    done = tx.execute(text(_PAYOUTS), {"now": now, "tolerance": minor}).rowcount
    if done:
        set_aside(tx)
    return done


def match_batched(tx: Connection, now: datetime, *, minor: int) -> int:
    """Match several payments to the one credit of their reference; return how many payments."""
    return _split(tx, "end_to_end", Rule.BATCHED, now, minor)


def match_split(tx: Connection, now: datetime, *, minor: int) -> int:
    """Match one payment to several credits of its reference; return how many credits."""
    return sum(_split(tx, key, Rule.SPLIT, now, minor) for key in ("qr_reference", "reference"))


def match_text(tx: Connection, now: datetime) -> int:
    """Match by amount, time and folded text where there is just one candidate either way; return how many."""
    done: int = tx.execute(text(_TEXT + _TAKE_OUT), {"now": now}).scalar_one()
    return done


def _split(tx: Connection, key: str, rule: Rule, now: datetime, minor: int) -> int:
    batched = rule is Rule.BATCHED
    statement = _SPLIT.format(
        key=key,
        many="ledger" if batched else "bank",
        one="bank" if batched else "ledger",
        left="x.item_no" if batched else "one.item_no",
        right="one.item_no" if batched else "x.item_no",
    )
    values = {"now": now, "tolerance": minor, "rule": rule.value}
    done: int = tx.execute(text(statement + _TAKE_OUT), values).scalar_one()
    return done
