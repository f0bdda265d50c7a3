"""The checks of `prove` that are one statement each: they return only what is wrong."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from ledger.rules.proof import Fault, FaultKind

_MOVED: Final = """
    SELECT debit_id AS account_id, book_day, service_day, amount AS debits, 0 AS credits FROM ledger_line
    UNION ALL
    SELECT credit_id, book_day, service_day, 0, amount FROM ledger_line
"""

# Each answers (where, expected, found) for every row that is wrong.
CHECKS: Final[tuple[tuple[str, FaultKind, str], ...]] = (
    (
        "balances of guarded accounts",
        FaultKind.BALANCE,
        f"""
        WITH moved AS (
            SELECT account_id, sum(credits) - sum(debits) AS net FROM ({_MOVED}) m GROUP BY account_id
        )
        SELECT b.account_id::text, (coalesce(m.net, 0) * b.normal)::text, b.posted::text
        FROM ledger_balance b LEFT JOIN moved m USING (account_id)
        WHERE b.posted <> coalesce(m.net, 0) * b.normal
        """,
    ),
    (
        "roll-ups of append-only accounts",
        FaultKind.ROLLUP,
        f"""
        WITH moved AS (
            SELECT account_id, book_day, service_day, sum(debits) AS debits, sum(credits) AS credits
            FROM ({_MOVED}) m WHERE NOT EXISTS
                (SELECT FROM ledger_balance b WHERE b.account_id = m.account_id)
            GROUP BY account_id, book_day, service_day
        ), rolled AS (
            SELECT r.account_id, r.book_day, r.service_day, sum(r.debits) AS debits, sum(r.credits) AS credits
            FROM ledger_rollup r GROUP BY r.account_id, r.book_day, r.service_day
        )
        SELECT concat_ws(' ', account_id, 'booked', book_day, 'about', service_day),
               concat(coalesce(m.debits, 0), ' / ', coalesce(m.credits, 0)),
               concat(coalesce(r.debits, 0), ' / ', coalesce(r.credits, 0))
        FROM moved m FULL JOIN rolled r USING (account_id, book_day, service_day)
        WHERE (m.debits, m.credits) IS DISTINCT FROM (r.debits, r.credits)
        """,
    ),
    (
        "owners of roll-ups and closings",
        FaultKind.ROLLUP,
        """
        SELECT concat(r.owner_id, '/', r.account_id), 'an append-only account of this owner', 'none'
        FROM (SELECT owner_id, account_id FROM ledger_rollup
              UNION SELECT owner_id, account_id FROM ledger_closing) r
        WHERE NOT EXISTS (SELECT FROM ledger_account a
            WHERE a.owner_id = r.owner_id AND a.account_id = r.account_id AND NOT a.guarded)
        """,
    ),
    (
        "control sums of guarded accounts",
        FaultKind.CONTROL,
        f"""
        WITH moved AS (
            SELECT b.kind, b.currency, m.book_day, sum(m.debits) AS debits, sum(m.credits) AS credits
            FROM ({_MOVED}) m JOIN ledger_balance b USING (account_id) GROUP BY b.kind, b.currency, m.book_day
        ), kept AS (
            SELECT kind, currency, book_day, sum(debits) AS debits, sum(credits) AS credits
            FROM ledger_control GROUP BY kind, currency, book_day
        )
        SELECT concat_ws(' ', kind, currency, book_day),
               concat(coalesce(m.debits, 0), ' / ', coalesce(m.credits, 0)),
               concat(coalesce(k.debits, 0), ' / ', coalesce(k.credits, 0))
        FROM moved m FULL JOIN kept k USING (kind, currency, book_day)
        WHERE (m.debits, m.credits) IS DISTINCT FROM (k.debits, k.credits)
        """,
    ),
    (
        "closings",
        FaultKind.CLOSING,
        """
        WITH running AS (
            SELECT owner_id, account_id, book_day,
                   sum(sum(debits)) OVER w AS debits, sum(sum(credits)) OVER w AS credits
            FROM ledger_rollup WHERE book_day <= (SELECT max(book_day) FROM ledger_seal)
            GROUP BY owner_id, account_id, book_day
            WINDOW w AS (PARTITION BY owner_id, account_id ORDER BY book_day)
        )
        SELECT concat_ws(' ', account_id, book_day),
               concat(r.debits, ' / ', r.credits), concat(c.debits, ' / ', c.credits)
        FROM running r FULL JOIN ledger_closing c USING (owner_id, account_id, book_day)
        WHERE (r.debits, r.credits) IS DISTINCT FROM (c.debits, c.credits)
        """,
    ),
    (
        "held amounts",
        FaultKind.PENDING,
        """
        SELECT b.account_id::text, coalesce(h.held, 0)::text, b.pending::text
        FROM ledger_balance b LEFT JOIN LATERAL (
            SELECT sum(amount) AS held FROM ledger_hold h WHERE h.state = 'open' AND h.owner_id = b.owner_id
              AND b.account_id = CASE b.normal WHEN 1 THEN h.debit_id ELSE h.credit_id END
        ) h ON EXISTS (SELECT FROM ledger_hold o WHERE o.owner_id = b.owner_id AND o.state = 'open')
        WHERE b.pending <> coalesce(h.held, 0)
        """,
    ),
    (
        "balance rows against accounts",
        FaultKind.ACCOUNT,
        """
        SELECT concat(owner_id, '/', account_id),
               concat_ws(' ', a.kind, a.currency, CASE WHEN a.type IN ('asset', 'expense') THEN -1 ELSE 1 END,
                         a.state = 'open', -a.limit_minor),
               concat_ws(' ', b.kind, b.currency, b.normal, b.open, b.floor)
        FROM (SELECT * FROM ledger_account WHERE guarded) a FULL JOIN ledger_balance b USING (owner_id, account_id)
        WHERE a.account_id IS NULL OR b.account_id IS NULL OR a.kind <> b.kind OR a.currency <> b.currency
           OR b.normal <> CASE WHEN a.type IN ('asset', 'expense') THEN -1 ELSE 1 END
           OR b.open <> (a.state = 'open') OR b.floor <> -a.limit_minor
        """,
    ),
    (
        "lines against accounts",
        FaultKind.LINE_BROKEN,
        """
        SELECT concat(l.owner_id, '/', l.entry_id, '/', l.line_no), 'accounts of its currency and owner',
               concat_ws(' ', l.debit_id, l.credit_id, l.currency)
        FROM ledger_line l
        LEFT JOIN ledger_account d ON d.account_id = l.debit_id
        LEFT JOIN ledger_account c ON c.account_id = l.credit_id
        WHERE d.account_id IS NULL OR c.account_id IS NULL OR d.currency <> l.currency OR c.currency <> l.currency
           OR (d.guarded OR d.owner_kind = 'rider') AND d.owner_id <> l.owner_id
           OR (c.guarded OR c.owner_kind = 'rider') AND c.owner_id <> l.owner_id
        """,
    ),
    (
        "entries whole, once",
        FaultKind.LINE_BROKEN,
        """
        SELECT concat(owner_id, '/', entry_id), concat(max(line_count), ' lines on one day'),
               concat(count(*), ' lines, days ', min(book_day), ' to ', max(book_day))
        FROM ledger_line GROUP BY owner_id, entry_id
        HAVING count(*) <> max(line_count) OR min(line_count) <> max(line_count)
            OR max(line_no) <> max(line_count) OR min(book_day) <> max(book_day)
        """,
    ),
    (
        "register of derived ids",
        FaultKind.REGISTER,
        """
        WITH derived AS (
            SELECT DISTINCT owner_id, entry_id, book_day FROM ledger_line
            WHERE get_byte(uuid_send(entry_id), 6) >> 4 <> 7
        )
        SELECT concat(owner_id, '/', entry_id), coalesce(l.book_day::text, 'nothing'),
               coalesce(d.book_day::text, 'nothing')
        FROM derived l FULL JOIN ledger_derived d USING (owner_id, entry_id)
        WHERE l.book_day IS DISTINCT FROM d.book_day
        """,
    ),
    (
        "closed days without a seal",
        FaultKind.LINE_ADDED,
        """
        SELECT concat(l.owner_id, '/', l.entry_id, '/', l.line_no), 'no line: nothing was sealed', l.book_day::text
        FROM ledger_line l WHERE l.book_day <= (SELECT max(book_day) FROM ledger_seal)
          AND NOT EXISTS (SELECT FROM ledger_seal s WHERE s.book_day = l.book_day)
        """,
    ),
    (
        "ended holds",
        FaultKind.HOLD,
        """
        SELECT concat(h.owner_id, '/', h.hold_id), concat('an entry of ', h.posted_minor), coalesce(l.amount::text, 'none')
        FROM ledger_hold h LEFT JOIN ledger_line l
          ON l.owner_id = h.owner_id AND l.entry_id = h.entry_id AND l.line_no = 1
        WHERE h.state = 'posted' AND (l.entry_id IS NULL OR l.amount <> h.posted_minor
            OR l.debit_id <> h.debit_id OR l.credit_id <> h.credit_id)
        """,
    ),
)


def run(tx: Connection, number: int) -> tuple[Fault, ...]:
    """Run one of CHECKS and return what it found wrong."""
    _, kind, statement = CHECKS[number]
    return tuple(Fault(kind, *found) for found in tx.execute(text(statement)))


def count_lines(tx: Connection) -> int:
    """Return how many lines the ledger has."""
    count: int = tx.execute(text("SELECT count(*) FROM ledger_line")).scalar_one()
    return count


def snapshot(tx: Connection) -> str:
    """Freeze what this transaction sees and return the name under which others may see the same."""
    tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    name: str = tx.execute(text("SELECT pg_export_snapshot()")).scalar_one()
    return name


def adopt(tx: Connection, name: str) -> None:
    """See exactly what the exporting transaction sees."""
    assert all(letter in "0123456789ABCDEF-" for letter in name), "a snapshot's name"
    tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    tx.execute(text(f"SET TRANSACTION SNAPSHOT '{name}'"))
