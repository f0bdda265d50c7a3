"""Whether a rider may say where a ride without a tap-off ended: the tariff's limit and window. Pure."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from fare.rules.bill import Closed, Ride
from fare.rules.sales import CorrectionRule
from fare.rules.tariff import TariffBook
from kernel.service_day import service_day

_NO_RIDES: Final = frozenset(
    {Closed.TORN, Closed.PASSBACK, Closed.CONTINUED, Closed.ALIGHTED, Closed.INSPECTED}
)


class NoCorrection(StrEnum):
    """Why a ride is not mended."""

    ALREADY = "already"  # once a ride
    NOT_MISSING = "not-missing"  # it has its tap-off, is still open, or never began
    COMPANION = "companion"  # it ends where the holder's ride ends, and is mended with that
    NO_RULE = "no-rule"
    TOO_LATE = "too-late"
    TOO_MANY = "too-many"
    STOP = "stop"  # not a stop of this line, or no fare to it is known
    TIME = "time"  # before the tap-on, after the time limit, or during another ride

    @property
    def says(self) -> str:
        """Return the reason as the end of a sentence."""
        return _SAYS[self]


_SAYS: Final = {
    NoCorrection.ALREADY: "it was mended before, and that is done once a ride",
    NoCorrection.NOT_MISSING: "it has its tap-off, is still open, or never began",
    NoCorrection.NO_RULE: "the tariff lets nobody mend it",
    NoCorrection.TOO_LATE: "the days in which the tariff lets it be mended are over",
    NoCorrection.TOO_MANY: "as many were mended this month as the tariff allows",
    NoCorrection.STOP: "it cannot have ended there: that is no stop of its line, or no fare to it is known",
    NoCorrection.TIME: "it cannot have ended then: not after the tap-on, beyond the time limit, to come, or during another ride",
}


def rule_of(ride: Ride, tariff: TariffBook) -> CorrectionRule | None:
    """Return the tariff's rule for a ride, or None."""
    day = tariff.local_date(ride.started_at)
    route = tariff.on(day).route_for(ride.route_id, ride.from_stop_id)
    return None if route is None else tariff.sales.correction_of(route.networks, day)


def check_correction(
    ride: Ride,
    rides: Iterable[Ride],
    *,
    stop_id: str,
    left_at: datetime,
    made_before: int,
    tariff: TariffBook,
    now: datetime,
) -> NoCorrection | None:
    """Return why a ride may not be mended to end at a stop and an instant, or None where it may.

    `rides` are the account's others around it, `made_before` how many of this calendar month are mended.
    """
    if ride.closed is Closed.CORRECTED:
        return NoCorrection.ALREADY
    if ride.closed is not Closed.MISSING_OFF:
        return NoCorrection.NOT_MISSING
    if ride.companion:
        return NoCorrection.COMPANION
    rule = rule_of(ride, tariff)
    if rule is None:
        return NoCorrection.NO_RULE
    if now >= open_until(ride, rule, tariff):
        return NoCorrection.TOO_LATE
    if made_before >= rule.per_month:
        return NoCorrection.TOO_MANY
    in_force = tariff.on(tariff.local_date(ride.started_at))
    route = in_force.route_for(ride.route_id, ride.from_stop_id)
    end = in_force.route_for("", stop_id)
    assert route is not None, "a ride with a rule has its route"
    if stop_id not in in_force.stop_names or (end is not None and end.networks != route.networks):
        return NoCorrection.STOP
    limit = route.rule.limit
    deadline = tariff.day_bounds(_day(ride, tariff))[1] if limit is None else ride.started_at + limit
    if not ride.started_at < left_at <= min(now, deadline):
        return NoCorrection.TIME
    others = (one for one in rides if not one.companion and one.closed not in _NO_RIDES)
    if any(ride.started_at < one.started_at < left_at for one in others):
        return NoCorrection.TIME
    return None


def open_until(ride: Ride, rule: CorrectionRule, tariff: TariffBook) -> datetime:
    """Return the instant from which a ride can no longer be mended: the end of its window's last service day."""
    return tariff.day_bounds(_day(ride, tariff) + timedelta(days=rule.window_days))[1]


def _day(ride: Ride, tariff: TariffBook) -> date:
    return service_day(ride.started_at, tariff.day_starts, tariff.zone)
