"""The difference between a stay's bill and what is booked of it, line by line (DESIGN §8.9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from parking.rules.bill import BillKey, Component, StayBill


@dataclass(frozen=True, slots=True)
class Booked:
    """What is booked on one line of a stay over all revisions, and the entry that last did."""

    minor: int
    stays: int
    entry_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """What one line changes; both numbers may be negative. `corrects` is the entry that it adjusts."""

    key: BillKey
    minor: int
    stays: int
    corrects: UUID | None


def wanted(bill: StayBill) -> dict[BillKey, Booked]:
    """Return the bill's lines by key; a priced stay counts once, on the rider's line, even at 0."""
    found: dict[BillKey, Booked] = {}
    for line in bill.lines:
        key = BillKey(line.component, line.operator_id, line.funder, line.rule)
        before = found.get(key, Booked(0, 0))
        counted = 1 if line.component is Component.CHARGED else 0
        found[key] = Booked(before.minor + line.amount.minor, before.stays + counted)
    return found


def differences(want: Mapping[BillKey, Booked], booked: Mapping[BillKey, Booked]) -> tuple[Difference, ...]:
    """Return what must be booked so that `booked` becomes `want`, refunds first; nothing for what agrees."""
    nothing = Booked(0, 0)
    found: list[Difference] = []
    for key in want.keys() | booked.keys():
        new, old = want.get(key, nothing), booked.get(key, nothing)
        if new.minor != old.minor or new.stays != old.stays:
            found.append(Difference(key, new.minor - old.minor, new.stays - old.stays, old.entry_id))
    # Refunds first: what a corrected line gives back may pay for the line that takes its place.
    return tuple(
        sorted(
            found,
            key=lambda each: (
                each.minor > 0,
                each.key.component.value,
                each.key.operator_id,
                each.key.funder,
                each.key.rule,
            ),
        )
    )


def affordable(found: tuple[Difference, ...], available: int) -> tuple[Difference, ...]:
    """Return what of a guest's differences the money paid so far covers; the rest waits until it is paid.

    `available` is what was paid and not charged yet, in minor units. A guest has no receivable: what is not paid is
    due at the exit and on no book.
    """
    kept: list[Difference] = []
    for each in found:
        minor = each.minor
        if each.key.component is Component.CHARGED:
            minor = min(minor, max(available, 0))
            available -= minor
        if minor or each.stays:
            kept.append(replace(each, minor=minor))
    return tuple(kept)
