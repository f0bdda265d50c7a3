"""Money in whole minor units. No float comes in, none goes out, and every rounding is an argument."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Final, Self

from kernel.currencies import EXPONENTS
from kernel.errors import DomainError

_AMOUNT: Final = re.compile(r"(-?)([0-9]{1,18})(?:\.([0-9]{1,4}))?", re.ASCII)


class UnknownCurrencyError(DomainError):
    """The code is not an ISO 4217 currency that money is counted in."""

    detail = "“{code}” is not a currency of ISO 4217."


class CurrencyMismatchError(DomainError):
    """Two amounts of different currencies met in one operation."""

    detail = "{left} and {right} cannot be added or compared."


class MalformedAmountError(DomainError):
    """A text or JSON value is not an amount of its currency."""

    detail = "“{text}” is not an amount in {currency}."


class Rounding(Enum):
    """Where the part of a minor unit goes; the names read by distance from zero."""

    DOWN = "down"
    UP = "up"
    HALF_UP = "half_up"
    HALF_EVEN = "half_even"


@dataclass(frozen=True, slots=True)
class Currency:
    """An ISO 4217 code and how many decimals its minor unit has."""

    code: str
    exponent: int


@cache
def currency(code: str) -> Currency:
    """Return the currency of an ISO 4217 code; UnknownCurrencyError when there is none (metals, test codes)."""
    try:
        return Currency(code, EXPONENTS[code])
    except KeyError:
        raise UnknownCurrencyError(code=code) from None


VND: Final = currency("VND")


def _divide(number: int, by: int, rounding: Rounding) -> int:
    assert by != 0, "a share of nothing"
    if by < 0:
        number, by = -number, -by
    whole, rest = divmod(abs(number), by)
    match rounding:
        case Rounding.DOWN:
            up = False
        case Rounding.UP:
            up = rest > 0
        case Rounding.HALF_UP:
            up = 2 * rest >= by
        case Rounding.HALF_EVEN:
            up = 2 * rest > by or (2 * rest == by and whole % 2 == 1)
    whole += up
    return whole if number >= 0 else -whole


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units of one currency: `Money(8595, VND)` is 8,595 đồng.

    Arithmetic and order hold within one currency and raise CurrencyMismatchError across two. False when zero.
    """

    minor: int
    currency: Currency

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError(f"minor units are whole numbers, not {type(self.minor).__name__}")

    @classmethod
    def zero(cls, currency: Currency) -> Self:
        """Return nothing, in `currency`."""
        return cls(0, currency)

    @classmethod
    def parse(cls, text: str, currency: Currency) -> Self:
        """Return the amount of a decimal text such as "3.20" or "-8595".

        Fewer decimals than the currency's are filled with zeros; more are refused, as is anything but ASCII
        digits with one optional minus and point: MalformedAmountError.
        """
        found = _AMOUNT.fullmatch(text)
        if found is None or len(found[3] or "") > currency.exponent:
            raise MalformedAmountError(text=text, currency=currency.code)
        minor = int(found[2] + (found[3] or "").ljust(currency.exponent, "0"))
        return cls(-minor if found[1] else minor, currency)

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Money:
        """Return the amount of `{"minor": 8595, "currency": "VND"}`; no other key, no float, no text number."""
        minor, code = value.get("minor"), value.get("currency")
        if type(minor) is not int or not isinstance(code, str) or len(value) != 2:
            raise MalformedAmountError(text=str(dict(value)), currency=code)
        return Money(minor, currency(code))

    def to_json(self) -> dict[str, int | str]:
        """Return `{"minor": …, "currency": …}`."""
        return {"minor": self.minor, "currency": self.currency.code}

    def _same(self, other: Money) -> int:
        if other.currency is not self.currency and other.currency != self.currency:
            raise CurrencyMismatchError(left=self.currency.code, right=other.currency.code)
        return other.minor

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __abs__(self) -> Money:
        return Money(abs(self.minor), self.currency)

    def __mul__(self, times: int) -> Money:
        return Money(self.minor * times, self.currency)

    __rmul__ = __mul__

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.minor > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.minor >= self._same(other)

    def __bool__(self) -> bool:
        return self.minor != 0

    def __str__(self) -> str:
        whole, part = divmod(abs(self.minor), 10**self.currency.exponent)
        sign = "-" if self.minor < 0 else ""
        decimals = f".{part:0{self.currency.exponent}d}" if self.currency.exponent else ""
        return f"{sign}{whole:,}{decimals} {self.currency.code}"

    def share(self, num: int, den: int, rounding: Rounding) -> Money:
        """Return num/den of this amount, the broken minor unit going where `rounding` says."""
        return Money(_divide(self.minor * num, den, rounding), self.currency)

    def rounded_to(self, step_minor: int, rounding: Rounding) -> Money:
        """Return the multiple of `step_minor` (> 0) that `rounding` chooses, e.g. cash rounded up to 1,000."""
        assert step_minor > 0, "a step is positive"
        return Money(_divide(self.minor, step_minor, rounding) * step_minor, self.currency)

    def split(self, weights: Sequence[int]) -> tuple[Money, ...]:
        """Return one part per weight, summing exactly to this amount.

        Each part is at most one minor unit from its exact share: largest remainder first, the earlier part
        first among equals. Weights are whole, not negative, and not all zero (ValueError otherwise).
        """
        total = sum(weights)
        if total <= 0 or min(weights) < 0:
            raise ValueError("weights are whole, not negative and not all zero")
        shares = [divmod(abs(self.minor) * weight, total) for weight in weights]
        parts = [whole for whole, _ in shares]
        left = abs(self.minor) - sum(parts)
        by_remainder = sorted(range(len(parts)), key=lambda place: -shares[place][1])
        for place in by_remainder[:left]:
            parts[place] += 1
        sign = -1 if self.minor < 0 else 1
        return tuple(Money(sign * part, self.currency) for part in parts)
