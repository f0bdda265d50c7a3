"""Give a pass back: what is unused by the tariff's rule, as a linked entry to whoever paid."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from access.issue import lock_accounts
from fare.rules.adjust import pass_end, product_on
from fare.rules.carried import Carried
from fare.rules.facts import HeldPass
from fare.rules.sale import NoRefund, Refundable, quote_refund, service_days
from fare.rules.tariff import TariffBook
from fare.store import bills, sales
from fare.store.sales import Sale
from kernel.clock import from_micros
from kernel.errors import DomainError
from kernel.ids import EntryId, FareAccountId, uuid8
from kernel.money import Money
from kernel.service_day import service_day
from ledger import post
from ledger.follow_refunds import follow_refunds
from ledger.purses import lock_purses
from ledger.rules import chart
from ledger.rules.entry import Entry, Refused


class UnknownPurchaseError(DomainError):
    """The account never bought a pass of this id."""

    detail = "This account has no pass {pass_id}."


class PassNotRefundableError(DomainError):
    """Nothing of the pass is given back; `reason` is a code: no-rule, used, over or fee."""

    detail = "Nothing of pass {pass_id} is given back: {reason}."


@dataclass(frozen=True, slots=True)
class Refunded:
    """What was given back and to which account; `again` when it had been before."""

    sale: Sale
    amount: Money
    ended_at: datetime
    to: FareAccountId
    quote: Refundable | None = None
    again: bool = False


def get_sale(tx: Connection, account: FareAccountId, pass_id: UUID) -> Sale:
    """Return a sold pass; UnknownPurchaseError."""
    found = sales.find_sale(tx, account, pass_id)
    if found is None:
        raise UnknownPurchaseError(pass_id=str(pass_id))
    return found


def quote(tx: Connection, sale: Sale, *, tariff: TariffBook, now: datetime) -> Refundable | NoRefund:
    """Return what a pass is worth given back now, or why nothing is."""
    held, begun = _running(tx, sale, tariff, now)
    first, last = service_days(held, tariff)
    used = bool(sales.covered_minor(tx, sale.fare_account_id, held.product_id, first, last))
    terms = tariff.sales.terms_of(held.product_id, tariff.local_date(sale.purchased_at))
    return quote_refund(held, sale.price, terms, tariff, begun=begun, used=used, now=now)


def refund_pass(
    tx: Connection,
    account: FareAccountId,
    pass_id: UUID,
    *,
    tariff: TariffBook,
    by: str,
    now: datetime,
    reason: str = "",
) -> Refunded:
    """Give a pass back and return what that came to; asking again answers the first refund.

    The money goes to who paid: the organiser of a gift, else the holder's balance (debts first).
    UnknownPurchaseError, PassNotRefundableError.
    """
    day = service_day(now, tariff.day_starts, tariff.zone)
    book_day = post.book_day(tx, day, now)
    sale = get_sale(tx, account, pass_id)
    to = FareAccountId(sale.payer_id) if sale.payer_id else account
    lock_accounts(tx, {account, to})
    sale = get_sale(tx, account, pass_id)
    if sale.refunded is not None and sale.held.ended_at is not None:
        return Refunded(sale, sale.refunded, sale.held.ended_at, to, again=True)
    found = quote(tx, sale, tariff=tariff, now=now)
    if isinstance(found, NoRefund):
        raise PassNotRefundableError(pass_id=str(pass_id), reason=found.value)
    deferred = chart.deferred_pass(sale.held.product_id, tariff.currency)
    purse = lock_purses(tx, {(to, tariff.currency)}, (deferred,), now)[to, tariff.currency]
    entry = Entry(
        entry_id=EntryId(uuid8("pass refund", account, pass_id)),
        kind="fare.pass_refunded",
        lines=purse.refund(found.amount, deferred.account_id),
        owner_id=to,
        service_day=day,
        effective_at=now,
        cause=f"pass:{pass_id}",
        narrative="fare.pass_refunded",
        corrects=None if sale.entry_id is None else EntryId(sale.entry_id),
        metadata={"product": sale.held.product_id, "rule": found.rule, "days_left": str(found.days_left)},
    )
    (outcome,) = post.post(tx, [entry], now)
    assert not isinstance(outcome, Refused), "a refund only raises a balance or lowers a debt"
    follow_refunds(tx, [entry], now=now)
    sales.insert_end(
        tx,
        account,
        pass_id,
        ended_at=found.ended_at,
        refunded=found.amount,
        entry_id=entry.entry_id,
        reason=reason,
        by=by,
        now=now,
        book_day=max(book_day, outcome.book_day),
    )
    return Refunded(sale, found.amount, found.ended_at, to, found)


def _running(tx: Connection, sale: Sale, tariff: TariffBook, now: datetime) -> tuple[HeldPass, bool]:
    """Return the pass with the window that really runs, and whether that has begun."""
    held = sale.held
    product = product_on(tariff.passes.get(held.product_id, ()), tariff.local_date(sale.purchased_at))
    if product is None or not product.from_first_tap:
        return held, True
    after = service_day(now, tariff.day_starts, tariff.zone) + timedelta(days=2)
    header = bills.find_headers_before(tx, {sale.fare_account_id: after}).get(sale.fare_account_id)
    starts = Carried.from_json(bills.parsed(header.carried_out)).passes if header else ()
    begun = next((from_micros(one.started_us) for one in starts if one.pass_id == held.pass_id), None)
    if begun is None:
        return held, False
    window = (begun, pass_end(product, begun, tariff))
    return HeldPass(held.pass_id, held.product_id, held.scope, *window, held.ended_at), True
