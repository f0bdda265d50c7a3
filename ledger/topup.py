"""Top-up: a rider asks, and gets a payment intent with a single-use VietQR. `ledger.notify` takes the payment in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.errors import DomainError
from kernel.ids import FareAccountId
from kernel.money import Money
from ledger.rails import vietqr
from ledger.rails.fold import order_code_of, reference_of
from ledger.rails.providers import adapter
from ledger.rules.errors import IdReusedError
from ledger.rules.intent import TRANSITIONS, Intent, IntentEvent, IntentId
from ledger.rules.topup import check_amount
from ledger.store import topup_intents as intents

_SAME: Final = ("fare_account_id", "amount", "provider")


class UnknownIntentError(DomainError):
    """No top-up of this id was ever asked for."""

    detail = "There is no top-up {topup_id}."


class IntentCollisionError(DomainError):
    """Another intent has the same reference or order code (one in 2^53): a new id has other ones."""

    detail = "The id {topup_id} cannot be used: ask again under a new one."


@dataclass(frozen=True, slots=True, kw_only=True)
class Merchant:
    """Where riders pay to: the bank account in the QR, and every number it is notified under."""

    bin: str
    account: str
    name: str
    also: frozenset[str] = frozenset()

    @property
    def accounts(self) -> frozenset[str]:
        """Return the numbers that money of ours comes to."""
        return self.also | {self.account}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A rider's wish, under an id that the caller minted and saved."""

    intent_id: IntentId
    fare_account_id: FareAccountId
    amount: Money
    provider: str


@dataclass(frozen=True, slots=True)
class Created:
    """The intent as it was first made; `hit` when an earlier call made it."""

    intent: Intent
    hit: bool


def find_created(tx: Connection, asked: Asked) -> Created | None:
    """Return the first answer of this id, None when it is new; IdReusedError when it was asked with another body."""
    found = intents.find(tx, asked.intent_id)
    if found is None:
        return None
    for name in _SAME:
        if getattr(found, name) != getattr(asked, name):
            raise IdReusedError(id=str(asked.intent_id), field=name)
    return Created(found, hit=True)


def create_intent(
    tx: Connection, asked: Asked, *, merchant: Merchant, lifetime: timedelta, now: datetime
) -> Created:
    """Make the intent with its single-use VietQR, or return the first answer of this id.

    IdReusedError (checked before all else), TopupAmountError, UnknownProviderError.
    """
    if (first := find_created(tx, asked)) is not None:
        return first
    check_amount(asked.amount)
    reference, order_code = reference_of(asked.intent_id), order_code_of(asked.intent_id)
    intent = Intent(
        intent_id=asked.intent_id,
        provider=adapter(asked.provider).name,
        fare_account_id=asked.fare_account_id,
        amount=asked.amount,
        reference=reference,
        order_code=order_code,
        qr=vietqr.write(
            vietqr.VietQr(
                bin=merchant.bin,
                account=merchant.account,
                single_use=True,
                amount=asked.amount,
                name=merchant.name,
                bill=str(order_code),
                reference=reference,
                purpose=f"Nap the {reference}",
            )
        ),
        created_at=now,
        expires_at=now + lifetime,
    )
    if intents.insert(tx, intent):
        return Created(intent, hit=False)
    # Another call with this id has committed since we looked, or the derived numbers are taken.
    if (first := find_created(tx, asked)) is not None:
        return first
    raise IntentCollisionError(topup_id=str(asked.intent_id))


def get_intent(tx: Connection, intent_id: UUID) -> Intent:
    """Return an intent; UnknownIntentError."""
    found = intents.find(tx, intent_id)
    if found is None:
        raise UnknownIntentError(topup_id=str(intent_id))
    return found


def list_unpaid(
    tx: Connection, provider: str, *, now: datetime, patience: timedelta, limit: int = 1_000
) -> tuple[Intent, ...]:
    """Return intents that a provider should be asked about: no payment came within `patience` of asking.

    Until a day after an intent has ended, since what was paid in time still credits.
    """
    return intents.list_unpaid(
        tx, provider, asked_before=now - patience, ended_after=now - timedelta(days=1), limit=limit
    )


def expire_intents(tx: Connection, now: datetime, *, limit: int = 1_000) -> int:
    """Move up to `limit` intents of each state whose window has ended on to expired; return how many."""
    return sum(
        intents.lapse(tx, state, row[IntentEvent.LAPSED], now, limit)
        for state, row in TRANSITIONS.items()
        if IntentEvent.LAPSED in row
    )
