"""When the money of a stay is settled, and why it is held: by each means that it was paid with. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from kernel.money import Money


class Settling(Enum):
    """Where a stay's money stands."""

    NOTHING = "nothing"  # nothing is owed: free, void, covered by a right
    UNPAID = "unpaid"  # it is owed and was not paid
    HELD = "held"  # it was paid, and somebody's word on it is missing
    SETTLED = "settled"  # everybody whose word counts agrees


class Held(Enum):
    """What a payment waits for."""

    RUNNING = "session_running"
    PROVIDER_FILE = "provider_file_awaited"
    BANK_LINE = "bank_line_awaited"
    QUEUE = "in_reconciliation_queue"
    SHIFT = "shift_not_closed"
    UNPAID = "not_paid"
    OWED = "account_owes"
    TILL = "loaded_elsewhere"  # no top-up over a bank is known: cash at a till, or a scheme before this one


@dataclass(frozen=True, slots=True)
class Part:
    """Money that came one way; `by` is what settled it, `settled_at` since when, `why` what it waits for."""

    method: str
    amount: Money
    ref: str
    settled_at: datetime | None
    by: tuple[str, ...] = ()
    why: Held | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """A stay's money: settled when every part is, since the last of them; held, and why, by the first that is not."""

    state: Settling
    settled_at: datetime | None
    why: Held | None
    parts: tuple[Part, ...]

    @property
    def by(self) -> tuple[str, ...]:
        """Return whose word settled it, each once."""
        return tuple(dict.fromkeys(each for part in self.parts for each in part.by))


THREE = ("ledger", "provider_file", "bank_line")


def rail_part(
    method: str,
    amount: Money,
    ref: str,
    *,
    provider_at: datetime | None,
    bank_at: datetime | None,
    queue_reason: str,
) -> Part:
    """Return money that came over a bank: settled when books, provider's file and bank line agree."""
    known = tuple(
        name
        for name, at in (("ledger", True), ("provider_file", provider_at), ("bank_line", bank_at))
        if at is not None
    )
    if provider_at is not None and bank_at is not None:
        return Part(method, amount, ref, max(provider_at, bank_at), known)
    why = Held.QUEUE if queue_reason else Held.PROVIDER_FILE if provider_at is None else Held.BANK_LINE
    return Part(method, amount, ref, None, known, why, queue_reason)


def cash_part(method: str, amount: Money, ref: str, shift_closed_at: datetime | None) -> Part:
    """Return cash: settled when the shift that counted it was closed by two people."""
    if shift_closed_at is None:
        return Part(method, amount, ref, None, ("ledger",), Held.SHIFT)
    return Part(method, amount, ref, shift_closed_at, ("ledger", "shift"))


def account_part(amount: Money, ref: str, topups: Iterable[Part], *, owes: bool) -> Part:
    """Return what a card's account was charged: settled when every top-up that could have paid for it is.

    An account that owes has not paid for all it was charged, so none of it counts as settled.
    """
    if owes:
        return Part("account", amount, ref, None, ("ledger",), Held.OWED)
    earlier = tuple(topups)
    waiting = next((each for each in earlier if each.settled_at is None), None)
    if waiting is not None:
        return Part("account", amount, ref, None, ("ledger",), waiting.why, waiting.ref)
    settled = [each.settled_at for each in earlier if each.settled_at is not None]
    by = tuple(dict.fromkeys(["ledger", *(name for each in earlier for name in each.by)]))
    return Part("account", amount, ref, max(settled, default=None), by, None if settled else Held.TILL)


def settle(charged: Money, owed: Money, parts: Iterable[Part], *, running: bool) -> Settled:
    """Return where a stay's money stands: what it costs its payer, what of that is still owed, and what came in."""
    found = tuple(parts)
    if running:
        state = Settling.HELD if found else Settling.NOTHING
        return Settled(state, None, Held.RUNNING if found else None, found)
    if owed:
        return Settled(Settling.UNPAID, None, Held.UNPAID, found)
    if not charged:
        return Settled(Settling.NOTHING, None, None, found)
    waiting = next((part for part in found if part.settled_at is None), None)
    if waiting is not None:
        return Settled(Settling.HELD, None, waiting.why, found)
    return Settled(Settling.SETTLED, max(part.settled_at for part in found if part.settled_at), None, found)
