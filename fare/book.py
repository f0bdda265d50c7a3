"""Book the differences of bills: entries for what moves money, lines for all of it (DESIGN §8.8, §8.9)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from fare.rules.bill import Component
from fare.rules.difference import Difference
from fare.store import bills
from kernel.ids import EntryId, FareAccountId, uuid8
from kernel.money import Currency, Money
from ledger import post
from ledger.purses import lock_purses
from ledger.rules import chart
from ledger.rules.account import AccountSpec
from ledger.rules.entry import Entry, Line, Refused
from ledger.rules.purse import Purse

BY_FUNDER: Final = frozenset({Component.WAIVED.value, Component.DISCOUNTED.value})
CHARGED: Final = Component.CHARGED.value


@dataclass(frozen=True, slots=True)
class Revision:
    """One new revision of an account-day: its header, what it changes, and the tariff's currency."""

    header: bills.Header
    differences: tuple[Difference, ...]
    currency: Currency


@dataclass(frozen=True, slots=True)
class PostedRevisions:
    """How many entries were posted, and which accounts owe more than before."""

    entries: int
    owing: frozenset[FareAccountId]


@dataclass(slots=True)
class _Batch:
    purses: dict[tuple[FareAccountId, Currency], Purse]
    owing: set[FareAccountId] = field(default_factory=set)
    entries: list[Entry] = field(default_factory=list)


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
    batch = _Batch(_lock_purses(tx, revisions, now))
    for revision in revisions:
        for line_no, change in enumerate(revision.differences, 1):
            entry = _entry(revision, line_no, change, batch, now)
            if entry is not None:
                batch.entries.append(entry)
    outcomes = post.post(tx, batch.entries, now)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    assert not refused, f"a fare entry was refused although its accounts are locked: {refused[0]}"
    days = {outcome.entry_id: outcome.book_day for outcome in outcomes if not isinstance(outcome, Refused)}
    bills.insert_bills(tx, (bills.NewBill(revision.header, now) for revision in revisions))
    bills.insert_lines(tx, _lines(tx, revisions, days, now))
    return PostedRevisions(len(batch.entries), frozenset(batch.owing))


def _lock_purses(
    tx: Connection, revisions: Iterable[Revision], now: datetime
) -> dict[tuple[FareAccountId, Currency], Purse]:
    specs: list[AccountSpec] = []
    riders: set[tuple[FareAccountId, Currency]] = set()
    places: set[tuple[str, str, str, Currency]] = set()
    for revision in revisions:
        for change in revision.differences:
            if change.minor:
                places.add(
                    (change.key.component, change.key.operator_id, change.key.funder, revision.currency)
                )
                if change.key.component == CHARGED:
                    riders.add((revision.header.fare_account_id, revision.currency))
    for component, operator, funder, currency in places:
        if component == CHARGED:
            specs.append(chart.operator_payable(operator, currency))
        elif component in BY_FUNDER:
            specs += chart.operator_subsidy(operator, currency), chart.funder_receivable(funder, currency)
    return lock_purses(tx, riders, specs, now)


def _entry(
    revision: Revision, line_no: int, change: Difference, batch: _Batch, now: datetime
) -> Entry | None:
    """The entry that books one difference; None where no money moves (passes, caps, rides at 0)."""
    if not change.minor:
        return None
    amount = Money(abs(change.minor), revision.currency)
    header = revision.header
    if change.key.component == CHARGED:
        purse = batch.purses[header.fare_account_id, revision.currency]
        operator = chart.operator_payable(change.key.operator_id, revision.currency).account_id
        owed = purse.debt
        lines = (purse.refund if change.minor < 0 else purse.charge)(amount, operator)
        if purse.debt > owed:
            batch.owing.add(header.fare_account_id)
    elif change.key.component in BY_FUNDER:
        payer = chart.funder_receivable(change.key.funder, revision.currency).account_id
        payee = chart.operator_subsidy(change.key.operator_id, revision.currency).account_id
        lines = (Line(payee, payer, amount) if change.minor < 0 else Line(payer, payee, amount),)
    else:
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
    tx: Connection, revisions: Iterable[Revision], days: dict[EntryId, date], now: datetime
) -> Iterable[bills.NewLine]:
    """The rows of the differences; where no money moved, on the book day that an entry would have had."""
    otherwise: dict[date, date] = {}
    for revision in revisions:
        header = revision.header
        if header.service_day not in otherwise:
            otherwise[header.service_day] = post.book_day(tx, header.service_day, now)
        for line_no, change in enumerate(revision.differences, 1):
            posted: UUID = entry_id(header, line_no)
            booked = EntryId(posted) in days
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
                book_day=days[EntryId(posted)] if booked else otherwise[header.service_day],
                entry_id=posted if booked else None,
            )
