"""SQL of statements to funders: their claims, their steps, and whether the bank has shown their money."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, text

from kernel.ids import OperatorId
from kernel.money import Currency, Money, currency
from ledger.rules.settlement import Claim
from ledger.rules.subsidy import GONE, Subsidy, SubsidyEvent, SubsidyState, SubsidyStep
from ledger.store.settlements import claim_of

PREFIX: Final = "funder:"
"""What reconciliation calls a funder's payments: this and the funder."""
_LOCK: Final = 0x4C54_5342  # statements are made and ended one at a time, so that a claim is in one of them
_CLAIM: Final = "house, operator_id, route_id, service_day, funder, component, rule, rides, minor"
_UNCLAIMED: Final = """
FROM ledger_settlement_claim c WHERE currency = :unit AND book_day <= :through
AND NOT EXISTS (SELECT FROM ledger_subsidy_claim l WHERE l.live
    AND (l.book_day, l.currency, l.operator_id, l.claim_no) = (c.book_day, c.currency, c.operator_id, c.claim_no))
"""
# A payment is expected once the bank shows one that names the statement: funders take months, and what nobody has paid
# is no exception. What was withdrawn is not looked for any more.
_EXPECT: Final = """
INSERT INTO ledger_recon_item (item_id, side, pool, source_id, account, amount, fee, currency, occurred_on, identity,
    reference, end_to_end, qr_reference, payout, folded, reversal, recorded_at)
SELECT s.subsidy_id, 'ledger', :prefix || s.funder, s.subsidy_id, '', s.minor, 0, s.currency,
    (SELECT min(b.occurred_on) FROM ledger_recon_item b
        WHERE b.side = 'bank' AND b.qr_reference <> '' AND b.qr_reference = s.reference),
    '', '', '', s.reference, '', '', false, :now
FROM ledger_subsidy s WHERE s.state = 'sent'
AND EXISTS (SELECT FROM ledger_recon_item b WHERE b.side = 'bank' AND b.qr_reference <> '' AND b.qr_reference = s.reference)
AND NOT EXISTS (SELECT FROM ledger_recon_item k WHERE k.item_id = s.subsidy_id)
"""
_SELECT: Final = """
SELECT s.*, m.received_on, p.payout_id AS paid_by FROM ledger_subsidy s
LEFT JOIN LATERAL (
    SELECT max(b.occurred_on) AS received_on FROM ledger_recon_item i
    JOIN ledger_recon_edge e ON e.left_no = i.item_no AND e.live AND e.relation = 'ledger-bank'
    JOIN ledger_recon_item b ON b.item_no = e.right_no
    WHERE i.item_id = s.subsidy_id) m ON true
LEFT JOIN LATERAL (
    SELECT payout_id FROM ledger_payout_subsidy q WHERE q.subsidy_id = s.subsidy_id AND q.live LIMIT 1) p ON true
"""


def lock(tx: Connection) -> None:
    """Wait until nobody else makes, ends or pays on statements; held until this transaction ends."""
    tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def list_unclaimed(
    tx: Connection, funder: str, through_on: date, unit: Currency
) -> tuple[tuple[tuple[date, str, int], Claim], ...]:
    """Return the claims on a funder that no living statement has, each with its key (day, operator, number)."""
    rows = tx.execute(
        text(
            f"SELECT book_day, claim_no, {_CLAIM} {_UNCLAIMED} AND funder = :funder "
            "ORDER BY book_day, operator_id, claim_no"
        ),
        {"funder": funder, "unit": unit.code, "through": through_on},
    )
    return tuple(((row.book_day, row.operator_id, row.claim_no), claim_of(row, unit)) for row in rows)


def sum_unclaimed(tx: Connection, through_on: date, unit: Currency) -> tuple[tuple[str, int, int], ...]:
    """Return funder, number of claims and their sum of everything that no living statement has."""
    rows = tx.execute(
        text(
            f"SELECT funder, count(*) AS claims, sum(minor)::bigint AS minor {_UNCLAIMED} "
            'GROUP BY funder ORDER BY funder COLLATE "C"'
        ),
        {"unit": unit.code, "through": through_on},
    )
    return tuple((row.funder, row.claims, row.minor) for row in rows)


def insert(tx: Connection, made: Subsidy, keys: Sequence[tuple[date, str, int]]) -> None:
    """Write a statement with the keys of its claims."""
    unit = made.total.currency.code
    tx.execute(
        text(
            "INSERT INTO ledger_subsidy (subsidy_id, funder, currency, through_on, reference, minor, state, prepared_by, "
            "prepared_at) VALUES (:subsidy_id, :funder, :unit, :through_on, :reference, :minor, :state, :by, :at)"
        ),
        {
            "subsidy_id": made.subsidy_id,
            "funder": made.funder,
            "unit": unit,
            "through_on": made.through_on,
            "reference": made.reference,
            "minor": made.total.minor,
            "state": made.state.value,
            "by": made.prepared_by,
            "at": made.prepared_at,
        },
    )
    tx.execute(
        text(
            "INSERT INTO ledger_subsidy_claim (subsidy_id, book_day, currency, operator_id, claim_no, live) "
            "VALUES (:subsidy_id, :day, :unit, :operator, :number, true)"
        ),
        [
            {"subsidy_id": made.subsidy_id, "day": day, "unit": unit, "operator": operator, "number": number}
            for day, operator, number in keys
        ],
    )


def insert_step(tx: Connection, subsidy_id: UUID, made: SubsidyStep) -> None:
    """Write a step and the state it led to; the claims of a statement that is gone are free again."""
    tx.execute(
        text(
            "INSERT INTO ledger_subsidy_step (subsidy_id, step_no, event, state, actor, at, note) "
            "VALUES (:id, :step_no, :event, :state, :actor, :at, :note)"
        ),
        {
            "id": subsidy_id,
            "step_no": made.step_no,
            "event": made.event.value,
            "state": made.state.value,
            "actor": made.actor,
            "at": made.at,
            "note": made.note,
        },
    )
    tx.execute(
        text("UPDATE ledger_subsidy SET state = :state WHERE subsidy_id = :id"),
        {"state": made.state.value, "id": subsidy_id},
    )
    if made.state in GONE:
        tx.execute(
            text("UPDATE ledger_subsidy_claim SET live = false WHERE subsidy_id = :id"), {"id": subsidy_id}
        )


def find(tx: Connection, subsidy_id: UUID) -> Subsidy | None:
    """Return a statement as it stands, or None."""
    row = tx.execute(text(f"{_SELECT} WHERE s.subsidy_id = :id"), {"id": subsidy_id}).one_or_none()
    return None if row is None else _subsidies(tx, (row,))[0]


def list_subsidies(tx: Connection, *, limit: int = 200) -> tuple[Subsidy, ...]:
    """Return the newest statements, newest first."""
    rows = tx.execute(
        text(f"{_SELECT} ORDER BY s.prepared_at DESC, s.subsidy_id LIMIT :limit"), {"limit": limit}
    )
    return _subsidies(tx, rows.all())


def is_seen(tx: Connection, subsidy_id: UUID) -> bool:
    """Tell whether the bank has shown money that names this statement, matched or not."""
    return bool(
        tx.execute(
            text(
                "SELECT EXISTS (SELECT FROM ledger_subsidy s JOIN ledger_recon_item b ON b.qr_reference = s.reference "
                "AND b.qr_reference <> '' AND b.side = 'bank' WHERE s.subsidy_id = :id)"
            ),
            {"id": subsidy_id},
        ).scalar_one()
    )


def expect_seen(tx: Connection, now: datetime) -> int:
    """Tell reconciliation to expect the payments that the bank has shown; return how many are new."""
    return tx.execute(text(_EXPECT), {"prefix": PREFIX, "now": now}).rowcount


def list_payable(tx: Connection, unit: Currency) -> tuple[tuple[UUID, OperatorId, int], ...]:
    """Return statement, operator and amount of everything that funders paid and no living payout has passed on."""
    rows = tx.execute(
        text(
            "SELECT s.subsidy_id, c.operator_id, sum(d.minor)::bigint AS minor FROM ledger_subsidy s "
            "JOIN ledger_subsidy_claim c ON c.subsidy_id = s.subsidy_id AND c.live "
            "JOIN ledger_settlement_claim d ON (d.book_day, d.currency, d.operator_id, d.claim_no) = "
            "(c.book_day, c.currency, c.operator_id, c.claim_no) "
            "WHERE s.state = 'sent' AND s.currency = :unit AND EXISTS (SELECT FROM ledger_recon_item i "
            "JOIN ledger_recon_edge e ON e.left_no = i.item_no AND e.live AND e.relation = 'ledger-bank' "
            "WHERE i.item_id = s.subsidy_id) AND NOT EXISTS (SELECT FROM ledger_payout_subsidy p "
            "WHERE p.live AND p.subsidy_id = s.subsidy_id) "
            'GROUP BY s.subsidy_id, c.operator_id HAVING sum(d.minor) <> 0 ORDER BY c.operator_id COLLATE "C", s.subsidy_id'
        ),
        {"unit": unit.code},
    )
    return tuple((row.subsidy_id, OperatorId(row.operator_id), int(row.minor)) for row in rows)


def insert_passed_on(tx: Connection, payout_id: UUID, parts: Sequence[tuple[UUID, OperatorId, int]]) -> None:
    """Write what a payout passes on of statements."""
    if parts:
        tx.execute(
            text(
                "INSERT INTO ledger_payout_subsidy (payout_id, subsidy_id, operator_id, minor, live) "
                "VALUES (:payout, :subsidy, :operator, :minor, true)"
            ),
            [
                {"payout": payout_id, "subsidy": subsidy, "operator": operator, "minor": minor}
                for subsidy, operator, minor in parts
            ],
        )


def end_passed_on(tx: Connection, payout_id: UUID) -> None:
    """Free what a payout that is gone would have passed on."""
    tx.execute(
        text("UPDATE ledger_payout_subsidy SET live = false WHERE payout_id = :payout"), {"payout": payout_id}
    )


def list_passed_on(tx: Connection, payout_id: UUID) -> tuple[tuple[OperatorId, int], ...]:
    """Return what a payout passes on to each operator."""
    rows = tx.execute(
        text(
            "SELECT operator_id, sum(minor)::bigint AS minor FROM ledger_payout_subsidy WHERE payout_id = :payout "
            'GROUP BY operator_id HAVING sum(minor) <> 0 ORDER BY operator_id COLLATE "C"'
        ),
        {"payout": payout_id},
    )
    return tuple((OperatorId(row.operator_id), int(row.minor)) for row in rows)


def _subsidies(tx: Connection, rows: Sequence[Row[Any]]) -> tuple[Subsidy, ...]:
    """Return statements with their claims and steps: two queries, however many there are."""
    ids = {"ids": [row.subsidy_id for row in rows]}
    claims, steps = defaultdict[UUID, list[Claim]](list), defaultdict[UUID, list[SubsidyStep]](list)
    units = {row.subsidy_id: currency(row.currency) for row in rows}
    for one in tx.execute(
        text(
            f"SELECT l.subsidy_id, {_CLAIM} FROM ledger_subsidy_claim l JOIN ledger_settlement_claim c "
            "USING (book_day, currency, operator_id, claim_no) WHERE l.subsidy_id = ANY(:ids) "
            "ORDER BY book_day, operator_id, claim_no"
        ),
        ids,
    ):
        claims[one.subsidy_id].append(claim_of(one, units[one.subsidy_id]))
    for s in tx.execute(
        text(
            "SELECT subsidy_id, step_no, event, state, actor, at, note FROM ledger_subsidy_step "
            "WHERE subsidy_id = ANY(:ids) ORDER BY step_no"
        ),
        ids,
    ):
        steps[s.subsidy_id].append(
            SubsidyStep(s.step_no, SubsidyEvent(s.event), SubsidyState(s.state), s.actor, s.at, s.note)
        )
    return tuple(
        Subsidy(
            subsidy_id=row.subsidy_id,
            funder=row.funder,
            through_on=row.through_on,
            reference=row.reference,
            total=Money(row.minor, units[row.subsidy_id]),
            state=SubsidyState(row.state),
            prepared_by=row.prepared_by,
            prepared_at=row.prepared_at,
            received_on=row.received_on,
            paid_by=row.paid_by,
            claims=tuple(claims[row.subsidy_id]),
            steps=tuple(steps[row.subsidy_id]),
        )
        for row in rows
    )
