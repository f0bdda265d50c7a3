"""What the keys left over: payouts, batches, splits and matching by text, over few movements. Set-based SQL.

`recon_left` lives for one transaction: the movements that nothing explains, with what each is still open for.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, text

from ledger.rules.reconcile import Rule
from ledger.store import recon_open
from ledger.store.recon_match import TAKE_OUT
from ledger.store.recon_open import Fresh

_NEAR: Final = 3  # days between the two dates of one movement, for rules without a reference

_AS_LEFT: Final = "SELECT * FROM pg_temp.recon_open"
# A payment whose row of the provider's file was paid out is explained by way of the provider.
_LEFT_OVER: Final = """
CREATE TEMPORARY TABLE recon_left ON COMMIT DROP AS
SELECT i.*, true AS lb, true AS pb, false AS lp FROM ({open}) i WHERE NOT EXISTS (
    SELECT FROM ledger_recon_edge e JOIN ledger_recon_edge o ON o.live AND o.relation = 'provider-bank'
        AND o.left_no = e.right_no
    WHERE e.live AND e.relation = 'ledger-provider' AND e.left_no = i.item_no)
UNION ALL
SELECT i.*, false, o.pb, o.lp FROM ledger_recon_item i JOIN (
    SELECT item_no, bool_or(relation = 'provider-bank') AS pb, bool_or(relation = 'ledger-provider') AS lp
    FROM ({listed}) l GROUP BY item_no
) o USING (item_no) WHERE i.side = 'provider'
"""
_LISTED: Final = (
    "SELECT relation, item_no FROM ledger_recon_open WHERE relation IN ('ledger-provider', 'provider-bank')"
)
# What no run has looked at stands on no list: the provider's rows among it are open until one does.
_LISTED_AND_FRESH: Final = f"""{_LISTED} UNION ALL
    SELECT 'ledger-provider', x.item_no FROM ledger_recon_item x WHERE x.side = 'provider'
    AND x.item_no BETWEEN :low AND :high AND NOT EXISTS (SELECT FROM ledger_recon_edge e
        WHERE e.live AND e.right_no = x.item_no AND e.right_no BETWEEN :low AND :high)"""
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
), made AS (
    INSERT INTO ledger_recon_edge (relation, left_no, right_no, turn, rule, made_at)
    SELECT 'provider-bank', p.item_no, f.item_no, 1, 'payout', :now
    FROM found f JOIN pg_temp.recon_left p ON p.side = 'provider' AND p.pb AND p.pool = f.pool AND p.payout = f.payout
    WHERE f.banks = 1 AND f.payouts = 1
    ON CONFLICT DO NOTHING RETURNING left_no, right_no
), paid AS (
    DELETE FROM ledger_recon_open WHERE relation = 'provider-bank' AND item_no IN (SELECT left_no FROM made)
), credited AS (
    DELETE FROM pg_temp.recon_left WHERE item_no IN (SELECT right_no FROM made) AND side = 'bank'
), known AS (
    DELETE FROM pg_temp.recon_left WHERE item_no IN (SELECT left_no FROM made) AND side = 'provider' AND NOT lp
), unknown AS (
    UPDATE pg_temp.recon_left SET pb = false WHERE item_no IN (SELECT left_no FROM made) AND side = 'provider' AND lp
), explained AS (
    DELETE FROM pg_temp.recon_left x USING ledger_recon_edge e WHERE x.side = 'ledger' AND e.live
    AND e.relation = 'ledger-provider' AND e.left_no = x.item_no AND e.right_no IN (SELECT left_no FROM made)
) SELECT count(*) FROM made
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


def set_aside(tx: Connection, fresh: Fresh | None = None) -> int:
    """Set aside what nothing explains, for this transaction; return how many movements that is.

    Takes the bank's side as `recon_match.match_relation` left it; with `fresh`, what stands on the lists and what of
    that range no run has looked at.
    """
    tx.execute(text("DROP TABLE IF EXISTS pg_temp.recon_left"))
    found, values = _LEFT_OVER.format(open=_AS_LEFT, listed=_LISTED), {}
    if fresh is not None:
        open_ = recon_open.candidates(tx, ("ledger", "bank"), fresh).query
        found = _LEFT_OVER.format(open=open_, listed=_LISTED_AND_FRESH)
        values = {"relation": recon_open.LEDGER_BANK, "low": fresh.low, "high": fresh.high}
    done = tx.execute(text(found), values)
    tx.execute(text("ANALYZE recon_left"))
    return done.rowcount


def match_payouts(tx: Connection, now: datetime, *, minor: int) -> int:
    """Match payments to the one credit their provider paid out, fees explained; return how many payments."""
    done: int = tx.execute(text(_PAYOUTS), {"now": now, "tolerance": minor}).scalar_one()
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
