"""The back office's secrets in one sealed file: card masters, the look-up key, the account key, the bundle key.

The file is AES-256-GCM under a key-encryption key (KEK) that lives in a file of its own, elsewhere. Nothing of it
ever stands on a device's disk in clear; only the AUTH masters leave, boxed to one device (DESIGN §6).
With a PKCS#11 token (`access.hsm`) the file holds no other master: those are the token's and are never read out.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol, Self
from uuid import UUID

from access.hsm import KEPT_ROLES, Token
from access.kek import KeyringError, create_kek, load_kek, write_new
from kernel.crypto.card_keys import AID, Role, system_id
from kernel.crypto.cmac import CmacKey
from kernel.crypto.ed25519 import SigningKey
from kernel.crypto.sealing import KEY_SIZE, SealBrokenError, open_sealed, seal
from kernel.crypto.tmac import TmacKey
from kernel.errors import DomainError

__all__ = ["Keyring", "KeyringError", "UnknownGenerationError", "create_kek", "load_kek"]

_FORMAT: Final = "lienthong-keyring/1"
_AAD: Final = b"lienthong/keyring/1"
_WRAP_AAD: Final = b"lienthong/data-key/1"
_MASTER_SIZE: Final = 16
_LAST_GENERATION: Final = 255


class UnknownGenerationError(DomainError):
    """No master keys of this generation are held."""

    detail = "There are no card keys of generation {generation}."


@dataclass(frozen=True, slots=True)
class _Secrets:
    masters: Mapping[int, Mapping[Role, bytes]]
    lookup: bytes
    account: bytes
    bundle: bytes
    issuing: int
    """The generation that new cards get; a later one is prepared, and readers learn it first."""
    seals: tuple[bytes, ...] = ()


class Master(Protocol):
    """A master key, here or in a token: it MACs what names a card into that card's own key."""

    def mac(self, message: bytes) -> bytes:
        """Return the 16-byte AES-CMAC of `message`."""
        ...


class Keyring:
    """Secrets in memory. Its text form shows none of them."""

    __slots__ = ("_masters", "_secrets", "_token", "bundle_key")

    def __init__(self, secrets: _Secrets, token: Token | None = None) -> None:
        self._secrets, self._token = secrets, token
        self._masters = {
            generation: _opened(generation, roles, token) for generation, roles in secrets.masters.items()
        }
        self.bundle_key = SigningKey.from_bytes(secrets.bundle)

    @classmethod
    def create(cls, path: Path, kek: bytes, *, generation: int = 1, token: Token | None = None) -> Self:
        """Write a keyring of fresh keys to `path`, sealed with the 32-byte `kek`, and return it.

        Refuses to overwrite (KeyringError): the masters of issued cards exist nowhere else. With a token, the masters
        that stay with us are drawn in there; it must hold none of this generation yet.
        """
        if path.exists():
            raise KeyringError(path=str(path), why="exists already and is never overwritten")
        if token is not None and token.holds(generation):
            raise KeyringError(
                path=f"PKCS#11 token {token.label!r}", why=f"holds masters of generation {generation} already"
            )
        made = cls(_fresh(generation, token), token)
        write_new(path, made._sealed(kek))
        return made

    @classmethod
    def load(cls, path: Path, kek: bytes, token: Token | None = None) -> Self:
        """Return the keyring of a file; KeyringError when it is missing, altered or sealed with another key.

        KeyringError too where the file leaves masters to a token that is not given, or does not hold them.
        """
        try:
            sealed = path.read_bytes()
        except OSError as error:
            raise KeyringError(path=str(path), why=f"cannot be read ({error.strerror})") from None
        try:
            return cls(_parsed(open_sealed(kek, sealed, _AAD)), token)
        except SealBrokenError:
            raise KeyringError(
                path=str(path), why="does not open with this key file, or was altered"
            ) from None

    @classmethod
    def ephemeral(cls, *, generation: int = 1) -> Self:
        """Return a keyring of fresh keys that is written nowhere, for tests."""
        return cls(_fresh(generation))

    @property
    def generations(self) -> tuple[int, ...]:
        """Return the key generations held, oldest first; readers hold all of them."""
        return tuple(sorted(self._secrets.masters))

    @property
    def issuing(self) -> int:
        """Return the generation that new cards get."""
        return self._secrets.issuing

    @property
    def in_token(self) -> bool:
        """Return whether any master is a token's, so that the keyring's file does not hold it."""
        return any(KEPT_ROLES - roles.keys() for roles in self._secrets.masters.values())

    @classmethod
    def move_to_token(cls, path: Path, kek: bytes, token: Token) -> Self:
        """Put the masters that need not leave us into a token, take them out of the file, and return the keyring.

        By one rename, after each was proven to answer alike in there; broken off halfway, it goes on when repeated.
        Copies of the old file still hold them. KeyringError where another key has the place of one.
        """
        return cls.load(path, kek, token).with_masters_in(token).replace_at(path, kek)

    @classmethod
    def rotate(cls, path: Path, kek: bytes, token: Token | None = None) -> Self:
        """Add a generation of fresh masters to the keyring at `path`, by one rename, and return it.

        New cards still get the old generation: readers must hold the new one first (`issue_from`). KeyringError.
        """
        return cls.load(path, kek, token).with_next_generation(path).replace_at(path, kek)

    @classmethod
    def issue_from(cls, path: Path, kek: bytes, generation: int, token: Token | None = None) -> Self:
        """Have new cards get this generation and return the keyring; UnknownGenerationError where it is not held."""
        return cls.load(path, kek, token).issuing_from(generation).replace_at(path, kek)

    @property
    def seal_keys(self) -> tuple[SigningKey, ...]:
        """Return the keys that book days were and are sealed with, oldest first: the last one signs."""
        return (self.bundle_key, *map(SigningKey.from_bytes, self._secrets.seals))

    @classmethod
    def rotate_seal(cls, path: Path, kek: bytes, token: Token | None = None) -> Self:
        """Add a fresh seal key to the keyring at `path`, by one rename, and return it.

        The keys before it stay: the last of them introduces the new one when the next day is closed.
        """
        return cls.load(path, kek, token).with_next_seal_key().replace_at(path, kek)

    def with_next_seal_key(self) -> Self:
        """Return a keyring that holds one seal key more, which signs from now on."""
        seals = (*self._secrets.seals, SigningKey.generate().to_bytes())
        return type(self)(replace(self._secrets, seals=seals), self._token)

    def with_next_generation(self, path: Path) -> Self:
        """Return a keyring that holds one generation more; `path` is for the complaint when there can be none."""
        generation = self.generations[-1] + 1
        if generation > _LAST_GENERATION:
            raise KeyringError(path=str(path), why=f"has used up its {_LAST_GENERATION} key generations")
        masters = {**self._secrets.masters, generation: _drawn(generation, self._token)}
        return type(self)(replace(self._secrets, masters=masters), self._token)

    def with_masters_in(self, token: Token) -> Self:
        """Return a keyring whose masters, but for those that validators are sent, are the token's."""
        kept = {}
        for generation, roles in self._secrets.masters.items():
            token.put(generation, {role: key for role, key in roles.items() if role in KEPT_ROLES})
            kept[generation] = {role: key for role, key in roles.items() if role not in KEPT_ROLES}
        return type(self)(replace(self._secrets, masters=kept), token)

    def issuing_from(self, generation: int) -> Self:
        """Return a keyring whose new cards get this generation; UnknownGenerationError."""
        if generation not in self._secrets.masters:
            raise UnknownGenerationError(generation=generation)
        return type(self)(replace(self._secrets, issuing=generation), self._token)

    def replace_at(self, path: Path, kek: bytes) -> Self:
        """Put this keyring in the place of the one at `path`, by one rename, and return it as read back from there."""
        fresh = path.with_name(path.name + ".new")
        fresh.unlink(missing_ok=True)
        write_new(fresh, self._sealed(kek))
        # Read back before it takes the old one's place: the masters of issued cards exist nowhere else.
        made = type(self).load(fresh, kek, self._token)
        assert made.generations == self.generations, "what was written is what was meant"
        fresh.replace(path)
        return made

    def tmac_key(self, uid: bytes, generation: int) -> TmacKey | None:
        """Return the card's transaction MAC key, None for a generation that is not held."""
        masters = self._masters.get(generation)
        return TmacKey(_card_key(masters[Role.TMAC], uid, generation)) if masters is not None else None

    def card_keys(self, uid: bytes, generation: int) -> dict[Role, bytes]:
        """Return all keys of one card, for its personalisation; UnknownGenerationError."""
        masters = self._masters.get(generation)
        if masters is None:
            raise UnknownGenerationError(generation=generation)
        return {role: _card_key(masters[role], uid, generation) for role in Role}

    def auth_masters(self) -> dict[int, bytes]:
        """Return the AUTH master of every generation: the only masters a validator holds (boxed to it)."""
        return {generation: roles[Role.AUTH] for generation, roles in self._secrets.masters.items()}

    def debit_masters(self) -> dict[int, bytes]:
        """Return the DEBIT master of every generation, for readers that take money from purses (boxed to each)."""
        return {generation: roles[Role.DEBIT] for generation, roles in self._secrets.masters.items()}

    def lookup(self, kind: bytes, value: bytes) -> bytes:
        """Return the 32-byte keyed hash by which a UID (or another identifier of `kind`) is looked up."""
        return hmac.digest(self._secrets.lookup, len(kind).to_bytes(2, "big") + kind + value, "sha256")

    def new_data_key(self, owner: UUID) -> tuple[bytes, bytes]:
        """Return a fresh 32-byte data key for one owner, and the same key wrapped for storage."""
        key = os.urandom(KEY_SIZE)
        return key, seal(self._secrets.account, key, _WRAP_AAD + owner.bytes)

    def unwrap(self, owner: UUID, wrapped: bytes) -> bytes:
        """Return the data key of `owner`; SealBrokenError when it was wrapped for another or elsewhere."""
        return open_sealed(self._secrets.account, wrapped, _WRAP_AAD + owner.bytes)

    def _sealed(self, kek: bytes) -> bytes:
        secrets = self._secrets
        document = {
            "format": _FORMAT,
            "masters": {
                str(generation): {role.value: key.hex() for role, key in roles.items()}
                for generation, roles in secrets.masters.items()
            },
            "lookup": secrets.lookup.hex(),
            "account": secrets.account.hex(),
            "bundle": secrets.bundle.hex(),
            "issuing": secrets.issuing,
            "seals": [key.hex() for key in secrets.seals],
        }
        return seal(kek, json.dumps(document).encode(), _AAD)

    def __repr__(self) -> str:
        return f"Keyring(generations={self.generations})"


def _fresh(generation: int, token: Token | None = None) -> _Secrets:
    masters = {generation: _drawn(generation, token)}
    bundle = SigningKey.generate().to_bytes()
    return _Secrets(masters, os.urandom(KEY_SIZE), os.urandom(KEY_SIZE), bundle, generation)


def _drawn(generation: int, token: Token | None) -> dict[Role, bytes]:
    """Return fresh masters for the file; with a token, the others are drawn in there."""
    if token is not None:
        token.make(generation)
    return {role: os.urandom(_MASTER_SIZE) for role in Role if token is None or role not in KEPT_ROLES}


def _opened(generation: int, sealed: Mapping[Role, bytes], token: Token | None) -> dict[Role, Master]:
    masters: dict[Role, Master] = {role: CmacKey(key) for role, key in sealed.items()}
    if sealed.keys() >= KEPT_ROLES:
        return masters
    if token is None:
        why = f"leaves the masters of generation {generation} to a PKCS#11 token; name it by LIENTHONG_PKCS11_MODULE"
        raise KeyringError(path="the keyring", why=why)
    return {**token.masters(generation), **masters}


def _card_key(master: Master, uid: bytes, generation: int) -> bytes:
    # AN10922 pads to 32 bytes what plain CMAC pads to whole blocks: for these 22 bytes it is the same, a keyed object
    # costs a sixth of three fresh ciphers, and a token can do it. A test holds it against `card_key`.
    return master.mac(b"\x01" + uid + AID + system_id(generation))


def _parsed(raw: bytes) -> _Secrets:
    document = json.loads(raw)
    assert document["format"] == _FORMAT, "sealed by us, so it is of a form we know"
    masters = {
        int(generation): {Role(role): bytes.fromhex(key) for role, key in roles.items()}
        for generation, roles in document["masters"].items()
    }
    return _Secrets(
        masters,
        bytes.fromhex(document["lookup"]),
        bytes.fromhex(document["account"]),
        bytes.fromhex(document["bundle"]),
        document.get("issuing", max(masters)),  # a keyring of the first make holds one generation
        tuple(map(bytes.fromhex, document.get("seals", ()))),
    )
