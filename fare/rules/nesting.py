"""How the caps of a tariff lie to each other, which decides whether paying least ride by ride pays least in all.

Caps in money over calendar periods of which any two either nest or share no ride cannot mislead: whatever a ride pays
less, no later ride pays more than that. Where caps cross, count rides, or roll, paying a ride for oneself may save
more than it costs later on, and every combination has to be weighed (`fare.rules.search`).
"""

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Final

from fare.rules.carried import CapUse
from fare.rules.terms import Cap, Period

_WIDER: Final = {
    Period.DAY: {Period.DAY, Period.WEEK, Period.MONTH},
    Period.WEEK: {Period.WEEK},
    Period.MONTH: {Period.MONTH},
}


def tangled(caps: Iterable[Cap]) -> bool:
    """Whether two of the caps cross, or one of several counts rides or rolls."""
    return any(
        not (_nests(one, other) or _nests(other, one) or _apart(one, other))
        for one, other in combinations(caps, 2)
    )


def plain(cap: Cap) -> bool:
    """Whether a cap is on money, over calendar periods."""
    return cap.minor is not None and cap.period is not Period.ROLLING


def most_to_gain(
    caps: Iterable[Cap], ahead: Mapping[str, CapUse], behind: Mapping[str, CapUse]
) -> int | None:
    """Return the most that rides to come may cost less from the uses `behind` than from `ahead`; None: no telling.

    `behind` paid more; what it is further on towards a cap is all that it may be given back there, once for caps that
    nest.
    """
    further: dict[str, int] = {}
    named = {cap.cap_id: cap for cap in caps}
    for name, cap in named.items():
        one, other = ahead.get(name), behind.get(name)
        if other is None or one == other:
            if other is None and one is not None and cap.period is Period.ROLLING:
                return None
            continue
        if (one is not None and one.period != other.period) or (one is None and cap.period is Period.ROLLING):
            return None
        if cap.minor is None:
            most = cap.rides or 0
            if min(other.rides, most) > (0 if one is None else min(one.rides, most)):
                return None
            continue
        gained = min(other.minor, cap.minor) - (0 if one is None else min(one.minor, cap.minor))
        if gained > 0:
            further[name] = gained
    return _through(further, named)


def _through(further: Mapping[str, int], caps: Mapping[str, Cap]) -> int:
    """Return the sum over caps of which none holds another, each as much as it or those inside it are further on."""
    inside: dict[str, list[str]] = {name: [] for name in further}
    tops = []
    for name in further:
        around = [one for one in further if one != name and _inside(caps[name], name, caps[one], one)]
        if around:
            inside[_nearest(around, caps)].append(name)
        else:
            tops.append(name)

    def most(name: str) -> int:
        return max(further[name], sum(most(one) for one in inside[name]))

    return sum(most(name) for name in tops)


def _nearest(around: list[str], caps: Mapping[str, Cap]) -> str:
    """Return the cap that most of the others hold."""
    return max(around, key=lambda one: (sum(_inside(caps[one], one, caps[two], two) for two in around), one))


def _inside(cap: Cap, name: str, other: Cap, other_name: str) -> bool:
    """Whether one cap nests in another; of two alike, the first by name in the second."""
    return _nests(cap, other) and (not _nests(other, cap) or name < other_name)


def _nests(inner: Cap, outer: Cap) -> bool:
    """Whether every ride and every period of one cap lies in one period of the other; both plain."""
    if not plain(inner) or not plain(outer) or outer.period not in _WIDER[inner.period]:
        return False
    return (
        all(
            not wide or (narrow and narrow <= wide)
            for narrow, wide in (
                (inner.networks, outer.networks),
                (inner.operators, outer.operators),
                (inner.areas, outer.areas),
                (inner.media, outer.media),
            )
        )
        and outer.category in {None, inner.category}
        and outer.timeframe in {"", inner.timeframe}
    )


def _apart(one: Cap, other: Cap) -> bool:
    """Whether no ride counts towards both."""
    return any(
        here and there and here.isdisjoint(there)
        for here, there in (
            (one.networks, other.networks),
            (one.operators, other.operators),
            (one.media, other.media),
        )
    )
