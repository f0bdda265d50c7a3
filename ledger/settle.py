"""Settle a book day: book shares and fees, total, net per operator, prove the coverage of stored value, store it once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from kernel.ids import EntryId, LedgerAccountId, OperatorId, uuid8
from kernel.money import VND, Currency, Money
from ledger import terms as terms_verbs
from ledger.accounts import open_accounts
from ledger.close_period import find_seal
from ledger.post import post
from ledger.rules import chart
from ledger.rules import settlement as rules
from ledger.rules.account import AccountSpec, OwnerKind
from ledger.rules.entry import Entry, Line, Refused
from ledger.rules.errors import SettlementDiffersError
from ledger.rules.settlement import Claim, Coverage, HouseDay, Settled, SettleLine
from ledger.rules.terms import Terms, apply_terms, share_parts
from ledger.statement import trial_balance
from ledger.store import settle_steps as steps
from ledger.store import settlements as store
from ledger.store.settle_steps import StepRow

PARKING: Final = "parking"
NET_KINDS: Final = (chart.OPERATOR_PAYABLE, chart.PARKING_PAYABLE, chart.OPERATOR_PASS)
SUBSIDY_KINDS: Final = (chart.OPERATOR_SUBSIDY,)
CASH_KINDS: Final = (chart.OPERATOR_CASH,)
SHARE: Final = "settle.share"
FEE: Final = "settle.fee"


def charge(tx: Connection, book_day: date, day: HouseDay, now: datetime, *, unit: Currency = VND) -> None:
    """Book what operators' terms give others and the scheme of an open day.

    Needs the day taken alone (`close_period.take_open`): afterwards nothing can be added that would be charged. Ids
    are derived, so that it is booked once.
    """
    terms = terms_verbs.in_force(tx, book_day, signed_by=now)
    charged = replace(day, lines=apply_terms(day.lines, terms))
    entries: list[Entry] = []
    specs: dict[LedgerAccountId, AccountSpec] = {}
    for kind, operator, sides in _dues(day, charged, terms, unit):
        lines = [_line(*side) for side in sides]
        specs |= {spec.account_id: spec for debit, credit, _ in sides for spec in (debit, credit)}
        entries.append(
            Entry(
                entry_id=EntryId(uuid8(kind, operator, book_day)),
                kind=kind,
                lines=tuple(lines),
                owner_id=chart.owner(OwnerKind.OPERATOR, operator),
                service_day=book_day,
                effective_at=now,
                cause=f"settle:{book_day.isoformat()}",
                narrative=kind,
            )
        )
    if entries:
        open_accounts(tx, tuple(specs.values()), now)
        for outcome in post(tx, entries, now):
            assert not isinstance(outcome, Refused), "operators' accounts have no floor"
            assert outcome.book_day == book_day, "the day is taken alone and open"


_Side = tuple[AccountSpec, AccountSpec, Money]


def _dues(
    day: HouseDay, charged: HouseDay, terms: Mapping[OperatorId, Terms], unit: Currency
) -> Iterator[tuple[str, OperatorId, list[_Side]]]:
    """Yield kind, operator and what moves (debit, credit, signed amount) for everybody who gives something."""
    given: dict[OperatorId, dict[tuple[str, OperatorId], Money]] = {}
    for part in share_parts(day.lines, terms):
        to = given.setdefault(part.line.operator_id, {})
        key = part.line.house, part.to
        to[key] = to.get(key, Money.zero(unit)) + part.amount
    for operator in sorted(given):
        sides = [
            (payable(house, operator, unit), payable(house, to, unit), amount)
            for (house, to), amount in sorted(given[operator].items())
            if amount
        ]
        if sides:
            yield SHARE, operator, sides
    fees: dict[tuple[OperatorId, str], Money] = {}
    for line in charged.lines:
        key_ = line.operator_id, line.house
        fees[key_] = fees.get(key_, Money.zero(unit)) + line.fees
    for operator in sorted({name for (name, _), amount in fees.items() if amount}):
        yield (
            FEE,
            operator,
            [
                (payable(house, operator, unit), chart.settlement_fees(unit), amount)
                for (name, house), amount in sorted(fees.items())
                if name == operator and amount
            ],
        )


def payable(house: str, operator: OperatorId, unit: Currency) -> AccountSpec:
    """Return the account that holds what a house has collected for an operator."""
    return (chart.parking_payable if house == PARKING else chart.operator_payable)(operator, unit)


def _line(debit: AccountSpec, credit: AccountSpec, amount: Money) -> Line:
    if amount.minor < 0:
        return Line(credit.account_id, debit.account_id, -amount)
    return Line(debit.account_id, credit.account_id, amount)


def settle(tx: Connection, book_day: date, day: HouseDay, now: datetime, *, unit: Currency = VND) -> Settled:
    """Settle a closed book day from the businesses' lines and claims, and return it.

    Fees and shares are those of the terms that were signed when the day was sealed: what `charge` booked. Settling
    again with the same ones (in any order) answers what is stored, also when two run at once; with others it is
    SettlementDiffersError. DayNotClosedError while the day can still change.
    """
    # A day on which nothing was booked may have been closed along with a later one: it has that one's seal.
    seal = find_seal(tx, book_day)
    charged = apply_terms(day.lines, terms_verbs.in_force(tx, book_day, signed_by=seal.sealed_at))
    handed_in = HouseDay(tuple(sorted(charged, key=_line_order)), tuple(sorted(day.claims, key=_claim_order)))
    digest = rules.digest(handed_in)
    moved = store.operator_sums(
        tx, book_day, unit, net_kinds=NET_KINDS, subsidy_kinds=SUBSIDY_KINDS, cash_kinds=CASH_KINDS
    )
    settlements = rules.settle_lines(book_day, handed_in.lines, moved, unit=unit, now=now)
    covered = coverage(tx, book_day, unit=unit)
    if store.insert_day(tx, covered, digest, now, sealed_on=seal.book_day):
        store.insert(tx, settlements, handed_in.lines, handed_in.claims)
        return Settled(book_day, settlements, handed_in.lines, handed_in.claims, covered, first_time=True)
    earlier = store.find_day(tx, book_day, unit)
    assert earlier is not None, "the row that was in the way"
    if earlier.digest != digest:
        raise SettlementDiffersError(
            operator="all operators", book_day=book_day.isoformat(), field="set of lines"
        )
    stored = find_settled(tx, book_day, unit=unit)
    assert stored is not None
    return stored


def _line_order(line: SettleLine) -> tuple[object, ...]:
    return line.operator_id, line.house, line.mode, line.route_id, line.service_day, line.trips


def _claim_order(one: Claim) -> tuple[object, ...]:
    return one.operator_id, one.house, one.route_id, one.service_day, one.funder, one.component, one.rule


def find_settled(tx: Connection, book_day: date, *, unit: Currency = VND) -> Settled | None:
    """Return a settled day as stored, or None."""
    day = store.find_day(tx, book_day, unit)
    if day is None:
        return None
    return Settled(
        book_day,
        tuple(store.list_settlements(tx, book_day, unit, day.settled_at)),
        tuple(store.list_lines(tx, book_day, unit)),
        tuple(store.list_claims(tx, book_day, unit)),
        day.coverage,
        first_time=False,
    )


def list_settled(tx: Connection, *, unit: Currency = VND, limit: int = 60) -> Sequence[date]:
    """Return the settled days, newest first."""
    return store.list_days(tx, unit, limit=limit)


def first_unsettled(tx: Connection, *, unit: Currency = VND) -> date | None:
    """Return the day after the newest settled one, else the first that anything was booked on; None for empty books."""
    newest = store.list_days(tx, unit, limit=1)
    return newest[0] + timedelta(days=1) if newest else store.first_booked(tx)


def one_at_a_time(tx: Connection, book_day: date) -> None:
    """Make settlings of one day wait for each other until the transaction ends; before any other lock."""
    steps.lock(tx, book_day)


def done(tx: Connection, book_day: date, step: str, detail: str, now: datetime) -> None:
    """Write a step of settling down, in the transaction that did it (DESIGN §8.18)."""
    steps.insert(tx, book_day, step, detail, now)


def list_steps(tx: Connection, book_day: date) -> Sequence[StepRow]:
    """Return what was done to a day, in order."""
    return steps.list_steps(tx, book_day)


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
