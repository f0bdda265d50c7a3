"""One ride in the making."""

from datetime import datetime

from fare.rules.bill import Closed
from fare.rules.facts import FareTap
from fare.rules.tariff import Tariff
from fare.rules.terms import Route


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
        "priced_before",
        "resumed",
        "route",
        "tap",
        "tariff",
    )

    def __init__(self, tap: FareTap, route: Route, tariff: Tariff, *, on: FareTap | None) -> None:
        self.tap = tap
        self.route = route
        self.tariff = tariff
        self.on = on
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
