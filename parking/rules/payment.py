"""What a guest pays for a stay: ways to pay, what is due, and which amounts are taken."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from kernel.errors import DomainError
from kernel.money import Money


class Method(Enum):
    """How a guest pays. Cash that an attendant pays in for a driver is CASH_BY_PROXY, never cashless."""

    CASH = "cash"
    CASH_BY_PROXY = "cash_by_proxy"
    VIETQR = "vietqr"


class PaymentAmountError(DomainError):
    """The amount is not positive, or more than is due."""

    detail = "{amount} cannot be taken: {due} is due."


class GiveBackAmountError(PaymentAmountError):
    """The amount is not positive, or more than was paid beyond the price."""

    detail = "{amount} cannot be given back: {credit} is to be given back."


class NotAGuestError(DomainError):
    """The stay is charged to a card's account: nobody pays for it at the exit."""

    detail = "Session {session_id} is charged to its card: nothing is paid at the exit."


class NotEndedError(DomainError):
    """What a running stay will cost is not known: say until when it is paid."""

    detail = "Session {session_id} is {state}: end it first, or pay ahead until an instant."


class EndedError(DomainError):
    """Nothing is paid ahead for a stay that runs no more."""

    detail = "Session {session_id} is {state}: it is not paid ahead any more; {due} is due for it."


class PaymentIdReusedError(DomainError):
    """A payment of this id was another one."""

    detail = "Payment {payment_id} was used before with another {field}."


@dataclass(frozen=True, slots=True)
class Dues:
    """Where a guest's stay stands: its price, what was paid in, what is still due, and what is to be given back."""

    price: Money
    paid: Money
    due: Money
    credit: Money


def dues(price: Money, paid: Money) -> Dues:
    """Return what is due of a price after what was paid in, or what must be given back; never both."""
    nothing = Money.zero(price.currency)
    return Dues(price, paid, max(price - paid, nothing), max(paid - price, nothing))


def check_payment(amount: Money, due: Money) -> None:
    """Refuse with PaymentAmountError an amount of nothing, or of more than is due; a part of it is taken."""
    if not _is_part(amount, due):
        raise PaymentAmountError(amount=str(amount), due=str(due))


def check_ahead(amount: Money, due: Money) -> None:
    """Refuse with PaymentAmountError to call time paid until an instant for less than all that is due for it."""
    if amount != due or not amount:
        raise PaymentAmountError(amount=str(amount), due=str(due))


def check_give_back(amount: Money, credit: Money) -> None:
    """Refuse with GiveBackAmountError an amount of nothing, or of more than is to be given back."""
    if not _is_part(amount, credit):
        raise GiveBackAmountError(amount=str(amount), credit=str(credit))


def _is_part(amount: Money, whole: Money) -> bool:
    return amount.currency == whole.currency and Money.zero(whole.currency) < amount <= whole
