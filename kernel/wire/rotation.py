"""What a device signs, under its *new* key, to offer that key in place of the one it has."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from kernel.wire.codec import IDENTIFIER, Field, RecordType, fixed

CONTEXT: Final = b"lienthong/device-key/1"
PATH: Final = "/v1/devices/keys"

_OFFER: Final = RecordType(
    tag=0x4B, version=1, fields=(Field("device_id", IDENTIFIER), Field("public_key", fixed(32)))
)


def offer_message(device_id: UUID, public_key: bytes) -> bytes:
    """Return the bytes to sign under CONTEXT; ValueError where the key has not 32 bytes."""
    return _OFFER.encode({"device_id": device_id, "public_key": public_key})
