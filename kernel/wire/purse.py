"""What a tap did to the purse of a stored-value card, as its record tells it; the card's own MAC covers all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kernel.wire.codec import BLOB, U32, Field, MalformedRecordError, RecordType, fixed
from kernel.wire.trips import TRIPS_SIZE

RECORD_SIZE: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PurseMove:
    """The purse before, what was loaded onto it, paid from it and given back to it (đồng), and the card's log record.

    `trips_read` and `trips_written` are file 05 where the tap looked at it and where it changed it, else empty.
    """

    before: int
    loaded: int
    paid: int
    record: bytes
    returned: int = 0
    trips_read: bytes = b""
    trips_written: bytes = b""

    @property
    def after(self) -> int:
        """Return what the purse holds once the transaction has committed."""
        return self.before + self.loaded - self.paid + self.returned


PURSE: Final = RecordType(
    tag=0x56,
    version=2,
    fields=(
        Field("before", U32),
        Field("loaded", U32),
        Field("paid", U32),
        Field("record", fixed(RECORD_SIZE)),
        Field("returned", U32, since=2, default=0),
        Field("trips_read", BLOB, since=2, default=b""),
        Field("trips_written", BLOB, since=2, default=b""),
    ),
)
_NAMES: Final = tuple(each.name for each in PURSE.fields)


def encode_purse(move: PurseMove) -> bytes:
    """Return the bytes for a tap record's `purse`; a number that does not fit is a ValueError."""
    return PURSE.encode({name: getattr(move, name) for name in _NAMES})


def decode_purse(raw: bytes) -> PurseMove:
    """Return what these bytes tell; MalformedRecordError for any others."""
    move = PurseMove(**PURSE.decode(raw))
    if not {len(move.trips_read), len(move.trips_written)} <= {0, TRIPS_SIZE}:
        raise MalformedRecordError(offset=0, field="trips", reason="the trips have 32 bytes")
    if (move.returned and (move.paid or not move.trips_read)) or (move.trips_written and not move.trips_read):
        raise MalformedRecordError(
            offset=0,
            field="returned",
            reason="what is given back is of a ride that was read, and pays nothing",
        )
    return move
