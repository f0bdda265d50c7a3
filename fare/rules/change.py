"""What made one revision of a bill differ from the one before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Revised:
    """What is compared of two revisions of one account-day."""

    revision: int
    billed_at: datetime
    tariff_version: str
    engine_version: str
    carried_in: str
    has_open_ride: bool
    taps: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Change:
    """One revision: why it was made (codes of WHY), the taps that came with it, and what it moved of a tap's charge."""

    revision: int
    billed_at: datetime
    tariff_version: str
    engine_version: str
    why: tuple[str, ...]
    arrived: tuple[UUID, ...]
    charged_delta_minor: int

    @property
    def vi(self) -> str:
        return " ".join(WHY[one][0] for one in self.why)

    @property
    def en(self) -> str:
        return " ".join(WHY[one][1] for one in self.why)


WHY: Final[dict[str, tuple[str, str]]] = {
    "first": ("Tính lần đầu.", "First billing."),
    "tariff": ("Tính lại theo biểu giá khác đã công bố.", "Priced again under another announced tariff."),
    "engine": ("Tính lại bằng phiên bản bộ tính giá khác.", "Priced again by another version of the engine."),
    "late_tap": ("Thêm lượt quẹt gửi về sau.", "More taps arrived."),
    "tap_gone": (
        "Một lượt quẹt không còn được tính trong ngày này.",
        "A tap no longer counts on this day.",
    ),
    "day_before": ("Ngày trước đó chuyển sang giá trị khác.", "The day before handed on something else."),
    "ride_ended": ("Chuyến đi đang mở đã kết thúc.", "A ride that was open has ended."),
    "facts": (
        "Vé, quyền ưu đãi hoặc điều chỉnh của tài khoản thay đổi.",
        "A pass, a concession or a correction of the account changed.",
    ),
}


def changes(revisions: Sequence[Revised], charged: Sequence[tuple[int, int]]) -> tuple[Change, ...]:
    """Return why each revision of one account-day was made, oldest first.

    `charged` are the (revision, minor) differences of the tap asked about. Which taps came is told by the bills
    themselves, never by clocks.
    """
    deltas: dict[int, int] = {}
    for revision, minor in charged:
        deltas[revision] = deltas.get(revision, 0) + minor
    found = []
    for before, one in pairwise((None, *revisions)):
        assert one is not None, "only the first has none before it"
        found.append(
            Change(
                revision=one.revision,
                billed_at=one.billed_at,
                tariff_version=one.tariff_version,
                engine_version=one.engine_version,
                why=("first",) if before is None else _why(before, one),
                arrived=tuple(sorted(one.taps - (before.taps if before else frozenset()))),
                charged_delta_minor=deltas.get(one.revision, 0),
            )
        )
    return tuple(found)


def _why(before: Revised, one: Revised) -> tuple[str, ...]:
    came = bool(one.taps - before.taps)
    reasons = {
        "tariff": before.tariff_version != one.tariff_version,
        "engine": before.engine_version != one.engine_version,
        "late_tap": came,
        "tap_gone": bool(before.taps - one.taps),
        "day_before": before.carried_in != one.carried_in,
        "ride_ended": before.has_open_ride and not one.has_open_ride and not came,
    }
    return tuple(name for name, holds in reasons.items() if holds) or ("facts",)
