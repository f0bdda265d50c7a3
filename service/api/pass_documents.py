"""Passes as the API's description shows them."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, RootModel

from fare.rules.sale import NoRefund
from fare.rules.sales import RefundRule
from fare.sell import PaidBy
from kernel.wire.cardinfo import Concession
from service.api.bodies import Body, Instant
from service.api.ledger_documents import MoneyBody
from service.api.topups import Topup

Category = Annotated[str, Field(json_schema_extra={"enum": [each.name for each in Concession]})]


class NamesBody(Body):
    """A name in Vietnamese and in English."""

    vi: str
    en: str


class OnSaleBody(Body):
    """A pass on sale, its terms, and whether this rider may buy it; `category` is whom it is for, where not for all."""

    product_id: str
    name: NamesBody
    scope: Literal["all", "route", "network"]
    networks: list[str]
    category: Category | None
    validity: str
    validity_count: int
    activation: Literal["first_tap", "purchase"]
    price: MoneyBody
    refund: RefundRule
    group_least: int
    for_you: bool


class PassesOnSaleBody(Body):
    """Every pass on sale now."""

    tariff_version: str
    passes: list[OnSaleBody]


class PassQuoteBody(Body):
    """What a pass costs this rider now and how long it would run."""

    product_id: str
    scope: str
    price: MoneyBody
    valid_from: Instant
    valid_until: Instant
    tariff_version: str


class PassSoldBody(Body):
    """A pass that was sold."""

    pass_id: UUID
    fare_account_id: UUID
    product_id: str
    scope: str
    price: MoneyBody
    valid_from: Instant
    valid_until: Instant


class PassOrderedBody(Body):
    """What to pay: a payment of this top-up buys the pass."""

    pass_id: UUID
    price: MoneyBody
    topup: Topup


class PassBoughtBody(RootModel[PassSoldBody | PassOrderedBody]):
    """A pass that was sold, or what to pay for it."""


class HeldPassBody(Body):
    """A pass of the rider's; `refunded` and `ended_at` once it was given back."""

    pass_id: UUID
    product_id: str
    scope: str
    valid_from: Instant
    valid_until: Instant
    ended_at: Instant | None
    price: MoneyBody
    purchased_at: Instant
    paid_by: PaidBy
    refunded: MoneyBody | None


class PassesBody(Body):
    """The rider's passes, those that end last first."""

    passes: list[HeldPassBody]


class NoPassRefundBody(Body):
    """A pass that is worth nothing given back, and why."""

    amount: MoneyBody
    reason: NoRefund


class PassWorthBody(Body):
    """What a pass is worth given back now: the share of `days_left` of `days`, less the fee; `reason` is empty."""

    amount: MoneyBody
    fee: MoneyBody
    days_left: int
    days: int
    ends_at: Instant
    rule: str
    rule_status: str
    reason: Literal[""]


class PassRefundQuoteBody(RootModel[PassWorthBody | NoPassRefundBody]):
    """What a pass is worth given back now, or why it is worth nothing."""


class PassRefundedBody(Body):
    """What was given back, to which account, and when the pass ended."""

    amount: MoneyBody
    to: UUID
    ends_at: Instant


class PassesGivenBody(Body):
    """How many passes were given, and what they cost in all."""

    gift_id: UUID
    passes: int
    total: MoneyBody
