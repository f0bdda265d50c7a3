"""Book the differences of bills: entries for what moves money, lines for all of it (DESIGN §8.8, §8.9)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from sqlalchemy import Connection

from fare.rules.bill import Component, Parts
from fare.rules.difference import Difference
from fare.store import bills
from kernel.ids import EntryId, FareAccountId, uuid8
from kernel.money import Currency, Money
from ledger import post
from ledger.follow_refunds import follow_refunds
from ledger.purses import lock_purses
from ledger.rules import chart
from ledger.rules.account import AccountSpec
from ledger.rules.entry import Entry, Line, Refused
from ledger.rules.purse import Purse

BY_FUNDER: Final = frozenset({Component.WAIVED.value, Component.DISCOUNTED.value})
CHARGED: Final = Component.CHARGED.value


@dataclass(frozen=True, slots=True)
class Revision:
    """One new revision of an account-day: its header, what it changes, its parts, and the tariff's currency."""

    header: bills.Header
    differences: tuple[Difference, ...]
    parts: Parts
    currency: Currency


@dataclass(frozen=True, slots=True)
class PostedRevisions:
    """How many entries were posted, and which accounts owe more than before."""

    entries: int
    owing: frozenset[FareAccountId]


_Place = tuple[str, str, str, Currency]
"""Component, operator, funder and currency: what decides which accounts of the houses a difference moves."""


@dataclass(slots=True)
class _Batch:
    houses: dict[_Place, tuple[AccountSpec, ...]]
    purses: dict[tuple[FareAccountId, Currency], Purse]
    owing: set[FareAccountId] = field(default_factory=set)
    booked: list[tuple[Revision, int, Difference, Entry | None]] = field(default_factory=list)


def entry_id(header: bills.Header, line_no: int) -> EntryId:
    """The id of one line of one revision: a replay computes the same one (§8.9)."""
    return EntryId(
        uuid8("fare", header.fare_account_id, header.service_day.isoformat(), header.revision, line_no)
    )


def post_revisions(tx: Connection, revisions: Sequence[Revision], *, now: datetime) -> PostedRevisions:
    """Post the differences and write the revisions; the fare accounts are locked by the caller.

    What a charge exceeds the balance by goes to the account's receivable, so money never refuses a bill.
    """
    if not revisions:
        return PostedRevisions(0, frozenset())
    houses = _houses(revisions)
    batch = _Batch(houses, _lock_purses(tx, revisions, houses, now))
    for revision in revisions:
        for line_no, change in enumerate(revision.differences, 1):
            batch.booked.append((revision, line_no, change, _entry(revision, line_no, change, batch, now)))
    entries = [entry for _, _, _, entry in batch.booked if entry is not None]
    outcomes = post.post(tx, entries, now)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    assert not refused, f"a fare entry was refused although its accounts are locked: {refused[0]}"
    days = {outcome.entry_id: outcome.book_day for outcome in outcomes if not isinstance(outcome, Refused)}
    bills.insert_bills(
        tx,
        (
            bills.NewBill(revision.header, now, revision.currency.code, revision.parts)
            for revision in revisions
        ),
    )
    bills.insert_lines(tx, _lines(tx, batch, days, now))
    follow_refunds(tx, entries, now=now)
    return PostedRevisions(len(entries), frozenset(batch.owing))


def _place(change: Difference, currency: Currency) -> _Place:
    return change.key.component, change.key.operator_id, change.key.funder, currency


def _houses(revisions: Iterable[Revision]) -> dict[_Place, tuple[AccountSpec, ...]]:
    """Who receives, and who pays unless the rider does, for every place where money moves; empty where none does."""
    found: dict[_Place, tuple[AccountSpec, ...]] = {}
    for revision in revisions:
        for change in revision.differences:
            place = _place(change, revision.currency)
            if not change.minor or place in found:
                continue
            component, operator, funder, currency = place
            if component == CHARGED:
                found[place] = (chart.operator_payable(operator, currency),)
            elif component in BY_FUNDER:
                payer = chart.funder_receivable(funder, currency)
                found[place] = (chart.operator_subsidy(operator, currency), payer)
            else:
                found[place] = ()
    return found


def _lock_purses(
    tx: Connection,
    revisions: Iterable[Revision],
    houses: dict[_Place, tuple[AccountSpec, ...]],
    now: datetime,
) -> dict[tuple[FareAccountId, Currency], Purse]:
    riders = {
        (revision.header.fare_account_id, revision.currency)
        for revision in revisions
        for change in revision.differences
        if change.minor and change.key.component == CHARGED
    }
    return lock_purses(tx, riders, [spec for specs in houses.values() for spec in specs], now)


def _entry(
    revision: Revision, line_no: int, change: Difference, batch: _Batch, now: datetime
) -> Entry | None:
    """The entry that books one difference; None where no money moves (passes, caps, rides at 0)."""
    if not change.minor:
        return None
    header = revision.header
    match batch.houses[_place(change, revision.currency)]:
        case (payee,):
            purse = batch.purses[header.fare_account_id, revision.currency]
            owed = purse.debt
            move = purse.refund if change.minor < 0 else purse.charge
            lines = move(Money(abs(change.minor), revision.currency), payee.account_id)
            if purse.debt > owed:
                batch.owing.add(header.fare_account_id)
        case (payee, payer):
            amount = Money(abs(change.minor), revision.currency)
            debit, credit = (payee, payer) if change.minor < 0 else (payer, payee)
            lines = (Line(debit.account_id, credit.account_id, amount),)
        case _:
            return None
    return Entry(
        entry_id=entry_id(header, line_no),
        kind=f"fare.{change.key.component}",
        lines=lines,
        owner_id=header.fare_account_id,
        service_day=header.service_day,
        effective_at=now,
        cause=f"tap:{change.key.tap_id}",
        narrative=f"fare.{change.key.component}" if change.minor > 0 else "fare.adjusted",
        corrects=EntryId(change.corrects) if change.corrects and change.minor < 0 else None,
        metadata={"route": change.key.route_id, "rule": change.rule, "tariff": header.tariff_version},
    )


def _lines(
    tx: Connection, batch: _Batch, days: dict[EntryId, date], now: datetime
) -> Iterable[bills.NewLine]:
    """The rows of the differences; where no money moved, on the book day that an entry would have had."""
    otherwise: dict[date, date] = {}
    for revision, line_no, change, entry in batch.booked:
        header = revision.header
        if entry is None and header.service_day not in otherwise:
            otherwise[header.service_day] = post.book_day(tx, header.service_day, now)
        yield bills.NewLine(
            fare_account_id=header.fare_account_id,
            service_day=header.service_day,
            revision=header.revision,
            line_no=line_no,
            key=change.key,
            rule=change.rule,
            currency=revision.currency.code,
            delta_minor=change.minor,
            trips_delta=change.trips,
            book_day=otherwise[header.service_day] if entry is None else days[entry.entry_id],
            entry_id=None if entry is None else entry.entry_id,
        )
