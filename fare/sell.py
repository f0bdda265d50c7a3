"""Sell passes: the price by tariff at the time of purchase, the purchase as a dated fact (DESIGN §8.2)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from access.issue import lock_accounts
from fare.rules.adjust import pass_end, product_on
from fare.rules.facts import HeldPass
from fare.rules.tariff import PassProduct, TariffBook
from fare.store import facts
from kernel.errors import DomainError
from kernel.ids import EntryId, FareAccountId, uuid8
from kernel.money import Money
from kernel.service_day import service_day
from kernel.wire.cardinfo import Concession
from ledger import post
from ledger.accounts import open_accounts
from ledger.rules import chart
from ledger.rules.entry import Entry, Line, Refused


class UnknownPassError(DomainError):
    """The tariff sells no such pass on this date."""

    detail = "The tariff sells no pass {product_id} on {date}."


class PassScopeError(DomainError):
    """A pass for one route or network needs to know which, and no other pass may name one."""

    detail = "Pass {product_id} is for {scope}: {given} does not fit."


class PassCategoryError(DomainError):
    """The pass is for holders of another concession."""

    detail = "Pass {product_id} is for category {category} only."


class PassIdReusedError(DomainError):
    """The purchase id was used before for another pass."""

    detail = "Purchase {pass_id} was made before, for another pass."


@dataclass(frozen=True, slots=True)
class Sold:
    """The pass the account now holds; `again` when the same purchase was asked for before."""

    held: HeldPass
    price: Money
    again: bool = False


@dataclass(frozen=True, slots=True)
class TooLittle:
    """The balance does not pay for the pass: nothing was sold."""

    price: Money
    short: Money | None


def sell_pass(
    tx: Connection,
    *,
    pass_id: UUID,
    fare_account_id: FareAccountId,
    product_id: str,
    scope: str,
    concession: Concession,
    starts_at: datetime,
    tariff: TariffBook,
    now: datetime,
) -> Sold | TooLittle:
    """Sell a pass from the account's balance; the money is deferred revenue until it is ridden.

    `pass_id` is minted by the caller; asking again with it answers the first sale. A pass that starts with
    its first tap may be used from `starts_at` on. Raises UnknownPassError, PassScopeError, PassCategoryError.
    """
    lock_accounts(tx, [fare_account_id])
    product = _product(tariff, product_id, scope, concession, now)
    held = HeldPass(pass_id, product_id, scope, starts_at, pass_end(product, starts_at, tariff))
    before = facts.find_pass(tx, fare_account_id, pass_id)
    if before is not None:
        if (before.product_id, before.scope) != (product_id, scope):
            raise PassIdReusedError(pass_id=str(pass_id))
        return Sold(before, product.price, again=True)
    entry_id = None
    if product.price:
        payer = chart.rider_stored_value(fare_account_id, tariff.currency)
        payee = chart.deferred_pass(product_id, tariff.currency)
        open_accounts(tx, (payer, payee), now)
        entry_id = EntryId(uuid8("pass", fare_account_id, pass_id))
        (outcome,) = post.post(
            tx,
            [
                Entry(
                    entry_id=entry_id,
                    kind="fare.pass_sold",
                    lines=(Line(payer.account_id, payee.account_id, product.price),),
                    owner_id=fare_account_id,
                    service_day=service_day(now, tariff.day_starts, tariff.zone),
                    effective_at=now,
                    cause=f"pass:{pass_id}",
                    narrative="fare.pass_sold",
                    metadata={"product": product_id, "scope": scope, "tariff": tariff.version},
                )
            ],
            now,
        )
        if isinstance(outcome, Refused):
            return TooLittle(product.price, outcome.short)
    facts.insert_pass(tx, fare_account_id, held, price=product.price, purchased_at=now, entry_id=entry_id)
    return Sold(held, product.price)


def _product(
    tariff: TariffBook, product_id: str, scope: str, concession: Concession, now: datetime
) -> PassProduct:
    day = tariff.local_date(now)
    product = product_on(tariff.passes.get(product_id, ()), day)
    if product is None or not product.valid_from <= day <= product.valid_to:
        raise UnknownPassError(product_id=product_id, date=day.isoformat())
    if (product.scope in {"route", "network"}) != bool(scope):
        raise PassScopeError(product_id=product_id, scope=product.scope, given=scope or "nothing")
    if product.scope == "route" and scope not in tariff.on(day).routes:
        raise PassScopeError(product_id=product_id, scope=product.scope, given=scope)
    if product.category is not None and product.category is not concession:
        raise PassCategoryError(product_id=product_id, category=product.category.name)
    return product
