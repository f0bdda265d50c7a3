"""Per stay: is its money settled or held, since when, why, and by whose word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.money import Money, currency
from ledger.accounts import read_open_balances
from ledger.agreed import Agreement, list_agreements, list_topups
from ledger.rules import chart
from parking.rules.payment import Method
from parking.rules.settled import Part, Settled, account_part, cash_part, rail_part, settle
from parking.store import payments as store
from parking.store.payments import Payment
from parking.store.stays import StayRow

_UNKNOWN: Final = "not_booked"


def list_settled(tx: Connection, rows: Sequence[StayRow], *, now: datetime) -> dict[UUID, Settled]:
    """Return where the money of each of these stays stands."""
    paid = store.list_of_stays(tx, [row.stay_id for row in rows if row.guest])
    agreed = list_agreements(tx, [each.payment_id for each, _ in paid if each.method == Method.VIETQR.value])
    accounts = {row.fare_account_id for row in rows if not row.guest}
    topups = list_topups(tx, accounts)
    owing = _owing(tx, [row for row in rows if not row.guest], now)
    found: dict[UUID, Settled] = {}
    for row in rows:
        unit = currency(row.currency)
        charged = Money(row.charged_minor, unit)
        if row.guest:
            mine = [(each, closed) for each, closed in paid if each.stay_id == row.stay_id]
            got = sum(each.amount_minor for each, _ in mine)
            owed = Money(max(row.charged_minor - got, 0), unit)
            parts = [_part(each, closed, agreed.get(each.payment_id)) for each, closed in mine]
            found[row.stay_id] = settle(charged, owed, parts, running=row.running)
            continue
        before = [
            _topup(each, unit.code)
            for each in topups.get(row.fare_account_id, ())
            if each.paid_at <= row.billed_at
        ]
        part = account_part(charged, str(row.fare_account_id), before, owes=row.fare_account_id in owing)
        found[row.stay_id] = settle(charged, Money.zero(unit), [part] if charged else [], running=row.running)
    return found


def _part(paid: Payment, closed_at: datetime | None, agreed: Agreement | None) -> Part:
    amount, ref = Money(paid.amount_minor, currency(paid.currency)), str(paid.payment_id)
    if paid.method != Method.VIETQR.value:
        return cash_part(paid.method, amount, ref, closed_at)
    return rail_part(
        paid.method,
        amount,
        ref,
        provider_at=agreed.provider_at if agreed else None,
        bank_at=agreed.bank_at if agreed else None,
        queue_reason=agreed.reason if agreed else _UNKNOWN,
    )


def _topup(one: Agreement, code: str) -> Part:
    return rail_part(
        "topup",
        Money.zero(currency(code)),
        str(one.payment_id),
        provider_at=one.provider_at,
        bank_at=one.bank_at,
        queue_reason=one.reason,
    )


def _owing(tx: Connection, rows: Sequence[StayRow], now: datetime) -> set[UUID]:
    specs = {
        (row.fare_account_id, row.currency): chart.rider_receivable(
            row.fare_account_id, currency(row.currency)
        )
        for row in rows
    }
    if not specs:
        return set()
    balances = read_open_balances(tx, [spec.account_id for spec in specs.values()], now)
    return {
        account
        for (account, _), spec in specs.items()
        if spec.account_id in balances and balances[spec.account_id].posted
    }
