"""One upload read as a signed stretch of a journal: which bytes does the signature vouch for, and what are they?

The signature covers the last record's hash; each record carries the hash of the one before. So a record is
vouched for only while every link *after* it in the upload holds: bytes altered on the way break the link of their
successor and fall out, with everything before them, while the rest stands (§8.4: one bad record never takes its
batch with it).
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass
from typing import Final, NamedTuple

from access.rules.chain import Link
from access.rules.verdict import Reason
from kernel.crypto.ed25519 import VerifyKey
from kernel.wire.codec import MalformedRecordError
from kernel.wire.tap import (
    FIRST_SEQUENCE,
    HEAD_CONTEXT,
    TAP,
    TapRecord,
    decode_tap,
    head_message,
    record_hash,
)
from kernel.wire.upload import Upload

LAST_SEQUENCE: Final = (
    2**63 - 1
)  # the column's range; a reader that taps 1,000 times a second needs 292 M years
_PREFIX: Final = struct.Struct(">16s8s16sQ32s")
_PREFIX_FIELDS: Final = ("device_id", "key_id", "journal_id", "sequence", "previous_hash")
assert tuple(field.name for field in TAP.fields[:5]) == _PREFIX_FIELDS, "records only ever grow at their end"
_ANCHORS_TRIED: Final = 2


@dataclass(frozen=True, slots=True)
class Sent:
    """One record of an upload at the place it was signed in; `record` is None exactly when `fault` is set."""

    link: Link
    raw: bytes
    record: TapRecord | None
    fault: Reason | None


class _Read(NamedTuple):
    """One record as it came; `owner` are the raw bytes that name device and journal, empty without a header."""

    raw: bytes
    hash: bytes
    record: TapRecord | None
    owner: bytes
    sequence: int
    previous_hash: bytes | None


def read_segment(upload: Upload, key: VerifyKey) -> tuple[Sent, ...] | None:
    """Return the upload's records in order, each at its place; None when `key` did not sign this head.

    The place of a record follows from the signed last sequence, not from what the record claims, so a record
    whose own header is nonsense still has a place.
    """
    read = tuple(_read(raw) for raw in upload.records)
    own = upload.device_id.bytes + upload.journal_id.bytes
    firsts = Counter(each.sequence - place for place, each in enumerate(read) if each.owner == own)
    for first, _ in firsts.most_common(_ANCHORS_TRIED):
        last = first + len(read) - 1
        if not FIRST_SEQUENCE <= first <= last <= LAST_SEQUENCE:
            continue
        message = head_message(upload.device_id, upload.journal_id, last, read[-1].hash)
        if key.verify(HEAD_CONTEXT, message, upload.signature):
            return _placed(read, first, own)
    return None


def _placed(read: tuple[_Read, ...], first: int, own: bytes) -> tuple[Sent, ...]:
    vouched = [True] * len(read)
    for place in range(len(read) - 2, -1, -1):
        vouched[place] = vouched[place + 1] and read[place + 1].previous_hash == read[place].hash
    return tuple(_sent(each, first + place, own, vouched=vouched[place]) for place, each in enumerate(read))


def _sent(read: _Read, sequence: int, own: bytes, *, vouched: bool) -> Sent:
    fault: Reason | None = None
    if not vouched:
        fault = Reason.NOT_COVERED
    elif not read.owner:
        fault = Reason.UNREADABLE
    elif read.owner != own:
        fault = Reason.FOREIGN_RECORD
    elif read.sequence != sequence:
        fault = Reason.OUT_OF_PLACE
    elif read.record is None or not _storable(read.record):
        fault = Reason.UNREADABLE
    link = Link(sequence, read.hash, read.previous_hash)
    return Sent(link, read.raw, None if fault else read.record, fault)


def _read(raw: bytes) -> _Read:
    record: TapRecord | None = None
    try:
        record = decode_tap(raw)
    except MalformedRecordError:
        # A record of a later or a broken make still says where it hangs: the first five fields never move.
        if len(raw) < 2 + _PREFIX.size or raw[0] != TAP.tag:
            return _Read(raw, record_hash(raw), None, b"", 0, None)
    device, _, journal, sequence, previous = _PREFIX.unpack_from(raw, 2)
    return _Read(raw, record_hash(raw), record, device + journal, sequence, previous)


def _storable(record: TapRecord) -> bool:
    # PostgreSQL's text holds no NUL; one such record would otherwise refuse its whole batch.
    texts = (
        record.reason,
        record.place,
        record.stop_id,
        record.route_id,
        record.trip_id,
        record.vehicle_class,
        record.tariff_version,
    )
    return "\x00" not in "".join(texts)
