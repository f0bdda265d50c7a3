"""What ChangeKey carries (command C4), before EV2 FULL messaging enciphers it. Source: AN12196 §6.16, tables 26 and 27."""

from __future__ import annotations

import zlib
from typing import Final

from kernel.crypto.aes import BLOCK, xor

CHANGE_KEY: Final = 0xC4
_OTHER_SIZE: Final = BLOCK + 1 + 4
_SAME_SIZE: Final = BLOCK + 1


def inverted_crc32(message: bytes) -> bytes:
    """Return the CRC-32 as these cards want it: without the last inversion, 4 bytes little-endian."""
    return (zlib.crc32(message) ^ 0xFFFFFFFF).to_bytes(4, "little")


def other_key(new: bytes, old: bytes, version: int) -> bytes:
    """Return the data that changes another key than the one the session was authenticated with: 21 bytes."""
    assert len(new) == len(old) == BLOCK, "AES-128"
    return xor(new, old) + version.to_bytes(1, "big") + inverted_crc32(new)


def own_key(new: bytes, version: int) -> bytes:
    """Return the data that changes the session's own key: 17 bytes, the key in plain. Authentication is gone after it."""
    assert len(new) == BLOCK, "AES-128"
    return new + version.to_bytes(1, "big")


def changed(sent: bytes, old: bytes, *, own: bool) -> tuple[bytes, int] | None:
    """Return the new key and its version as the card reads them; None where length or checksum is wrong."""
    if len(sent) != (_SAME_SIZE if own else _OTHER_SIZE):
        return None
    new = sent[:BLOCK] if own else xor(sent[:BLOCK], old)
    if not own and inverted_crc32(new) != sent[BLOCK + 1 :]:
        return None
    return new, sent[BLOCK]
