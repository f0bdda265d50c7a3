"""Passes: what is on sale, quotes, buying, renewing, gifts to groups, and giving back."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeVar
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from fare import refund_pass, sell
from fare.rules.facts import HeldPass
from fare.rules.sale import check_start
from fare.rules.tariff import TariffBook
from fare.sell import Buying, PaidBy, Sold, TooLittle
from kernel.ids import FareAccountId
from ledger import topup
from service import audit, cards_cache, purses
from service.api import pass_documents as shown
from service.api.bodies import AGAIN, again, answers, refusals
from service.api.topups import shown as shown_topup
from service.auth import principal, require_own, requires
from service.errors import BalanceShortError, not_allowed
from service.pass_orders import Wanted, order
from service.problems import request_id
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint(
    "passes", __name__, tag="Passes", url_prefix="/v1/riders/<uuid:fare_account_id>"
)
Name = Annotated[str, Field(min_length=1, max_length=80)]
Result = TypeVar("Result")
Answer = tuple[dict[str, Any], int, dict[str, str]]
_BOUGHT: Final = (
    answers(201, "PassBoughtBody.PassSoldBody", "Sold")
    | answers(200, "PassBoughtBody.PassSoldBody", AGAIN)
    | answers(202, "PassBoughtBody.PassOrderedBody", "What to pay, with `pay`: `vietqr`")
    | refusals("balance-short")
)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PassAsked(_Body):
    """A pass to quote: `scope` is the route or network, where the pass is for one."""

    product_id: Name
    scope: Annotated[str, Field(max_length=80)] = ""
    starts_at: AwareDatetime | None = None


class PassBought(PassAsked):
    """A pass to buy. The caller mints `pass_id` (a UUID) and saves it before sending.

    `balance` and `vietqr` are for riders (with `vietqr` the answer is 202 and what to pay), `till` for agents.
    """

    pass_id: UUID
    pay: Literal["balance", "vietqr", "till"] = "balance"


class RenewAsked(_Body):
    """The same pass again, from where this one ends; `pass_id` is the new one's."""

    pass_id: UUID
    pay: Literal["balance", "till"] = "balance"


@blueprint.get("/passes/on-sale")
@requires(Role.RIDER, Role.AGENT)
@blueprint.output(shown.PassesOnSaleBody)
def list_on_sale(fare_account_id: UUID) -> dict[str, Any]:
    """Return every pass on sale now, with its terms and whether this rider may buy it."""
    account = require_own(fare_account_id)
    running = services()
    with running.database.begin() as tx:
        book = running.shelf.books(tx).current()
        found = sell.list_on_sale(tx, account, book, running.clock.now())
    return {
        "tariff_version": book.version,
        "passes": [
            {
                "product_id": one.product.product_id,
                "name": {"vi": one.product.name, "en": one.product.name_en},
                "scope": one.product.scope,
                "networks": sorted(one.product.networks),
                "category": None if one.product.category is None else one.product.category.name,
                "validity": one.product.validity,
                "validity_count": one.product.validity_count,
                "activation": "first_tap" if one.product.from_first_tap else "purchase",
                "price": one.product.price.to_json(),
                "refund": one.terms.refund.value if one.terms else "none",
                "group_least": one.terms.group_least if one.terms else 0,
                "for_you": one.for_you,
            }
            for one in found
        ],
    }


@blueprint.post("/passes/quote")
@requires(Role.RIDER, Role.AGENT)
@blueprint.input(PassAsked, location="json")
@blueprint.output(shown.PassQuoteBody)
def quote(fare_account_id: UUID, json_data: PassAsked) -> dict[str, Any]:
    """Return what a pass costs this rider now and how long it would run; refuses what could not be bought."""
    account = require_own(fare_account_id)
    running = services()
    now = running.clock.now()
    with running.database.begin() as tx:
        book = running.shelf.books(tx).current()
        held, product = _quoted(tx, account, json_data, UUID(int=0), book, now)
    return {
        "product_id": held.product_id,
        "scope": held.scope,
        "price": product.price.to_json(),
        "valid_from": held.valid_from.isoformat(),
        "valid_until": held.valid_until.isoformat(),
        "tariff_version": book.version,
    }


@blueprint.post("/passes")
@requires(Role.RIDER, Role.AGENT)
@blueprint.input(PassBought, location="json")
@blueprint.output(shown.PassBoughtBody, status_code=201)
@blueprint.doc(responses=_BOUGHT)
def buy(fare_account_id: UUID, json_data: PassBought) -> Answer:
    """Buy a pass: 201 sold, 200 sold before, 202 with a VietQR whose payment buys it, 409 balance-short."""
    account = require_own(fare_account_id)
    running = services()
    now = running.clock.now()
    starts_at = check_start(json_data.starts_at or now, now)
    if json_data.pay == "vietqr":
        _only(Role.RIDER)
        return _order(account, json_data, now)
    buying = _buying(json_data.pay)

    wanted = (json_data.pass_id, json_data.product_id, json_data.scope, starts_at)
    sold = in_tx(lambda tx, book: _sell(tx, book, account, *wanted, buying=buying, now=now))
    return _sold(account, json_data.pass_id, sold, now)


@blueprint.post("/passes/<uuid:pass_id>/renew")
@requires(Role.RIDER, Role.AGENT)
@blueprint.input(RenewAsked, location="json")
@blueprint.output(shown.PassSoldBody, status_code=201)
@blueprint.doc(responses=again(shown.PassSoldBody) | refusals("balance-short"))
def renew(fare_account_id: UUID, pass_id: UUID, json_data: RenewAsked) -> Answer:
    """Buy the same pass again, from where this one ends or from now, at today's price."""
    account = require_own(fare_account_id)
    now = services().clock.now()
    buying = _buying(json_data.pay, renews=pass_id)

    def work(tx: Connection, book: TariffBook) -> Sold | TooLittle:
        held = refund_pass.get_sale(tx, account, pass_id).held
        starts_at = check_start(max(held.ended_at or held.valid_until, now), now)
        wanted = (json_data.pass_id, held.product_id, held.scope, starts_at)
        return _sell(tx, book, account, *wanted, buying=buying, now=now)

    return _sold(account, json_data.pass_id, in_tx(work), now)


def _order(account: FareAccountId, asked: PassBought, now: datetime) -> Answer:
    running = services()

    def work(tx: Connection, book: TariffBook) -> topup.Created:
        wanted = Wanted(asked.pass_id, asked.product_id, asked.scope, asked.starts_at)
        made = order(tx, account, wanted, tariff=book, settings=running.settings, now=now)
        if not made.hit:
            audited(tx, "pass.ordered", asked.pass_id, now, {"product": asked.product_id})
        return made

    made = in_tx(work)
    body = {
        "pass_id": str(asked.pass_id),
        "price": made.intent.amount.to_json(),
        "topup": shown_topup(made.intent, now).model_dump(mode="json"),
    }
    return (body, 202, {"Idempotency-Hit": "true"}) if made.hit else (body, 202, {})


def _quoted(
    tx: Connection, account: FareAccountId, asked: PassAsked, pass_id: UUID, book: TariffBook, now: datetime
) -> tuple[HeldPass, Any]:
    return sell.quote_pass(
        tx,
        pass_id=pass_id,
        fare_account_id=account,
        product_id=asked.product_id,
        scope=asked.scope,
        starts_at=check_start(asked.starts_at or now, now),
        tariff=book,
        now=now,
    )


def _sell(
    tx: Connection,
    book: TariffBook,
    account: FareAccountId,
    pass_id: UUID,
    product_id: str,
    scope: str,
    starts_at: datetime,
    *,
    buying: Buying,
    now: datetime,
) -> Sold | TooLittle:
    sold = sell.sell_pass(
        tx,
        pass_id=pass_id,
        fare_account_id=account,
        product_id=product_id,
        scope=scope,
        starts_at=starts_at,
        tariff=book,
        now=now,
        buying=buying,
    )
    if isinstance(sold, Sold) and not sold.again:
        purses.changed(tx, (account,), cause=f"pass:{pass_id}", now=now)
        audited(tx, "pass.sold", pass_id, now, {"product": product_id, "paid_by": buying.paid_by.value})
    return sold


def _only(role: Role) -> None:
    if not principal().holds(frozenset({role})):
        raise not_allowed((role,))


def _buying(pay: str, renews: UUID | None = None) -> Buying:
    if pay == "till":
        _only(Role.AGENT)
        return Buying(
            paid_by=PaidBy.TILL, agent=principal().actor.actor_id, renews=renews, sold_by=actor_text()
        )
    _only(Role.RIDER)
    return Buying(renews=renews, sold_by=actor_text())


def in_tx(work: Callable[[Connection, TariffBook], Result]) -> Result:
    """Return what `work` returns with the tariff in force, committed."""
    running = services()
    return running.database.run(lambda tx: work(tx, running.shelf.books(tx).current()))


def _sold(account: FareAccountId, pass_id: UUID, sold: Sold | TooLittle, now: datetime) -> Answer:
    if isinstance(sold, TooLittle):
        raise BalanceShortError(price=sold.price, short=sold.short)
    body = {
        "pass_id": str(pass_id),
        "fare_account_id": str(account),
        "product_id": sold.held.product_id,
        "scope": sold.held.scope,
        "price": sold.price.to_json(),
        "valid_from": sold.held.valid_from.isoformat(),
        "valid_until": sold.held.valid_until.isoformat(),
    }
    if sold.again:
        return body, 200, {"Idempotency-Hit": "true"}
    running = services()
    cards_cache.refresh(running.database, running.cache, {account}, now)
    return body, 201, {}


def actor_text() -> str:
    """Return who calls, as facts name it."""
    actor = principal().actor
    return f"{actor.kind.value}:{actor.actor_id}"


def audited(tx: Connection, action: str, subject: UUID, now: datetime, detail: dict[str, object]) -> None:
    """Write a change of a pass to the audit trail."""
    audit.record(
        tx,
        actor=principal().actor,
        action=action,
        subject_kind="pass",
        subject_id=str(subject),
        now=now,
        request_id=request_id(),
        detail=detail,
    )
