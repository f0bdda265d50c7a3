"""AES-128 in the modes the card speaks. Each is safe only inside the card's protocol, never for storage."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB

BLOCK: Final = 16
ZERO_IV: Final = bytes(BLOCK)


def encrypt_cbc(key: bytes, plain: bytes, iv: bytes = ZERO_IV) -> bytes:
    """Return the CBC ciphertext of whole blocks, unpadded."""
    cipher = Cipher(AES(key), CBC(iv)).encryptor()
    return cipher.update(plain) + cipher.finalize()


def decrypt_cbc(key: bytes, sealed: bytes, iv: bytes = ZERO_IV) -> bytes:
    """Return the CBC plaintext of whole blocks, padding left in place."""
    cipher = Cipher(AES(key), CBC(iv)).decryptor()
    return cipher.update(sealed) + cipher.finalize()


def encrypt_block(key: bytes, block: bytes) -> bytes:
    """Return one block enciphered."""
    assert len(block) == BLOCK, "one block"
    return Cipher(AES(key), ECB()).encryptor().update(block)  # noqa: S305 - one block only: no pattern to show


def zero_padded(text: bytes) -> bytes:
    """Return `text` filled with zeros to whole blocks; nothing is added to whole blocks."""
    return text + bytes(-len(text) % BLOCK)


def xor(left: bytes, right: bytes) -> bytes:
    """Return the bytewise exclusive or of two strings of one length."""
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
