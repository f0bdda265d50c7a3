"""Matching by key as set-based SQL: for each relation one full join by the key that most movements have.

That join says at once what pairs and what is left over, so that every later rule looks at few. Three temporary
tables live for one transaction: `recon_pass` (the join), `recon_loose` (what it joined that may not be a pair) and
`recon_open` (the movements that this relation has not matched so far).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, CursorResult, text

from ledger.rules.reconcile import Rule

_LOCK: Final = 0x4C54_5243  # one reconciliation at a time

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


@dataclass(frozen=True, slots=True)
class Key:
    """A rule by key: the column that must agree, and what a movement must have besides to be looked at."""

    rule: Rule
    column: str
    also: str = "true"

    @property
    def given(self) -> str:
        """Return the condition that a movement has this key."""
        return f"{self.column} <> '' AND {self.also}"

    @property
    def value(self) -> str:
        """Return the key, NULL (which equals nothing) where a movement has none."""
        return f"CASE WHEN {self.given} THEN {self.column} END"


@dataclass(frozen=True, slots=True)
class Relation:
    """Two sides and their rules in order: `few` by a key that few have, `most`, then `rest` on what is left."""

    name: str
    few: tuple[Key, ...]
    most: Key
    rest: tuple[Key, ...]
    pooled: bool
    """Whether both sides must be of one provider."""

    @property
    def sides(self) -> tuple[str, str]:
        """Return the left side's name and the right one's."""
        left, _, right = self.name.partition("-")
        return left, right


LEDGER_PROVIDER: Final = Relation(
    "ledger-provider",
    few=(),
    most=Key(Rule.PROVIDER_ID, "identity"),
    rest=(Key(Rule.BANK_REFERENCE, "reference"), Key(Rule.QR_REFERENCE, "qr_reference")),
    pooled=True,
)
LEDGER_BANK: Final = Relation(
    "ledger-bank",
    few=(Key(Rule.END_TO_END, "end_to_end"),),
    most=Key(Rule.BANK_REFERENCE, "reference", "NOT reversal"),
    rest=(Key(Rule.QR_REFERENCE, "qr_reference", "NOT reversal"),),
    pooled=False,
)

# A bank's movement that pays out many payments is not free to be one of them, so its end counts in any relation.
_FREE: Final = {
    "ledger": "NOT EXISTS (SELECT FROM ledger_recon_edge e WHERE e.live AND e.relation = '{relation}' "
    "AND e.left_no = x.item_no)",
    "provider": "NOT EXISTS (SELECT FROM ledger_recon_edge e WHERE e.live AND e.right_no = x.item_no)",
    "bank": "NOT EXISTS (SELECT FROM ledger_recon_edge e WHERE e.live AND e.right_no = x.item_no)",
}
_ITEMS: Final = "(SELECT * FROM ledger_recon_item x WHERE side = '{side}' AND {free})"
_OPENED: Final = "(SELECT * FROM pg_temp.recon_open WHERE side = '{side}')"
_JOINED: Final = """
CREATE TEMPORARY TABLE recon_pass ON COMMIT DROP AS SELECT * FROM (
    SELECT l.item_no AS left_no, r.item_no AS right_no, l.occurred_on AS left_on, r.occurred_on AS right_on
    FROM (SELECT *, {key} AS key FROM {left} l) l FULL JOIN (SELECT *, {key} AS key FROM {right} r) r
    ON l.key = r.key AND l.currency = r.currency AND l.amount = r.amount AND {pools}
    LIMIT :limit
) p ORDER BY left_no
"""
# Twins (one key, one amount) pair first with first, so that of a line the bank booked twice one is matched and the
# other is left for a person: in a pair, left and right have the same place. What a person took apart stays apart.
_LOOSEN: Final = """
WITH twin AS (
    SELECT ctid AS place, left_no, right_no, row_number() OVER (PARTITION BY left_no ORDER BY right_on, right_no)
        <> row_number() OVER (PARTITION BY right_no ORDER BY left_on, left_no) AS crossed
    FROM pg_temp.recon_pass
    WHERE left_no IN (SELECT left_no FROM (
        SELECT left_no, lag(left_no) OVER (ORDER BY left_no) AS before FROM pg_temp.recon_pass) p WHERE left_no = before)
    OR right_no IN (SELECT right_no FROM (
        SELECT right_no, lag(right_no) OVER (ORDER BY right_no) AS before FROM pg_temp.recon_pass) p WHERE right_no = before)
), gone AS (
    DELETE FROM pg_temp.recon_pass p USING (
        SELECT place FROM twin WHERE crossed
        UNION SELECT q.ctid FROM ledger_recon_edge d JOIN pg_temp.recon_pass q
            ON d.left_no = q.left_no AND d.right_no = q.right_no WHERE NOT d.live
    ) wrong WHERE p.ctid = wrong.place RETURNING p.ctid AS place, p.left_no, p.right_no
)
INSERT INTO pg_temp.recon_loose
(SELECT left_no FROM gone UNION SELECT right_no FROM gone) EXCEPT
(SELECT unnest(ARRAY[left_no, right_no]) FROM twin WHERE NOT crossed AND place NOT IN (SELECT place FROM gone))
"""
# In the left side's order (the join's), so that the primary key grows at its end.
_KEEP: Final = """
INSERT INTO ledger_recon_edge (relation, left_no, right_no, turn, rule, made_at)
SELECT :relation, left_no, right_no, 1, :rule, :now FROM pg_temp.recon_pass
WHERE left_no IS NOT NULL AND right_no IS NOT NULL ORDER BY left_no
"""
_OPEN: Final = """
CREATE TEMPORARY TABLE recon_open ON COMMIT DROP AS
SELECT i.* FROM ledger_recon_item i JOIN (
    SELECT left_no AS item_no FROM pg_temp.recon_pass WHERE right_no IS NULL
    UNION ALL SELECT right_no FROM pg_temp.recon_pass WHERE left_no IS NULL
    UNION ALL SELECT item_no FROM pg_temp.recon_loose
) o USING (item_no)
"""
_OPEN_BY_EDGES: Final = """
CREATE TEMPORARY TABLE recon_open ON COMMIT DROP AS
SELECT * FROM {left} l UNION ALL SELECT * FROM {right} r
"""
# One rule over movements that are few, or among which there are too many twins to join them before they are numbered.
_PAIR: Final = """
WITH l AS ({left}), r AS ({right}), made AS (
    INSERT INTO ledger_recon_edge (relation, left_no, right_no, turn, rule, made_at)
    SELECT :relation, l.item_no, r.item_no, 1, :rule, :now
    FROM l JOIN r ON l.{column} = r.{column} AND l.currency = r.currency AND l.twin = r.twin AND {pools} AND {amounts}
    ON CONFLICT DO NOTHING RETURNING left_no, right_no
)
"""
_NUMBERED: Final = """
SELECT *, row_number() OVER (PARTITION BY {columns} ORDER BY occurred_on, item_no) AS twin FROM {source} x WHERE {given}
"""
_COUNT: Final = "SELECT count(*) FROM made"
TAKE_OUT: Final = """, gone AS (
    DELETE FROM pg_temp.{table} WHERE item_no IN (SELECT left_no FROM made UNION ALL SELECT right_no FROM made)
) SELECT count(*) FROM made"""
_EXACT: Final = "l.amount = r.amount"
_NEARLY: Final = "abs(l.amount - r.amount) <= :tolerance"
_SAME_POOL: Final = "l.pool = r.pool"


def lock(tx: Connection) -> None:
    """Wait until no other reconciliation runs; held until this transaction ends."""
    tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    # One reconciliation at a time may keep a day in memory, and take as long as millions of movements need.
    tx.execute(text("SET LOCAL work_mem = '256MB'"))
    tx.execute(text("SET LOCAL statement_timeout = '1h'"))


def refresh_ledger(tx: Connection, now: datetime) -> int:
    """Bring the books' side up to date; return how many movements are new."""
    return tx.execute(text(_REFRESH), {"now": now}).rowcount


def tolerance(tx: Connection, currency: str) -> int:
    """Return by how much two amounts of one movement may differ, in minor units; 0 where none is set."""
    found: int | None = tx.execute(
        text("SELECT minor FROM ledger_recon_tolerance WHERE currency = :currency"), {"currency": currency}
    ).scalar_one_or_none()
    return found or 0


_POOLS: Final = "SELECT DISTINCT pool FROM ledger_recon_item WHERE side = 'provider'"
_ROOM: Final = (
    "SELECT 100000 + 2 * greatest(reltuples, 0)::bigint FROM pg_class WHERE relname = 'ledger_recon_item'"
)


def match_relation(
    tx: Connection, relation: Relation, now: datetime, *, minor: int, limit: int | None = None
) -> Iterator[tuple[Rule, int]]:
    """Match two sides one to one by each key in order; yield each rule with how many it matched.

    Amounts are equal or (where a tolerance is set) within `minor`. Leaves `recon_open`. `limit` is how many rows
    the join may have (default: more than there are movements): beyond it twins are numbered before they are joined.
    """
    pools = list(tx.execute(text(_POOLS)).scalars()) if relation.pooled else []
    if relation.pooled and not pools:  # no provider ever sent a file
        return
    matching = _Matching(tx, relation, now, minor, pools)
    for key in relation.few:
        yield key.rule, matching.pair(key, _ITEMS, _COUNT)
    yield relation.most.rule, matching.join(relation.most, limit or tx.execute(text(_ROOM)).scalar_one())
    for key in relation.rest:
        yield key.rule, matching.pair(key, _OPENED, TAKE_OUT.format(table="recon_open"))


@dataclass(frozen=True, slots=True)
class _Matching:
    tx: Connection
    relation: Relation
    now: datetime
    minor: int
    pools: list[str]

    def source(self, source: str, side: str) -> str:
        """Return the movements of a side that this relation has not matched."""
        free = _FREE[side].format(relation=self.relation.name)
        listed = " AND pool = ANY(:pools)" if self.relation.pooled and side == "ledger" else ""
        return source.format(side=side, free=free + (listed if source is _ITEMS else ""))

    def run(self, statement: str, source: str, **more: object) -> CursorResult[Any]:
        """Execute with the values that the text names."""
        left, right = (self.source(source, side) for side in self.relation.sides)
        sql = statement.replace("{left}", left).replace("{right}", right)
        sql = sql.replace("{pools}", _SAME_POOL if self.relation.pooled else "true")
        values = {"relation": self.relation.name, "now": self.now, "pools": self.pools} | more
        return self.tx.execute(text(sql), {name: one for name, one in values.items() if f":{name}" in sql})

    def pair(self, key: Key, source: str, tail: str) -> int:
        """Match by one key, twins numbered first; return how many."""
        columns = f"{key.column}, currency" + (", pool" if self.relation.pooled else "")
        done = 0
        for amounts in (_EXACT, _NEARLY)[: 2 if self.minor else 1]:
            alike = f"{columns}, amount" if amounts is _EXACT else columns
            numbered = {
                side: _NUMBERED.format(columns=alike, source=f"{{{side}}}", given=key.given)
                for side in ("left", "right")
            }
            sql = _PAIR.format(column=key.column, amounts=amounts, pools="{pools}", **numbered) + tail
            more: dict[str, object] = {"tolerance": self.minor} if amounts is _NEARLY else {}
            done += self.run(sql, source, rule=key.rule.value, **more).scalar_one()
        return done

    def join(self, key: Key, limit: int) -> int:
        """Match by the key that most have, and set aside as `recon_open` what is left; return how many."""
        for table in ("recon_pass", "recon_loose", "recon_open"):
            self.tx.execute(text(f"DROP TABLE IF EXISTS pg_temp.{table}"))
        self.tx.execute(text("CREATE TEMPORARY TABLE recon_loose (item_no bigint) ON COMMIT DROP"))
        rows = self.run(_JOINED.replace("{key}", key.value), _ITEMS, limit=limit).rowcount
        if rows >= limit:
            done = self.pair(key, _ITEMS, _COUNT)
            self.run(_OPEN_BY_EDGES, _ITEMS)
        else:
            self.run(_LOOSEN, _ITEMS)
            done = self.run(_KEEP, _ITEMS, rule=key.rule.value).rowcount
            self.run(_OPEN, _ITEMS)
        self.tx.execute(text("ANALYZE recon_open"))
        if self.minor:
            done += self.pair(key, _OPENED, TAKE_OUT.format(table="recon_open"))
        return done
