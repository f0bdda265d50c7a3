"""The leakage meter: what gates, cameras and tickets saw against what was paid, per place, shift and attendant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kernel.money import Money

_MILLIONTHS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One place's shift: turns by each independent witness (None: there is none), paid turns, and money."""

    place_id: str
    shift: str
    attendant: str
    gate_turns: int | None
    camera_turns: int | None
    tickets_issued: int | None
    turns_paid: int
    turns_excused: int
    expected: Money
    received: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Leakage:
    """What one shift lets through. `capture_millionths` is None where nobody saw a turn."""

    seen: Seen
    turns_seen: int
    turns_unpaid: int
    witnesses_apart: int
    missing: Money
    capture_millionths: int | None
    alert: bool


def leakage(seen: Iterable[Seen], *, least_capture_millionths: int) -> tuple[Leakage, ...]:
    """Return a reading for each shift, in the order given.

    The witness who saw most is believed: a broken gate or a ticket never printed must not hide a car. Excused
    turns (passes, voided, free minutes) count as captured. A shift alerts when less than the least share was
    captured, or less money came in than its paid turns owed.
    """
    return tuple(_reading(each, least_capture_millionths) for each in seen)


def _reading(seen: Seen, least: int) -> Leakage:
    witnesses = [
        count for count in (seen.gate_turns, seen.camera_turns, seen.tickets_issued) if count is not None
    ]
    captured = seen.turns_paid + seen.turns_excused
    turns = max([*witnesses, captured])
    share = captured * _MILLIONTHS // turns if turns and witnesses else None
    missing = max(seen.expected - seen.received, Money.zero(seen.expected.currency))
    return Leakage(
        seen=seen,
        turns_seen=turns,
        turns_unpaid=turns - captured,
        witnesses_apart=max(witnesses) - min(witnesses) if witnesses else 0,
        missing=missing,
        capture_millionths=share,
        alert=bool(missing) or (share is not None and share < least),
    )
