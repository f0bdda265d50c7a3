"""Settle a closed book day: total, net per operator, prove the coverage of stored value, store it once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Final

from sqlalchemy import Connection

from kernel.money import VND, Currency, Money
from ledger.close_period import find_seal
from ledger.rules import chart
from ledger.rules import settlement as rules
from ledger.rules.errors import SettlementDiffersError
from ledger.rules.settlement import Coverage, Settled, SettleLine
from ledger.statement import trial_balance
from ledger.store import settlements as store

NET_KINDS: Final = (chart.OPERATOR_PAYABLE, chart.PARKING_PAYABLE)
SUBSIDY_KINDS: Final = (chart.OPERATOR_SUBSIDY,)


def settle(
    tx: Connection, book_day: date, lines: Iterable[SettleLine], now: datetime, *, unit: Currency = VND
) -> Settled:
    """Settle a closed book day from the businesses' lines and return it.

    Settling again with the same lines (in any order) answers what is stored, also when two run at once; with
    other lines it is SettlementDiffersError. DayNotClosedError while the day can still change.
    """
    # A day on which nothing was booked may have been closed along with a later one: it has that one's seal.
    seal = find_seal(tx, book_day)
    handed_in = sorted(
        lines, key=lambda line: (line.operator_id, line.house, line.mode, line.route_id, line.trips)
    )
    digest = rules.digest(handed_in)
    moved = store.operator_sums(tx, book_day, unit, net_kinds=NET_KINDS, subsidy_kinds=SUBSIDY_KINDS)
    settlements = rules.settle_lines(book_day, handed_in, moved, unit=unit, now=now)
    covered = coverage(tx, book_day, unit=unit)
    if store.insert_day(tx, covered, digest, now, sealed_on=seal.book_day):
        store.insert(tx, settlements, handed_in)
        return Settled(book_day, settlements, tuple(handed_in), covered, first_time=True)
    earlier = store.find_day(tx, book_day, unit)
    assert earlier is not None, "the row that was in the way"
    if earlier.digest != digest:
        raise SettlementDiffersError(
            operator="all operators", book_day=book_day.isoformat(), field="set of lines"
        )
    stored = find_settled(tx, book_day, unit=unit)
    assert stored is not None
    return stored


def find_settled(tx: Connection, book_day: date, *, unit: Currency = VND) -> Settled | None:
    """Return a settled day as stored, or None."""
    day = store.find_day(tx, book_day, unit)
    if day is None:
        return None
    settlements = store.list_settlements(tx, book_day, unit, day.settled_at)
    lines = store.list_lines(tx, book_day, unit)
    return Settled(book_day, tuple(settlements), tuple(lines), day.coverage, first_time=False)


def coverage(tx: Connection, book_day: date, *, unit: Currency = VND) -> Coverage:
    """Return stored value at the end of a book day against guarantee and clearing accounts (Decree 52/2024)."""
    nets = {
        line.kind: line.type.normal * -line.net.minor
        for line in trial_balance(tx, through=book_day)
        if line.debits.currency == unit
    }

    def total(kind: str) -> Money:
        return Money(nets.get(kind, 0), unit)

    return Coverage(
        book_day,
        stored_value=total(chart.RIDER_STORED_VALUE),
        guarantee=total(chart.BANK_GUARANTEE),
        clearing=total(chart.PROVIDER_CLEARING) + total(chart.TILL) + total(chart.CASH_OFFICE),
        receivable=total(chart.RIDER_RECEIVABLE),
    )
