"""What an inspector is told of a card: tapped or not, pass or not, on which vehicle. Nothing more, by construction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from fare.rules.facts import FareTap, HeldPass, in_card_order
from fare.rules.journey import Builder
from fare.rules.tariff import TariffBook

AHEAD: Final = timedelta(minutes=5)
"""As evidence is accepted (access/rules/judge.py)."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """The whole answer. `vehicle` is where the open ride was tapped in; empty when there is none."""

    tapped: bool
    has_pass: bool
    vehicle: str


def inspect(
    taps: Iterable[FareTap],
    passes: Iterable[HeldPass],
    *,
    book: TariffBook,
    service_day: date,
    at: datetime,
) -> Inspected:
    """Return what an inspector at an instant is told, from the taps of a service day and the passes held.

    Tapped is who has a ride open then, built as bills build it: an exit ends it, and so does the time limit of the
    route. A tap may be stamped AHEAD of the instant: the validator's clock and ours are two.
    """
    known = in_card_order(tuple(tap for tap in taps if tap.tapped_at <= at + AHEAD))
    builder = Builder(book, service_day, None)
    builder.walk(known)
    ride = builder.open_leg
    limit = None if ride is None else ride.route.rule.limit
    open_still = ride is not None and (limit is None or at <= ride.tap.tapped_at + limit)
    held = any(
        one.valid_from <= at < one.valid_until and (one.ended_at is None or at < one.ended_at)
        for one in passes
    )
    return Inspected(open_still, held, ride.tap.place if ride is not None and open_still else "")
