"""A voucher: the back office's word, for a minute and for one device, that a token stands for a medium of ours.

A chip or a bank card proves nothing to us by itself, and its token may be copied. So a reader asks before it lets one
through, and what it writes down is our own signed answer: neither the token nor anything made of it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from kernel.clock import from_micros, micros
from kernel.crypto.ed25519 import SIGNATURE_SIZE, SigningKey, VerifyKey
from kernel.wire.shown import ShownKind

CONTEXT: Final = b"lienthong/tap-voucher/1"
LIVES: Final = timedelta(seconds=60)
SKEW: Final = timedelta(seconds=60)
"""How far a reader's clock may be behind ours; one further off is no clock to charge by."""
_VOUCHER: Final = struct.Struct(">BB16sQq")
_SIZE: Final = _VOUCHER.size + SIGNATURE_SIZE
_VERSION: Final = 1
_KINDS: Final = {int(kind): kind for kind in ShownKind}


@dataclass(frozen=True, slots=True)
class Voucher:
    """One presentation of one medium at one device, as the back office let it through at `made_at`."""

    kind: ShownKind
    device_id: UUID
    serial: int
    made_at: datetime

    def signed(self, issuer: SigningKey) -> bytes:
        """Return the voucher as it travels."""
        body = _VOUCHER.pack(_VERSION, self.kind, self.device_id.bytes, self.serial, micros(self.made_at))
        return body + issuer.sign(CONTEXT, body)

    def holds_at(self, at: datetime) -> bool:
        """Return whether a tap at this instant of the reader's clock may rest on it."""
        return self.made_at - SKEW <= at < self.made_at + LIVES


def read_voucher(raw: bytes, issuer: VerifyKey) -> Voucher | None:
    """Return the voucher of these bytes, None unless the back office signed them."""
    if len(raw) != _SIZE:
        return None
    body = raw[: _VOUCHER.size]
    version, kind, device, serial, made = _VOUCHER.unpack(body)
    if version != _VERSION or kind not in _KINDS or not issuer.verify(CONTEXT, body, raw[_VOUCHER.size :]):
        return None
    return Voucher(_KINDS[kind], UUID(bytes=device), serial, from_micros(made))
