"""Key diversification after NXP AN10922, AES-128."""

from __future__ import annotations

from typing import Final

from kernel.crypto.aes import BLOCK, encrypt_block, encrypt_cbc, xor

_CONSTANT: Final = b"\x01"
_LENGTH: Final = 32
_RB: Final = 0x87


def _doubled(block: bytes) -> bytes:
    number = int.from_bytes(block, "big") << 1
    if number >> 128:
        number = number & (1 << 128) - 1 ^ _RB
    return number.to_bytes(BLOCK, "big")


def subkeys(key: bytes) -> tuple[bytes, bytes]:
    """Return K1 and K2 of AES-CMAC (RFC 4493 §2.3)."""
    first = _doubled(encrypt_block(key, bytes(BLOCK)))
    return first, _doubled(first)


def diversify(master: bytes, div_input: bytes) -> bytes:
    """Return the 16-byte card key of a 16-byte master and 1 to 31 bytes that name the card.

    The message 01 ‖ input is padded to **32** bytes whatever its length, where plain CMAC would pad a short one
    to 16: for inputs below 16 bytes the two differ. Source: AN10922 §2.2.
    """
    assert len(master) == BLOCK, "AES-128"
    assert 1 <= len(div_input) < _LENGTH, "AN10922 takes 1 to 31 bytes"
    message = _CONSTANT + div_input
    whole, padded = subkeys(master)
    mask = whole if len(message) == _LENGTH else padded
    if len(message) < _LENGTH:
        message = (message + b"\x80").ljust(_LENGTH, b"\x00")
    return encrypt_cbc(master, message[:BLOCK] + xor(message[BLOCK:], mask))[BLOCK:]
