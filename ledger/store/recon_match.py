"""The rules of matching as set-based SQL: each is one join over movements that nothing has matched yet."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, text

from ledger.rules.reconcile import Rule

_LOCK: Final = 0x4C54_5243  # one reconciliation at a time
_NEAR: Final = 3  # days between the two dates of one movement, for rules without a reference

# What the books say moved: payments that were given a home, by the provider's identity and the bank's reference.
_REFRESH: Final = """
INSERT INTO ledger_recon_item (item_id, side, pool, source_id, account, amount, fee, currency, occurred_on, identity,
    reference, end_to_end, qr_reference, payout, folded, reversal, recorded_at)
SELECT p.payment_id, 'ledger', p.provider, p.payment_id, p.account, p.amount, 0, p.currency,
    (p.paid_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date, p.identity, p.reference, '', coalesce(i.reference, ''), '', '',
    false, :now
FROM ledger_payment p LEFT JOIN ledger_topup_intent i ON i.intent_id = p.intent_id
WHERE p.entry_id IS NOT NULL
AND NOT EXISTS (SELECT FROM ledger_recon_item k WHERE k.item_id = p.payment_id)
"""

# A side's movements that this relation has not matched. Twins (one key, one amount) pair first with first, so that
# of a line the bank booked twice one is matched and the other is left for a person.
_OPEN: Final = """
{side} AS (
    SELECT item_id, currency, amount, {columns}, row_number() OVER (PARTITION BY {columns}, amount, currency
        ORDER BY occurred_on, item_id) AS twin
    FROM ledger_recon_item x
    WHERE side = '{name}' AND {given}
    AND NOT EXISTS (SELECT FROM ledger_recon_edge e WHERE e.live AND e.relation IN ({taken}) AND e.{end}_id = x.item_id)
)
"""
# A pair that a person took apart has the key of its old edge, so that no rule puts it together again.
_PAIR: Final = """
WITH {left}, {right}
INSERT INTO ledger_recon_edge (relation, left_id, right_id, rule, match_id, made_at)
SELECT :relation, l.item_id, r.item_id, :rule, l.item_id, :now
FROM l JOIN r ON l.currency = r.currency AND l.twin = r.twin AND {on}
AND {amounts}
ON CONFLICT DO NOTHING
"""
_EXACT: Final = "l.amount = r.amount"
_NEARLY: Final = "abs(l.amount - r.amount) <= :tolerance"
_RULES: Final[dict[tuple[str, Rule], tuple[str, str]]] = {
    # (relation, rule): the columns that must agree, and what a movement must have to be looked at
    ("ledger-provider", Rule.PROVIDER_ID): ("pool, identity", "identity <> ''"),
    ("ledger-provider", Rule.BANK_REFERENCE): ("pool, reference", "reference <> ''"),
    ("ledger-provider", Rule.QR_REFERENCE): ("pool, qr_reference", "qr_reference <> ''"),
    ("ledger-bank", Rule.END_TO_END): ("end_to_end", "end_to_end <> ''"),
    ("ledger-bank", Rule.BANK_REFERENCE): ("reference", "reference <> '' AND NOT reversal"),
    ("ledger-bank", Rule.QR_REFERENCE): ("qr_reference", "qr_reference <> '' AND NOT reversal"),
}
ORDER: Final = tuple(_RULES)
# A bank's movement that pays out many payments is not free to be one of them, and the other way round.
_TAKEN: Final = {
    ("ledger-bank", "right"): "'ledger-bank', 'provider-bank'",
    ("ledger-bank", "left"): "'ledger-bank'",
    ("ledger-provider", "left"): "'ledger-provider'",
    ("ledger-provider", "right"): "'ledger-provider'",
}


def lock(tx: Connection) -> None:
    """Wait until no other reconciliation runs; held until this transaction ends."""
    tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    tx.execute(text("SET LOCAL work_mem = '256MB'"))  # one reconciliation at a time may sort a day in memory


def refresh_ledger(tx: Connection, now: datetime) -> int:
    """Bring the books' side up to date; return how many movements are new."""
    return tx.execute(text(_REFRESH), {"now": now}).rowcount


def tolerance(tx: Connection, currency: str) -> int:
    """Return by how much two amounts of one movement may differ, in minor units; 0 where none is set."""
    found: int | None = tx.execute(
        text("SELECT minor FROM ledger_recon_tolerance WHERE currency = :currency"), {"currency": currency}
    ).scalar_one_or_none()
    return found or 0


def match_pairs(tx: Connection, relation: str, rule: Rule, now: datetime, *, minor: int) -> int:
    """Match one to one by a key, amounts equal or (where a tolerance is set) within `minor`; return how many."""
    columns, given = _RULES[relation, rule]
    left, right = relation.split("-")

    def side(name: str, end: str) -> str:
        letter = end[0]
        return _OPEN.format(
            side=letter, columns=columns, name=name, given=given, end=end, taken=_TAKEN[relation, end]
        )

    on = " AND ".join(f"l.{column} = r.{column}" for column in columns.split(", "))
    done = 0
    for amounts in (_EXACT, _NEARLY)[: 2 if minor else 1]:
        statement = _PAIR.format(left=side(left, "left"), right=side(right, "right"), on=on, amounts=amounts)
        values: dict[str, object] = {"relation": relation, "rule": rule.value, "now": now}
        done += tx.execute(
            text(statement), values | ({"tolerance": minor} if amounts is _NEARLY else {})
        ).rowcount
    return done


# Few are left after the keys: they are set aside once, and the costly rules look at these alone.
_LEFT_OVER: Final = """
CREATE TEMPORARY TABLE recon_left ON COMMIT DROP AS
SELECT i.*, true AS lb, true AS pb, false AS lp FROM ledger_recon_item i WHERE i.side = 'ledger'
AND NOT EXISTS (SELECT FROM ledger_recon_edge e WHERE e.live AND e.relation = 'ledger-bank' AND e.left_id = i.item_id)
AND NOT EXISTS (SELECT FROM ledger_recon_edge e JOIN ledger_recon_edge o ON o.live AND o.relation = 'provider-bank'
    AND o.left_id = e.right_id WHERE e.live AND e.relation = 'ledger-provider' AND e.left_id = i.item_id)
UNION ALL
SELECT i.*, true, true, false FROM ledger_recon_item i WHERE i.side = 'bank'
AND NOT EXISTS (SELECT FROM ledger_recon_edge e WHERE e.live AND e.right_id = i.item_id
    AND e.relation IN ('ledger-bank', 'provider-bank'))
UNION ALL
SELECT i.*, false, pb.left_id IS NULL, lp.left_id IS NULL FROM ledger_recon_item i
LEFT JOIN ledger_recon_edge lp ON lp.live AND lp.relation = 'ledger-provider' AND lp.right_id = i.item_id
LEFT JOIN ledger_recon_edge pb ON pb.live AND pb.relation = 'provider-bank' AND pb.left_id = i.item_id
WHERE i.side = 'provider' AND (lp.left_id IS NULL OR (i.payout <> '' AND pb.left_id IS NULL))
"""
# A provider pays out many payments, less its fees, as one credit that names the payout.
_PAYOUTS: Final = """
WITH payout AS (
    SELECT pool, payout, currency, sum(amount) - sum(fee) AS net, max(occurred_on) AS last_on,
        upper(regexp_replace(payout, '[^0-9A-Za-z]', '', 'g')) AS folded
    FROM pg_temp.recon_left WHERE side = 'provider' AND payout <> '' AND pb GROUP BY pool, payout, currency
), found AS (
    SELECT o.pool, o.payout, b.item_id, count(*) OVER (PARTITION BY o.pool, o.payout) AS banks,
        count(*) OVER (PARTITION BY b.item_id) AS payouts
    FROM payout o JOIN pg_temp.recon_left b ON b.side = 'bank' AND b.lb AND b.pb AND b.currency = o.currency
        AND abs(b.amount - o.net) <= :tolerance
        AND (b.end_to_end = o.payout OR b.reference = o.payout OR position(o.folded IN b.folded) > 0)
    WHERE length(o.folded) >= 4
)
INSERT INTO ledger_recon_edge (relation, left_id, right_id, rule, match_id, made_at)
SELECT 'provider-bank', p.item_id, f.item_id, 'payout', f.item_id, :now
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
    SELECT {key} AS key, currency, min(item_id::text)::uuid AS item_id, min(amount) AS amount FROM pg_temp.recon_left
    WHERE side = '{one}' AND lb AND pb AND {key} <> '' AND NOT reversal GROUP BY {key}, currency HAVING count(*) = 1
)
INSERT INTO ledger_recon_edge (relation, left_id, right_id, rule, match_id, made_at)
SELECT 'ledger-bank', {left}, {right}, :rule, one.item_id, :now
FROM many JOIN one USING (key, currency)
JOIN pg_temp.recon_left x ON x.side = '{many}' AND x.lb AND x.pb AND x.{key} = many.key AND NOT x.reversal
WHERE abs(many.total - one.amount) <= :tolerance
ON CONFLICT DO NOTHING
"""
# No reference survived: the same amount within a few days, and the text of one inside the other's, one candidate only.
_TEXT: Final = """
WITH told AS (
    SELECT l.*, upper(regexp_replace(l.reference, '[^0-9A-Za-z]', '', 'g')) AS words
    FROM pg_temp.recon_left l WHERE l.side = 'ledger' AND l.lb
), candidate AS (
    SELECT l.item_id AS left_id, b.item_id AS right_id,
        count(*) OVER (PARTITION BY l.item_id) AS rights, count(*) OVER (PARTITION BY b.item_id) AS lefts
    FROM told l JOIN pg_temp.recon_left b ON b.side = 'bank' AND b.lb AND b.pb AND b.currency = l.currency
        AND b.amount = l.amount AND NOT b.reversal
        AND b.occurred_on BETWEEN l.occurred_on - {near} AND l.occurred_on + {near}
        AND ((length(l.qr_reference) > 0 AND position(l.qr_reference IN b.folded) > 0)
            OR (length(l.words) >= 6 AND position(l.words IN b.folded) > 0)
            OR (length(b.reference) >= 6 AND b.reference = l.identity))
)
INSERT INTO ledger_recon_edge (relation, left_id, right_id, rule, match_id, made_at)
SELECT 'ledger-bank', left_id, right_id, 'amount_time_text', left_id, :now FROM candidate
WHERE rights = 1 AND lefts = 1
ON CONFLICT DO NOTHING
""".replace("{near}", str(_NEAR))


def set_aside(tx: Connection) -> int:
    """Set aside what the keys left over, for this transaction; return how many movements that is."""
    tx.execute(text("DROP TABLE IF EXISTS pg_temp.recon_left"))
    done = tx.execute(text(_LEFT_OVER))
    tx.execute(text("ANALYZE recon_left"))
    return done.rowcount


def match_payouts(tx: Connection, now: datetime, *, minor: int) -> int:
    """Match payments to the one credit their provider paid out, fees explained; return how many payments."""
    return tx.execute(text(_PAYOUTS), {"now": now, "tolerance": minor}).rowcount


def match_split(tx: Connection, now: datetime, *, minor: int) -> int:
    """Match one payment to several credits of its reference; return how many credits."""
    done = 0
    for number, key in enumerate(("qr_reference", "reference")):
        if number and done:
            set_aside(tx)
        statement = _SPLIT.format(key=key, many="bank", one="ledger", left="one.item_id", right="x.item_id")
        done += _again(tx, statement, Rule.SPLIT, now, minor)
    return done


def match_batched(tx: Connection, now: datetime, *, minor: int) -> int:
    """Match several payments to the one credit of their reference; return how many payments."""
    statement = _SPLIT.format(
        key="end_to_end", many="ledger", one="bank", left="x.item_id", right="one.item_id"
    )
    return _again(tx, statement, Rule.BATCHED, now, minor)


def match_text(tx: Connection, now: datetime) -> int:
    """Match by amount, time and folded text where there is just one candidate either way; return how many."""
    if not set_aside(tx):
        return 0
    return tx.execute(text(_TEXT), {"now": now}).rowcount


def _again(tx: Connection, statement: str, rule: Rule, now: datetime, minor: int) -> int:
    return tx.execute(text(statement), {"now": now, "tolerance": minor, "rule": rule.value}).rowcount
