"""Rights and rides that a file or a command tells of: what they take off a quoted stay, recomputable offline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from kernel.ground import Ground
from kernel.ids import uuid8
from kernel.money import Money
from kernel.service_day import local_date
from parking.rules.book import RateBook
from parking.rules.cover import Discount, discounts
from parking.rules.park_proof import ride_ground, told_stay
from parking.rules.park_ride import earned
from parking.rules.quote import Quote
from parking.rules.right import AssignedRight, RightKind, RightSpecification

_EVER = timedelta(days=36_500)


def told_right(
    spec: RightSpecification,
    number: int,
    quote: Quote,
    valid_from: datetime | None,
    valid_to: datetime | None,
) -> AssignedRight:
    """Return the right a driver is said to hold, the `number`th told; without dates it holds at any time."""
    return AssignedRight(
        right_id=uuid8("told right", str(number), spec.spec_id),
        spec=spec,
        valid_from=valid_from or quote.entered_at - _EVER,
        valid_to=valid_to or quote.entered_at + _EVER,
        assigned_at=quote.entered_at + timedelta(microseconds=number),
    )


def told_discounts(
    quote: Quote,
    book: RateBook,
    place_id: str,
    vehicle_class: str,
    rights: Iterable[AssignedRight],
    rides: Iterable[Ground],
) -> tuple[Discount, ...]:
    """Return what these rights, and what these rides earn, take off a quoted stay."""
    stay = told_stay(place_id, quote.entered_at, quote.left_at)
    held = [each for each in rights if each.touches(quote.entered_at, quote.left_at)]
    return discounts(quote, book, book.place(place_id), vehicle_class, [*held, *earned(stay, book, rides)])


def charged(quote: Quote, cuts: Iterable[Discount]) -> Money:
    """Return what the driver pays once these are taken off."""
    return quote.total - sum((each.amount for each in cuts), Money.zero(quote.total.currency))


def told_json(rights: Iterable[AssignedRight], quote: Quote, cuts: Iterable[Discount]) -> dict[str, Any]:
    """Return the parts of a proof that rights add: which were told, what each took off, what is left to pay."""
    told = tuple(cuts)
    return {
        "rights": [
            {
                "spec_id": each.spec.spec_id,
                "from": each.valid_from.isoformat(),
                "to": each.valid_to.isoformat(),
            }
            for each in rights
        ],
        "discounts": [
            {
                "rule": each.rule,
                "covered": each.covered,
                "funder": each.funder,
                "of": each.left.to_json(),
                "amount": each.amount.to_json(),
            }
            for each in told
        ],
        "charged": charged(quote, told).to_json(),
    }


def find_spec(book: RateBook, spec_id: str, quote: Quote) -> RightSpecification | None:
    """Return the product a driver may hold on the date of the entry; None for what is not sold or given."""
    spec = book.right(spec_id, local_date(quote.entered_at, quote.table.zone))
    return None if spec is None or spec.kind is RightKind.PARK_AND_RIDE else spec


def check_told(
    proof: Mapping[str, Any], quote: Quote, book: RateBook, place_id: str, vehicle_class: str
) -> tuple[str, ...]:
    """Return what of a proof's rights does not follow from the files; KeyError and its kin where a part is missing."""
    if "rights" not in proof:
        return ()
    rights: list[AssignedRight] = []
    for number, each in enumerate(proof["rights"]):
        spec = find_spec(book, str(each["spec_id"]), quote)
        if spec is None:
            return (f"rights: {each['spec_id']} was not to be had on that date",)
        first, last = datetime.fromisoformat(each["from"]), datetime.fromisoformat(each["to"])
        rights.append(told_right(spec, number, quote, first, last))
    rides = [
        ride_ground(datetime.fromisoformat(each["ride"]["at"]), each["ride"]["words"])
        for each in proof.get("park_and_ride", ())
    ]
    cuts = told_discounts(quote, book, place_id, vehicle_class, rights, rides)
    again = told_json(rights, quote, cuts)
    return tuple(
        f"{name}: the proof says {proof[name]}, recomputed {again[name]}"
        for name in ("discounts", "charged")
        if proof[name] != again[name]
    )
