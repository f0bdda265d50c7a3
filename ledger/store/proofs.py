"""The checks of `prove` in SQL: each statement returns only what is wrong, as (kind, where, expected, found).

`:after` is the last book day that is taken as proven: '-infinity' for none. Sums then begin at the closings of that
day and only the lines booked since are read; balances, which change in place, are all looked at every time.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from ledger.rules.book_day import ZONE
from ledger.rules.proof import Fault, FaultKind

_ALL: Final = "-infinity"
# Enough for the groups of a million lines in memory; a proof runs seldom and in transactions of its own. The planner
# takes a hash for as cheap as an addition: it is told that handing rows over between processes is cheaper.
_ROOM: Final = (
    "SET LOCAL work_mem = '256MB'; SET LOCAL parallel_tuple_cost = 0; SET LOCAL parallel_setup_cost = 10"
)

# What an account stood at on the last proven day.
_BASE: Final = """
    LEFT JOIN LATERAL (
        SELECT p.debits, p.credits FROM ledger_closing p
        WHERE CAST(:after AS date) > '-infinity' AND p.owner_id = {of}.owner_id AND p.account_id = {of}.account_id
          AND p.book_day <= CAST(:after AS date)
        ORDER BY p.book_day DESC LIMIT 1
    ) base ON true
"""
_PAIR: Final = "concat(coalesce({0}.debits, 0), ' / ', coalesce({0}.credits, 0))"

# Each side of the lines is added up where it is read, and only groups come together: balances, roll-ups, control
# sums and closings are all held against them.
_SUMS: Final = f"""
WITH moved AS MATERIALIZED (
    SELECT account_id, book_day, service_day, sum(debits) AS debits, sum(credits) AS credits FROM (
        SELECT debit_id AS account_id, book_day, service_day, sum(amount) AS debits, 0 AS credits
        FROM ledger_line WHERE book_day > CAST(:after AS date) GROUP BY debit_id, book_day, service_day
        UNION ALL
        SELECT credit_id, book_day, service_day, 0, sum(amount)
        FROM ledger_line WHERE book_day > CAST(:after AS date) GROUP BY credit_id, book_day, service_day
    ) m GROUP BY account_id, book_day, service_day
), by_account AS (
    SELECT account_id, sum(debits) AS debits, sum(credits) AS credits FROM moved GROUP BY account_id
), append_only AS (
    SELECT m.* FROM moved m LEFT JOIN ledger_balance b USING (account_id) WHERE b.account_id IS NULL
), rolled AS (
    SELECT account_id, book_day, service_day, sum(debits) AS debits, sum(credits) AS credits
    FROM ledger_rollup WHERE book_day > CAST(:after AS date) GROUP BY account_id, book_day, service_day
), by_kind AS (
    SELECT b.kind, b.currency, m.book_day, sum(m.debits) AS debits, sum(m.credits) AS credits
    FROM moved m JOIN ledger_balance b USING (account_id) GROUP BY b.kind, b.currency, m.book_day
), kept AS (
    SELECT kind, currency, book_day, sum(debits) AS debits, sum(credits) AS credits
    FROM ledger_control WHERE book_day > CAST(:after AS date) GROUP BY kind, currency, book_day
), running AS (
    SELECT account_id, book_day, sum(sum(debits)) OVER w AS debits, sum(sum(credits)) OVER w AS credits
    FROM moved WHERE book_day <= (SELECT max(book_day) FROM ledger_seal) GROUP BY account_id, book_day
    WINDOW w AS (PARTITION BY account_id ORDER BY book_day)
), closed AS (
    SELECT r.account_id, r.book_day, r.debits + coalesce(base.debits, 0) AS debits,
           r.credits + coalesce(base.credits, 0) AS credits
    FROM running r JOIN ledger_account a USING (account_id) {_BASE.format(of="a")}
), closing AS (
    SELECT account_id, book_day, debits, credits FROM ledger_closing WHERE book_day > CAST(:after AS date)
)
SELECT '{FaultKind.BALANCE.name}', concat(b.owner_id, '/', b.account_id), e.posted::text, b.posted::text
FROM ledger_balance b LEFT JOIN by_account m USING (account_id) {_BASE.format(of="b")}
CROSS JOIN LATERAL (SELECT b.normal * (coalesce(m.credits, 0) + coalesce(base.credits, 0)
    - coalesce(m.debits, 0) - coalesce(base.debits, 0)) AS posted) e
WHERE b.posted <> e.posted
UNION ALL
SELECT '{FaultKind.ROLLUP.name}', concat_ws(' ', account_id, 'booked', book_day, 'about', service_day),
       {_PAIR.format("m")}, {_PAIR.format("r")}
FROM append_only m FULL JOIN rolled r USING (account_id, book_day, service_day)
WHERE (m.debits, m.credits) IS DISTINCT FROM (r.debits, r.credits)
UNION ALL
SELECT '{FaultKind.CONTROL.name}', concat_ws(' ', kind, currency, book_day), {_PAIR.format("m")}, {_PAIR.format("k")}
FROM by_kind m FULL JOIN kept k USING (kind, currency, book_day)
WHERE (m.debits, m.credits) IS DISTINCT FROM (k.debits, k.credits)
UNION ALL
SELECT '{FaultKind.CLOSING.name}', concat_ws(' ', account_id, book_day), {_PAIR.format("e")}, {_PAIR.format("c")}
FROM closed e FULL JOIN closing c USING (account_id, book_day)
WHERE (e.debits, e.credits) IS DISTINCT FROM (c.debits, c.credits)
"""

_OWNERS: Final = f"""
SELECT '{FaultKind.ROLLUP.name}', concat(r.owner_id, '/', r.account_id), 'an append-only account of this owner', 'none'
FROM (SELECT DISTINCT owner_id, account_id FROM ledger_rollup WHERE book_day > CAST(:after AS date)) r
WHERE NOT EXISTS (SELECT FROM ledger_account a
    WHERE a.owner_id = r.owner_id AND a.account_id = r.account_id AND NOT a.guarded)
UNION ALL
SELECT '{FaultKind.CLOSING.name}', concat(r.owner_id, '/', r.account_id), 'an account of this owner', 'none'
FROM (SELECT DISTINCT owner_id, account_id FROM ledger_closing WHERE book_day > CAST(:after AS date)) r
WHERE NOT EXISTS (SELECT FROM ledger_account a WHERE a.owner_id = r.owner_id AND a.account_id = r.account_id)
UNION ALL
SELECT '{FaultKind.ROLLUP.name}', concat_ws(' ', account_id, 'booked', book_day, 'about', service_day),
       'a slot from 0 to 63', slot::text
FROM ledger_rollup WHERE book_day > CAST(:after AS date) AND slot NOT BETWEEN 0 AND 63
UNION ALL
SELECT '{FaultKind.CONTROL.name}', concat_ws(' ', kind, currency, book_day), 'a slot from 0 to 63', slot::text
FROM ledger_control WHERE book_day > CAST(:after AS date) AND slot NOT BETWEEN 0 AND 63
"""

_HELD: Final = f"""
WITH held AS (
    SELECT b.owner_id, b.account_id, sum(h.amount) AS amount
    FROM ledger_hold h JOIN ledger_balance b ON b.owner_id = h.owner_id
      AND b.account_id = CASE b.normal WHEN 1 THEN h.debit_id ELSE h.credit_id END
    WHERE h.state = 'open' GROUP BY b.owner_id, b.account_id
)
SELECT '{FaultKind.PENDING.name}', concat(b.owner_id, '/', b.account_id), coalesce(h.amount, 0)::text, b.pending::text
FROM ledger_balance b LEFT JOIN held h USING (owner_id, account_id) WHERE b.pending <> coalesce(h.amount, 0)
"""

_AS_OPENED: Final = f"""
SELECT '{FaultKind.ACCOUNT.name}', concat(owner_id, '/', account_id),
       concat_ws(' ', a.kind, a.currency, CASE WHEN a.type IN ('asset', 'expense') THEN -1 ELSE 1 END,
                 a.state = 'open', -a.limit_minor),
       concat_ws(' ', b.kind, b.currency, b.normal, b.open, b.floor)
FROM (SELECT * FROM ledger_account WHERE guarded) a FULL JOIN ledger_balance b USING (owner_id, account_id)
WHERE a.account_id IS NULL OR b.account_id IS NULL OR a.kind <> b.kind OR a.currency <> b.currency
   OR b.normal <> CASE WHEN a.type IN ('asset', 'expense') THEN -1 ELSE 1 END
   OR b.open <> (a.state = 'open') OR b.floor <> -a.limit_minor
"""

_LINE: Final = "concat(l.owner_id, '/', l.entry_id, '/', l.line_no)"
_LINES: Final = f"""
SELECT f.kind, {_LINE}, f.expected, f.found
FROM (
    SELECT l.owner_id, l.entry_id, l.line_no, l.book_day, l.debit_id, l.credit_id, l.currency,
           d.account_id IS NULL OR c.account_id IS NULL OR d.currency <> l.currency OR c.currency <> l.currency
           OR (d.guarded OR d.owner_kind = 'rider') AND d.owner_id <> l.owner_id
           OR (c.guarded OR c.owner_kind = 'rider') AND c.owner_id <> l.owner_id AS broken,
           s.book_day IS NULL AND l.book_day <= (SELECT max(book_day) FROM ledger_seal) AS slipped
    FROM ledger_line l
    LEFT JOIN ledger_account d ON d.account_id = l.debit_id
    LEFT JOIN ledger_account c ON c.account_id = l.credit_id
    LEFT JOIN ledger_seal s ON s.book_day = l.book_day
    WHERE l.book_day > CAST(:after AS date)
) l CROSS JOIN LATERAL (VALUES
    (l.broken, '{FaultKind.LINE_BROKEN.name}', 'accounts of its currency and owner',
     concat_ws(' ', l.debit_id, l.credit_id, l.currency)),
    (l.slipped, '{FaultKind.LINE_ADDED.name}', 'no line: nothing was sealed', l.book_day::text)
) f (wrong, kind, expected, found)
WHERE (l.broken OR l.slipped) AND f.wrong
"""


def _first_id(day: str) -> str:
    """Return SQL for the smallest version 7 id of a local date."""
    millis = f"(extract(epoch FROM ({day})::timestamp AT TIME ZONE '{ZONE.key}') * 1000)::bigint"
    return f"(lpad(to_hex({millis}), 12, '0') || repeat('0', 20))::uuid"


_VERSION: Final = "get_byte(uuid_send(l.entry_id), 6) >> 4"
# The key keeps a line number once a day, so an entry of one line is whole as it stands. Ids of version 7 lie in
# their day's range; only those that a close moved on, or somebody else, are looked for on other days.
_ENTRIES: Final = f"""
WITH elsewhere AS MATERIALIZED (
    SELECT l.owner_id, l.entry_id, l.line_no, l.book_day,
           l.entry_id >= {_first_id("l.book_day + 1")} AS early
    FROM ledger_line l LEFT JOIN (
        -- OFFSET 0: the ids are made once a day and not once a line.
        SELECT book_day, {_first_id("book_day")} AS begins, {_first_id("book_day + 1")} AS ends
        FROM (SELECT book_day FROM ledger_seal UNION SELECT book_day FROM ledger_control
              UNION SELECT book_day FROM ledger_rollup
              WHERE book_day > (SELECT coalesce(max(book_day), '-infinity') FROM ledger_seal)) d OFFSET 0
    ) d ON d.book_day = l.book_day AND l.entry_id >= d.begins AND l.entry_id < d.ends
    WHERE l.book_day > CAST(:after AS date) AND d.book_day IS NULL AND {_VERSION} = 7
)
SELECT '{FaultKind.LINE_BROKEN.name}', concat(owner_id, '/', entry_id), concat(max(line_count), ' lines on one day'),
       concat(count(*), ' lines on ', book_day)
FROM ledger_line WHERE book_day > CAST(:after AS date) AND line_count > 1 GROUP BY owner_id, entry_id, book_day
HAVING count(*) <> max(line_count) OR min(line_count) <> max(line_count) OR max(line_no) <> max(line_count)
UNION ALL
SELECT '{FaultKind.LINE_BROKEN.name}', {_LINE}, 'booked once', concat('booked on ', l.book_day, ' and ', o.book_day)
FROM elsewhere l JOIN ledger_line o
  ON o.owner_id = l.owner_id AND o.entry_id = l.entry_id AND o.book_day <> l.book_day
UNION ALL
SELECT '{FaultKind.LINE_BROKEN.name}', {_LINE}, 'booked on the day of its id or later', l.book_day::text
FROM elsewhere l WHERE l.early
"""

_REGISTER: Final = f"""
SELECT '{FaultKind.REGISTER.name}', concat(l.owner_id, '/', l.entry_id), l.book_day::text,
       coalesce(d.book_day::text, 'nothing')
FROM ledger_line l LEFT JOIN ledger_derived d USING (owner_id, entry_id)
WHERE l.book_day > CAST(:after AS date) AND {_VERSION} <> 7 AND l.book_day IS DISTINCT FROM d.book_day
UNION ALL
SELECT '{FaultKind.REGISTER.name}', concat(d.owner_id, '/', d.entry_id), 'nothing', d.book_day::text
FROM ledger_derived d WHERE d.book_day > CAST(:after AS date) AND NOT EXISTS (SELECT FROM ledger_line l
    WHERE l.owner_id = d.owner_id AND l.entry_id = d.entry_id AND l.book_day = d.book_day)
"""

# An entry that a hold posted was booked on the day it ended or, if that was closed, later.
_HOLDS: Final = f"""
SELECT '{FaultKind.HOLD.name}', concat(h.owner_id, '/', h.hold_id),
       concat_ws(' ', 'an entry of', h.posted_minor, h.currency, h.kind, h.service_day, h.ended_at, h.cause),
       coalesce(concat_ws(' ', l.amount, l.currency, l.kind, l.service_day, l.posted_at, l.cause), 'none')
FROM ledger_hold h LEFT JOIN ledger_line l
  ON l.owner_id = h.owner_id AND l.entry_id = h.entry_id AND l.line_no = 1
WHERE h.state = 'posted' AND h.ended_at >= CAST(:after AS date)::timestamp AT TIME ZONE '{ZONE.key}'
  AND (l.debit_id, l.credit_id, l.amount, l.currency, l.service_day, l.kind, l.cause, l.narrative, l.metadata,
       l.posted_at, l.line_count)
  IS DISTINCT FROM (h.debit_id, h.credit_id, h.posted_minor, h.currency, h.service_day, h.kind, h.cause, h.narrative,
       h.metadata, h.ended_at, 1::smallint)
UNION ALL
SELECT '{FaultKind.HOLD.name}', concat(h.owner_id, '/', h.hold_id), 'an end after its beginning, expired not before its time',
       concat_ws(' ', h.state, h.ended_at)
FROM ledger_hold h WHERE h.state <> 'open'
  AND (h.ended_at < h.placed_at OR h.state = 'expired' AND h.ended_at < h.expires_at)
"""

CHECKS: Final[tuple[tuple[str, str], ...]] = (
    ("balances, roll-ups, control sums, closings", _SUMS),
    ("lines against accounts and seals", _LINES),
    ("entries whole, once", _ENTRIES),
    ("register of derived ids", _REGISTER),
    ("owners of roll-ups and closings", _OWNERS),
    ("balance rows against accounts", _AS_OPENED),
    ("held amounts", _HELD),
    ("ended holds", _HOLDS),
)


def run(tx: Connection, number: int, after: date | None = None) -> tuple[Fault, ...]:
    """Run one of CHECKS on what was booked after a proven day (None: on everything); return what is wrong."""
    _, statement = CHECKS[number]
    values = {"after": _ALL if after is None else after.isoformat()}
    return tuple(Fault(FaultKind[kind], *rest) for kind, *rest in tx.execute(text(statement), values))


def snapshot(tx: Connection) -> str:
    """Freeze what this transaction sees and return the name under which others may see the same."""
    tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    tx.execute(text(_ROOM))
    name: str = tx.execute(text("SELECT pg_export_snapshot()")).scalar_one()
    return name


def adopt(tx: Connection, name: str) -> None:
    """See exactly what the exporting transaction sees."""
    assert all(letter in "0123456789ABCDEF-" for letter in name), "a snapshot's name"
    tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    tx.execute(text(f"SET TRANSACTION SNAPSHOT '{name}'"))
    tx.execute(text(_ROOM))


def insert(
    tx: Connection,
    proof_id: UUID,
    *,
    since: date | None,
    through: date,
    head: bytes,
    lines: int,
    now: datetime,
) -> None:
    """Store a proof that found nothing."""
    tx.execute(
        text(
            "INSERT INTO ledger_proof (proof_id, since, through, head, lines, made_at) "
            "VALUES (:proof_id, :since, :through, :head, :lines, :now)"
        ),
        {"proof_id": proof_id, "since": since, "through": through, "head": head, "lines": lines, "now": now},
    )


def last(tx: Connection) -> tuple[date, bytes] | None:
    """Return the day, and the head of its seal, that the farthest proof reached; None before the first."""
    found = tx.execute(
        text("SELECT through, head FROM ledger_proof ORDER BY through DESC, made_at DESC LIMIT 1")
    ).one_or_none()
    return None if found is None else (found.through, bytes(found.head))
