"""Settlements, payouts, statements to funders and operators' terms as the API's description shows them."""

from __future__ import annotations

from datetime import date
from typing import Literal
from uuid import UUID

from ledger.rules.payout import PayoutState
from ledger.rules.subsidy import SubsidyState
from service.api.bodies import Body, Instant, PartBody, StepBody
from service.api.ledger_documents import MoneyBody


class AmountsBody(Body):
    """face_value = waived + discounted + pass_covered + cap_covered + collected - refunded.

    net = collected - refunded + pass_revenue + shared - fees.
    """

    trips: int
    face_value: MoneyBody
    waived: MoneyBody
    discounted: MoneyBody
    pass_covered: MoneyBody
    cap_covered: MoneyBody
    collected: MoneyBody
    refunded: MoneyBody
    pass_revenue: MoneyBody
    shared: MoneyBody
    fees: MoneyBody
    net: MoneyBody


class OperatorSettledBody(AmountsBody):
    """An operator's totals; to_pay = net - cash_kept. `reconciled`: its own accounts moved by the net."""

    operator_id: str
    cash_kept: MoneyBody
    to_pay: MoneyBody
    subsidy: MoneyBody
    reconciled: bool


class LineBody(AmountsBody):
    """One operator's service on one route, or at one place, about one service day."""

    house: str
    operator_id: str
    mode: str
    route_id: str
    service_day: date


class AdjustmentBody(Body):
    """What an earlier service day changed by."""

    operator_id: str
    service_day: date
    trips: int
    net: MoneyBody


class FunderClaimBody(Body):
    """What a funder owes for the rides of a route and day under one rule; rides may be fewer than before."""

    operator_id: str
    house: str
    route_id: str
    service_day: date
    component: str
    rule: str
    rides: int
    amount: MoneyBody


class ClaimBody(FunderClaimBody):
    """A claim, and on whom."""

    funder: str


class CoverageBody(Body):
    """Stored value at a day's end against the guarantee account and what is on its way there."""

    book_day: date
    stored_value: MoneyBody
    guarantee: MoneyBody
    clearing: MoneyBody
    receivable: MoneyBody
    surplus: MoneyBody
    covered: bool


class PassBody(Body):
    """What a pass product earned; without an operator where nobody rode on it."""

    product_id: str
    operator_id: str
    earned: MoneyBody


class SettlementBody(Body):
    """A settled day. Who is limited to operators sees theirs, and null for the coverage."""

    book_day: date
    settlements: list[OperatorSettledBody]
    lines: list[LineBody]
    adjustments: list[AdjustmentBody]
    claims: list[ClaimBody]
    coverage: CoverageBody | None = None
    passes: list[PassBody]


class SettleStepBody(Body):
    """One step of settling a day, in which run, and what it did."""

    step: str
    run: int
    detail: str
    at: Instant


class SettleStepsBody(Body):
    """In order."""

    steps: list[SettleStepBody]


class PaymentBody(Body):
    """One payment of a payout, also between operators; `end_to_end` is its name at the bank."""

    end_to_end: str
    payer: str
    payee: str
    amount: MoneyBody
    name: str
    account: str
    bank: str


class PayoutBody(Body):
    """A day's payout; `total` is what our account pays, `subsidies` what of it funders have paid."""

    payout_id: UUID
    book_day: date
    revision: int
    state: PayoutState
    execute_on: date
    total: MoneyBody
    prepared_by: str
    payments: list[PaymentBody]
    subsidies: list[PartBody]
    steps: list[StepBody]


class SubsidyBody(Body):
    """A statement to a funder. `received_on`: when the bank had its money; `paid_by`: the payout that passed it on."""

    subsidy_id: UUID
    funder: str
    through_on: date
    reference: str
    total: MoneyBody
    state: SubsidyState
    prepared_by: str
    received_on: date | None
    paid_by: UUID | None
    claims: list[FunderClaimBody]
    steps: list[StepBody]


class UnclaimedBody(Body):
    """What a funder was not asked for yet."""

    funder: str
    claims: int
    total: MoneyBody


class SubsidiesBody(Body):
    """The newest statements, and what is left to ask for."""

    subsidies: list[SubsidyBody]
    unclaimed: list[UnclaimedBody]


class ShareBody(Body):
    """`to` gets `per_mille` thousandths of what a route or place takes; “*” is every one."""

    house: str
    route: str
    to: str
    per_mille: int


class TermsBody(Body):
    """A version of an operator's terms."""

    operator_id: str
    version: int
    valid_from: date
    state: Literal["proposed", "signed", "refused"]
    proposed_by: str
    decided_by: str
    name: str
    account: str
    bank: str
    bic: str
    fee_basis_points: int
    fee_per_trip: int
    shares: list[ShareBody]


class TermsListBody(Body):
    """Every version, oldest first."""

    terms: list[TermsBody]
