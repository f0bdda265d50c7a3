"""Places, rights to park and enforcement as the API's description shows them."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from parking.rules.check import PaidWith, Verdict
from parking.rules.right import RightKind
from parking.rules.session import State
from service.api.bodies import Body, Instant
from service.api.ledger_documents import MoneyBody

Clock = Annotated[str, Field(pattern=r"^\d{2}:\d{2}$", description="By the place's own clock")]
ClockSeconds = Annotated[str, Field(pattern=r"^\d{2}:\d{2}:\d{2}$", description="By the place's own clock")]


class ParkingPlaceBody(Body):
    """A place and what is free; `free` is null without a known capacity, `opens` where it never closes."""

    place_id: str
    name: str
    operator_id: str
    capacity: int | None
    occupied: int
    free: int | None
    derived_at: Instant
    counted_at: Instant | None
    opens: Clock | None
    closes: Clock | None
    ev_bays: int
    disabled_bays: int


class OwnPlaceBody(ParkingPlaceBody):
    """A place of the caller's; `drift` is by how many a count and the sessions disagree."""

    drift: int


class OwnPlacesBody(Body):
    """The places that the caller may see."""

    places: list[OwnPlaceBody]


class NearPlaceBody(ParkingPlaceBody):
    """A place near a point, and what the stay would cost; null where no rate prices it."""

    distance_m: int
    price: MoneyBody | None


class NearPlacesBody(Body):
    """Open places near a point, the nearest first."""

    places: list[NearPlaceBody]


class RightOnSaleBody(Body):
    """A right that is on sale; null `vehicle_class` is every class, null hours are all day."""

    spec_id: str
    kind: RightKind
    name: str
    place_id: str
    vehicle_class: str | None
    price: MoneyBody
    hours_from: ClockSeconds | None
    hours_to: ClockSeconds | None
    decision: str | None


class RightsOnSaleBody(Body):
    """Rights that are on sale today for a place."""

    specifications: list[RightOnSaleBody]


class PoolBody(Body):
    """A company's pool: so many of its rights are covered at a time."""

    pool_id: UUID
    place_id: str
    name: str
    spaces: int


class RightEndedBody(Body):
    """When a right was ended, why, and what was given back."""

    ended_at: Instant
    refund: MoneyBody
    note: str


class ParkingRightBody(Body):
    """A right as it stands; null `paid_with` where it cost nothing."""

    right_id: UUID
    spec_id: str
    place_id: str
    valid_from: Instant
    valid_to: Instant
    price: MoneyBody
    paid_with: Literal["till", "account"] | None
    session_id: UUID | None
    pool_id: UUID | None
    ended: RightEndedBody | None


class CheckedSessionBody(Body):
    """The running session that a check found."""

    session_id: UUID
    place_id: str
    state: State
    entered_at: Instant | None


class VehicleCheckBody(Body):
    """Whether a vehicle is paid here, until when and by what; only where `may_notify` may a notice follow."""

    checked_at: Instant
    verdict: Verdict
    may_notify: bool
    paid_with: PaidWith | None
    until: Instant | None
    session: CheckedSessionBody | None


class ObservedBody(Body):
    """What was seen, and what the check said then."""

    observation_id: UUID
    place_id: str
    observed_at: Instant
    verdict: Verdict
    may_notify: bool
    session_id: UUID | None
    confidence_pct: int
    image_ref: str
    note: str
    observed_by: str


class ObservedListBody(Body):
    """A place's observations, the newest first."""

    observations: list[ObservedBody]
