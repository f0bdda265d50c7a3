"""The cheapest way of paying for all the legs so far, among every one that the tariff allows.

A rider's products are weighed together: which of its fares each leg is, whether a pass covers it, and whether a cap
limits it. A pass or cap that costs more than it saves, here or on a later day, is left unused: a ways' state is carried
from day to day with what it is dearer by, so that a rider's charges up to the end of each day come to exactly what the
cheapest way up to then comes to (docs/decisions/0010). Where a tariff's caps nest and no choice can mislead, there is
one way and nothing to weigh.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from fare.rules.carried import OtherWay
from fare.rules.nesting import most_to_gain
from fare.rules.terms import Cap
from fare.rules.trace import Trace
from fare.rules.way import How, Priced, Way

MOST_WAYS: Final = 64  # the cheapest ones are kept; a day on which more differ is no rider's


def cheapest_ways(priced: Iterable[Priced], begun: Sequence[Way], how: How) -> list[Way]:
    """Return the ways of paying for the legs that may still turn out cheapest, the cheapest first.

    At least one of them is no `strange` one, where `begun` has one.
    """
    ways = list(begun)
    for one in priced:
        if len(ways) == 1:
            ways = ways[0].pay(one, how)
        else:
            ways = [after for way in ways for after in way.pay(one, how)]
        if len(ways) > 1:
            ways = _kept(ways, one[0].tariff.caps)
    return ways if len(ways) == 1 else sorted(ways, key=_order)


def _kept(ways: list[Way], caps: Sequence[Cap]) -> list[Way]:
    """Return the ways without those that another one, in the same state or a better one, is as cheap as."""
    best: dict[tuple[object, ...], Way] = {}
    for way in sorted(ways, key=_order):
        best.setdefault((way.state, way.strange), way)
    kept: list[Way] = []
    for way in best.values():
        if len(kept) < MOST_WAYS and not any(_beats(one, way, caps) for one in kept):
            kept.append(way)
    if all(way.strange for way in kept):
        kept += [way for way in best.values() if not way.strange][:1]
    return kept


def _order(way: Way) -> tuple[int, int, bool]:
    return (*way.order, way.strange)


def _beats(cheaper: Way, other: Way, caps: Sequence[Cap]) -> bool:
    """Whether nothing to come can make `other` the cheaper one."""
    if cheaper.state[:-1] != other.state[:-1]:  # all but the caps
        return False
    gain = most_to_gain(caps, cheaper.caps.uses, other.caps.uses)
    return gain is not None and cheaper.spent + gain <= other.spent


def never_cheaper(one: OtherWay, than: OtherWay, caps: Sequence[Cap]) -> bool:
    """Whether nothing to come can make `one` the cheaper way of the two."""
    if (one.run, one.windows, one.passes) != (than.run, than.windows, than.passes):
        return False
    ahead, behind = ({use.cap_id: use for use in way.caps} for way in (than, one))
    gain = most_to_gain(caps, ahead, behind)
    return gain is not None and than.dearer_minor + gain <= one.dearer_minor


def save(legs: Sequence[Trace], saving: int) -> None:
    """Take what the cheapest way saves off the legs' charges, the last ones first."""
    for trace in reversed(legs):
        part = min(saving, max(0, trace.charged))
        trace.saved, trace.charged, saving = part, trace.charged - part, saving - part
    if saving:
        assert legs, "a day without legs changes no way's cost"
        last = legs[-1]
        last.saved, last.charged = last.saved + saving, last.charged - saving
