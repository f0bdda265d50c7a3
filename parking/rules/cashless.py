"""The honest cashless share: cash, cash by proxy and cashless apart, and no share of figures that do not add up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from parking.rules.errors import PartsDoNotSumError

_MILLIONTHS = 1_000_000


class PaidBy(Enum):
    """How a turn was paid. Cash that an attendant pays in for a driver is CASH_BY_PROXY, never cashless."""

    CARD_ACCOUNT = "card_account"
    VIETQR = "vietqr"
    CASH = "cash"
    CASH_BY_PROXY = "cash_by_proxy"


CASHLESS = frozenset({PaidBy.CARD_ACCOUNT, PaidBy.VIETQR})


@dataclass(frozen=True, slots=True)
class CashlessShare:
    """Turns by kind, and the cashless ones in millionths of all, rounded down; None where there were no turns."""

    cashless: int
    cash: int
    cash_by_proxy: int
    share_millionths: int | None

    @property
    def turns(self) -> int:
        """Return all turns."""
        return self.cashless + self.cash + self.cash_by_proxy


def cashless_share(turns: Mapping[PaidBy, int], *, printed_total: int | None = None) -> CashlessShare:
    """Return the share of turns paid without cash.

    With a printed total that the parts do not sum to it refuses: PartsDoNotSumError, with a hint. Negative
    counts are a programmer's error.
    """
    assert all(count >= 0 for count in turns.values()), "turns are counted"
    if printed_total is not None:
        check_parts(list(turns.values()), printed_total)
    total = sum(turns.values())
    cashless = sum(count for paid_by, count in turns.items() if paid_by in CASHLESS)
    return CashlessShare(
        cashless=cashless,
        cash=turns.get(PaidBy.CASH, 0),
        cash_by_proxy=turns.get(PaidBy.CASH_BY_PROXY, 0),
        share_millionths=cashless * _MILLIONTHS // total if total else None,
    )


def check_parts(parts: list[int], printed: int) -> None:
    """Refuse with PartsDoNotSumError where the parts do not make the printed total."""
    computed = sum(parts)
    if computed != printed:
        raise PartsDoNotSumError(
            computed=computed,
            printed=printed,
            difference=printed - computed,
            hint=_hint(computed, printed),
        )


def _hint(computed: int, printed: int) -> str:
    """Return what may have gone wrong: swapping two neighbouring digits changes a number by a multiple of 9."""
    if (printed - computed) % 9:
        return "It is no digit swap (the difference is not divisible by 9): a part may be missing."
    one, other = str(computed), str(printed)
    if len(one) == len(other):
        unlike = [place for place in range(len(one)) if one[place] != other[place]]
        if len(unlike) == 2 and one[unlike[0]] == other[unlike[1]] and one[unlike[1]] == other[unlike[0]]:
            digits = f"{one[unlike[0]]} and {one[unlike[1]]}"
            return f"Two digits of the total look swapped ({digits}): {one} printed as {other}."
    return "The difference is divisible by 9: two digits of one figure may be swapped."
