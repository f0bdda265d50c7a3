"""Device and server signatures: Ed25519 (RFC 8032) under a context, so one kind of message never passes as another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_SIZE: Final = 32
KEY_ID_SIZE: Final = 8
SIGNATURE_SIZE: Final = 64


def key_id(public: bytes) -> bytes:
    """Return the 8 bytes that name a public key: the start of its SHA-256."""
    return sha256(public).digest()[:KEY_ID_SIZE]


def _framed(context: bytes, message: bytes) -> bytes:
    assert b"\x00" not in context, "the context ends at the first zero byte"
    return context + b"\x00" + message if context else message


@dataclass(frozen=True)
class VerifyKey:
    """A 32-byte public key."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != KEY_SIZE:
            raise ValueError("an Ed25519 public key has 32 bytes")

    @cached_property
    def _loaded(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.raw)

    @property
    def key_id(self) -> bytes:
        """Return the 8 bytes that name this key."""
        return key_id(self.raw)

    def verify(self, context: bytes, message: bytes, signature: bytes) -> bool:
        """Return whether the key's holder signed `message` under `context`; a malformed signature is a no."""
        try:
            self._loaded.verify(signature, _framed(context, message))
        except (InvalidSignature, ValueError):
            return False
        return True


class SigningKey:
    """A private key. Its text form shows the public half only."""

    __slots__ = ("_key", "public")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = VerifyKey(key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> Self:
        """Return a fresh key from the system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, seed: bytes) -> Self:
        """Return the key of a 32-byte seed (RFC 8032's secret key); ValueError for another length."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def to_bytes(self) -> bytes:
        """Return the 32-byte seed, for a sealed file only."""
        return self._key.private_bytes_raw()

    def sign(self, context: bytes, message: bytes) -> bytes:
        """Return the 64-byte signature of `context ‖ 00 ‖ message`.

        An empty context signs the bare message, for protocols that frame themselves (RFC 9421).
        """
        return self._key.sign(_framed(context, message))

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public.raw.hex()})"
