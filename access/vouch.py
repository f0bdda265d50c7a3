"""A reader asks before it lets a chip citizen ID or a bank card through; our signed answer is what its tap rests on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access import deny, tokens
from access.keyring import Keyring
from access.rules.medium import MediumKind, MediumState, expired
from access.rules.token import PaymentTokens
from access.rules.voucher import LIVES, Voucher
from kernel.wire.shown import ShownKind

KINDS: Final = {ShownKind.CITIZEN: MediumKind.CITIZEN, ShownKind.BANK: MediumKind.BANK}
"""What is asked for; a QR vouches for itself."""


@dataclass(frozen=True, slots=True)
class Vouched:
    """The medium may tap once, at the device that asked, until then."""

    serial: int
    voucher: bytes
    until: datetime


@dataclass(frozen=True, slots=True)
class NotVouched:
    """Why not: `unknown-card`, a medium's state, a deny reason or `expired`."""

    reason: str


def vouch(
    tx: Connection,
    kind: ShownKind,
    reference: str,
    *,
    device_id: UUID,
    payment_tokens: PaymentTokens,
    keyring: Keyring,
    today: date,
    now: datetime,
) -> Vouched | NotVouched:
    """Return our word for one tap of a token's medium, or why there is none; nothing is written.

    `reference` is a chip's token in hexadecimal digits, or what the acquirer's terminal gave for a bank card.
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
    made = Voucher(kind, device_id, card.serial, now)
    return Vouched(card.serial, made.signed(keyring.bundle_key), now + LIVES)


def _token(kind: ShownKind, reference: str, payment_tokens: PaymentTokens) -> bytes | None:
    if kind is ShownKind.BANK:
        return payment_tokens.token_of(reference)
    try:
        return bytes.fromhex(reference)
    except ValueError:
        return None
