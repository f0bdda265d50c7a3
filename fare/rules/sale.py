"""Which passes a tariff sells to whom, for what window, and what of one is given back. Pure: values in, values out."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from fare.rules.adjust import WAITS_FOREVER, product_on, usable_until
from fare.rules.facts import HeldPass
from fare.rules.sales import PassTerms, RefundRule
from fare.rules.tariff import PassProduct, Tariff, TariffBook
from kernel.errors import DomainError
from kernel.money import Money
from kernel.service_day import service_day
from kernel.wire.cardinfo import Concession

MOST_AHEAD: Final = timedelta(days=92)
_SHOWN: Final = 5


class UnknownPassError(DomainError):
    """The tariff sells no such pass on this date."""

    detail = "The tariff sells no pass {product_id} on {date}."


class PassScopeError(DomainError):
    """A pass for one route or network needs to know which, and no other pass may name one; `fits` are those it may."""

    detail = "Pass {product_id} is for {whole}: {given} does not fit; what does: {which}."


class PassCategoryError(DomainError):
    """The pass is for holders of another concession."""

    detail = "Pass {product_id} is for category {category} only."


class PassStartError(DomainError):
    """A pass begins now or later, and not further ahead than a season."""

    detail = "A pass cannot begin at {starts_at}: it begins now or within {days} days."


class NoRefund(StrEnum):
    """Why nothing of a pass is given back."""

    NO_RULE = "no-rule"  # the tariff says nothing, or no
    ENDED = "ended"  # given back before
    USED = "used"
    OVER = "over"  # no whole day is left
    FEE = "fee"  # the fee takes all that is left


@dataclass(frozen=True, slots=True)
class OnSale:
    """A pass that is sold on a date; `for_you` says whether one of the buyer's categories may buy it."""

    product: PassProduct
    terms: PassTerms | None
    for_you: bool


@dataclass(frozen=True, slots=True)
class Refundable:
    """What a pass is worth given back now, what is kept, and the instant from which it covers nothing."""

    amount: Money
    fee: Money
    days_left: int
    days: int
    ended_at: datetime
    rule: str
    rule_status: str = ""


def check_start(starts_at: datetime, now: datetime) -> datetime:
    """Return the start of a pass that is bought at `now`; PassStartError for the past and the far future."""
    if not now <= starts_at <= now + MOST_AHEAD:
        raise PassStartError(starts_at=starts_at.isoformat(), days=MOST_AHEAD.days)
    return starts_at


def on_sale(tariff: TariffBook, at: datetime, categories: Collection[int]) -> tuple[OnSale, ...]:
    """Return every pass that the tariff sells at an instant, by product id."""
    day = tariff.local_date(at)
    found = []
    for name in sorted(tariff.passes):
        product = product_on(tariff.passes[name], day)
        if product is not None and product.valid_from <= day <= product.valid_to:
            found.append(OnSale(product, tariff.sales.terms_of(name, day), _may_buy(product, categories)))
    return tuple(found)


def check_sale(
    tariff: TariffBook, product_id: str, scope: str, categories: Collection[int], at: datetime
) -> PassProduct:
    """Return the product as sold at `at`; UnknownPassError, PassScopeError, PassCategoryError."""
    day = tariff.local_date(at)
    product = product_on(tariff.passes.get(product_id, ()), day)
    if product is None or not product.valid_from <= day <= product.valid_to:
        raise UnknownPassError(product_id=product_id, date=day.isoformat())
    check_scope(product, scope, tariff.on(day))
    if not _may_buy(product, categories):
        assert product.category is not None, "a product of no category is for everybody"
        raise PassCategoryError(product_id=product_id, category=product.category.name)
    return product


def scopes_of(product: PassProduct, in_force: Tariff) -> tuple[str, ...]:
    """Return the routes or networks that a pass may be for; none where it is for all it covers."""
    routes = in_force.routes.items()
    if product.scope == "route":
        return tuple(name for name, route in routes if _inside(route.networks, product))
    if product.scope == "network":
        served = {network for _, route in routes for network in route.networks}
        return tuple(sorted(network for network in served if _inside(frozenset({network}), product)))
    return ()


def check_scope(product: PassProduct, scope: str, in_force: Tariff) -> None:
    """Refuse with PassScopeError a pass for another route or network than it may be for, or for none of them."""
    fits = scopes_of(product, in_force)
    if scope not in (fits or ("",)):
        raise PassScopeError(
            product_id=product.product_id,
            scope=product.scope,
            whole=f"one {product.scope}" if fits else "all that it covers",
            given=scope or "nothing",
            fits=list(fits),
            which=listed(fits) if fits else "no scope",
        )


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence takes them: the first few, and how many there are."""
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} or another of {len(names)}"


def held_pass(
    tariff: TariffBook, product: PassProduct, pass_id: UUID, scope: str, starts_at: datetime
) -> HeldPass:
    """Return the pass as its holder will have it; one that waits for its first tap does so a season at most."""
    until = usable_until(product, starts_at, tariff)
    if until == WAITS_FOREVER:
        until = starts_at + MOST_AHEAD
    return HeldPass(pass_id, product.product_id, scope, starts_at, until)


def service_days(held: HeldPass, tariff: TariffBook) -> tuple[date, date]:
    """Return the first and the last service day that a pass covers any part of."""
    first = service_day(held.valid_from, tariff.day_starts, tariff.zone)
    last = service_day(held.valid_until - timedelta(microseconds=1), tariff.day_starts, tariff.zone)
    return first, last


def quote_refund(
    held: HeldPass,
    price: Money,
    terms: PassTerms | None,
    tariff: TariffBook,
    *,
    begun: bool,
    used: bool,
    now: datetime,
) -> Refundable | NoRefund:
    """Return what a pass is worth given back at `now`, or why nothing is.

    `held` has the window that really runs: for a pass that begins with its first tap and has begun, that
    one. `begun` is false for one that still waits for its first tap. A pass given back whole never covered anything, also for taps that are still to come in; one given
    back in part covers its current service day to the end.
    """
    if held.ended_at is not None:
        return NoRefund.ENDED
    if terms is None or terms.refund is RefundRule.NONE:
        return NoRefund.NO_RULE
    first, last = service_days(held, tariff)
    days = (last - first).days + 1
    if now >= held.valid_until:
        return NoRefund.OVER
    if not used and (not begun or now < held.valid_from or terms.refund is RefundRule.UNUSED):
        worth, left, ended_at = price, days, held.valid_from
    elif terms.refund is RefundRule.UNUSED:
        return NoRefund.USED
    else:
        today = service_day(now, tariff.day_starts, tariff.zone)
        left = (last - today).days
        if left <= 0:
            return NoRefund.OVER
        worth = price.share(left, days, terms.rounding)
        ended_at = tariff.day_bounds(today)[1]
    fee = min(terms.fee, worth)
    if not worth - fee:
        return NoRefund.FEE
    return Refundable(worth - fee, fee, left, days, ended_at, terms.rule, terms.status)


def _may_buy(product: PassProduct, categories: Collection[int]) -> bool:
    return product.category in {None, Concession.NORMAL} or int(product.category or 0) in categories


def _inside(networks: frozenset[str], product: PassProduct) -> bool:
    return not product.networks or networks <= product.networks
