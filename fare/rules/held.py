"""What counts to an account while another is linked into it: its passes and entitlements, for as long as the link holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from fare.rules.facts import Entitlement, HeldPass
from kernel.service_day import local_date


def pass_during(held: HeldPass, since: datetime | None, until: datetime | None) -> HeldPass | None:
    """Return the part of a pass that lies in [since, until), None where there is none; None is without end."""
    starts = held.valid_from if since is None else max(held.valid_from, since)
    ends = held.valid_until if until is None else min(held.valid_until, until)
    return replace(held, valid_from=starts, valid_until=ends) if starts < ends else None


def entitlement_during(
    proven: Entitlement, since: datetime | None, until: datetime | None, zone: ZoneInfo
) -> Entitlement | None:
    """Return an entitlement on the local dates that [since, until) touches, None where there are none.

    A proof is of a person and a date, so the dates of the link's two ends count whole on both accounts.
    """
    first, last = proven.valid_from, proven.valid_to
    if since is not None:
        first = max(first, local_date(since, zone))
    if until is not None:
        ended = local_date(until - timedelta(microseconds=1), zone)
        last = ended if last is None else min(last, ended)
    if last is not None and last < first:
        return None
    return replace(proven, valid_from=first, valid_to=last)
