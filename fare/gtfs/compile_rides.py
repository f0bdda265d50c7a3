"""Ride rules of one network, with their closing rules; an empty network is every one not listed."""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Final

from fare.gtfs.table import Row
from fare.rules.terms import Action, Closing, RideRule, SameStation, Settled

_US: Final = 1_000_000
_HISTORY_DAYS: Final = 28  # where a row names no other: the same weekday four times
Closings = tuple[dict[tuple[str, str], Closing], dict[str, tuple[SameStation, ...]]]


def closings(incomplete: Iterable[Row], same_station: Iterable[Row]) -> Closings:
    """Return the closing rules by (network, case), and same-station bands by network."""
    odd = {(row.text("network_id"), row.text("case")): _closing(row) for row in incomplete}
    bands: dict[str, tuple[SameStation, ...]] = {}
    for row in same_station:
        to_s = row.whole("to_s")
        band = SameStation(
            (row.whole("from_s") or 0) * _US, None if to_s is None else to_s * _US, _closing(row)
        )
        bands[row.text("network_id")] = (*bands.get(row.text("network_id"), ()), band)
    return odd, bands


def _closing(row: Row) -> Closing:
    return Closing(
        Action(row.text("action")),
        row.text("fare_product_id"),
        row.where,
        row.whole("history_rides") or 0,
        (row.whole("history_days") or _HISTORY_DAYS) if row.whole("history_rides") else 0,
        row.text("caps") != "outside",
    )


def ride_rule(listed: Sequence[Row], odd: Closings, network: str, *, needs_end: bool) -> RideRule:
    """Return how rides of a network are built: its own row, else the row with an empty network.

    Where neither stands, both ends count; in a feed without any ride rule they do where its fares ask for the
    end (`needs_end`), and boarding settles the others.
    """
    rows = {row.text("network_id"): row for row in listed}
    row = rows.get(network) or rows.get("")
    by_case, bands = odd

    def closing(case: str) -> Closing | None:
        return by_case.get((network, case)) or by_case.get(("", case))

    otherwise = Settled.RIDE if listed or needs_end else Settled.BOARDING
    limit = row.whole("limit_min") if row else None
    return RideRule(
        settled=Settled(row.text("settled_by")) if row else otherwise,
        limit=None if limit is None else timedelta(minutes=limit),
        passback=timedelta(seconds=(row.whole("passback_s") if row else None) or 0),
        companions=(row.whole("companions") if row else None) or 1,
        missing_off=closing("missing_off"),
        missing_on=closing("missing_on"),
        over_long=closing("over_long"),
        continues=timedelta(seconds=(row.whole("continue_s") if row else None) or 0),
        same_station=bands.get(network) or bands.get("") or (),
    )


def needing_end(of: Callable[[str], list[Row]]) -> frozenset[str]:
    """Return the networks (empty: all) whose fares ask where or when a ride ends."""
    asking = [
        row.text("network_id")
        for row in of("fare_leg_rules.txt")
        if row.text("to_area_id") or row.text("to_timeframe_group_id")
    ]
    measured = ("fare_matrix.txt", "distance_fares.txt", "distance_bands.txt")
    return frozenset([*asking, *(row.text("network_id") for file in measured for row in of(file))])
