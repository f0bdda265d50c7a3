"""A reader asks before it lets a chip, a bank card or a FeliCa token through; our signed answer is what its tap rests on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import Connection

from access import deny, tokens
from access.keyring import Keyring
from access.rules.copyable import CopyLimits, refuse_copyable
from access.rules.medium import MediumKind, MediumState, expired
from access.rules.token import PaymentTokens
from access.rules.voucher import LIVES, Voucher
from access.store import taps
from access.store.cards import Card
from access.store.devices import Device
from kernel.wire.shown import ShownKind

KINDS: Final = {
    ShownKind.CITIZEN: MediumKind.CITIZEN,
    ShownKind.BANK: MediumKind.BANK,
    ShownKind.FELICA: MediumKind.FELICA,
}
"""What is asked for; a QR vouches for itself."""


@dataclass(frozen=True, slots=True)
class Vouched:
    """The medium may tap once, at the device that asked, until then."""

    serial: int
    voucher: bytes
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Copying:
    """What may be risked on tokens that can be copied: the limits, since when taps count to this day, what a card's account holds."""

    limits: CopyLimits
    day_began: datetime
    balance_of: Callable[[Card], int]


@dataclass(frozen=True, slots=True)
class NotVouched:
    """Why not: `unknown-card`, a medium's state, a deny reason, `expired`, or a word of `CopyRefusal`."""

    reason: str


def vouch(
    tx: Connection,
    kind: ShownKind,
    reference: str,
    *,
    device: Device,
    payment_tokens: PaymentTokens,
    copying: Copying,
    keyring: Keyring,
    today: date,
    now: datetime,
) -> Vouched | NotVouched:
    """Return our word for one tap of a token's medium, or why there is none; nothing is written.

    `reference` is a chip's token or a FeliCa token's IDm in hexadecimal digits, or what the acquirer's terminal gave
    for a bank card.
    """
    token = _token(kind, reference, payment_tokens)
    card = None if token is None else tokens.find_by_token(tx, KINDS[kind], token, keyring=keyring)
    if card is None:
        return NotVouched("unknown-card")
    if card.state is not MediumState.ACTIVE:
        return NotVouched(card.state.value)
    denied = deny.reasons(tx, card.serial)
    if denied:
        return NotVouched(denied[0].value)
    if expired(card.expires_on, today):
        return NotVouched(MediumState.EXPIRED.value)
    if card.kind is MediumKind.FELICA:
        refused = refuse_copyable(
            device.kind,
            taps=taps.count_vouched(tx, card.card_id, since=copying.day_began),
            balance=copying.balance_of(card),
            limits=copying.limits,
        )
        if refused is not None:
            return NotVouched(refused.value)
    made = Voucher(kind, device.device_id, card.serial, now)
    return Vouched(card.serial, made.signed(keyring.bundle_key), now + LIVES)


def _token(kind: ShownKind, reference: str, payment_tokens: PaymentTokens) -> bytes | None:
    if kind is ShownKind.BANK:
        return payment_tokens.token_of(reference)
    try:
        return bytes.fromhex(reference)
    except ValueError:
        return None
