"""Sell passes: the price by tariff at the time of purchase, the purchase as a dated fact (DESIGN §8.2).

From the balance, at an agent's till, by a payment that came for it, or as a gift to a group by its organiser.
Locks: book day, then the fare accounts by id, then the ledger's (§8.5).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Connection

from access.issue import lock_accounts
from access.link import list_media
from access.rules.medium import MediumState
from fare.rules.adjust import categories_of
from fare.rules.facts import HeldPass
from fare.rules.sale import (
    OnSale,
    PassCategoryError,
    PassScopeError,
    UnknownPassError,
    check_sale,
    held_pass,
    on_sale,
)
from fare.rules.tariff import PassProduct, TariffBook
from fare.store import facts, sales
from kernel.errors import DomainError
from kernel.ids import EntryId, FareAccountId, uuid8
from kernel.money import Money
from kernel.service_day import service_day
from kernel.wire.cardinfo import Concession
from ledger import post
from ledger.accounts import open_accounts
from ledger.rules import chart
from ledger.rules.account import AccountSpec
from ledger.rules.entry import Entry, Line, Refused

__all__ = [
    "Buying", "GroupTooSmallError", "PaidBy", "PassCategoryError", "PassIdReusedError", "PassScopeError",
    "Sold", "TooLittle", "UnknownPassError", "categories", "gift_passes", "list_on_sale", "list_sold", "quote_pass", "sell_pass",
]  # fmt: skip


class PassIdReusedError(DomainError):
    """The purchase id was used before for another pass."""

    detail = "Purchase {pass_id} was made before, for another pass."


class GroupTooSmallError(DomainError):
    """The tariff sells this pass to groups of more members, and each member once."""

    detail = "Pass {product_id} is sold to groups of at least {least}, once to each holder; {named} cards of {given} holders are named."


class PaidBy(StrEnum):
    """How the money of a pass came; the values are the ones the sale table stores."""

    BALANCE = "balance"
    VIETQR = "vietqr"
    TILL = "till"
    GIFT = "gift"
    LEGACY = "legacy"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Buying:
    """How a pass is bought, where that is not plainly the holder's own balance; `agent` names the till."""

    paid_by: PaidBy = PaidBy.BALANCE
    agent: str = ""
    renews: UUID | None = None
    sold_by: str = ""


def categories(tx: Connection, account: FareAccountId, tariff: TariffBook, at: datetime) -> tuple[int, ...]:
    """Return the categories an account may buy for at `at`: its active cards' and its proven entitlements'."""
    proven = facts.list_entitlements(tx, [account]).get(account, ())
    day = tariff.local_date(at)
    held = list_media(tx, [account], at=at)
    own = {card.concession for card in held if card.state is MediumState.ACTIVE}
    found = {category for one in own or {Concession.NORMAL} for category in categories_of(one, proven, day)}
    return tuple(sorted(found))


def list_sold(tx: Connection, account: FareAccountId) -> tuple[sales.Sale, ...]:
    """Return an account's passes, those that end last first."""
    return sales.list_sales(tx, account)


def list_on_sale(
    tx: Connection, account: FareAccountId, tariff: TariffBook, at: datetime
) -> tuple[OnSale, ...]:
    """Return every pass on sale at `at`, each with whether this account may buy it."""
    return on_sale(tariff, at, categories(tx, account, tariff, at))


def quote_pass(
    tx: Connection,
    *,
    pass_id: UUID,
    fare_account_id: FareAccountId,
    product_id: str,
    scope: str,
    starts_at: datetime,
    tariff: TariffBook,
    now: datetime,
) -> tuple[HeldPass, PassProduct]:
    """Return the pass as it would be held and its product, bought now; refuses as `sell_pass`."""
    may = categories(tx, fare_account_id, tariff, now)
    product = check_sale(tariff, product_id, scope, may, now)
    return held_pass(tariff, product, pass_id, scope, starts_at), product


def sell_pass(
    tx: Connection,
    *,
    pass_id: UUID,
    fare_account_id: FareAccountId,
    product_id: str,
    scope: str,
    starts_at: datetime,
    tariff: TariffBook,
    now: datetime,
    buying: Buying | None = None,
) -> Sold | TooLittle:
    """Sell a pass from the account's balance or at a till; the money is deferred revenue until it is earned.

    `pass_id` is minted by the caller; asking again with it answers the first sale. A pass that starts with
    its first tap may be used from `starts_at` on. Raises UnknownPassError, PassScopeError,
    PassCategoryError, PassIdReusedError.
    """
    how = buying or Buying()
    assert (how.paid_by is PaidBy.TILL) == bool(how.agent), "a till has an agent, and only a till"
    day = service_day(now, tariff.day_starts, tariff.zone)
    book_day = post.book_day(tx, day, now)
    lock_accounts(tx, [fare_account_id])
    before = sales.find_sale(tx, fare_account_id, pass_id)
    if before is not None:
        if (before.held.product_id, before.held.scope) != (product_id, scope):
            raise PassIdReusedError(pass_id=str(pass_id))
        return Sold(before.held, before.price, again=True)
    held, product = quote_pass(
        tx,
        pass_id=pass_id,
        fare_account_id=fare_account_id,
        product_id=product_id,
        scope=scope,
        starts_at=starts_at,
        tariff=tariff,
        now=now,
    )
    payer = (
        chart.till(how.agent, tariff.currency)
        if how.paid_by is PaidBy.TILL
        else chart.rider_stored_value(fare_account_id, tariff.currency)
    )
    entry = _entry(tx, held, product.price, payer, fare_account_id, fare_account_id, tariff, now)
    if entry is not None:
        (outcome,) = post.post(tx, [entry], now)
        if isinstance(outcome, Refused):
            return TooLittle(product.price, outcome.short)
        book_day = outcome.book_day
    facts.insert_pass(
        tx,
        fare_account_id,
        held,
        price=product.price,
        purchased_at=now,
        entry_id=entry.entry_id if entry else None,
    )
    sales.insert_sales(
        tx,
        [
            sales.NewSale(
                fare_account_id,
                pass_id,
                how.paid_by.value,
                None if how.paid_by is PaidBy.TILL else fare_account_id,
                how.agent,
                how.renews,
                None,
                tariff.version,
                how.sold_by,
                book_day,
            )
        ],
    )
    return Sold(held, product.price)


def gift_passes(
    tx: Connection,
    *,
    gift_id: UUID,
    organiser: FareAccountId,
    members: Sequence[FareAccountId],
    product_id: str,
    scope: str,
    starts_at: datetime,
    tariff: TariffBook,
    sold_by: str,
    now: datetime,
) -> tuple[Sold, ...] | TooLittle:
    """Give every member of a group a pass from the organiser's balance, all or none; in the members' order.

    Members of a gift count as a group, whatever their cards say. The pass ids follow from the gift's, so
    asking again answers the first gift. Refuses as `sell_pass`, and with GroupTooSmallError.
    """
    day = service_day(now, tariff.day_starts, tariff.zone)
    book_day = post.book_day(tx, day, now)
    lock_accounts(tx, {organiser, *members})
    ids = {member: uuid8("gift", gift_id, member) for member in members}
    if earlier := sales.list_gift(tx, gift_id):
        found = {sale.fare_account_id: sale for sale in earlier}
        same = {(sale.payer_id, sale.held.product_id, sale.held.scope) for sale in earlier} == {
            (organiser, product_id, scope)
        }
        if not same or found.keys() != ids.keys():
            raise PassIdReusedError(pass_id=str(gift_id))
        return tuple(Sold(found[one].held, found[one].price, again=True) for one in members)
    terms = tariff.sales.terms_of(product_id, tariff.local_date(now))
    least = max(terms.group_least if terms else 0, 1)
    if len(ids) < least or len(ids) != len(members):
        raise GroupTooSmallError(product_id=product_id, least=least, given=len(ids), named=len(members))
    payer = chart.rider_stored_value(organiser, tariff.currency)
    sold: list[tuple[FareAccountId, HeldPass, Money, Entry | None]] = []
    for member in members:
        may: Collection[int] = {*categories(tx, member, tariff, now), int(Concession.GROUP)}
        product = check_sale(tariff, product_id, scope, may, now)
        held = held_pass(tariff, product, ids[member], scope, starts_at)
        entry = _entry(tx, held, product.price, payer, organiser, member, tariff, now)
        sold.append((member, held, product.price, entry))
    entries = [entry for *_, entry in sold if entry is not None]
    for outcome in post.post_together(tx, entries, now):
        if isinstance(outcome, Refused):
            total = sum((price for _, _, price, _ in sold), Money.zero(tariff.currency))
            return TooLittle(total, None)
        book_day = outcome.book_day
    for member, held, price, entry in sold:
        facts.insert_pass(
            tx,
            member,
            held,
            price=price,
            purchased_at=now,
            entry_id=entry.entry_id if entry else None,
        )
    sales.insert_sales(
        tx,
        [
            sales.NewSale(
                member,
                held.pass_id,
                PaidBy.GIFT.value,
                organiser,
                "",
                None,
                gift_id,
                tariff.version,
                sold_by,
                book_day,
            )
            for member, held, _, _ in sold
        ],
    )
    return tuple(Sold(held, price) for _, held, price, _ in sold)


def _entry(
    tx: Connection,
    held: HeldPass,
    price: Money,
    payer: AccountSpec,
    owner: FareAccountId,
    holder: FareAccountId,
    tariff: TariffBook,
    now: datetime,
) -> Entry | None:
    """Return the entry that pays for a pass; None for one that costs nothing."""
    if not price:
        return None
    payee = chart.deferred_pass(held.product_id, tariff.currency)
    open_accounts(tx, (payer, payee), now)
    return Entry(
        entry_id=EntryId(uuid8("pass", holder, held.pass_id)),
        kind="fare.pass_sold",
        lines=(Line(payer.account_id, payee.account_id, price),),
        owner_id=owner,
        service_day=service_day(now, tariff.day_starts, tariff.zone),
        effective_at=now,
        cause=f"pass:{held.pass_id}",
        narrative="fare.pass_sold",
        metadata={"product": held.product_id, "scope": held.scope, "tariff": tariff.version},
    )
