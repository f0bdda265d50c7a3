"""What a tariff says about selling: terms of passes, and how often a rider may mend a ride without its tap-off."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import Enum

from kernel.money import Money, Rounding


class RefundRule(Enum):
    """What of a pass is given back."""

    NONE = "none"
    UNUSED = "unused"  # all of it, while it covered no ride
    DAYS = "days"  # all of it before it begins, after that the share of the whole service days to come


class EarnedBy(Enum):
    """When the money of a pass is earned."""

    TIME = "time"  # in equal parts over its service days
    RIDES = "rides"  # as the rides that it covers would have cost; the rest at its end


class SharedBy(Enum):
    """How what a pass earned on a day is shared among the routes that carried its holders."""

    FACE_VALUE = "face_value"  # by what its rides would have cost
    RIDES = "rides"  # by how many they were
    KILOMETRES = "kilometres"  # by how far they went, or by the route's length where that is unknown


@dataclass(frozen=True, slots=True)
class PassTerms:
    """The terms of one pass for purchases on the dates `valid_from` to `valid_to`.

    `fee` is kept back from a refund; `group_least` is how many one gift must name, 0 for any number. `status` is what
    the row says of itself: unknown where the owner has yet to decide. `seller` is the operator whose invoice it is, empty for the centre's.
    """

    product_id: str
    refund: RefundRule
    fee: Money
    rounding: Rounding
    earned_by: EarnedBy
    shared_by: SharedBy
    group_least: int
    valid_from: date
    valid_to: date
    rule: str
    status: str = ""
    seller: str = ""


@dataclass(frozen=True, slots=True)
class CorrectionRule:
    """A rider may mend `per_month` rides of a calendar month, each up to `window_days` after its day.

    `network` is empty for every network that has no row of its own.
    """

    network: str
    per_month: int
    window_days: int
    valid_from: date
    valid_to: date
    rule: str
    status: str = ""


@dataclass(frozen=True, slots=True)
class SaleRules:
    """Everything a tariff says about selling; empty where it says nothing, which allows nothing."""

    terms: Mapping[str, tuple[PassTerms, ...]] = field(default_factory=dict)
    corrections: tuple[CorrectionRule, ...] = ()
    route_metres: Mapping[str, int] = field(default_factory=dict)

    def terms_of(self, product_id: str, day: date) -> PassTerms | None:
        """Return the terms of a pass bought on a local date, or None."""
        rows = self.terms.get(product_id, ())
        return next((row for row in rows if row.valid_from <= day <= row.valid_to), None)

    def correction_of(self, networks: frozenset[str], day: date) -> CorrectionRule | None:
        """Return the rule for rides of a network on a local date: its own row before the one for all others."""
        held = [row for row in self.corrections if row.valid_from <= day <= row.valid_to]
        own = next((row for row in held if row.network and row.network in networks), None)
        return own or next((row for row in held if not row.network), None)
