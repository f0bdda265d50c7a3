"""One upload of a journal's records, as JSON over `POST /v1/taps`, and the answer to it."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from kernel.wire.codec import MalformedRecordError

PATH: Final = "/v1/taps"
MAX_RECORDS: Final = 1_000
MAX_RECORD_BYTES: Final = 4_096
_KEYS: Final = frozenset({"device_id", "key_id", "journal_id", "records", "signature"})


class Verdict(StrEnum):
    """What became of one record. Only `chained_up_to` permits the reader to drop its copy."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    EXCEPTION = "exception"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Records of one journal with contiguous sequences, signed over the head message of the last one."""

    device_id: UUID
    key_id: bytes
    journal_id: UUID
    records: tuple[bytes, ...]
    signature: bytes

    def to_json(self) -> dict[str, object]:
        """Return the request body."""
        return {
            "device_id": str(self.device_id),
            "key_id": self.key_id.hex(),
            "journal_id": str(self.journal_id),
            "records": [b64encode(record).decode() for record in self.records],
            "signature": b64encode(self.signature).decode(),
        }

    @classmethod
    def from_json(cls, body: object) -> Upload:
        """Return the upload of a request body; MalformedRecordError names the field that is wrong.

        At least one record, at most MAX_RECORDS, none above MAX_RECORD_BYTES, no unknown key. What the records
        say is not looked at here.
        """
        if not isinstance(body, Mapping) or body.keys() != _KEYS:
            raise _malformed("body", f"an object of exactly {', '.join(sorted(_KEYS))}")
        records = body["records"]
        if not isinstance(records, list) or not 1 <= len(records) <= MAX_RECORDS:
            raise _malformed("records", f"a list of 1 to {MAX_RECORDS} records")
        raw = tuple(_base64("records", record) for record in records)
        if max(map(len, raw)) > MAX_RECORD_BYTES:
            raise _malformed("records", f"no record has more than {MAX_RECORD_BYTES} bytes")
        try:
            key_id = bytes.fromhex(body["key_id"])
        except (TypeError, ValueError):
            raise _malformed("key_id", "16 hexadecimal digits") from None
        if len(key_id) != 8:
            raise _malformed("key_id", "16 hexadecimal digits")
        return cls(
            device_id=_uuid("device_id", body["device_id"]),
            key_id=key_id,
            journal_id=_uuid("journal_id", body["journal_id"]),
            records=raw,
            signature=_base64("signature", body["signature"]),
        )


@dataclass(frozen=True, slots=True)
class RecordVerdict:
    """The verdict on the record of one sequence; `reason` is empty when it was accepted."""

    sequence: int
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict per record, and the sequence up to which the journal is stored here without a gap."""

    verdicts: tuple[RecordVerdict, ...]
    chained_up_to: int

    def to_json(self) -> dict[str, object]:
        """Return the response body."""
        return {
            "verdicts": [
                {"sequence": each.sequence, "verdict": each.verdict.value, "reason": each.reason}
                for each in self.verdicts
            ],
            "chained_up_to": self.chained_up_to,
        }

    @classmethod
    def from_json(cls, body: object) -> Answer:
        """Return the answer of a response body; MalformedRecordError for anything else."""
        try:
            if not isinstance(body, Mapping):
                raise _malformed("body", "an object")
            verdicts = tuple(
                RecordVerdict(_count(each["sequence"]), Verdict(each["verdict"]), str(each.get("reason", "")))
                for each in body["verdicts"]
            )
            return cls(verdicts, _count(body["chained_up_to"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise _malformed("verdicts", "a verdict per record and chained_up_to") from None


def _malformed(name: str, reason: str) -> MalformedRecordError:
    return MalformedRecordError(offset=0, field=name, reason=reason)


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("not a sequence")
    return value


def _base64(name: str, text: object) -> bytes:
    if not isinstance(text, str):
        raise _malformed(name, "base64 text")
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _malformed(name, "base64 text") from None


def _uuid(name: str, text: object) -> UUID:
    if not isinstance(text, str):
        raise _malformed(name, "a UUID")
    try:
        return UUID(text)
    except ValueError:
        raise _malformed(name, "a UUID") from None
