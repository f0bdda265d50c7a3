"""Media without a card's own MAC: what vouches for their taps, and the number that one showing of them occupies.

A QR code carries its phone's signature under our certificate, a token's tap our own voucher (DESIGN §8.13: nothing
without such a proof is ever charged). Like a card's counter, a code may be used once: of several records with the same
one only the first by its own time counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from access.rules.qr import QrAccepted, verify_code
from access.rules.voucher import read_voucher
from kernel.clock import micros
from kernel.crypto.ed25519 import VerifyKey
from kernel.wire.codec import MalformedRecordError
from kernel.wire.shown import ShownKind, decode_shown
from kernel.wire.tap import Phase, TapRecord

LAST_COUNTER: Final = 0xFFFFFFFF
"""Cards count in 32 bits; larger numbers are those of codes."""


@dataclass(frozen=True, slots=True)
class Coded:
    """A valid proof: whose medium, when it was made, and eight bytes that tell one code from another."""

    serial: int
    made_at: datetime
    value: bytes

    @property
    def number(self) -> int:
        """Return the number that this code occupies."""
        return code_number(self.made_at)


def code_number(made_at: datetime) -> int:
    """Return the number that a code made at this instant occupies.

    Even, so that no two are neighbours: a card's neighbouring counters say something of each other, codes do not.
    """
    return 2 * micros(made_at)


def check_coded(record: TapRecord, issuer: VerifyKey) -> Coded | None:
    """Return what vouches for a record of something shown, None where nothing does.

    Judged at the record's own time: a code that was good then stays good, however late the record comes.
    """
    if record.phase is not Phase.DONE:
        return None
    try:
        shown = decode_shown(record.data_read)
    except MalformedRecordError:
        return None
    made_at: datetime | None = None
    serial = 0
    if shown.kind is ShownKind.QR:
        found = verify_code(shown.proof.decode("ascii", "replace"), issuer=issuer, now=record.tapped_at)
        if isinstance(found, QrAccepted):
            serial, made_at = found.serial, found.made_at
    else:
        voucher = read_voucher(shown.proof, issuer)
        mine = voucher and (voucher.kind, voucher.device_id) == (shown.kind, record.device_id)
        if voucher and mine and voucher.holds_at(record.tapped_at):
            serial, made_at = voucher.serial, voucher.made_at
    if made_at is None:
        return None
    return Coded(serial, made_at, sha256(shown.proof).digest()[:8])
