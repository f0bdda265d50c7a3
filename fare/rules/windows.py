"""Our transfer windows: rides of other networks in between leave them as they are."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from fare.rules.carried import WindowUse
from fare.rules.distance import offer_for
from fare.rules.tariff import Tariff
from fare.rules.terms import Dearer, Restart, TransferWindow
from kernel.ids import OperatorId

Held = Callable[[int, int], bool]
"""Whether a debt that begins by one instant (µs) is still there at another."""


@dataclass(frozen=True, slots=True)
class WindowLeg:
    """A leg as windows see it; times are µs, `arrived_us` None without a tap-off, `metres` None where unknown."""

    tariff: Tariff
    networks: frozenset[str]
    operator: OperatorId
    route_id: str
    departed_us: int
    arrived_us: int | None
    metres: int | None
    medium: str
    categories: tuple[int, ...]
    frames: frozenset[str]


@dataclass(frozen=True, slots=True)
class Granted:
    """What a leg costs inside the windows it counts for: the window that decided, empty where none did.

    `through` is what the whole journey costs by its distance; `withheld` the window that a debt kept shut.
    """

    minor: int
    window_id: str = ""
    through: int | None = None
    restarted: bool = False
    withheld: str = ""


class Windows:
    """Transfer windows under way, by id."""

    __slots__ = ("_open",)

    def __init__(self, carried: tuple[WindowUse, ...]) -> None:
        self._open = {one.window_id: one for one in carried}

    def copy(self) -> "Windows":
        return Windows(tuple(self._open.values()))

    def charge(self, leg: WindowLeg, minor: int, held: Held) -> Granted:
        """Return what a leg of `minor` costs; the cheapest of the windows that grant it something decides."""
        best: Granted | None = None
        withheld = ""
        for window in leg.tariff.windows:
            if not counts(window, leg.networks, leg.operator):
                continue
            use = self._open.get(window.window_id)
            if use is None or not _grants(window, use, leg):
                self._open[window.window_id] = _begin(window, leg, minor)
                continue
            if window.withhold_in_debt and held(leg.departed_us, use.started_us + window.duration_us):
                withheld = window.window_id
                self._open[window.window_id] = _follow(use, leg, paid=max(use.paid_minor, minor))
                continue
            due, after, through = _due(window, use, leg, minor)
            if best is None or due < best.minor:
                restarted = after.started_us != use.started_us
                best = Granted(due, window.window_id, through, restarted)
            self._open[window.window_id] = after
        if best is not None and best.minor <= minor:
            return best
        return Granted(minor, withheld=withheld)

    def standing(self) -> tuple[WindowUse, ...]:
        """Return the windows as they stand, in id order."""
        return tuple(use for _, use in sorted(self._open.items()))

    def carry(self, tariff: Tariff, end_us: int) -> tuple[WindowUse, ...]:
        """Return the windows that reach past the day's end, in id order."""
        if not self._open:
            return ()
        lengths = {window.window_id: window.duration_us for window in tariff.windows}
        return tuple(
            use for name, use in sorted(self._open.items()) if use.started_us + lengths.get(name, 0) >= end_us
        )


def left(uses: tuple[WindowUse, ...], departed_us: int, route_id: str, left_us: int) -> tuple[WindowUse, ...]:
    """Return the windows, the end of their last leg known where it is the ride that ended after the day that billed it."""
    return tuple(
        replace(one, ended_us=left_us) if (one.ended_us, one.route_id) == (departed_us, route_id) else one
        for one in uses
    )


def counts(window: TransferWindow, networks: frozenset[str], operator: OperatorId) -> bool:
    """Whether a leg on these networks of this operator counts for a window."""
    return (not window.networks or bool(networks & window.networks)) and (
        not window.operators or operator in window.operators
    )


def _grants(window: TransferWindow, use: WindowUse, leg: WindowLeg) -> bool:
    """Whether a leg is a change inside the window; where it is not, it begins the window anew."""
    if window.max_uses is not None and use.used >= window.max_uses:
        return False
    taken, gap = leg.departed_us - use.started_us, leg.departed_us - use.ended_us
    if window.inclusive:
        if taken > window.duration_us or (window.gap_us is not None and gap > window.gap_us):
            return False
    elif taken >= window.duration_us or (window.gap_us is not None and gap >= window.gap_us):
        return False
    if not window.same_route and leg.route_id == use.route_id:
        return False
    return not window.pairs or any((use.network, network) in window.pairs for network in leg.networks)


def _begin(window: TransferWindow, leg: WindowLeg, minor: int) -> WindowUse:
    metres = leg.metres if window.dearer is Dearer.DISTANCE and leg.metres is not None else 0
    return WindowUse(
        window.window_id, leg.departed_us, 0, minor, _ended(leg), _network(leg), leg.route_id, metres
    )


def _follow(use: WindowUse, leg: WindowLeg, *, paid: int) -> WindowUse:
    return replace(use, paid_minor=paid, ended_us=_ended(leg), network=_network(leg), route_id=leg.route_id)


def _due(
    window: TransferWindow, use: WindowUse, leg: WindowLeg, minor: int
) -> tuple[int, WindowUse, int | None]:
    """Return what a granted leg costs, the window after it, and the journey's fare where distance decides."""
    found = None
    after = replace(_follow(use, leg, paid=max(use.paid_minor, minor)), used=use.used + 1, metres=use.metres)
    match window.dearer:
        case Dearer.FREE:
            due = 0
        case Dearer.DIFFERENCE:
            due = max(0, minor - use.paid_minor)
        case Dearer.DISTANCE:
            whole = use.metres + (leg.metres or 0)
            found = None if leg.metres is None else _through(leg, whole)
            if found is None:
                # A leg whose length nobody knows keeps its own fare and adds no distance.
                return minor, replace(after, paid_minor=use.paid_minor), None
            due = max(0, found - use.paid_minor)
            after = replace(after, metres=whole, paid_minor=max(found, use.paid_minor))
    if window.restart is Restart.EACH or (window.restart is Restart.DEARER and due > 0):
        after = replace(after, started_us=leg.departed_us)
    return due, after, found


def _through(leg: WindowLeg, metres: int) -> int | None:
    offers = [
        offer
        for network in sorted(leg.networks)
        if (offer := offer_for(leg.tariff, network, metres, leg.medium, leg.categories, leg.frames))
        is not None
    ]
    return min((offer.minor for offer in offers), default=None)


def _ended(leg: WindowLeg) -> int:
    return leg.departed_us if leg.arrived_us is None else leg.arrived_us


def _network(leg: WindowLeg) -> str:
    return min(leg.networks, default="")
