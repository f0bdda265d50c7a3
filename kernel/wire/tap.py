"""The tap record: what a reader writes down about one presentation of one card, chained by hash and signed by batch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from hashlib import sha256
from typing import Final
from uuid import UUID

from kernel.wire.codec import BLOB, IDENTIFIER, INSTANT, TEXT, U8, U32, U64, Field, RecordType, choice, fixed

HEAD_CONTEXT: Final = b"lienthong/tap-head/1"
FIRST_SEQUENCE: Final = 1
NO_HASH: Final = bytes(32)
NO_TMV: Final = bytes(8)


class Purpose(IntEnum):
    """What the place is for; AUTO leaves it to pricing whether the rider boards or alights."""

    BOARD = 1
    ALIGHT = 2
    AUTO = 3
    PARK_IN = 4
    PARK_OUT = 5
    INSPECT = 6


class Phase(IntEnum):
    """How far the exchange with the card came.

    TORN: the card was asked to commit and its answer was lost, so there is no TMV. RECOVERED: the same card came
    back to the same device inside the passback window and its file 0F showed that it had committed. REFUSED:
    turned away before commit, evidence only.
    """

    DONE = 1
    TORN = 2
    RECOVERED = 3
    REFUSED = 4


class ClockState(IntEnum):
    """What the device's wall time was worth."""

    SYNCED = 1
    HOLDOVER = 2
    UNSYNCED = 3


class Decision(IntEnum):
    """What the lamp showed."""

    ACCEPT = 1
    REFUSE = 2


@dataclass(frozen=True, kw_only=True)
class TapRecord:
    """One record of a reader's journal. Without slots, so that decoding can hand over its fields at once.

    `sequence` counts from 1 without gaps within `journal_id`; `previous_hash` is the hash of the record before it,
    zeros for the first. `tmc` is the card's counter after this transaction (the expected one when TORN).
    `prior_tmc` and `prior_tmv` are file 0F as read before: they prove what an earlier torn tap did.
    """

    device_id: UUID
    key_id: bytes
    journal_id: UUID
    sequence: int
    previous_hash: bytes
    tapped_at: datetime
    monotonic_ms: int
    clock_state: ClockState
    purpose: Purpose
    phase: Phase
    decision: Decision
    direction: int
    deny_version: int
    uid: bytes
    card_serial: int
    key_generation: int
    tmc: int
    tmv: bytes
    enc_tmri: bytes
    reader_id: bytes
    prior_tmc: int
    prior_tmv: bytes
    latency_ms: int
    reason: str
    place: str
    stop_id: str
    route_id: str
    trip_id: str
    vehicle_class: str
    tariff_version: str
    data_read: bytes
    purse: bytes = b""
    """A `PurseMove` where a stored-value card paid; empty for account-based cards."""


TAP: Final = RecordType(
    tag=0x54,
    version=2,
    fields=(
        Field("device_id", IDENTIFIER),
        Field("key_id", fixed(8)),
        Field("journal_id", IDENTIFIER),
        Field("sequence", U64),
        Field("previous_hash", fixed(32)),
        Field("tapped_at", INSTANT),
        Field("monotonic_ms", U64),
        Field("clock_state", choice(ClockState)),
        Field("purpose", choice(Purpose)),
        Field("phase", choice(Phase)),
        Field("decision", choice(Decision)),
        Field("direction", U8),
        Field("deny_version", U64),
        Field("uid", fixed(7)),
        Field("card_serial", U64),
        Field("key_generation", U8),
        Field("tmc", U32),
        Field("tmv", fixed(8)),
        Field("enc_tmri", fixed(16)),
        Field("reader_id", fixed(16)),
        Field("prior_tmc", U32),
        Field("prior_tmv", fixed(8)),
        Field("latency_ms", U32),
        Field("reason", TEXT),
        Field("place", TEXT),
        Field("stop_id", TEXT),
        Field("route_id", TEXT),
        Field("trip_id", TEXT),
        Field("vehicle_class", TEXT),
        Field("tariff_version", TEXT),
        Field("data_read", BLOB),
        Field("purse", BLOB, since=2, default=b""),
    ),
)

_NAMES: Final = tuple(each.name for each in TAP.fields)
_HEAD: Final = RecordType(
    tag=0x48,
    version=1,
    fields=(
        Field("device_id", IDENTIFIER),
        Field("journal_id", IDENTIFIER),
        Field("last_sequence", U64),
        Field("last_hash", fixed(32)),
    ),
)


def encode_tap(tap: TapRecord) -> bytes:
    """Return the record's bytes; a value its field cannot hold is a ValueError that names the field."""
    return TAP.encode({name: getattr(tap, name) for name in _NAMES})


def decode_tap(raw: bytes) -> TapRecord:
    """Return the record of these bytes; MalformedRecordError for any others."""
    tap = object.__new__(TapRecord)
    # A frozen dataclass sets its fields one by one; for 31 of them that takes longer than reading them.
    object.__setattr__(tap, "__dict__", TAP.decode(raw))
    return tap


def record_hash(raw: bytes) -> bytes:
    """Return the SHA-256 of a record's bytes, which the next record of the journal carries."""
    return sha256(raw).digest()


def head_message(device_id: UUID, journal_id: UUID, last_sequence: int, last_hash: bytes) -> bytes:
    """Return what a device signs, under HEAD_CONTEXT, to vouch for its journal up to and including one record."""
    return _HEAD.encode(
        {
            "device_id": device_id,
            "journal_id": journal_id,
            "last_sequence": last_sequence,
            "last_hash": last_hash,
        }
    )
