"""The difference between a bill and what is booked already, line by line (DESIGN §8.9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

from fare.rules.bill import RIDER_FUNDER, Bill, Closed, Component

# A ride the tariff accepts as a trip; a torn or repeated tap and a ride still open are none.
TRIPS: Final = frozenset({
    Closed.TAPPED, Closed.BOARDED, Closed.MISSING_OFF, Closed.MISSING_ON, Closed.OVER_LONG, Closed.CORRECTED,
})  # fmt: skip


class LineKey(NamedTuple):
    """What two revisions of one bill are compared by."""

    tap_id: UUID
    component: str
    operator_id: str
    funder: str
    route_id: str


@dataclass(frozen=True, slots=True)
class BookedLine:
    """The sum of a line over all revisions, with the entry that last booked it."""

    amount_minor: int
    trips: int
    rule: str
    entry_id: UUID | None


@dataclass(frozen=True, slots=True)
class Difference:
    """What one line changes: `minor` may be negative, `corrects` is the entry it adjusts."""

    key: LineKey
    minor: int
    trips: int
    rule: str
    corrects: UUID | None


def wanted_lines(bill: Bill) -> dict[LineKey, BookedLine]:
    """The bill's lines by key, each accepted ride counted once, on the first line of its tap.

    A ride that costs nothing still gets one line of 0, so that it is counted.
    """
    amounts: dict[LineKey, int] = {}
    rules: dict[LineKey, str] = {}
    for line in bill.lines:
        key = LineKey(line.tap_id, line.component.value, line.operator_id, line.funder, line.route_id)
        amounts[key] = amounts.get(key, 0) + line.amount.minor
        rules.setdefault(key, line.rule)
    first: dict[tuple[UUID, str, str], LineKey] = {}
    for key in sorted(amounts):
        first.setdefault((key.tap_id, key.operator_id, key.route_id), key)
    trips: dict[LineKey, int] = {}
    for ride in bill.rides:
        if ride.closed not in TRIPS:
            continue
        # Of a shared charge the line of the operator that was boarded counts the trip.
        place = ride.tap_id, ride.operator_id, ride.route_id
        counted = first.get(place)
        if counted is None:
            counted = LineKey(
                ride.tap_id, Component.CHARGED.value, ride.operator_id, RIDER_FUNDER, ride.route_id
            )
            amounts[counted], rules[counted] = 0, ride.rule
            first[place] = counted
        trips[counted] = 1
    return {key: BookedLine(amounts[key], trips.get(key, 0), rules[key], None) for key in amounts}


def differences(
    wanted: Mapping[LineKey, BookedLine], booked: Mapping[LineKey, BookedLine]
) -> tuple[Difference, ...]:
    """What must be booked so that `booked` becomes `wanted`, refunds first; nothing for what agrees.

    Refunds first: what a corrected line gives back may pay for the line that takes its place.
    """
    found = []
    for key in sorted(wanted.keys() | booked.keys()):
        want, have = wanted.get(key), booked.get(key)
        minor = (want.amount_minor if want else 0) - (have.amount_minor if have else 0)
        trips = (want.trips if want else 0) - (have.trips if have else 0)
        if minor or trips or (want and have is None):
            rule = want.rule if want else have.rule if have else ""
            found.append(Difference(key, minor, trips, rule, have.entry_id if have else None))
    return tuple(sorted(found, key=lambda change: change.minor > 0))
