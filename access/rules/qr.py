"""A QR medium: a phone shows codes that it signs itself, each good for a minute; a reader checks them alone.

The back office signs a certificate for the phone's key; the phone signs (certificate, instant, nonce) anew every half
minute. A reader needs the back office's public key, its clock and its deny list, and no network. A photographed code
dies with its minute, and a reader never takes one code, or an older one of the same medium, twice.
"""

from __future__ import annotations

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from kernel.clock import from_micros, micros
from kernel.crypto.ed25519 import KEY_SIZE, SIGNATURE_SIZE, SigningKey, VerifyKey

PREFIX: Final = "LTQ1."
CERTIFICATE_CONTEXT: Final = b"lienthong/qr-certificate/1"
CODE_CONTEXT: Final = b"lienthong/qr-code/1"
ROTATES: Final = timedelta(seconds=30)
LIVES: Final = timedelta(seconds=60)
"""A code is shown for half of its life, so that one read at the last moment still gets through."""
SKEW: Final = timedelta(seconds=15)
"""How far a phone's clock may be ahead of a reader's; networks keep both within a second or two."""
CERTIFIED: Final = timedelta(days=7)
"""A phone that was offline for a week shows codes that nobody takes: what a stolen one is worth at most."""
_CERTIFICATE: Final = struct.Struct(f">BQ{KEY_SIZE}sII")
_CODE: Final = struct.Struct(">I4s")
_SIZE: Final = _CERTIFICATE.size + SIGNATURE_SIZE + _CODE.size + SIGNATURE_SIZE
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Certificate:
    """The back office's word that this key speaks for a medium, on [not_before, not_after), to the second."""

    serial: int
    public_key: bytes
    not_before: datetime
    not_after: datetime

    def signed(self, issuer: SigningKey) -> bytes:
        """Return the certificate as the phone carries it."""
        body = _CERTIFICATE.pack(
            _VERSION, self.serial, self.public_key, _seconds(self.not_before), _seconds(self.not_after)
        )
        return body + issuer.sign(CERTIFICATE_CONTEXT, body)


class QrRefusal(StrEnum):
    """Why a code is not taken; the first that applies."""

    MALFORMED = "malformed"
    CERTIFICATE = "certificate"
    SIGNATURE = "signature"
    NOT_CERTIFIED = "not-certified"
    """Outside the certificate's time: the app has to go online."""
    TOO_OLD = "too-old"
    TOO_NEW = "too-new"
    DENIED = "denied"
    REPLAYED = "replayed"


@dataclass(frozen=True, slots=True)
class QrAccepted:
    """Whose code this is, and when the phone made it."""

    serial: int
    made_at: datetime


@dataclass(frozen=True, slots=True)
class QrRefused:
    """The code is not taken."""

    reason: QrRefusal


class ReplayWindow:
    """What one reader remembers of codes it took: the newest instant of each medium, for as long as codes live."""

    __slots__ = ("_newest",)

    def __init__(self) -> None:
        self._newest: dict[int, datetime] = {}

    def takes(self, serial: int, made_at: datetime, now: datetime) -> bool:
        """Return whether this is newer than all it took of the medium, and remember it if so."""
        oldest = now - LIVES - SKEW
        self._newest = {one: at for one, at in self._newest.items() if at >= oldest}
        if made_at <= self._newest.get(serial, oldest - SKEW):
            return False
        self._newest[serial] = made_at
        return True

    def __len__(self) -> int:
        return len(self._newest)


def make_code(certificate: bytes, key: SigningKey, *, at: datetime, nonce: bytes) -> str:
    """Return the text of one QR code, as the phone shows it; `nonce` is four random bytes."""
    assert len(nonce) == 4, "four bytes"
    body = certificate + _CODE.pack(_seconds(at), nonce)
    return PREFIX + urlsafe_b64encode(body + key.sign(CODE_CONTEXT, body)).decode().rstrip("=")


def check_code(
    text: str,
    *,
    issuer: VerifyKey,
    now: datetime,
    denies: Callable[[int], bool],
    window: ReplayWindow,
) -> QrAccepted | QrRefused:
    """Return whose code this is, or why it is not taken. Needs no network and never raises, whatever is shown."""
    found = verify_code(text, issuer=issuer, now=now)
    if isinstance(found, QrRefused):
        return found
    if denies(found.serial):
        return QrRefused(QrRefusal.DENIED)
    if not window.takes(found.serial, found.made_at, now):
        return QrRefused(QrRefusal.REPLAYED)
    return found


def verify_code(text: str, *, issuer: VerifyKey, now: datetime) -> QrAccepted | QrRefused:
    """Return whose code this is if it is genuine and good at `now`; whether it was shown before is not asked."""
    raw = _raw(text)
    if raw is None:
        return QrRefused(QrRefusal.MALFORMED)
    head, code_at = _CERTIFICATE.size, _CERTIFICATE.size + SIGNATURE_SIZE
    version, serial, public_key, begins, ends = _CERTIFICATE.unpack(raw[:head])
    if version != _VERSION:
        return QrRefused(QrRefusal.MALFORMED)
    if not issuer.verify(CERTIFICATE_CONTEXT, raw[:head], raw[head:code_at]):
        return QrRefused(QrRefusal.CERTIFICATE)
    if not VerifyKey(public_key).verify(CODE_CONTEXT, raw[:-SIGNATURE_SIZE], raw[-SIGNATURE_SIZE:]):
        return QrRefused(QrRefusal.SIGNATURE)
    made, _ = _CODE.unpack(raw[code_at:-SIGNATURE_SIZE])
    made_at = _instant(made)
    if not (begins <= made < ends and _instant(begins) <= now + SKEW and now < _instant(ends)):
        return QrRefused(QrRefusal.NOT_CERTIFIED)
    if now >= made_at + LIVES:
        return QrRefused(QrRefusal.TOO_OLD)
    if made_at > now + SKEW:
        return QrRefused(QrRefusal.TOO_NEW)
    return QrAccepted(serial, made_at)


def _raw(text: str) -> bytes | None:
    if not text.startswith(PREFIX) or len(text) > 2 * _SIZE:
        return None
    body = text.removeprefix(PREFIX)
    try:
        raw = urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except (Base64Error, ValueError):
        return None
    # One code has one text: base64 decoders overlook strange letters and loose bits.
    canonical = urlsafe_b64encode(raw).decode().rstrip("=") == body
    return raw if canonical and len(raw) == _SIZE else None


def _seconds(at: datetime) -> int:
    return micros(at) // 1_000_000


def _instant(seconds: int) -> datetime:
    return from_micros(seconds * 1_000_000)
