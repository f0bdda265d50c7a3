"""Book the differences of stays' bills: entries for what moves money, lines for all of it (DESIGN §8.8, §8.9)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from sqlalchemy import Connection

from kernel.ids import EntryId, FareAccountId, LedgerAccountId, uuid8
from kernel.money import Currency, Money, currency
from ledger.follow_refunds import follow_refunds
from ledger.post import book_day, post
from ledger.purses import lock_purses
from ledger.rules import chart
from ledger.rules.account import AccountSpec
from ledger.rules.entry import Entry, Line, Refused
from ledger.rules.purse import Purse
from parking.rules.bill import Component, stay_ref
from parking.rules.difference import Difference
from parking.store import stays as store
from parking.store.stays import LineRow, StayRow

_KIND: Final = "parking"


@dataclass(frozen=True, slots=True)
class StayChange:
    """A stay's new revision and what it changes on the lines booked."""

    row: StayRow
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class PostedStays:
    """How many entries were posted, and which accounts owe more than before."""

    entries: int
    owing: frozenset[FareAccountId]


def post_changes(tx: Connection, changes: Sequence[StayChange], *, now: datetime) -> PostedStays:
    """Post the differences and write the revisions; the caller holds the accounts' locks.

    A charge beyond the balance goes to the account's receivable, so money never refuses a bill. A guest's
    differences are no more than what was paid in: what a guest still owes stands on no book.
    """
    if not changes:
        return PostedStays(0, frozenset())
    purses = _lock_purses(tx, changes, now)
    owing: set[FareAccountId] = set()
    entries: list[Entry] = []
    lines: list[LineRow] = []
    for change in changes:
        for number, difference in enumerate(change.differences, 1):
            entry = _entry(change.row, number, difference, purses, owing, now)
            if entry is not None:
                entries.append(entry)
            lines.append(_line(change.row, number, difference, entry))
    days: dict[EntryId, date] = {}
    for outcome in post(tx, entries, now):
        assert not isinstance(outcome, Refused), f"a stay's entry was refused under its lock: {outcome}"
        days[outcome.entry_id] = outcome.book_day
    store.upsert_stays(tx, [change.row for change in changes])
    shared = {day: book_day(tx, day, now) for day in {line.book_day for line in lines}}
    store.insert_lines(
        tx,
        [
            replace(line, book_day=days[EntryId(line.entry_id)] if line.entry_id else shared[line.book_day])
            for line in lines
        ],
    )
    follow_refunds(tx, entries, now=now)
    return PostedStays(len(entries), frozenset(owing))


def entry_id(row: StayRow, number: int) -> EntryId:
    """Return the id of one line of one revision: a replay computes the same one."""
    return EntryId(uuid8(_KIND, row.fare_account_id, row.stay_id, row.revision, number))


def _lock_purses(
    tx: Connection, changes: Iterable[StayChange], now: datetime
) -> dict[tuple[FareAccountId, Currency], Purse]:
    specs: dict[LedgerAccountId, AccountSpec] = {}
    riders: set[tuple[FareAccountId, Currency]] = set()
    for change in changes:
        money = currency(change.row.currency)
        for each in change.differences:
            if not each.minor or each.key.component is Component.PASS_COVERED:
                continue
            if each.key.component is Component.CHARGED:
                payable = chart.parking_payable(each.key.operator_id, money)
                specs[payable.account_id] = payable
                riders.add((change.row.fare_account_id, money))
            elif each.key.funder:
                for spec in (
                    chart.funder_receivable(each.key.funder, money),
                    chart.operator_subsidy(each.key.operator_id, money),
                ):
                    specs[spec.account_id] = spec
    return lock_purses(tx, riders, specs.values(), now)


def _entry(
    row: StayRow,
    number: int,
    change: Difference,
    purses: dict[tuple[FareAccountId, Currency], Purse],
    owing: set[FareAccountId],
    now: datetime,
) -> Entry | None:
    """Return the entry that books a difference; None where no money moves."""
    money = currency(row.currency)
    amount, back = Money(abs(change.minor), money), change.minor < 0
    payee = chart.parking_payable(change.key.operator_id, money).account_id
    if not amount or change.key.component is Component.PASS_COVERED:
        return None
    if change.key.component is Component.CHARGED:
        purse = purses[row.fare_account_id, money]
        owed = purse.debt
        lines = (purse.refund if back else purse.charge)(amount, payee)
        if purse.debt > owed:
            owing.add(row.fare_account_id)
    elif change.key.funder:
        payee = chart.operator_subsidy(change.key.operator_id, money).account_id
        payer = chart.funder_receivable(change.key.funder, money).account_id
        lines = (Line(payee, payer, amount) if back else Line(payer, payee, amount),)
    else:
        return None
    return Entry(
        entry_id=entry_id(row, number),
        kind=f"{_KIND}.{change.key.component.value}",
        lines=lines,
        owner_id=row.fare_account_id,
        service_day=row.stay_day,
        effective_at=now,
        cause=stay_ref(row.stay_id),
        narrative=f"{_KIND}.adjusted" if back else f"{_KIND}.{change.key.component.value}",
        corrects=EntryId(change.corrects) if back and change.corrects else None,
        metadata={"place": row.place_id, "rates": row.rates_version, "rule": change.key.rule},
    )


def _line(row: StayRow, number: int, change: Difference, entry: Entry | None) -> LineRow:
    return LineRow(
        fare_account_id=row.fare_account_id,
        stay_day=row.stay_day,
        stay_id=row.stay_id,
        revision=row.revision,
        line_no=number,
        component=change.key.component.value,
        operator_id=change.key.operator_id,
        place_id=row.place_id,
        funder=change.key.funder,
        rule=change.key.rule,
        currency=row.currency,
        delta_minor=change.minor,
        stays_delta=change.stays,
        book_day=row.stay_day,  # replaced by the day that the ledger gives
        entry_id=entry.entry_id if entry else None,
    )
