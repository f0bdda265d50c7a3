"""Matching by key as set-based SQL: for each relation one grouping by the key that most movements have.

It looks at what arrived since the last run and at what runs left open (`recon_open.py`), and says at once what pairs
and what is left over, so that every later rule looks at few. Two temporary tables live for one transaction:
`recon_pass` (a row a key) and `recon_open` (the movements that this relation has not matched so far).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, CursorResult, text

from ledger.rules.reconcile import Rule
from ledger.store import recon_open
from ledger.store.recon_open import Candidates, Fresh

_LOCK: Final = 0x4C54_5243  # one reconciliation at a time

# What the books say moved: payments that were given a home, by the provider's identity and the bank's reference.
_REFRESH: Final = """
WITH told AS (DELETE FROM ledger_recon_untold RETURNING payment_id)
INSERT INTO ledger_recon_item (item_id, side, pool, source_id, account, amount, fee, currency, occurred_on, identity,
    reference, end_to_end, qr_reference, payout, folded, reversal, recorded_at)
SELECT p.payment_id, 'ledger', p.provider, p.payment_id, p.account, p.amount, 0, p.currency,
    (p.paid_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date, p.identity, p.reference, '', coalesce(i.reference, ''), '', '',
    false, :now
FROM told JOIN ledger_payment p USING (payment_id) LEFT JOIN ledger_topup_intent i ON i.intent_id = p.intent_id
ON CONFLICT (item_id) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Key:
    """A rule by key: the column that must agree, and whether only movements that take none back are looked at."""

    rule: Rule
    column: str
    forward: bool = False

    @property
    def given(self) -> str:
        """Return the condition that a movement `x` has this key; with `forward`, one that takes none back."""
        return f"x.{self.column} <> ''" + (" AND NOT x.reversal" if self.forward else "")

    @property
    def alone(self) -> str:
        """Return what keeps a movement without this key apart from all others."""
        return f"CASE WHEN NOT ({self.given}) THEN item_no END"


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
    most=Key(Rule.BANK_REFERENCE, "reference", forward=True),
    rest=(Key(Rule.QR_REFERENCE, "qr_reference", forward=True),),
    pooled=False,
)

# One row a key. The left side's numbers count up from 0 and the right side's down, so that the lowest and the highest of
# a key tell a pair (one below 0, one above), one alone or two of one side. A grouping set is never grouped in parts by
# processes that each have some of a key, which would group nearly everything twice.
_GROUPED: Final = """
SELECT min(place) AS low, max(place) AS high, count(*) AS members
FROM (SELECT *, CASE WHEN {is_left} THEN item_no ELSE -item_no END AS place FROM ({source}) s
    WHERE hashtext({column}) {half} 0) x
GROUP BY GROUPING SETS (({columns}, amount, {alone}))
"""
# In the left side's order, so that the primary key of the matches grows at its end.
_BOTH: Final = "CREATE TEMPORARY TABLE recon_pass ON COMMIT DROP AS {low} UNION ALL {high} ORDER BY high"
# What a person took apart stays apart.
_KEEP: Final = """
INSERT INTO ledger_recon_edge (relation, left_no, right_no, turn, rule, made_at)
SELECT :relation, high, -low, 1, :rule, :now FROM pg_temp.recon_pass p
WHERE members = 2 AND low < 0 AND high > 0 {together}
"""
_NEVER: Final = 715_827_882  # pages: the setting's largest
_ANY_UNDONE: Final = "SELECT EXISTS (SELECT FROM ledger_recon_edge WHERE NOT live)"
_TOGETHER: Final = """AND NOT EXISTS (SELECT FROM ledger_recon_edge d
    WHERE NOT d.live AND d.left_no = p.high AND d.right_no = -p.low)"""
_LOOSE: Final = """
CREATE TEMPORARY TABLE recon_loose ON COMMIT DROP AS
SELECT abs(low) AS one, abs(high) AS other, members FROM pg_temp.recon_pass p
WHERE members > 2 OR low > 0 OR high < 0 {apart}
"""
_APART: Final = """UNION ALL
SELECT abs(low), high, members FROM pg_temp.recon_pass p JOIN ledger_recon_edge d ON d.left_no = p.high AND d.right_no = -p.low
WHERE NOT d.live AND p.members = 2"""
_OPEN: Final = """
CREATE TEMPORARY TABLE recon_open ON COMMIT DROP AS SELECT * FROM ledger_recon_item WHERE item_no IN (
    SELECT one FROM pg_temp.recon_loose UNION ALL SELECT other FROM pg_temp.recon_loose)
"""
# Of more than two twins, those between.
_MORE: Final = """
INSERT INTO pg_temp.recon_open SELECT x.* FROM pg_temp.recon_loose p JOIN ledger_recon_item k ON k.item_no = p.one
JOIN ledger_recon_item x ON x.{column} = k.{column} AND ({same}) AND x.amount = k.amount AND {given} AND {candidate}
WHERE p.members > 2 AND x.item_no NOT IN (SELECT item_no FROM pg_temp.recon_open)
"""
# One rule over movements that are few: twins pair first with first, so that of a line the bank booked twice one is
# matched and the other is left for a person.
_PAIR: Final = """
WITH l AS ({left}), r AS ({right}), made AS (
    INSERT INTO ledger_recon_edge (relation, left_no, right_no, turn, rule, made_at)
    SELECT :relation, l.item_no, r.item_no, 1, :rule, :now
    FROM l JOIN r ON l.{column} = r.{column} AND l.currency = r.currency AND l.twin = r.twin AND {pools} AND {amounts}
    ON CONFLICT DO NOTHING RETURNING left_no, right_no
)
"""
_NUMBERED: Final = """
SELECT *, row_number() OVER (PARTITION BY {columns} ORDER BY occurred_on, item_no) AS twin FROM ({source}) x
WHERE side = '{side}' AND {given}
"""
_CLOSED: Final = """, gone AS (
    DELETE FROM ledger_recon_open WHERE relation = :relation
        AND item_no IN (SELECT left_no FROM made UNION ALL SELECT right_no FROM made)
), due AS (
    INSERT INTO ledger_recon_due (source_id) SELECT DISTINCT source_id FROM ledger_recon_item
    WHERE side = 'bank' AND item_no IN (SELECT right_no FROM made) ON CONFLICT DO NOTHING
) SELECT count(*) FROM made"""
TAKE_OUT: Final = """, gone AS (
    DELETE FROM pg_temp.{table} WHERE item_no IN (SELECT left_no FROM made UNION ALL SELECT right_no FROM made)
) SELECT count(*) FROM made"""
_EXACT: Final = "l.amount = r.amount"
_NEARLY: Final = "abs(l.amount - r.amount) <= :tolerance"


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


def match_relation(
    tx: Connection, relation: Relation, fresh: Fresh, now: datetime, *, minor: int
) -> Iterator[tuple[Rule, int]]:
    """Match two sides one to one by each key in order; yield each rule with how many it matched.

    Amounts are equal or (where a tolerance is set) within `minor`. Leaves `recon_open`.
    """
    matching = _Matching(tx, relation, fresh, now, minor)
    source = recon_open.candidates(tx, relation.sides, fresh)
    for key in relation.few:
        yield key.rule, matching.pair(key, source.query, _CLOSED)
        source = recon_open.candidates(tx, relation.sides, fresh)
    yield relation.most.rule, matching.group(relation.most, source)
    for key in relation.rest:
        yield key.rule, matching.pair(key, _OPENED, TAKE_OUT.format(table="recon_open"))


_OPENED: Final = "SELECT * FROM pg_temp.recon_open"


@dataclass(frozen=True, slots=True)
class _Matching:
    tx: Connection
    relation: Relation
    fresh: Fresh
    now: datetime
    minor: int

    @property
    def same(self) -> str:
        """Return the columns besides the key and the amount that two movements of a pair have in common."""
        return "currency, pool" if self.relation.pooled else "currency"

    def run(self, sql: str, **more: object) -> CursorResult[Any]:
        """Execute with the values that the text names."""
        values = {"relation": self.relation.name, "now": self.now, **self.fresh.values()} | more
        return self.tx.execute(text(sql), {name: one for name, one in values.items() if f":{name}" in sql})

    def pair(self, key: Key, source: str, tail: str) -> int:
        """Match by one key, twins numbered first; return how many."""
        done = 0
        for amounts in (_EXACT, _NEARLY)[: 2 if self.minor else 1]:
            alike = f"{key.column}, {self.same}" + (", amount" if amounts is _EXACT else "")
            left, right = (
                _NUMBERED.format(columns=alike, source=source, side=side, given=key.given)
                for side in self.relation.sides
            )
            pools = "l.pool = r.pool" if self.relation.pooled else "true"
            sql = _PAIR.format(left=left, right=right, column=key.column, pools=pools, amounts=amounts) + tail
            more: dict[str, object] = {"tolerance": self.minor} if amounts is _NEARLY else {}
            done += self.run(sql, rule=key.rule.value, **more).scalar_one()
        return done

    def group(self, key: Key, source: Candidates) -> int:
        """Match by the key that most have, and set aside as `recon_open` what is left; return how many."""
        for table in ("recon_pass", "recon_loose", "recon_open"):
            self.tx.execute(text(f"DROP TABLE IF EXISTS pg_temp.{table}"))
        columns = f"{key.column}, {self.same}"
        is_left = f"side = '{self.relation.sides[0]}'"
        low, high = (
            _GROUPED.format(
                is_left=is_left,
                source=source.query,
                columns=columns,
                column=key.column,
                alone=key.alone,
                half=half,
            )
            for half in ("<", ">=")
        )
        # Where there is much, a process a half: each reads all and groups the keys that are its own.
        self.tx.execute(text(f"SET LOCAL min_parallel_table_scan_size = {_NEVER}"))
        self.run(_BOTH.format(low=low, high=high))
        self.tx.execute(text("SET LOCAL min_parallel_table_scan_size TO DEFAULT"))
        undone = self.tx.execute(text(_ANY_UNDONE)).scalar_one()
        done: int = self.run(_KEEP.format(together=_TOGETHER if undone else ""), rule=key.rule.value).rowcount
        self.run(_LOOSE.format(apart=_APART if undone else ""))
        self.tx.execute(text("ANALYZE recon_loose"))
        self.run(_OPEN)
        if self.tx.execute(
            text("SELECT EXISTS (SELECT FROM pg_temp.recon_loose WHERE members > 2)")
        ).scalar_one():
            same = " AND ".join(f"x.{name} = k.{name}" for name in self.same.split(", "))
            self.run(_MORE.format(column=key.column, same=same, given=key.given, candidate=source.condition))
        self.tx.execute(text("ANALYZE recon_open"))
        return done + self.pair(key, _OPENED, TAKE_OUT.format(table="recon_open"))
