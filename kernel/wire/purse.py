"""What a tap did to the purse of a stored-value card, as its record tells it; the card's own MAC covers all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kernel.wire.codec import U32, Field, RecordType, fixed

RECORD_SIZE: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PurseMove:
    """The purse before, what was loaded onto it and what was paid from it, in whole đồng, and the card's log record."""

    before: int
    loaded: int
    paid: int
    record: bytes

    @property
    def after(self) -> int:
        """Return what the purse holds once the transaction has committed."""
        return self.before + self.loaded - self.paid


PURSE: Final = RecordType(
    tag=0x56,
    version=1,
    fields=(
        Field("before", U32),
        Field("loaded", U32),
        Field("paid", U32),
        Field("record", fixed(RECORD_SIZE)),
    ),
)
_NAMES: Final = tuple(each.name for each in PURSE.fields)


def encode_purse(move: PurseMove) -> bytes:
    """Return the bytes for a tap record's `purse`; a number that does not fit is a ValueError."""
    return PURSE.encode({name: getattr(move, name) for name in _NAMES})


def decode_purse(raw: bytes) -> PurseMove:
    """Return what these bytes tell; MalformedRecordError for any others."""
    return PurseMove(**PURSE.decode(raw))
