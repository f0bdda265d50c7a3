"""A tier clock that stops in the hours without a price: the holes are taken out, walked over, and put back."""

from __future__ import annotations

from typing import NamedTuple

from parking.rules.edges import LineType
from parking.rules.rate import Stretch
from parking.rules.walk import Charge


class Pause(NamedTuple):
    """`length` seconds without a price; `at` is where they stood once all earlier ones were taken out."""

    at: int
    length: int


def without_pauses(stretches: list[Stretch], start: int) -> tuple[list[Stretch], list[Pause]]:
    """Return the stretches moved together from `start` on, and what was taken out between them."""
    moved, pauses, gone = list[Stretch](), list[Pause](), 0
    for each in stretches:
        begin = max(each.start, start)
        if each.collection is None:
            pauses.append(Pause(begin - gone, each.end - begin))
            gone += each.end - begin
        else:
            moved.append(each._replace(start=begin - gone, end=each.end - gone))
    return moved, pauses


def with_pauses(charges: list[Charge], pauses: list[Pause]) -> list[Charge]:
    """Return the charges at the times when they happened; increments on both sides of a pause are two charges."""
    found: list[Charge] = []
    for charge in charges:
        for each in _parted(charge, [pause.at for pause in pauses]):
            # What begins where a pause stood begins after it, and what ends there ended before it.
            begun = sum(pause.length for pause in pauses if pause.at <= each.start)
            ended = sum(pause.length for pause in pauses if pause.at < each.end)
            found.append(each._replace(start=each.start + begun, end=each.end + ended))
    return found


def _parted(charge: Charge, cuts: list[int]) -> list[Charge]:
    line = charge.line
    if line is None or charge.units <= 1 or line.line_type is not LineType.INCREMENT:
        return [charge]
    found: list[Charge] = []
    for number in range(charge.units):
        begin = charge.start + number * line.increment_s
        end = charge.end if number == charge.units - 1 else begin + line.increment_s
        if found and not any(found[-1].start < cut <= begin for cut in cuts):
            last = found[-1]
            found[-1] = last._replace(end=end, units=last.units + 1, amount=last.amount + line.value)
        else:
            found.append(charge._replace(start=begin, end=end, units=1, amount=line.value))
    return found
