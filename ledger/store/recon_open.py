"""What a reconciliation looks at: movements that arrived since the last run, and those that runs left open.

Nothing here grows with history. `ledger_recon_arrival` has the numbers of what no run has seen, `ledger_recon_open` what
was left over between two sides, `ledger_recon_due` the statements whose matches changed since they were booked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

LEDGER_BANK: Final = "ledger-bank"
LEDGER_PROVIDER: Final = "ledger-provider"
PROVIDER_BANK: Final = "provider-bank"


@dataclass(frozen=True, slots=True)
class Fresh:
    """A range of movements' numbers, in which others may stand that were looked at before; empty by default.

    `pools` are the providers to be matched, None where it does not matter; of those in `joined` no run has matched
    any yet, so that all of their history counts.
    """

    low: int = 0
    high: int = -1
    pools: tuple[str, ...] | None = None
    joined: tuple[str, ...] = ()

    def values(self) -> dict[str, object]:
        """Return the values that `candidates` names."""
        return {
            "low": self.low,
            "high": self.high,
            "pools": list(self.pools or ()),
            "joined": list(self.joined),
        }


_LIST: Final = """
WITH seen AS (UPDATE ledger_recon_arrival SET listed = true WHERE NOT listed RETURNING first_no, last_no)
SELECT min(first_no) AS low, max(last_no) AS high FROM seen
"""
_FOLLOWED: Final = """
SELECT provider, EXISTS (SELECT FROM ledger_recon_pool p WHERE p.pool = provider) AS known
FROM (SELECT DISTINCT provider FROM ledger_bank_file WHERE provider <> '') f ORDER BY provider
"""
_TAKE: Final = """
WITH gone AS (DELETE FROM ledger_recon_arrival WHERE listed RETURNING *), total AS (
    INSERT INTO ledger_recon_total AS t (currency, movements, moved)
    SELECT currency, sum(movements), sum(moved) FROM gone GROUP BY currency
    ON CONFLICT (currency) DO UPDATE SET movements = t.movements + excluded.movements, moved = t.moved + excluded.moved
), due AS (
    INSERT INTO ledger_recon_due (source_id) SELECT DISTINCT source_id FROM gone WHERE source_id IS NOT NULL
    ON CONFLICT DO NOTHING
) SELECT min(first_no) AS low, max(last_no) AS high FROM gone
"""


def list_arrivals(tx: Connection) -> Fresh:
    """Return what arrived since the last call, to be matched between books and providers."""
    low, high = tx.execute(text(_LIST)).one()
    rows = tx.execute(text(_FOLLOWED)).all()
    joined = tuple(row.provider for row in rows if not row.known)
    tx.execute(
        text("INSERT INTO ledger_recon_pool (pool) SELECT unnest(CAST(:joined AS text[]))"),
        {"joined": list(joined)},
    )
    pools = tuple(row.provider for row in rows)
    return Fresh(pools=pools, joined=joined) if low is None else Fresh(low, high, pools, joined)


def take_arrivals(tx: Connection) -> Fresh:
    """Take what `list_arrivals` returned so far off the list, to be matched at the bank, and add it to the totals."""
    low, high = tx.execute(text(_TAKE)).one()
    return Fresh() if low is None else Fresh(low, high)


def peek(tx: Connection) -> Fresh:
    """Return what no run has looked at, or not at all sides."""
    low, high = tx.execute(text("SELECT min(first_no), max(last_no) FROM ledger_recon_arrival")).one()
    return Fresh() if low is None else Fresh(low, high)


_NO_LEFT: Final = """AND NOT EXISTS (SELECT FROM ledger_recon_edge e
    WHERE e.live AND e.relation = :relation AND e.left_no = x.item_no{within})"""
_NO_RIGHT: Final = """AND NOT EXISTS (SELECT FROM ledger_recon_edge e
    WHERE e.live AND e.right_no = x.item_no AND e.right_no BETWEEN :low AND :high)"""
_LEFT_WITHIN: Final = " AND e.left_no BETWEEN :low AND :high"
_ANY: Final = """
SELECT EXISTS (SELECT FROM ledger_recon_edge WHERE left_no BETWEEN :low AND :high) AS lefts,
    EXISTS (SELECT FROM ledger_recon_edge WHERE right_no BETWEEN :low AND :high) AS rights
"""
_CANDIDATES: Final = """
SELECT x.* FROM ledger_recon_item x WHERE x.item_no BETWEEN :low AND :high AND {sides} {no_left} {no_right}
UNION ALL
SELECT x.* FROM ledger_recon_open o JOIN ledger_recon_item x USING (item_no)
WHERE o.relation = :relation AND NOT o.item_no BETWEEN :low AND :high AND {sides}
"""
_JOINED: Final = """
UNION ALL
SELECT x.* FROM ledger_recon_item x
WHERE x.side = 'ledger' AND x.pool = ANY(:joined) AND NOT x.item_no BETWEEN :low AND :high {no_left}
"""

_IS_CANDIDATE: Final = """{sides} AND CASE WHEN x.item_no BETWEEN :low AND :high THEN true {no_left}
    WHEN x.side = 'ledger' AND x.pool = ANY(:joined) THEN true {ever_left}
    ELSE EXISTS (SELECT FROM ledger_recon_open o WHERE o.relation = :relation AND o.item_no = x.item_no) END"""


@dataclass(frozen=True, slots=True)
class Candidates:
    """The movements of two sides that no live match holds, with `Fresh.values()` to bind: as a query, and as a
    condition on a movement `x`.
    """

    query: str
    condition: str


def candidates(tx: Connection, sides: tuple[str, str], fresh: Fresh) -> Candidates:
    """Return what may be matched now.

    In the range a movement may be matched already, which its matches tell; they are asked only where there are any.
    """
    lefts, rights = tx.execute(text(_ANY), {"low": fresh.low, "high": fresh.high}).one()
    no_left = _NO_LEFT.format(within=_LEFT_WITHIN) if lefts else ""
    ever_left = _NO_LEFT.format(within="")
    of_sides = _of_sides(sides, fresh)
    query = _CANDIDATES.format(sides=of_sides, no_left=no_left, no_right=_NO_RIGHT if rights else "")
    if fresh.joined:
        query += _JOINED.format(no_left=ever_left)
    # One by one, right ends are found slowly: their index knows ranges only.
    one_by_one = _IS_CANDIDATE.format(sides=of_sides, no_left=no_left, ever_left=ever_left)
    return Candidates(query, f"x.item_no IN (SELECT item_no FROM ({query}) s)" if rights else one_by_one)


def _of_sides(sides: tuple[str, str], fresh: Fresh) -> str:
    left, right = sides
    if fresh.pools is None:
        return f"x.side IN ('{left}', '{right}')"
    return f"(x.side = '{right}' OR x.side = '{left}' AND x.pool = ANY(:pools))"


_KEEP: Final = """
INSERT INTO ledger_recon_open (relation, item_no) SELECT :relation, item_no FROM pg_temp.recon_open
ON CONFLICT DO NOTHING
"""
_FORGET: Final = """
DELETE FROM ledger_recon_open o WHERE relation = :relation
AND NOT EXISTS (SELECT FROM pg_temp.recon_open r WHERE r.item_no = o.item_no)
"""
_PAID_OUT: Final = """
INSERT INTO ledger_recon_open (relation, item_no)
SELECT :relation, item_no FROM ledger_recon_item x
WHERE x.item_no BETWEEN :low AND :high AND x.side = 'provider' AND x.payout <> '' {no_left}
ON CONFLICT DO NOTHING
"""


def keep_provider(tx: Connection, fresh: Fresh) -> None:
    """Write down what `recon_open` has: open between books and providers; and which rows wait for a payout."""
    for statement in (_FORGET, _KEEP):
        tx.execute(text(statement), {"relation": LEDGER_PROVIDER})
    tx.execute(
        text(_PAID_OUT.format(no_left=_NO_LEFT.format(within=_LEFT_WITHIN))),
        {"relation": PROVIDER_BANK, "low": fresh.low, "high": fresh.high},
    )


_KEEP_LEFT: Final = """
INSERT INTO ledger_recon_open (relation, item_no) SELECT :relation, item_no FROM pg_temp.recon_left WHERE lb
ON CONFLICT DO NOTHING
"""
# A bank's movement that is open no more changes what its statement's matches come to.
_FORGET_LEFT: Final = """
WITH gone AS (
    DELETE FROM ledger_recon_open o WHERE relation = :relation
    AND NOT EXISTS (SELECT FROM pg_temp.recon_left r WHERE r.lb AND r.item_no = o.item_no) RETURNING item_no
)
INSERT INTO ledger_recon_due (source_id)
SELECT DISTINCT i.source_id FROM gone JOIN ledger_recon_item i USING (item_no) WHERE i.side = 'bank'
ON CONFLICT DO NOTHING
"""


def keep_bank(tx: Connection) -> None:
    """Write down what `recon_left` has: open at the bank; and which statements are due to be booked."""
    for statement in (_FORGET_LEFT, _KEEP_LEFT):
        tx.execute(text(statement), {"relation": LEDGER_BANK})


_OPENS: Final = "INSERT INTO ledger_recon_open (relation, item_no) SELECT {rows} ON CONFLICT DO NOTHING"
_DUE: Final = """
INSERT INTO ledger_recon_due (source_id) SELECT DISTINCT source_id FROM ledger_recon_item
WHERE item_no = ANY(:items) AND side = 'bank' ON CONFLICT DO NOTHING
"""
# Payments whose rows at the provider these are: with the payout they were explained, without it they are open.
_BY_PROVIDER: Final = """
INSERT INTO ledger_recon_open (relation, item_no)
SELECT 'ledger-bank', e.left_no FROM ledger_recon_edge e JOIN ledger_recon_item p ON p.item_no = e.right_no
WHERE e.live AND e.relation = 'ledger-provider' AND e.right_no = ANY(:lefts)
AND NOT EXISTS (SELECT FROM ledger_recon_edge b WHERE b.live AND b.relation = 'ledger-bank' AND b.left_no = e.left_no)
ON CONFLICT DO NOTHING
"""


def matched(tx: Connection, relation: str, lefts: Sequence[int], rights: Sequence[int]) -> None:
    """Take movements that a person matched off the list, and have their statements booked."""
    for of, items in ((relation, lefts), (_of_right(relation), rights)):
        tx.execute(
            text("DELETE FROM ledger_recon_open WHERE relation = :relation AND item_no = ANY(:items)"),
            {"relation": of, "items": list(items)},
        )
    tx.execute(text(_DUE), {"items": list(rights)})


def unmatched(tx: Connection, relation: str, lefts: Sequence[int], rights: Sequence[int]) -> None:
    """Put movements whose match a person took apart on the list, and have their statements booked."""
    for of, items in ((relation, lefts), (_of_right(relation), rights)):
        rows = "CAST(:relation AS text), unnest(CAST(:items AS bigint[]))"
        tx.execute(text(_OPENS.format(rows=rows)), {"relation": of, "items": list(items)})
    tx.execute(text(_DUE), {"items": list(rights)})
    if relation == LEDGER_PROVIDER:
        # Without its row at the provider a payment is explained by the bank's own line or not at all.
        rows = (
            "'ledger-bank', l.item_no FROM unnest(CAST(:items AS bigint[])) AS l (item_no) WHERE NOT EXISTS (SELECT FROM "
            "ledger_recon_edge b WHERE b.live AND b.relation = 'ledger-bank' AND b.left_no = l.item_no)"
        )
        tx.execute(text(_OPENS.format(rows=rows)), {"items": list(lefts)})
    if relation == PROVIDER_BANK:
        tx.execute(text(_BY_PROVIDER), {"lefts": list(lefts)})


def _of_right(relation: str) -> str:
    return LEDGER_BANK if relation == PROVIDER_BANK else relation


def take_due(tx: Connection) -> Iterable[UUID]:
    """Take the statements that are due off the list."""
    rows = tx.execute(text("DELETE FROM ledger_recon_due RETURNING source_id")).scalars()
    return sorted(rows)
