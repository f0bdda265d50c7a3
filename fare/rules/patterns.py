"""Ways to ride for less than a tariff means to charge, found in folded bills; each has a name and a price.

A pattern is a question for a person, not a verdict: an honest rider may show one.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Final
from uuid import UUID

from fare.rules.bill import Bill, Closed, Component, Ride
from fare.rules.facts import FareTap
from fare.rules.quote import quote_closing, quote_leg
from fare.rules.tariff import TariffBook
from fare.rules.terms import Action, Closing, Settled

_AGAIN: Final = timedelta(minutes=30)  # out and in again at one station: longer is a visit
_TOGETHER: Final = timedelta(minutes=3)  # nobody boards twice at two places so soon
_RODE: Final = frozenset(
    {Closed.TAPPED, Closed.BOARDED, Closed.MISSING_OFF, Closed.MISSING_ON, Closed.OVER_LONG}
)
_FARTHEST: Final = Closing(Action.FARTHEST, "", "patterns")
_BY_TRANSFER: Final = ("transfer_windows:", "fare_transfer_rules")

NAMES: Final[dict[str, tuple[str, str]]] = {
    "free_return": ("Đi và về bằng một vé: lượt về nằm trong thời gian chuyển tuyến", "There and back on one fare: the way back falls into the transfer window"),
    "split_ride": ("Ra rồi vào lại giữa đường để trả ít hơn đi thẳng", "Out and in again on the way, for less than the through fare"),
    "cheap_forgetting": ("Quên quẹt xuống rẻ hơn vé xa nhất từ ga đó", "Forgetting the tap-off costs less than the farthest fare from there"),
    "shared_pass": ("Một vé dùng ở hai nơi gần như cùng lúc", "One pass used at two places at almost the same time"),
    "paid_to_ride": ("Lượt chuyển tuyến trả lại tiền cho hành khách", "A transfer pays the rider money back"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """One case: what it saves the rider in minor units, and the tap that shows it."""

    pattern: str
    saved_minor: int
    tap_id: UUID


def find_patterns(bills: Iterable[Bill], taps: Mapping[UUID, FareTap], book: TariffBook) -> list[Found]:
    """Return the cases in one account's bills, oldest first within each pattern."""
    found: list[Found] = []
    rides: list[Ride] = []
    charged: dict[UUID, int] = defaultdict(int)
    passed: set[UUID] = set()
    for bill in bills:
        for line in bill.lines:
            if line.component is Component.CHARGED:
                charged[line.tap_id] += line.amount.minor
            elif line.component is Component.PASS_COVERED:
                passed.add(line.tap_id)
        rides += [ride for ride in bill.rides if ride.closed in _RODE and ride.tap_id in taps]
    found += [Found("paid_to_ride", -minor, tap) for tap, minor in charged.items() if minor < 0]
    rides.sort(key=lambda ride: (ride.started_at, ride.tap_id))
    for ride in rides:
        if ride.closed is Closed.MISSING_OFF:
            found += _cheap_forgetting(ride, charged[ride.tap_id], taps[ride.tap_id], book)
    for before, ride in pairwise(rides):
        found += _free_return(before, ride, charged)
        found += _split_ride(before, ride, charged, taps, book)
        if before.tap_id in passed and ride.tap_id in passed:
            found += _shared_pass(before, ride, taps)
    return found


def _free_return(before: Ride, ride: Ride, charged: Mapping[UUID, int]) -> list[Found]:
    back = "" not in {before.from_stop_id, before.to_stop_id} and (ride.from_stop_id, ride.to_stop_id) == (
        before.to_stop_id,
        before.from_stop_id,
    )
    if not back or charged[ride.tap_id] > 0 or not ride.rule.startswith(_BY_TRANSFER):
        return []
    return [Found("free_return", charged[before.tap_id], ride.tap_id)]


def _split_ride(
    before: Ride, ride: Ride, charged: Mapping[UUID, int], taps: Mapping[UUID, FareTap], book: TariffBook
) -> list[Found]:
    if (
        before.ended_at is None
        or not before.to_stop_id
        or before.to_stop_id != ride.from_stop_id
        or ride.to_stop_id in {"", before.from_stop_id}
        or not timedelta(0) <= ride.started_at - before.ended_at <= _AGAIN
    ):
        return []
    tap = taps[before.tap_id]
    tariff = book.on(book.local_date(tap.tapped_at))
    route = tariff.routes.get(before.route_id)
    other = tariff.routes.get(ride.route_id)
    if route is None or other is None or route.networks != other.networks:
        return []
    through = quote_leg(
        tariff, route, from_stop=before.from_stop_id, to_stop=ride.to_stop_id, networks=route.networks,
        departed=before.started_at, arrived=ride.ended_at, medium=tap.medium, categories=(tap.concession,),
    ).offers  # fmt: skip
    paid = charged[before.tap_id] + charged[ride.tap_id]
    face = before.face_value.minor + ride.face_value.minor
    if not through or through[0].minor <= face or paid == 0:
        return []
    return [Found("split_ride", through[0].minor - face, ride.tap_id)]


def _cheap_forgetting(ride: Ride, paid: int, tap: FareTap, book: TariffBook) -> list[Found]:
    tariff = book.on(book.local_date(tap.tapped_at))
    route = tariff.routes.get(ride.route_id)
    if route is None or route.rule.settled is Settled.BOARDING or not paid:
        return []
    farthest = quote_closing(
        tariff, route, _FARTHEST, stop=tap.stop_id, departed=tap.tapped_at, medium=tap.medium,
        categories=(tap.concession,),
    ).offers  # fmt: skip
    if not farthest or farthest[0].minor <= ride.face_value.minor:
        return []
    return [Found("cheap_forgetting", farthest[0].minor - ride.face_value.minor, ride.tap_id)]


def _shared_pass(before: Ride, ride: Ride, taps: Mapping[UUID, FareTap]) -> list[Found]:
    one, two = taps[before.tap_id], taps[ride.tap_id]
    if one.place == two.place or ride.started_at - before.started_at > _TOGETHER:
        return []
    if before.ended_at is not None and before.ended_at <= ride.started_at:
        return []
    return [Found("shared_pass", ride.face_value.minor, ride.tap_id)]
