"""What funders owe for waived and discounted fares: what nobody asked for yet, and each statement with where it stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from flask import render_template

from kernel.money import VND, Currency, Money
from kernel.service_day import local_date
from ledger import subsidy
from ledger.rules.book_day import ZONE
from ledger.rules.subsidy import Subsidy, SubsidyState
from service import auth
from service.auth import requires
from service.console.frame import FUNDER_READERS, pages
from service.services import services

blueprint: Final = pages("funders_page", __name__)


class Stage(StrEnum):
    """Where a statement stands for whoever waits for its money."""

    UNSIGNED = "unsigned"
    AWAITED = "awaited"
    RECEIVED = "received"
    PASSED_ON = "passed_on"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class FunderRow:
    """One funder: what it was not asked for yet, and what its statements come to at each stage."""

    funder: str
    claims: int
    unclaimed: Money
    unsigned: Money
    awaited: Money
    received: Money
    passed_on: Money


@dataclass(frozen=True, slots=True)
class FundersPage:
    """The page as one value; a template only lays it out. `statements` are the newest, newest first."""

    funders: tuple[FunderRow, ...]
    statements: tuple[tuple[Subsidy, Stage], ...]
    now: datetime
    today: date

    @property
    def empty(self) -> bool:
        """Return whether no funder ever owed anything."""
        return not (self.funders or self.statements)


@blueprint.get("/funders")
@requires(*FUNDER_READERS)
def listed() -> str:
    """Return the page."""
    now = services().clock.now()
    today = local_date(now, ZONE)
    with services().database.read() as tx:
        unclaimed = subsidy.list_unclaimed(tx, today)
        statements = subsidy.list_subsidies(tx)
    page = FundersPage(
        funders=sum_by_funder(unclaimed, statements),
        statements=tuple((one, stage_of(one)) for one in statements),
        now=now,
        today=today,
    )
    return render_template("funders.html", page=page, principal=auth.principal())


def stage_of(statement: Subsidy) -> Stage:
    """Return where a statement stands; the bank says whether its money has come, a payout whether it went on."""
    match statement.state:
        case SubsidyState.PREPARED:
            return Stage.UNSIGNED
        case SubsidyState.REFUSED | SubsidyState.WITHDRAWN:
            return Stage.GONE
        case SubsidyState.SENT if statement.received_on is None:
            return Stage.AWAITED
        case SubsidyState.SENT:
            return Stage.RECEIVED if statement.paid_by is None else Stage.PASSED_ON


def sum_by_funder(
    unclaimed: Sequence[tuple[str, int, Money]], statements: Sequence[Subsidy], unit: Currency = VND
) -> tuple[FunderRow, ...]:
    """Return a row a funder, by name. What is gone counts nowhere: its claims are among those not asked for."""
    open_ = {funder: (claims, total) for funder, claims, total in unclaimed}
    nothing = (0, Money.zero(unit))

    def total(funder: str, stage: Stage) -> Money:
        found = (one.total for one in statements if one.funder == funder and stage_of(one) is stage)
        return sum(found, Money.zero(unit))

    return tuple(
        FunderRow(
            funder,
            *open_.get(funder, nothing),
            unsigned=total(funder, Stage.UNSIGNED),
            awaited=total(funder, Stage.AWAITED),
            received=total(funder, Stage.RECEIVED),
            passed_on=total(funder, Stage.PASSED_ON),
        )
        for funder in sorted(open_.keys() | {one.funder for one in statements})
    )
