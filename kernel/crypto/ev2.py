"""EV2 secure messaging of DESFire EV2/EV3 and NTAG 424 cards, both sides of it.

Sources: NXP AN12196 (tables 7 to 23) and the data sheets it quotes. The random numbers are arguments, so a
transcript can be replayed; whoever calls draws them from the system.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from hmac import compare_digest
from typing import Final

from kernel.crypto.aes import BLOCK, decrypt_cbc, encrypt_block, encrypt_cbc, xor
from kernel.crypto.cmac import MAC_SIZE, CmacKey

TI_SIZE: Final = 4
CHALLENGE_SIZE: Final = 16
ANSWER_SIZE: Final = 32
STATUS_OK: Final = 0x00

_LABEL_ENC: Final = b"\xa5\x5a"
_LABEL_MAC: Final = b"\x5a\xa5"
_CAPABILITIES: Final = bytes(6)


class MessagingError(Exception):
    """The other side does not hold the key, or the message is not the one it sent. Authentication is gone."""


class CommMode(Enum):
    """How a command's data travels. PLAIN still counts."""

    PLAIN = "plain"
    MAC = "mac"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """The two keys of one authentication; not shown in text."""

    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)


def session_vector(label: bytes, rnd_a: bytes, rnd_b: bytes) -> bytes:
    """Return the 32-byte input that a session key is the CMAC of."""
    return label + b"\x00\x01\x00\x80" + rnd_a[:2] + xor(rnd_a[2:8], rnd_b[:6]) + rnd_b[6:] + rnd_a[8:]


def session_keys(key: bytes, rnd_a: bytes, rnd_b: bytes) -> SessionKeys:
    """Return the session keys that both sides derive from their two random numbers."""
    cmac = CmacKey(key)
    return SessionKeys(
        cmac.mac(session_vector(_LABEL_ENC, rnd_a, rnd_b)), cmac.mac(session_vector(_LABEL_MAC, rnd_a, rnd_b))
    )


def _rotated(number: bytes) -> bytes:
    return number[1:] + number[:1]


def _padded(plain: bytes) -> bytes:
    return plain + b"\x80" + bytes(-(len(plain) + 1) % BLOCK)


def _unpadded(padded: bytes) -> bytes:
    body = padded.rstrip(b"\x00")
    if not body.endswith(b"\x80") or len(padded) - len(body) >= BLOCK:
        raise MessagingError("padding")
    return body[:-1]


class Session:
    """One authenticated exchange: the keys, the transaction identifier and the command counter.

    The reader uses `command` and `open_response`, the card `open_command` and `response`. After any
    MessagingError the session is dead and refuses to be used: both sides drop authentication on an error.
    """

    __slots__ = ("_alive", "_mac", "counter", "keys", "ti")

    def __init__(self, keys: SessionKeys, ti: bytes, counter: int = 0) -> None:
        assert len(ti) == TI_SIZE, "a 4-byte transaction identifier"
        self.keys = keys
        self.ti = ti
        self.counter = counter
        self._mac = CmacKey(keys.mac)
        self._alive = True

    def __repr__(self) -> str:
        return f"Session(ti={self.ti.hex()}, counter={self.counter})"

    def drop(self) -> None:
        """End the session; every later use is a MessagingError."""
        self._alive = False

    def _fail(self, what: str) -> MessagingError:
        self.drop()
        return MessagingError(what)

    def _require_alive(self) -> None:
        if not self._alive:
            raise MessagingError("authentication was dropped")

    def _short_mac(self, code: int, body: bytes) -> bytes:
        return self._mac.short_mac(bytes((code,)) + self.counter.to_bytes(2, "little") + self.ti + body)

    def initial_vector(self, label: bytes) -> bytes:
        """Return the IV of a command (label A5 5A) or a response (5A A5) at the current counter."""
        block = label + self.ti + self.counter.to_bytes(2, "little") + bytes(8)
        return encrypt_block(self.keys.enc, block)

    def _sealed(self, label: bytes, plain: bytes) -> bytes:
        return encrypt_cbc(self.keys.enc, _padded(plain), self.initial_vector(label)) if plain else b""

    def _opened(self, label: bytes, sealed: bytes) -> bytes:
        if not sealed:
            return b""
        if len(sealed) % BLOCK:
            raise self._fail("length")
        try:
            return _unpadded(decrypt_cbc(self.keys.enc, sealed, self.initial_vector(label)))
        except MessagingError:
            self.drop()
            raise

    # The reader's side

    def command(self, code: int, header: bytes, plain: bytes = b"", mode: CommMode = CommMode.MAC) -> bytes:
        """Return the data field of a command APDU: header, data (enciphered in FULL), MAC (not in PLAIN)."""
        self._require_alive()
        body = header + (self._sealed(_LABEL_ENC, plain) if mode is CommMode.FULL else plain)
        sent = body if mode is CommMode.PLAIN else body + self._short_mac(code, body)
        self.counter += 1
        return sent

    def open_response(self, raw: bytes, mode: CommMode = CommMode.MAC) -> bytes:
        """Return the data of a response whose status was OK, `raw` being what came before the status."""
        self._require_alive()
        if mode is CommMode.PLAIN:
            return raw
        body, mac = raw[:-MAC_SIZE], raw[-MAC_SIZE:]
        if not compare_digest(self._short_mac(STATUS_OK, body), mac):
            raise self._fail("response MAC")
        return self._opened(_LABEL_MAC, body) if mode is CommMode.FULL else body

    # The card's side

    def open_command(
        self, code: int, sent: bytes, header: int, mode: CommMode = CommMode.MAC
    ) -> tuple[bytes, bytes]:
        """Return the header (its first `header` bytes) and the data of a command, and count it."""
        self._require_alive()
        body = sent
        if mode is not CommMode.PLAIN:
            body, mac = sent[:-MAC_SIZE], sent[-MAC_SIZE:]
            if not compare_digest(self._short_mac(code, body), mac):
                raise self._fail("command MAC")
        head, rest = body[:header], body[header:]
        plain = self._opened(_LABEL_ENC, rest) if mode is CommMode.FULL else rest
        self.counter += 1
        return head, plain

    def response(self, plain: bytes = b"", mode: CommMode = CommMode.MAC) -> bytes:
        """Return what comes before an OK status: data (enciphered in FULL), MAC (not in PLAIN)."""
        self._require_alive()
        if mode is CommMode.PLAIN:
            return plain
        body = self._sealed(_LABEL_MAC, plain) if mode is CommMode.FULL else plain
        return body + self._short_mac(STATUS_OK, body)


class ReaderAuth:
    """The reader's half of AuthenticateEV2First, or NonFirst when given the session it renews."""

    __slots__ = ("_key", "_renews", "_rnd_a", "_rnd_b")

    def __init__(self, key: bytes, rnd_a: bytes, renews: Session | None = None) -> None:
        assert len(rnd_a) == BLOCK, "16 random bytes"
        self._key, self._rnd_a, self._renews = key, rnd_a, renews
        self._rnd_b = b""

    def answer(self, challenge: bytes) -> bytes:
        """Return the 32 bytes to send on, given the card's 16-byte challenge; MessagingError when malformed."""
        if len(challenge) != CHALLENGE_SIZE:
            raise MessagingError("challenge")
        self._rnd_b = decrypt_cbc(self._key, challenge)
        return encrypt_cbc(self._key, self._rnd_a + _rotated(self._rnd_b))

    def finish(self, proof: bytes) -> Session:
        """Return the session, given the card's last answer; MessagingError when the card does not hold the key.

        First starts a new transaction identifier and counter; NonFirst keeps both.
        """
        if len(proof) != (ANSWER_SIZE if self._renews is None else BLOCK):
            raise MessagingError("proof")
        opened = decrypt_cbc(self._key, proof)
        ti, shown = (
            (opened[:TI_SIZE], opened[TI_SIZE : TI_SIZE + BLOCK]) if self._renews is None else (b"", opened)
        )
        if not compare_digest(shown, _rotated(self._rnd_a)):
            raise MessagingError("proof")
        keys = session_keys(self._key, self._rnd_a, self._rnd_b)
        if self._renews is None:
            return Session(keys, ti)
        self._renews.drop()
        return Session(keys, self._renews.ti, self._renews.counter)


class CardAuth:
    """The card's half of AuthenticateEV2First, or NonFirst when given the session it renews."""

    __slots__ = ("_key", "_renews", "_rnd_b", "_ti")

    def __init__(self, key: bytes, rnd_b: bytes, ti: bytes, renews: Session | None = None) -> None:
        assert len(rnd_b) == BLOCK, "16 random bytes"
        self._key, self._rnd_b, self._ti, self._renews = key, rnd_b, ti, renews

    def challenge(self) -> bytes:
        """Return the 16 bytes to send first."""
        return encrypt_cbc(self._key, self._rnd_b)

    def verify(self, answer: bytes) -> tuple[bytes, Session]:
        """Return the last answer and the session; MessagingError when the reader does not hold the key."""
        if len(answer) != ANSWER_SIZE:
            raise MessagingError("answer")
        opened = decrypt_cbc(self._key, answer)
        rnd_a, shown = opened[:BLOCK], opened[BLOCK:]
        if not compare_digest(shown, _rotated(self._rnd_b)):
            raise MessagingError("answer")
        keys = session_keys(self._key, rnd_a, self._rnd_b)
        if self._renews is not None:
            self._renews.drop()
            return encrypt_cbc(self._key, _rotated(rnd_a)), Session(
                keys, self._renews.ti, self._renews.counter
            )
        proof = self._ti + _rotated(rnd_a) + _CAPABILITIES + _CAPABILITIES
        return encrypt_cbc(self._key, proof), Session(keys, self._ti)
