"""AES-CMAC (RFC 4493, NIST SP 800-38B) and the eight bytes of it that the card sends."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

MAC_SIZE: Final = 8


class CmacKey:
    """A key that MACs many messages; keeping the keyed object and copying it saves the key schedule each time."""

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        self._keyed = CMAC(AES(key))

    def mac(self, message: bytes) -> bytes:
        """Return the 16-byte CMAC of `message`."""
        keyed = self._keyed.copy()
        keyed.update(message)
        return keyed.finalize()

    def short_mac(self, message: bytes) -> bytes:
        """Return the 8-byte MAC that DESFire cards exchange."""
        return self.mac(message)[1::2]


def aes_cmac(key: bytes, message: bytes) -> bytes:
    """Return the 16-byte AES-CMAC of `message` under a 16, 24 or 32-byte key."""
    return CmacKey(key).mac(message)


def truncated(mac: bytes) -> bytes:
    """Return bytes 1, 3, 5 … 15 of a 16-byte CMAC: NXP's "MACt"."""
    assert len(mac) == 16, "a whole CMAC"
    return mac[1::2]
