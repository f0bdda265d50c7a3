"""A pass that a payment buys: quoted, ordered, and what to pay, in one transaction; for the API and for the desk."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from access import issue
from fare import order_pass, sell
from fare.rules.sale import check_start
from fare.rules.tariff import TariffBook
from fare.store.sales import Order
from kernel.ids import FareAccountId
from ledger import topup
from ledger.rules.intent import IntentId
from service.jobs.topups import merchant_of
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Wanted:
    """A pass to order; `starts_at` None is when the payment comes. The caller minted `pass_id`."""

    pass_id: UUID
    product_id: str
    scope: str
    starts_at: datetime | None


def order(
    tx: Connection,
    account: FareAccountId,
    wanted: Wanted,
    *,
    tariff: TariffBook,
    settings: Settings,
    now: datetime,
) -> topup.Created:
    """Write down that a payment buys this pass and return what to pay; `hit` where it was ordered before.

    Refuses as `fare.sell.quote_pass`, and with PassIdReusedError and PassStartError.
    """
    issue.lock_accounts(tx, (account,))
    held, product = sell.quote_pass(
        tx,
        pass_id=wanted.pass_id,
        fare_account_id=account,
        product_id=wanted.product_id,
        scope=wanted.scope,
        starts_at=check_start(wanted.starts_at or now, now),
        tariff=tariff,
        now=now,
    )
    asked = Order(
        account, wanted.pass_id, wanted.pass_id, held.product_id, held.scope, wanted.starts_at, "open", ""
    )
    _, again = order_pass.order_pass(tx, asked, now)
    if again:
        return topup.Created(topup.get_intent(tx, wanted.pass_id), hit=True)
    wish = topup.Asked(
        intent_id=IntentId(wanted.pass_id),
        fare_account_id=account,
        amount=product.price,
        provider=settings.topup_provider,
    )
    lifetime = timedelta(minutes=settings.topup_minutes)
    return topup.create_intent(tx, wish, merchant=merchant_of(settings), lifetime=lifetime, now=now)
