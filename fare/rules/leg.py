"""One ride in the making, and those of a day."""

from dataclasses import dataclass, field
from datetime import datetime

from fare.rules.bill import Closed
from fare.rules.carried import OpenRide, Tail
from fare.rules.facts import FareTap
from fare.rules.tariff import Tariff
from fare.rules.terms import Route
from kernel.ids import TapId


class Leg:
    """One ride in the making; `tap` is the one its lines stand under (the tap-on where there is one)."""

    __slots__ = (
        "arrived",
        "closed",
        "companion",
        "completed",
        "end_stop",
        "joined",
        "networks",
        "off",
        "on",
        "operator",
        "priced_before",
        "resumed",
        "route",
        "tail",
        "tap",
        "tariff",
    )

    def __init__(self, tap: FareTap, route: Route, tariff: Tariff, *, on: FareTap | None) -> None:
        self.tap = tap
        self.route = route
        self.tariff = tariff
        self.on = on
        self.operator = tap.operator_id or route.operator_id
        self.off: FareTap | None = None
        self.arrived: datetime | None = None
        self.end_stop = ""
        self.completed = ""  # the missing end, found in the card's own history
        self.closed = Closed.BOARDED
        self.networks = route.networks
        self.companion = False
        self.priced_before = False
        self.resumed = False  # begun on the service day before
        self.joined: list[Leg] = []
        self.tail: Tail | None = None  # its first rides are of the day before, and billed there

    @property
    def rides(self) -> "tuple[Leg, ...]":
        """The rides it is made of that are billed today."""
        if self.tail is None:
            return (self, *self.joined)
        return tuple(self.joined[len(self.tail.rides) - 1 :])

    @property
    def first(self) -> "Leg":
        """The ride of today that its amounts stand under."""
        return self if self.tail is None else self.rides[0]

    @property
    def told(self) -> FareTap:
        """The tap that its amounts stand under."""
        return self.tap if self.tail is None else self.first.tap


@dataclass(slots=True)
class Built:
    """The rides of a day in order, taps that made none (why), taps on unknown routes, what stays open."""

    legs: list[Leg] = field(default_factory=list)
    noted: list[tuple[FareTap, Closed]] = field(default_factory=list)
    unknown: list[tuple[FareTap, str]] = field(default_factory=list)
    still_open: OpenRide | None = None
    last: FareTap | None = None

    @property
    def to_be_priced(self) -> bool:
        """Whether a ride of this day is priced on the next one."""
        return self.still_open is not None and not self.still_open.priced

    @property
    def under_way(self) -> TapId | None:
        """The tap-on of a ride that was billed when it was boarded and had not ended when the day did."""
        waiting = self.still_open
        return waiting.tap.tap_id if waiting is not None and waiting.priced else None
