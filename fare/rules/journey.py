"""Taps into rides by the transition table; a ride's price is not decided here."""

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import ClassVar, Final

from fare.rules.bill import Closed
from fare.rules.carried import OpenRide
from fare.rules.facts import Correction, FareTap
from fare.rules.leg import Built, Leg
from fare.rules.tariff import Tariff, TariffBook
from fare.rules.terms import Action, RideRule, Route, Settled
from fare.rules.transitions import NOTED, TRANSITIONS, Act, Event, State
from kernel.clock import micros
from kernel.ids import TapId
from kernel.wire.tap import Phase, Purpose

_DAY: Final = timedelta(days=1)
_OVERNIGHT: Final = timedelta(
    hours=6
)  # how long a ride without a time limit may run on into the next service day
_IDLE, _RIDING = TRANSITIONS[State.IDLE], TRANSITIONS[State.RIDING]
_RIDDEN: Final = frozenset({Purpose.BOARD, Purpose.ALIGHT, Purpose.AUTO})
_COMMITTED: Final = frozenset({Phase.DONE, Phase.RECOVERED})


class Builder:
    """Walks a day's taps in card order and applies TRANSITIONS; `open_leg` is the ride under way."""

    __slots__ = (
        "_book",
        "_companions",
        "_dates",
        "_ended",
        "_followers",
        "_last",
        "_midnight",
        "_start",
        "built",
        "day",
        "ends_at",
        "open_leg",
        "said",
        "tariffs",
    )

    def __init__(self, book: TariffBook, service_day: date, last: FareTap | None) -> None:
        self._book = book
        self.day = service_day
        self._start, self.ends_at, self._midnight = book.day_bounds(service_day)
        # Almost every tap falls on the two dates of its service day, so their tariffs are at hand.
        self._dates = service_day, service_day + _DAY
        self.tariffs = book.on(self._dates[0]), book.on(self._dates[1])
        self.built = Built()
        self.open_leg: Leg | None = None
        self._last = last  # the last tap that counted, for passback
        self._companions = 0
        self.said: dict[TapId, Correction] = {}
        self._followers: list[Leg] = []  # companions of the open ride: they end where it ends
        self._ended: Leg | None = None  # the ride that ended last, which a replacement vehicle may continue

    def tariff_at(self, at: datetime) -> Tariff:
        """Return the tariff of an instant's local date, by the day's own midnight where it lies inside."""
        if self._start <= at < self.ends_at:
            return self.tariffs[at >= self._midnight]
        return self._book.on(self._book.local_date(at))

    def date_of(self, at: datetime) -> date:
        """Return the local date of an instant."""
        if self._start <= at < self.ends_at:
            return self._dates[at >= self._midnight]
        return self._book.local_date(at)

    @property
    def last_tariff(self) -> Tariff:
        """The tariff in force where the service day ends."""
        return self.tariffs[1]

    @property
    def hands_on_us(self) -> int:
        """The time of the first ride that the next day prices, as far as this one knows: its own end, or an open ride's tap-on."""
        waiting = self.built.still_open
        return micros(self.ends_at if waiting is None or waiting.priced else waiting.tap.tapped_at)

    def resume(self, carried: OpenRide) -> None:
        """Take up a ride that the day before left open."""
        tap = carried.tap
        tariff = self.tariff_at(tap.tapped_at)
        route = tariff.route_for(tap.route_id, tap.stop_id)
        if route is None:
            # Only a re-published tariff can take the route away; the tap is then unknown like any other.
            self.built.unknown.append((tap, "unknown_route"))
            return
        leg = Leg(tap, route, tariff, on=tap)
        leg.priced_before, leg.resumed = carried.priced, True
        self.open_leg = leg
        if not carried.priced:
            self.built.legs.append(leg)
            for one in carried.companions:
                self._ride_along(one, route, tariff)

    def walk(self, taps: Iterable[FareTap]) -> None:
        for tap in taps:
            tariff = self.tariff_at(tap.tapped_at)
            if tap.purpose not in _RIDDEN or tap.phase not in _COMMITTED or tap.proven_torn:
                event = _event_without_ride(tap)
                if event is not None:
                    self._apply(event, tap, None, tariff)
                continue
            route = tariff.route_for(tap.route_id, tap.stop_id)
            if route is None:
                self.built.unknown.append((tap, "unknown_route" if tap.route_id else "unknown_stop"))
                continue
            self._apply(self._event(tap, route), tap, route, tariff)

    def _event(self, tap: FareTap, route: Route) -> Event:
        last, opened, rule = self._last, self.open_leg, route.rule
        if last is not None and _repeats(last, tap, rule):
            along = opened is not None and self._companions + 1 < rule.companions
            return Event.COMPANION if along else Event.REPEAT
        purpose = tap.purpose
        if rule.continues and purpose is not Purpose.ALIGHT and self._continues(tap, route):
            return Event.CONTINUED
        if purpose is Purpose.BOARD:
            return Event.ON
        if opened is None:
            return Event.ON if purpose is Purpose.AUTO else Event.OFF
        limit = _limit(opened)
        late = limit is not None and tap.tapped_at - opened.tap.tapped_at > limit
        if purpose is Purpose.AUTO:
            # A tap that does not say what it is begins a new ride once the open one has run out of time.
            return Event.ON if late or not _belongs(opened, tap, route, strictly=True) else Event.OFF
        if not _belongs(opened, tap, route) and not _may_join(opened, route):
            return Event.STRAY_OFF
        if not late:
            return Event.OFF
        over_long = opened.route.rule.over_long
        apart = over_long is not None and over_long.action is Action.APART
        return Event.STRAY_OFF if apart else Event.LATE_OFF

    def _continues(self, tap: FareTap, route: Route) -> bool:
        """Whether a tap-on goes on with the ride before it: the same route and way, another vehicle, soon after."""
        before = self._ended if self.open_leg is None else self.open_leg
        last = self._last
        if before is None or last is None:
            return False
        if tap.purpose is Purpose.AUTO and route.rule.settled is Settled.RIDE:
            return False  # at a gate it is the way out
        return (
            before.route.route_id == route.route_id
            and before.tap.card_id == tap.card_id
            and before.tap.direction == tap.direction
            and last.place != tap.place
            and timedelta(0) <= tap.tapped_at - last.tapped_at <= route.rule.continues
        )

    def _apply(self, event: Event, tap: FareTap, route: Route | None, tariff: Tariff) -> None:
        act, _ = (_IDLE if self.open_leg is None else _RIDING)[event]
        ride = self._RIDES.get(act)
        if ride is not None:
            assert route is not None, "only torn and inspected taps come without a route"
            ride(self, tap, route, tariff)
            return
        assert act is Act.NOTE, "any other act of a tap makes or changes a ride"
        self.built.noted.append((tap, NOTED[event]))
        if event is Event.CONTINUED:
            self._last, self._companions = tap, 0

    def _begin(self, tap: FareTap, route: Route, tariff: Tariff) -> None:
        self._abandon()
        self._last, self._companions = tap, 0
        self._ended, self.open_leg = None, Leg(tap, route, tariff, on=tap)
        self.built.legs.append(self.open_leg)

    def _orphan(self, tap: FareTap, route: Route, tariff: Tariff) -> None:
        """A tap-off without its tap-on is a ride of its own."""
        self._abandon()
        self._last, self._companions, self._ended = tap, 0, None
        leg = Leg(tap, route, tariff, on=None)
        leg.off, leg.arrived, leg.closed = tap, tap.tapped_at, Closed.MISSING_ON
        leg.end_stop = tap.stop_id
        self.built.legs.append(leg)

    def _accompany(self, tap: FareTap, route: Route, tariff: Tariff) -> None:
        self._companions += 1
        self._ride_along(tap, route, tariff)

    def _ride_along(self, tap: FareTap, route: Route, tariff: Tariff) -> None:
        leg = Leg(tap, route, tariff, on=tap)
        leg.companion = True
        self._followers.append(leg)
        self.built.legs.append(leg)

    def _finish(self, tap: FareTap, route: Route, _tariff: Tariff) -> None:
        self._end_ride(tap, route, Closed.TAPPED)

    def _finish_late(self, tap: FareTap, route: Route, _tariff: Tariff) -> None:
        self._end_ride(tap, route, Closed.OVER_LONG)

    def _end_ride(self, tap: FareTap, route: Route, closed: Closed) -> None:
        assert self.open_leg is not None, "only an open ride is finished"
        for leg in (self.open_leg, *self._followers):
            leg.off, leg.arrived, leg.end_stop, leg.closed = tap, tap.tapped_at, tap.stop_id, closed
            if route.networks != leg.route.networks:
                leg.networks = leg.route.networks | route.networks
        self._last, self._companions = tap, 0
        self._ended, self.open_leg = self.open_leg, None
        self._followers.clear()

    def _reopen(self, tap: FareTap, _route: Route, _tariff: Tariff) -> None:
        """The vehicle of the ride that just ended broke down: the next one of its route carries it on."""
        leg = self._ended
        assert leg is not None, "only a ride that ended is taken up again"
        self.built.noted.append((tap, Closed.CONTINUED))
        if leg.off is not None:
            self.built.noted.append((leg.off, Closed.CONTINUED))
        leg.off, leg.arrived, leg.end_stop, leg.closed = None, None, "", Closed.BOARDED
        leg.networks = leg.route.networks
        self._last, self._companions = tap, 0
        self.open_leg, self._ended = leg, None

    def _abandon(self) -> None:
        leg = self.open_leg
        if leg is not None:
            boarded = leg.route.rule.settled is Settled.BOARDING
            said = None if boarded else self.said.get(leg.tap.tap_id)
            for one in (leg, *self._followers):
                one.closed = Closed.BOARDED if boarded else Closed.MISSING_OFF
                if said is not None:
                    one.arrived, one.end_stop, one.closed = said.left_at, said.stop_id, Closed.CORRECTED
            self.open_leg = None
        self._followers.clear()

    def end(self, as_of: datetime | None) -> Built:
        """Close or hand on what is still open at the day's end (or at `as_of`) and return everything."""
        leg, end = self.open_leg, self.ends_at
        if leg is not None:
            limit, on_at = leg.route.rule.limit, leg.tap.tapped_at
            deadline = max(end, on_at + _OVERNIGHT) if limit is None else on_at + limit
            priced = leg.priced_before or leg.route.rule.settled is Settled.BOARDING
            hands_on = deadline > end
            waits = hands_on or (as_of is not None and as_of <= deadline)
            event = Event.DAY_STAYS if waits and not priced else Event.DAY_ENDS
            if hands_on:
                along = () if priced else tuple(one.tap for one in self._followers)
                self.built.still_open = OpenRide(leg.tap, priced, along)
            if _RIDING[event][0] is Act.ABANDON:
                self._abandon()
            else:
                for one in (leg, *self._followers):
                    one.closed = Closed.OPEN
        last = self._last
        if last is not None:
            route = self.tariff_at(last.tapped_at).route_for(last.route_id, last.stop_id)
            if route is not None and last.tapped_at + route.rule.passback > end:
                self.built.last = last
        return self.built

    _RIDES: ClassVar[dict[Act, Callable[["Builder", FareTap, Route, Tariff], None]]] = {
        Act.BEGIN: _begin,
        Act.ABANDON_BEGIN: _begin,
        Act.FINISH: _finish,
        Act.FINISH_LATE: _finish_late,
        Act.ORPHAN: _orphan,
        Act.ABANDON_ORPHAN: _orphan,
        Act.ACCOMPANY: _accompany,
        Act.REOPEN: _reopen,
    }


def _event_without_ride(tap: FareTap) -> Event | None:
    """Return what a tap is that can neither begin nor end a ride; None where it is not the fares' at all."""
    if tap.purpose is Purpose.PARK_IN or tap.purpose is Purpose.PARK_OUT or tap.phase is Phase.REFUSED:
        return None
    return Event.INSPECTED if tap.purpose is Purpose.INSPECT else Event.TORN


def _repeats(last: FareTap, tap: FareTap, rule: RideRule) -> bool:
    """Whether a card was shown again where it was shown last, within the passback interval, for the same purpose."""
    return (
        abs(tap.tapped_at - last.tapped_at) < rule.passback
        and last.place == tap.place
        and last.card_id == tap.card_id
        and (tap.purpose is last.purpose or Purpose.AUTO in {tap.purpose, last.purpose})
    )


def _belongs(opened: Leg, tap: FareTap, route: Route, *, strictly: bool = False) -> bool:
    """Whether an off at `tap` can end the open ride: same vehicle or trip, or the same network of stations.

    An explicit off may also come from another vehicle of the route (a breakdown's replacement); a tap that
    does not say what it is may not (`strictly`), or a second bus of the route would end the first ride.
    """
    if opened.route.rule.settled is Settled.RIDE:
        return opened.route.networks == route.networks
    on = opened.tap
    if on.place == tap.place or (on.trip_id == tap.trip_id != ""):
        return True
    return not strictly and opened.route.route_id == route.route_id


def _limit(opened: Leg) -> timedelta | None:
    return opened.route.rule.limit or (_OVERNIGHT if opened.resumed else None)


def _may_join(opened: Leg, route: Route) -> bool:
    """Whether a join rule lets one ride begin on the open ride's network and end on this one."""
    joins = opened.tariff.joins
    return any((start, end) in joins for start in opened.route.networks for end in route.networks)
