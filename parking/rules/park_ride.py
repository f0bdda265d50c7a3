"""Park and ride, the parking side: which rides earn a stay a benefit that its rates' files offer (DESIGN §8.16).

Only that a ride is counts, where and when; what it cost is not among its facts.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from uuid import UUID

from kernel.ground import Ground
from kernel.ids import uuid8
from kernel.service_day import day_window, local_date, service_day
from parking.rules.book import RateBook
from parking.rules.place import Place
from parking.rules.right import AssignedRight, RideCard, RideTiming, RightSpecification
from parking.rules.stay import Stay

_DAY = timedelta(days=1)


def card_of(stay: Stay) -> UUID | None:
    """Return the card that parked; None for a phone, a plate or a ticket."""
    return stay.subject if any(each.order is not None for each in stay.events) else None


def reach(stay: Stay, place: Place) -> tuple[datetime, datetime]:
    """Return the service days of the place that a stay touches, `[start, end)`: rides begun in them may count."""
    first = stay.entered_at or stay.left_at or stay.events[0].at
    last = max(first, stay.left_at or first)

    def of(at: datetime) -> date:
        return service_day(at, place.day_starts, place.zone)

    return (
        day_window(of(first), place.day_starts, place.zone).start,
        day_window(of(last), place.day_starts, place.zone).end,
    )


def earned(stay: Stay, book: RateBook, rides: Iterable[Ground]) -> tuple[AssignedRight, ...]:
    """Return the rights that a stay's rides earn it: one a product of its place, by the earliest ride that fits.

    The products are those in force on the date of the entry. The result depends on the set of rides alone.
    """
    place = book.places.get(stay.place_id)
    if place is None or stay.entered_at is None:
        return ()
    on = local_date(stay.entered_at, place.zone)
    start, end = reach(stay, place)
    near = sorted(
        (each for each in rides if start <= each.since < end), key=lambda each: (each.since, each.ref.bytes)
    )
    found: list[AssignedRight] = []
    for spec in book.park_and_ride(on):
        if not book.is_within(stay.place_id, spec.place_id):
            continue
        ride = next((each for each in near if earns(spec, stay, each)), None)
        if ride is not None:
            found.append(
                AssignedRight(
                    right_id=uuid8("park and ride", spec.spec_id, stay.stay_id),
                    spec=spec,
                    valid_from=start,
                    valid_to=end,
                    assigned_at=ride.since,
                    stay_id=stay.stay_id,
                    ride=ride,
                )
            )
    return tuple(found)


def earns(spec: RightSpecification, stay: Stay, ride: Ground) -> bool:
    """Return whether a ride of one of the stay's service days is one that the product names."""
    if spec.ride_card is RideCard.SAME and not ride.is_by(card_of(stay)):
        return False
    if not all(words & ride.words for words in spec.ride_words):
        return False
    if spec.ride_timing is RideTiming.SAME_DAY:
        return True
    entered, left = stay.entered_at, stay.left_at
    return entered is not None and entered <= ride.since and (left is None or ride.since < left)
