"""What stands in a tap record where a card's own words would be: a code or a voucher that was shown instead of a card."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from kernel.wire.codec import BLOB, Field, RecordType, choice
from kernel.wire.tap import TapRecord

NO_UID: Final = bytes(7)
"""The UID of a record that tells of no card: its `data_read` is a `Shown`, and it has no counter."""


class ShownKind(IntEnum):
    """What was shown. A chip, a bank card and a FeliCa token are known by their token, of which no record holds a trace."""

    QR = 1
    CITIZEN = 2
    BANK = 3
    FELICA = 4


@dataclass(frozen=True, slots=True)
class Shown:
    """What was shown, and the bytes that prove it: a QR's text, or the back office's voucher for a token."""

    kind: ShownKind
    proof: bytes


SHOWN: Final = RecordType(
    tag=0x4D, version=1, fields=(Field("kind", choice(ShownKind)), Field("proof", BLOB))
)


def encode_shown(shown: Shown) -> bytes:
    """Return the bytes for a record's `data_read`."""
    return SHOWN.encode({"kind": shown.kind, "proof": shown.proof})


def decode_shown(raw: bytes) -> Shown:
    """Return what these bytes say was shown; MalformedRecordError for any others."""
    return Shown(**SHOWN.decode(raw))


def is_shown(record: TapRecord) -> bool:
    """Return whether a record tells of something shown instead of a card."""
    return record.uid == NO_UID
