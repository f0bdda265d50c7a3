"""Passes that a rider holds, passes given back, and passes given to a group by its organiser."""

from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from access import issue, link
from fare import refund_pass, sell
from fare.rules.sale import NoRefund, check_start
from fare.rules.tariff import TariffBook
from fare.sell import Sold, TooLittle
from fare.store.sales import Sale
from kernel.ids import FareAccountId
from kernel.money import Money
from service import cards_cache, looks, purses
from service.api import pass_documents as shown
from service.api.bodies import again, refusals
from service.api.passes import Answer, PassAsked, actor_text, audited, in_tx
from service.auth import require_own, requires
from service.errors import BalanceShortError
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint(
    "pass_refunds", __name__, tag="Passes", url_prefix="/v1/riders/<uuid:fare_account_id>"
)


class RefundAsked(BaseModel):
    """Why a pass is given back; may be empty."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(max_length=200)] = ""


class GiftAsked(PassAsked):
    """A pass for every card of a group, paid by the organiser. The caller mints `gift_id` (a UUID)."""

    gift_id: UUID
    card_serials: Annotated[
        list[Annotated[int, Field(ge=1, le=2**63 - 1)]], Field(min_length=1, max_length=500)
    ]


@blueprint.get("/passes")
@requires(Role.RIDER, Role.AUDITOR)
@blueprint.output(shown.PassesBody)
def list_passes(fare_account_id: UUID) -> dict[str, Any]:
    """Return the rider's passes, those that end last first."""
    account = require_own(fare_account_id)
    with services().database.begin() as tx:
        looks.by_another(tx, account, what="passes", purpose="audit")
        found = sell.list_sold(tx, account)
    return {"passes": [_document(one) for one in found]}


@blueprint.get("/passes/<uuid:pass_id>/refund")
@requires(Role.RIDER, Role.AGENT)
@blueprint.output(shown.PassRefundQuoteBody)
def quote_refund(fare_account_id: UUID, pass_id: UUID) -> dict[str, Any]:
    """Return what the pass is worth given back now; `reason` says why it is worth nothing.

    `rule_status` is `unknown` where the tariff's owner has yet to decide the rule.
    """
    account = require_own(fare_account_id)
    running = services()
    with running.database.begin() as tx:
        book = running.shelf.books(tx).current()
        sale = refund_pass.get_sale(tx, account, pass_id)
        found = refund_pass.quote(tx, sale, tariff=book, now=running.clock.now())
    if isinstance(found, NoRefund):
        return {"amount": Money.zero(book.currency).to_json(), "reason": found.value}
    return {
        "amount": found.amount.to_json(),
        "fee": found.fee.to_json(),
        "days_left": found.days_left,
        "days": found.days,
        "ends_at": found.ended_at.isoformat(),
        "rule": found.rule,
        "rule_status": found.rule_status,
        "reason": "",
    }


@blueprint.post("/passes/<uuid:pass_id>/refund")
@requires(Role.RIDER, Role.AGENT)
@blueprint.input(RefundAsked, location="json")
@blueprint.output(shown.PassRefundedBody)
def refund(fare_account_id: UUID, pass_id: UUID, json_data: RefundAsked) -> Answer:
    """Give a pass back: what is unused goes to whoever paid. Asking again answers the first time."""
    account = require_own(fare_account_id)
    running = services()
    now = running.clock.now()

    def work(tx: Connection, book: TariffBook) -> refund_pass.Refunded:
        done = refund_pass.refund_pass(
            tx, account, pass_id, tariff=book, by=actor_text(), now=now, reason=json_data.reason
        )
        if not done.again:
            purses.changed(tx, (done.to,), cause=f"pass:{pass_id}", now=now)
            audited(tx, "pass.refunded", pass_id, now, {"minor": done.amount.minor, "to": str(done.to)})
        return done

    done = in_tx(work)
    cards_cache.refresh(running.database, running.cache, {done.to}, now)
    body = {"amount": done.amount.to_json(), "to": str(done.to), "ends_at": done.ended_at.isoformat()}
    return body, 200, {"Idempotency-Hit": "true"} if done.again else {}


@blueprint.post("/gifts")
@requires(Role.RIDER)
@blueprint.input(GiftAsked, location="json")
@blueprint.output(shown.PassesGivenBody, status_code=201)
@blueprint.doc(responses=again(shown.PassesGivenBody) | refusals("balance-short"))
def give(fare_account_id: UUID, json_data: GiftAsked) -> Answer:
    """Buy a pass for every card of a group from the organiser's balance, all or none."""
    account = require_own(fare_account_id)
    running = services()
    now = running.clock.now()
    starts_at = check_start(json_data.starts_at or now, now)

    def work(tx: Connection, book: TariffBook) -> tuple[Sold, ...] | TooLittle:
        members = [
            link.current(tx, FareAccountId(issue.get_card(tx, serial=serial).fare_account_id), at=now)
            for serial in json_data.card_serials
        ]
        given = sell.gift_passes(
            tx,
            gift_id=json_data.gift_id,
            organiser=account,
            members=members,
            product_id=json_data.product_id,
            scope=json_data.scope,
            starts_at=starts_at,
            tariff=book,
            sold_by=actor_text(),
            now=now,
        )
        if not isinstance(given, TooLittle) and not given[0].again:
            purses.changed(tx, (account,), cause=f"gift:{json_data.gift_id}", now=now)
            audited(tx, "pass.gifted", json_data.gift_id, now, {"members": len(given)})
        return given

    given = in_tx(work)
    if isinstance(given, TooLittle):
        raise BalanceShortError(price=given.price, short=given.short)
    cards_cache.refresh(running.database, running.cache, {account}, now)
    total = sum((one.price for one in given), Money.zero(given[0].price.currency))
    body = {"gift_id": str(json_data.gift_id), "passes": len(given), "total": total.to_json()}
    return (body, 200, {"Idempotency-Hit": "true"}) if given[0].again else (body, 201, {})


def _document(sale: Sale) -> dict[str, Any]:
    held = sale.held
    return {
        "pass_id": str(held.pass_id),
        "product_id": held.product_id,
        "scope": held.scope,
        "valid_from": held.valid_from.isoformat(),
        "valid_until": held.valid_until.isoformat(),
        "ended_at": held.ended_at.isoformat() if held.ended_at else None,
        "price": sale.price.to_json(),
        "purchased_at": sale.purchased_at.isoformat(),
        "paid_by": sale.paid_by,
        "refunded": sale.refunded.to_json() if sale.refunded is not None else None,
    }
