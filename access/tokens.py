"""Media without an application of ours are registered on an account: a QR key, a chip citizen ID, a bank card, a FeliCa token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import Connection

from access import deny
from access.deny import DenyReason
from access.issue import CardIssuedError, check_last_day
from access.keyring import Keyring
from access.rules.medium import MediumKind, MediumState
from access.rules.qr import CERTIFIED, Certificate
from access.rules.token import fault_of
from access.store import card_keys, cards
from access.store.cards import Card
from kernel.crypto.ed25519 import VerifyKey
from kernel.errors import DomainError
from kernel.ids import FareAccountId, uuid7
from kernel.wire.cardinfo import Concession

_KINDS: Final = {
    MediumKind.QR: b"qr",
    MediumKind.CITIZEN: b"chip",
    MediumKind.BANK: b"payment token",
    MediumKind.FELICA: b"felica",
}


class BadTokenError(DomainError):
    """What was given cannot be a token of this kind of medium."""

    detail = "This cannot be registered as {kind}: {why}."


@dataclass(frozen=True, slots=True)
class Registered:
    """A registered medium; for QR the certificate that the phone puts into its codes, good until `until`."""

    card: Card
    certificate: bytes = b""
    until: datetime | None = None


def register(
    tx: Connection,
    account: FareAccountId,
    kind: MediumKind,
    token: bytes,
    *,
    expires_on: date,
    keyring: Keyring,
    now: datetime,
) -> Registered:
    """Return the medium of a token on an account, made if it is new; only a keyed hash of the token is kept.

    For QR the token is the phone's 32-byte public key. The same token on the same account again answers the same, with
    a fresh certificate, unless the medium is blocked or found to be shared or forged. The account is locked by the
    caller. BadTokenError; CardIssuedError for another's token; CardOutOfDateError.
    """
    if kind is MediumKind.QR:
        why = "" if len(token) == 32 else "a public key has 32 bytes"
    else:
        why = str(fault_of(kind, token) or "")
    if why:
        raise BadTokenError(kind=kind.value, why=why)
    hashed = keyring.lookup(_KINDS[kind], token)
    known = cards.find_by_uid_hash(tx, hashed)
    if known is None:
        check_last_day(expires_on, now)
        (serial,) = cards.next_serials(tx, 1)
        known = Card(
            uuid7(now),
            account,
            hashed,
            serial,
            0,
            Concession.NORMAL,
            "",
            expires_on,
            MediumState.ACTIVE,
            now,
            kind,
        )
        if not cards.insert_cards(tx, (known,)):
            raise CardIssuedError
    elif known.fare_account_id != account:
        raise CardIssuedError
    return _certified(tx, known, token, keyring, now) if kind is MediumKind.QR else Registered(known)


def find_by_token(tx: Connection, kind: MediumKind, token: bytes, *, keyring: Keyring) -> Card | None:
    """Return the medium registered with this token, or None."""
    return cards.find_by_uid_hash(tx, keyring.lookup(_KINDS[kind], token))


def _certified(tx: Connection, card: Card, public_key: bytes, keyring: Keyring, now: datetime) -> Registered:
    if card.state is not MediumState.ACTIVE or DenyReason.FORGED in deny.reasons(tx, card.serial):
        return Registered(card)
    certificate = Certificate(card.serial, public_key, now.replace(microsecond=0), now + CERTIFIED)
    key = VerifyKey(public_key)
    card_keys.insert(tx, card.card_id, key.key_id, public_key, added_at=now, expires_at=certificate.not_after)
    return Registered(card, certificate.signed(keyring.bundle_key), certificate.not_after)
