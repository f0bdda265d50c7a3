"""Park and ride in a price proof: which ride earned which cut, recomputable from the rates' files alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from kernel.ground import Ground, GroundKind
from kernel.ids import FareAccountId, uuid8
from kernel.money import Money, currency
from kernel.service_day import local_date
from parking.rules.book import RateBook
from parking.rules.cover import Discount, reduction
from parking.rules.park_ride import earns, reach
from parking.rules.quote import Quote
from parking.rules.right import RightKind
from parking.rules.session import EventKind
from parking.rules.stay import Stay, StayEvent, fold_stays

_NOBODY = UUID(int=0)


def ride_ground(at: datetime, words: Iterable[str]) -> Ground:
    """Return a ride that a file or a proof tells of, by no card in particular."""
    told = frozenset(words)
    return Ground(
        fare_account_id=FareAccountId(_NOBODY),
        kind=GroundKind.RIDE,
        ref=uuid8("told ride", at.isoformat(), *sorted(told)),
        medium=None,
        since=at,
        until=None,
        words=told,
    )


def cuts_json(cuts: Iterable[Discount]) -> list[dict[str, Any]]:
    """Return the cuts that rides earned as plain JSON values, for a proof."""
    return [
        {
            "spec_id": cut.right.spec.spec_id,
            "rule": cut.rule,
            "funder": cut.funder,
            "ride": {"at": cut.right.ride.since.isoformat(), "words": sorted(cut.right.ride.words)},
            "of": cut.left.to_json(),
            "amount": cut.amount.to_json(),
        }
        for cut in cuts
        if cut.right.ride is not None
    ]


def check_cuts(
    told: Iterable[Mapping[str, Any]], quote: Quote, book: RateBook, place_id: str, vehicle_class: str
) -> tuple[str, ...]:
    """Return what of a proof's cuts does not follow from the files; KeyError and its kin where a part is missing."""
    place = book.place(place_id)
    stay = told_stay(place_id, quote.entered_at, quote.left_at)
    start, end = reach(stay, place)
    found: list[str] = []
    for each in told:
        name, at = str(each["spec_id"]), datetime.fromisoformat(each["ride"]["at"])
        spec = book.right(name, local_date(quote.entered_at, place.zone))
        left, amount = _money(each["of"]), _money(each["amount"])
        if (
            spec is None
            or spec.kind is not RightKind.PARK_AND_RIDE
            or not book.is_within(place_id, spec.place_id)
        ):
            found.append(f"park_and_ride: {name} is not offered at {place_id}")
        elif spec.vehicle_class not in {"", vehicle_class} or spec.funder != each["funder"]:
            found.append(f"park_and_ride: {name} is for another class, or another pays for it")
        elif not start <= at < end or not earns(spec, stay, ride_ground(at, each["ride"]["words"])):
            found.append(f"park_and_ride: the ride of {at.isoformat()} does not earn {name}")
        elif left > quote.total or (again := reduction(spec, quote, left, book, place)) != amount:
            found.append(
                f"park_and_ride: {name} takes {again if left <= quote.total else 0} of {left}, not {amount}"
            )
    return tuple(found)


def _money(body: Mapping[str, Any]) -> Money:
    return Money(int(body["minor"]), currency(str(body["currency"])))


def told_stay(place_id: str, entered_at: datetime, left_at: datetime) -> Stay:
    """Return the stay a quote prices, by no card in particular."""
    (stay,) = fold_stays(
        StayEvent(
            event_id=uuid8("told stay", kind.value),
            kind=kind,
            subject=_NOBODY,
            at=at,
            place_id=place_id,
        )
        for kind, at in ((EventKind.ENTERED, entered_at), (EventKind.LEFT, left_at))
    )
    return stay
