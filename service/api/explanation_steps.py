"""The steps of a tap's explanation, as the API's description shows them.

A field that may be absent is never null: `fare.rules.recompute` reads a step by which fields are there.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from fare.rules.bill import Closed
from fare.rules.terms import Basis, Dearer
from kernel.money import Rounding
from service.api.bodies import Body, Instant


def absent() -> Any:
    """Return the default of a field that may be absent."""
    return Field(default_factory=lambda: None)


class Sparse(Body):
    """A body without the fields that it was not given."""

    @model_serializer(mode="wrap")
    def _given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if name in self.model_fields_set}


class DistanceBody(Body):
    """How a distance is priced: `metres` in steps of `step_m`, at `per_km_minor` of `per_km_parts` of a minor unit."""

    metres: int
    base_minor: int
    per_km_minor: int
    per_km_parts: int
    step_m: int
    rounding: Rounding
    min_minor: int | None
    max_minor: int | None
    cash_step: int
    cash_rounding: Rounding


class PriceStep(Sparse):
    """What the ride alone costs."""

    op: Literal["price"]
    minor: int
    product: str
    rule: str
    route: str
    closed: Closed
    by_closing_rule: bool
    distance: DistanceBody = absent()


class CompleteStep(Body):
    """Where a ride without a tap-off is taken to have ended."""

    op: Literal["complete"]
    minor: int
    stop: str
    name: str


class TransferStep(Sparse):
    """What a change of vehicle adds, by GTFS `fare_transfer_type`."""

    op: Literal["transfer"]
    minor: int
    rule: str
    kind: Literal[0, 1, 2] = absent()
    own_minor: int = absent()
    transfer_minor: int = absent()
    so_far_minor: int = absent()
    further: bool = absent()


class WindowStep(Sparse):
    """What a ride costs inside a transfer window."""

    op: Literal["window"]
    minor: int
    rule: str
    own_minor: int
    dearer: Dearer = absent()
    through_minor: int | None = absent()
    paid_before_minor: int = absent()
    restarted: bool = absent()


class RuleStep(Body):
    """What one rule takes or, with `withheld`, does not grant while the rider owes money."""

    op: Literal["withheld", "pass"]
    minor: int
    rule: str


class JoinStep(Body):
    """A ride that goes on with one of the day before, which cost `before_minor` already."""

    op: Literal["join"]
    minor: int
    before_minor: int
    rule: str


class WaiveStep(Body):
    """What a waiver takes."""

    op: Literal["waive"]
    minor: int
    rule: str
    funder: str


class DiscountStep(Sparse):
    """What a concession takes of `of_minor`."""

    op: Literal["discount"]
    minor: int
    rule: str
    percent: int
    rounding: Rounding
    of_minor: int
    funder: str
    cash_step: int = absent()
    cash_rounding: Rounding = absent()


class ParkStep(Sparse):
    """What park and ride takes of `of_minor`, and by which stay or right."""

    op: Literal["park_and_ride"]
    minor: int
    rule: str
    percent: int | None
    amount_minor: int
    rounding: Rounding
    of_minor: int
    funder: str
    parked_by: Literal["stay", "right"]
    parked_ref: UUID
    parked_at: list[str]
    parked_since: Instant
    rides_before: int
    max_rides: int | None
    cash_step: int = absent()
    cash_rounding: Rounding = absent()


class CapStep(Body):
    """What a cap takes: at most so much money, or so many paid rides."""

    op: Literal["cap"]
    minor: int
    rule: str
    limit_minor: int | None
    limit_rides: int | None
    used_before: int
    owed_before: int


class MinorStep(Body):
    """What the day's cheapest way saves, or what is charged."""

    op: Literal["best", "charge"]
    minor: int


class SharePartBody(Body):
    """An operator's part of a journey; `before_minor` it had of it on earlier days."""

    operator: str
    route: str
    weight: int
    minor: int
    before_minor: int


class ShareStep(Body):
    """How a journey's charge is shared among its operators."""

    op: Literal["share"]
    minor: int
    rule: str
    basis: Basis
    parts: list[SharePartBody]


StepOf = Annotated[
    PriceStep | CompleteStep | TransferStep | WindowStep | RuleStep | JoinStep | WaiveStep | DiscountStep | ParkStep
    | CapStep | MinorStep | ShareStep,
    Field(discriminator="op"),
]  # fmt: skip
