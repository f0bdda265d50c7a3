"""Secrets at rest (AES-256-GCM) and secrets sent to one receiver (X25519, HKDF, AES-256-GCM)."""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kernel.errors import DomainError

KEY_SIZE: Final = 32
_NONCE: Final = 12
_TAG: Final = 16
_BOX_INFO: Final = b"lienthong/box/1"


class SealBrokenError(DomainError):
    """The sealed bytes were altered, cut, made for other circumstances, or the key is wrong; which, is not said."""

    detail = "The sealed content does not open with this key."


def seal(key: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """Return nonce (12) ‖ ciphertext ‖ tag (16) under a 32-byte key, bound to `aad`; a fresh nonce each time."""
    assert len(key) == KEY_SIZE, "AES-256"
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, aad)


def open_sealed(key: bytes, sealed: bytes, aad: bytes) -> bytes:
    """Return what `seal` sealed under the same key and `aad`; SealBrokenError otherwise."""
    assert len(key) == KEY_SIZE, "AES-256"
    if len(sealed) < _NONCE + _TAG:
        raise SealBrokenError
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], aad)
    except InvalidTag:
        raise SealBrokenError from None


def new_box_key() -> bytes:
    """Return a fresh 32-byte X25519 private key."""
    return X25519PrivateKey.generate().private_bytes_raw()


def box_public(private: bytes) -> bytes:
    """Return the 32-byte public half of an X25519 private key."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def _box_cipher(shared: bytes, ephemeral: bytes, receiver: bytes) -> AESGCM:
    # Both public keys enter the derivation, so a box cannot be re-aimed at another receiver.
    return AESGCM(HKDF(SHA256(), KEY_SIZE, salt=ephemeral + receiver, info=_BOX_INFO).derive(shared))


def box_to(public: bytes, plaintext: bytes) -> bytes:
    """Return ephemeral public key (32) ‖ ciphertext ‖ tag (16) that only the holder of `public` opens.

    A `public` that is no usable X25519 key (wrong length, low order) is a ValueError.
    """
    once = X25519PrivateKey.generate()
    ephemeral = once.public_key().public_bytes_raw()
    shared = once.exchange(X25519PublicKey.from_public_bytes(public))
    # The key is used for this one message, so the nonce may be constant.
    return ephemeral + _box_cipher(shared, ephemeral, public).encrypt(bytes(_NONCE), plaintext, None)


def open_box(private: bytes, box: bytes) -> bytes:
    """Return what `box_to` sealed for the holder of `private`; SealBrokenError for anything else."""
    if len(box) < KEY_SIZE + _TAG:
        raise SealBrokenError
    ephemeral, sealed = box[:KEY_SIZE], box[KEY_SIZE:]
    try:
        shared = X25519PrivateKey.from_private_bytes(private).exchange(
            X25519PublicKey.from_public_bytes(ephemeral)
        )
        return _box_cipher(shared, ephemeral, box_public(private)).decrypt(bytes(_NONCE), sealed, None)
    except (InvalidTag, ValueError):
        raise SealBrokenError from None
