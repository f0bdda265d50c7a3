"""The back office's secrets in one sealed file: card masters, the look-up key, the account key, the bundle key.

The file is AES-256-GCM under a key-encryption key (KEK) that lives in a file of its own, elsewhere. Nothing of it
ever stands on a device's disk in clear; only the AUTH masters leave, boxed to one device (DESIGN §6).
"""

from __future__ import annotations

import hmac
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self
from uuid import UUID

from kernel.crypto.card_keys import AID, Role, card_key, system_id
from kernel.crypto.cmac import CmacKey
from kernel.crypto.ed25519 import SigningKey
from kernel.crypto.sealing import KEY_SIZE, SealBrokenError, open_sealed, seal
from kernel.crypto.tmac import TmacKey
from kernel.errors import DomainError

_FORMAT: Final = "lienthong-keyring/1"
_AAD: Final = b"lienthong/keyring/1"
_WRAP_AAD: Final = b"lienthong/data-key/1"
_MASTER_SIZE: Final = 16
_PRIVATE: Final = 0o600
_LAST_GENERATION: Final = 255


class KeyringError(DomainError):
    """The keyring or its key cannot be used; `why` says what an operator must do."""

    detail = "{path}: {why}."


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


class Keyring:
    """Secrets in memory. Its text form shows none of them."""

    __slots__ = ("_secrets", "_tmac_masters", "bundle_key")

    def __init__(self, secrets: _Secrets) -> None:
        self._secrets = secrets
        self._tmac_masters = {
            generation: CmacKey(roles[Role.TMAC]) for generation, roles in secrets.masters.items()
        }
        self.bundle_key = SigningKey.from_bytes(secrets.bundle)

    @classmethod
    def create(cls, path: Path, kek: bytes, *, generation: int = 1) -> Self:
        """Write a keyring of fresh keys to `path`, sealed with the 32-byte `kek`, and return it.

        Refuses to overwrite (KeyringError): the masters of issued cards exist nowhere else.
        """
        made = cls(_fresh(generation))
        _write_new(path, made._sealed(kek))
        return made

    @classmethod
    def load(cls, path: Path, kek: bytes) -> Self:
        """Return the keyring of a file; KeyringError when it is missing, altered or sealed with another key."""
        try:
            sealed = path.read_bytes()
        except OSError as error:
            raise KeyringError(path=str(path), why=f"cannot be read ({error.strerror})") from None
        try:
            return cls(_parsed(open_sealed(kek, sealed, _AAD)))
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

    @classmethod
    def rotate(cls, path: Path, kek: bytes) -> Self:
        """Add a generation of fresh masters to the keyring at `path`, by one rename, and return it.

        New cards still get the old generation: readers must hold the new one first (`issue_from`). KeyringError.
        """
        return cls.load(path, kek).with_next_generation(path).replace_at(path, kek)

    @classmethod
    def issue_from(cls, path: Path, kek: bytes, generation: int) -> Self:
        """Have new cards get this generation and return the keyring; UnknownGenerationError where it is not held."""
        return cls.load(path, kek).issuing_from(generation).replace_at(path, kek)

    @property
    def seal_keys(self) -> tuple[SigningKey, ...]:
        """Return the keys that book days were and are sealed with, oldest first: the last one signs."""
        return (self.bundle_key, *map(SigningKey.from_bytes, self._secrets.seals))

    @classmethod
    def rotate_seal(cls, path: Path, kek: bytes) -> Self:
        """Add a fresh seal key to the keyring at `path`, by one rename, and return it.

        The keys before it stay: the last of them introduces the new one when the next day is closed.
        """
        return cls.load(path, kek).with_next_seal_key().replace_at(path, kek)

    def with_next_seal_key(self) -> Self:
        """Return a keyring that holds one seal key more, which signs from now on."""
        seals = (*self._secrets.seals, SigningKey.generate().to_bytes())
        return type(self)(replace(self._secrets, seals=seals))

    def with_next_generation(self, path: Path) -> Self:
        """Return a keyring that holds one generation more; `path` is for the complaint when there can be none."""
        generation = self.generations[-1] + 1
        if generation > _LAST_GENERATION:
            raise KeyringError(path=str(path), why=f"has used up its {_LAST_GENERATION} key generations")
        masters = {**self._secrets.masters, generation: {role: os.urandom(_MASTER_SIZE) for role in Role}}
        return type(self)(replace(self._secrets, masters=masters))

    def issuing_from(self, generation: int) -> Self:
        """Return a keyring whose new cards get this generation; UnknownGenerationError."""
        if generation not in self._secrets.masters:
            raise UnknownGenerationError(generation=generation)
        return type(self)(replace(self._secrets, issuing=generation))

    def replace_at(self, path: Path, kek: bytes) -> Self:
        """Put this keyring in the place of the one at `path`, by one rename, and return it as read back from there."""
        fresh = path.with_name(path.name + ".new")
        fresh.unlink(missing_ok=True)
        _write_new(fresh, self._sealed(kek))
        # Read back before it takes the old one's place: the masters of issued cards exist nowhere else.
        made = type(self).load(fresh, kek)
        assert made.generations == self.generations, "what was written is what was meant"
        fresh.replace(path)
        return made

    def tmac_key(self, uid: bytes, generation: int) -> TmacKey | None:
        """Return the card's transaction MAC key, None for a generation that is not held."""
        master = self._tmac_masters.get(generation)
        if master is None:
            return None
        # AN10922 pads to 32 bytes what plain CMAC pads to whole blocks: for these 22 bytes it is the same, and a
        # keyed object costs a sixth of three fresh ciphers. A test holds it against `card_key`.
        return TmacKey(master.mac(b"\x01" + uid + AID + system_id(generation)))

    def card_keys(self, uid: bytes, generation: int) -> dict[Role, bytes]:
        """Return all keys of one card, for its personalisation; UnknownGenerationError."""
        masters = self._secrets.masters.get(generation)
        if masters is None:
            raise UnknownGenerationError(generation=generation)
        return {role: card_key(master, uid, generation) for role, master in masters.items()}

    def auth_masters(self) -> dict[int, bytes]:
        """Return the AUTH master of every generation: the only masters a validator holds (boxed to it)."""
        return {generation: roles[Role.AUTH] for generation, roles in self._secrets.masters.items()}

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


def create_kek(path: Path) -> bytes:
    """Write a fresh 32-byte key-encryption key to a new file that only its owner may read, and return it."""
    kek = os.urandom(KEY_SIZE)
    _write_new(path, kek.hex().encode() + b"\n")
    return kek


def load_kek(path: Path) -> bytes:
    """Return the key-encryption key of a file: 64 hexadecimal digits, or 32 raw bytes.

    KeyringError when it is missing, of another form, or readable by others than its owner.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        raw = path.read_bytes()
    except OSError as error:
        raise KeyringError(path=str(path), why=f"cannot be read ({error.strerror})") from None
    if mode & 0o077:
        raise KeyringError(path=str(path), why=f"is open to others; run chmod 600 (it is {mode:o})")
    if len(raw) == KEY_SIZE:
        return raw
    try:
        kek = bytes.fromhex(raw.decode("ascii").strip())
    except ValueError:
        kek = b""
    if len(kek) != KEY_SIZE:
        raise KeyringError(
            path=str(path), why="holds no key: 64 hexadecimal digits or 32 raw bytes are expected"
        )
    return kek


def _fresh(generation: int) -> _Secrets:
    masters = {generation: {role: os.urandom(_MASTER_SIZE) for role in Role}}
    bundle = SigningKey.generate().to_bytes()
    return _Secrets(masters, os.urandom(KEY_SIZE), os.urandom(KEY_SIZE), bundle, generation)


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


def _write_new(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    except FileExistsError:
        raise KeyringError(path=str(path), why="exists already and is never overwritten") from None
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
