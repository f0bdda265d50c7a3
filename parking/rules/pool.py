"""A company's pool: more cards than spaces, and only so many of them covered at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from heapq import heappop, heappush
from uuid import UUID


@dataclass(frozen=True, slots=True)
class PoolStay:
    """A stay of one of the pool's cards; `left_at` None while it is in."""

    stay_id: UUID
    entered_at: datetime
    left_at: datetime | None


def covered_stays(stays: Iterable[PoolStay], spaces: int) -> frozenset[UUID]:
    """Return the stays that the pool covers: in the order they entered, while fewer than `spaces` covered ones are in.

    The result depends on the set of stays alone. One that leaves at the instant another enters makes room for it.
    """
    assert spaces > 0, "a pool has spaces"
    covered: set[UUID] = set()
    leaving: list[tuple[datetime, bytes]] = []
    staying = 0
    for each in sorted(stays, key=lambda each: (each.entered_at, each.stay_id.bytes)):
        while leaving and leaving[0][0] <= each.entered_at:
            heappop(leaving)
        if len(leaving) + staying >= spaces:
            continue
        covered.add(each.stay_id)
        if each.left_at is None:
            staying += 1
        else:
            heappush(leaving, (each.left_at, each.stay_id.bytes))
    return frozenset(covered)
