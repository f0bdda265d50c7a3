"""`price_stay`: the whole bill of one stay, a pure function of its events, the rates and the rights held."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NamedTuple
from uuid import UUID

from kernel.errors import DomainError
from kernel.ids import OperatorId
from kernel.money import Money
from parking.rules.book import RateBook
from parking.rules.cover import Discount, discounts
from parking.rules.edges import MissingPolicy
from parking.rules.errors import (
    ImpossibleTimesError,
    NoRateError,
    UncoveredTimeError,
    UnknownVehicleClassError,
)
from parking.rules.quote import Basis, Quote, priced_end, quote_between, quote_timeless
from parking.rules.rate import RateTable
from parking.rules.right import AssignedRight
from parking.rules.session import PRICED, Case, EventKind, State
from parking.rules.stay import Stay, StayEvent, fold_stays

RIDER = "rider"


class Component(Enum):
    """Who bears a part of a stay's face value."""

    CHARGED = "charged"
    DISCOUNTED = "discounted"
    PASS_COVERED = "pass_covered"  # noqa: S105 a component, not a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    """One part of the face value: `funder` pays `amount` to the operator, by `rule`."""

    component: Component
    operator_id: OperatorId
    funder: str
    amount: Money
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StayBill:
    """What a stay costs and who pays; the lines sum to the face value (`quote.total`).

    A stay that is open, void or cannot be priced has no lines; why is in `state`, `cases` and `reason`.
    """

    stay: Stay
    operator_id: OperatorId
    rates_version: str
    quote: Quote | None = None
    lines: tuple[BillLine, ...] = ()
    cuts: tuple[Discount, ...] = ()
    cases: tuple[Case, ...] = ()
    reason: str = ""
    priced_class: str = ""

    def charged(self) -> Money | None:
        """Return what the rider pays; None where nothing was priced."""
        if self.quote is None:
            return None
        nothing = Money.zero(self.quote.total.currency)
        return sum((each.amount for each in self.lines if each.component is Component.CHARGED), nothing)


class _Ends(NamedTuple):
    entered_at: datetime
    left_at: datetime
    policy: MissingPolicy | None
    case: Case | None


def price_stay(
    events: Iterable[StayEvent], rates: RateBook, rights: Iterable[AssignedRight] = ()
) -> StayBill:
    """Return the bill of the one stay that these events tell of, in whatever order they come.

    Events that tell of two stays are a programmer's error: `fold_stays` parts them first. Never refuses: what
    cannot be priced has a case and no lines.
    """
    stays = fold_stays(events)
    assert len(stays) == 1, f"one stay at a time, not {len(stays)}"
    return price_folded(stays[0], rates, rights)


def price_folded(stay: Stay, rates: RateBook, rights: Iterable[AssignedRight] = ()) -> StayBill:
    """Return the bill of a stay that is folded already; as `price_stay`."""
    place = rates.places.get(stay.place_id)
    if place is None:
        cases = (*stay.cases, Case.UNKNOWN_PLACE)
        return StayBill(
            stay=stay, operator_id=OperatorId(""), rates_version=rates.version, cases=cases, reason="place"
        )
    began_at = stay.events[0].at
    priced = StayBill(stay=stay, operator_id=place.operator_id, rates_version=rates.version, cases=stay.cases)
    if stay.state not in PRICED and not (stay.state is State.VOIDED and Case.NO_SHOW in stay.cases):
        return priced
    try:
        vehicle_class = stay.vehicle_class or place.default_class
        table = rates.table_for(stay.place_id, vehicle_class, began_at, user=stay.user)
        ends = _ends(stay, table)
        quote = _quote(stay, table, ends)
    except (NoRateError, UncoveredTimeError, ImpossibleTimesError, UnknownVehicleClassError) as error:
        return _unpriced(priced, error)
    found = [
        each
        for each in rights
        if each.touches(ends.entered_at, ends.left_at) and each.stay_id in {None, stay.stay_id}
    ]
    cuts = discounts(quote, rates, place, vehicle_class, found) if ends.policy is None else ()
    cases = priced.cases if ends.case is None or ends.case in priced.cases else (*priced.cases, ends.case)
    return StayBill(
        stay=stay,
        operator_id=place.operator_id,
        rates_version=rates.version,
        quote=quote,
        lines=_lines(quote, place.operator_id, cuts),
        cuts=cuts,
        cases=cases,
        priced_class=vehicle_class,
    )


def _unpriced(bill: StayBill, error: DomainError) -> StayBill:
    return StayBill(
        stay=bill.stay,
        operator_id=bill.operator_id,
        rates_version=bill.rates_version,
        cases=(*bill.cases, Case.NO_RATE),
        reason=str(error),
    )


def _ends(stay: Stay, table: RateTable) -> _Ends:
    """Return the two instants that are priced, or the policy for a stay that lacks one of them."""
    entered, left = stay.entered_at, stay.priced_until
    if entered is None:
        at = stay.events[0].at
        return _Ends(at, at, table.edges.missing_entry, None)
    if left is None:
        missed = stay.first(EventKind.MISSED_EXIT)
        assert missed is not None or stay.state is State.VOIDED, "left without an exit"
        return _Ends(entered, entered, table.edges.missing_exit, None)
    if stay.paid_until is not None:
        left = priced_end(table, stay.paid_until, left)
    if left < entered:
        # Two gates' clocks disagree: it was here (the card's counter says so), for no time we can tell.
        return _Ends(entered, entered, None, Case.CLOCKS_DISAGREE)
    return _Ends(entered, left, None, None)


def _quote(stay: Stay, table: RateTable, ends: _Ends) -> Quote:
    if Case.NO_SHOW in stay.cases:
        return quote_timeless(table, Basis.NO_SHOW, ends.entered_at, ends.left_at)
    match ends.policy:
        case None | MissingPolicy.MINIMUM:  # a stay of no length begins its first increment
            return quote_between(table, ends.entered_at, ends.left_at)
        case MissingPolicy.NOTHING:
            return quote_timeless(table, Basis.NOTHING, ends.entered_at, ends.left_at)
        case MissingPolicy.LOST_TICKET:
            assert table.lost_ticket is not None, "rate files with this policy have the collection"
            return quote_timeless(table, Basis.LOST_TICKET, ends.entered_at, ends.left_at)


def _lines(quote: Quote, operator_id: OperatorId, cuts: tuple[Discount, ...]) -> tuple[BillLine, ...]:
    left = quote.total
    found: list[BillLine] = []
    for cut in cuts:
        amount = min(cut.amount, left)
        if not amount:
            continue
        left -= amount
        found.append(
            BillLine(
                component=Component.PASS_COVERED if cut.covered else Component.DISCOUNTED,
                operator_id=operator_id,
                funder=cut.funder,
                amount=amount,
                rule=cut.rule,
            )
        )
    rule = f"{quote.table.table_id} ({quote.table.decision})"
    charged = BillLine(
        component=Component.CHARGED, operator_id=operator_id, funder=RIDER, amount=left, rule=rule
    )
    return (charged, *found)


@dataclass(frozen=True, slots=True)
class BillKey:
    """What two revisions of a stay's bill are compared by."""

    component: Component
    operator_id: OperatorId
    funder: str
    rule: str


def stay_ref(stay_id: UUID) -> str:
    """Return how a stay is named in the exception queue and in ledger causes."""
    return f"stay:{stay_id}"
