"""FeliCa tokens: what a number that anyone can copy may do. Pure.

An IDm proves nothing, and no reader can tell a copy from the token. So a tap by one is let through by the back office
alone, each time anew, where little can be lost by it: a ride of an account that has the money for it, some times a day.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from access.rules.device import DeviceKind

RIDES_AT: Final = frozenset({DeviceKind.BUS, DeviceKind.METRO})
"""Not at a car park: a copy of the number would drive another's car out. Not at an inspector's: it shows nobody's presence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyLimits:
    """How often a day such a token may tap, and what its account must hold for it, in đồng: what a copy can cost."""

    taps_a_day: int
    floor: int


class CopyRefusal(StrEnum):
    """Why a token that can be copied is not let through; the first that applies."""

    NOT_HERE = "not-here"
    TOO_OFTEN = "too-often"
    BALANCE = "balance"


def refuse_copyable(device: DeviceKind, *, taps: int, balance: int, limits: CopyLimits) -> CopyRefusal | None:
    """Return why the token may not tap here now, None where it may; `taps` are those of its day so far."""
    if device not in RIDES_AT:
        return CopyRefusal.NOT_HERE
    if taps >= limits.taps_a_day:
        return CopyRefusal.TOO_OFTEN
    return CopyRefusal.BALANCE if balance < limits.floor else None
