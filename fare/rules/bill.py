"""What pricing answers: a bill of lines, the rides behind them, what stayed unpriced, what is carried.

The component amounts of one tap sum to its face value (DESIGN §3). A bill and what it is made of are named tuples:
pricing makes several for every leg of every rider, and a frozen dataclass takes three times as long to make.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Final, NamedTuple
from uuid import UUID

from fare.rules.carried import Carried
from kernel.clock import from_micros, micros
from kernel.ids import FareAccountId, OperatorId, TapId
from kernel.money import Money

ENGINE_VERSION: Final = "2"
RIDER_FUNDER: Final = "rider"


class Component(Enum):
    """Which part of a face value a line is; the values are the ones the bill table stores."""

    CHARGED = "charged"
    WAIVED = "waived"
    DISCOUNTED = "discounted"
    PASS_COVERED = "pass_covered"  # noqa: S105 - a travel pass, no secret
    CAP_COVERED = "cap_covered"


class Closed(Enum):
    """How a ride ended, or why a tap made none."""

    TAPPED = "tapped"  # on and off
    BOARDED = "boarded"  # the fare is settled by boarding alone, no tap-off seen
    OPEN = "open"  # may still be tapped off
    MISSING_OFF = "missing_off"
    MISSING_ON = "missing_on"
    OVER_LONG = "over_long"
    CORRECTED = "corrected"  # no tap-off; the rider said where the ride ended
    TORN = "torn"  # committed on the card, rider saw no green: evidence at 0
    PASSBACK = "passback"  # the same medium again at the same place: one ride
    CONTINUED = "continued"  # the ride went on in another vehicle of the route
    ALIGHTED = "alighted"  # the end of a ride that the day before billed when it was boarded
    INSPECTED = "inspected"  # shown to an inspector: no ride


class BillLine(NamedTuple):
    """One part of one tap's face value, owed by `funder` to `operator_id`; `rule` names what made it."""

    tap_id: TapId
    component: Component
    operator_id: OperatorId
    funder: str
    amount: Money
    route_id: str
    rule: str

    def to_json(self) -> dict[str, object]:
        return {
            "tap_id": str(self.tap_id),
            "component": self.component.value,
            "operator_id": self.operator_id,
            "funder": self.funder,
            "amount": self.amount.to_json(),
            "route_id": self.route_id,
            "rule": self.rule,
        }


class Ride(NamedTuple):
    """One ride (or a tap that made none): `tap_id` is the tap its lines stand under.

    `face_value` is what the tariff charges before waivers, concessions, passes and caps; zero for a
    torn or repeated tap and for a ride that is still open and not yet priced. A `companion` rides along on the
    holder's card and ends where the holder's ride ends.
    """

    tap_id: TapId
    tap_off_id: TapId | None
    operator_id: OperatorId
    route_id: str
    from_stop_id: str
    to_stop_id: str
    started_at: datetime
    ended_at: datetime | None
    face_value: Money
    closed: Closed
    rule: str
    companion: bool = False

    def to_json(self) -> dict[str, object]:
        """Return the ride as JSON values; `companion` is there only where it is true."""
        return {
            "tap_id": str(self.tap_id),
            "tap_off_id": None if self.tap_off_id is None else str(self.tap_off_id),
            "operator_id": self.operator_id,
            "route_id": self.route_id,
            "from_stop_id": self.from_stop_id,
            "to_stop_id": self.to_stop_id,
            "started_at": micros(self.started_at),
            "ended_at": None if self.ended_at is None else micros(self.ended_at),
            "face_value": self.face_value.to_json(),
            "closed": self.closed.value,
            "rule": self.rule,
            **({"companion": True} if self.companion else {}),
        }

    @classmethod
    def from_json(cls, body: dict[str, object]) -> "Ride":
        """Return the ride that `to_json` wrote."""
        off, ended, face = body["tap_off_id"], body["ended_at"], body["face_value"]
        assert isinstance(face, dict), "a ride's face value is a Money object"
        return cls(
            tap_id=TapId(UUID(str(body["tap_id"]))),
            tap_off_id=None if off is None else TapId(UUID(str(off))),
            operator_id=OperatorId(str(body["operator_id"])),
            route_id=str(body["route_id"]),
            from_stop_id=str(body["from_stop_id"]),
            to_stop_id=str(body["to_stop_id"]),
            started_at=from_micros(int(str(body["started_at"]))),
            ended_at=None if ended is None else from_micros(int(str(ended))),
            face_value=Money.from_json(face),
            closed=Closed(str(body["closed"])),
            rule=str(body["rule"]),
            companion=bool(body.get("companion", False)),
        )


class Unpriced(NamedTuple):
    """A tap the tariff does not price, with a reason code: the fare is unknown, never zero."""

    tap_id: TapId
    reason: str

    def to_json(self) -> dict[str, object]:
        return {"tap_id": str(self.tap_id), "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Parts:
    """What a face value is made of, in minor units; the five parts sum to it."""

    face: int
    waived: int
    discounted: int
    pass_covered: int
    cap_covered: int
    charged: int


class Bill(NamedTuple):
    """The whole bill of one account and service day; the same facts always make the same bill."""

    fare_account_id: FareAccountId
    service_day: date
    tariff_version: str
    engine_version: str
    lines: tuple[BillLine, ...]
    rides: tuple[Ride, ...]
    unpriced: tuple[Unpriced, ...]
    carried_out: Carried

    @property
    def parts(self) -> Parts:
        """Return the face value of the day's rides, and what the lines make of it."""
        sums = dict.fromkeys(Component, 0)
        for line in self.lines:
            sums[line.component] += line.amount.minor
        return Parts(
            face=sum(ride.face_value.minor for ride in self.rides),
            waived=sums[Component.WAIVED],
            discounted=sums[Component.DISCOUNTED],
            pass_covered=sums[Component.PASS_COVERED],
            cap_covered=sums[Component.CAP_COVERED],
            charged=sums[Component.CHARGED],
        )

    def to_json(self) -> dict[str, object]:
        return {
            "fare_account_id": str(self.fare_account_id),
            "service_day": self.service_day.isoformat(),
            "tariff_version": self.tariff_version,
            "engine_version": self.engine_version,
            "lines": [line.to_json() for line in self.lines],
            "rides": [ride.to_json() for ride in self.rides],
            "unpriced": [one.to_json() for one in self.unpriced],
            "carried_out": self.carried_out.to_json(),
        }
