"""Evidence bodies are sealed under a key of their own per fare account: erase the key, and the person is gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from access.keyring import Keyring
from access.store import cards
from kernel.crypto.sealing import open_sealed, seal


class Vault:
    """The data keys of some owners, unwrapped for the length of one transaction."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Mapping[UUID, bytes]) -> None:
        self._keys = keys

    def holds(self, owner: UUID) -> bool:
        """Return whether the owner's key is there; it is not once it was erased."""
        return owner in self._keys

    def with_keys_of(self, other: Vault) -> Vault:
        """Return a vault with the keys of both."""
        return Vault({**self._keys, **other._keys})

    def seal(self, owner: UUID, body: bytes, aad: bytes) -> bytes:
        """Return `body` sealed under the owner's key, bound to what `aad` names."""
        return seal(self._keys[owner], body, aad)

    def open(self, owner: UUID, sealed: bytes, aad: bytes) -> bytes:
        """Return the body; SealBrokenError when it was altered or moved."""
        return open_sealed(self._keys[owner], sealed, aad)


def open_vault(tx: Connection, keyring: Keyring, owners: Iterable[UUID], *, now: datetime) -> Vault:
    """Return a vault with the keys of these owners, made for those that have none yet.

    An owner whose key was erased stays without: nothing more is ever sealed for a person who was forgotten.
    """
    wanted = set(owners)
    if not wanted:
        return Vault({})
    found = cards.list_data_keys(tx, wanted)
    missing = wanted - found.keys()
    if missing:
        cards.insert_data_keys(tx, {owner: keyring.new_data_key(owner)[1] for owner in missing}, at=now)
        # Another transaction may have made one first: what counts is what is stored.
        found |= cards.list_data_keys(tx, missing)
    return unwrapped(keyring, found)


def unwrapped(keyring: Keyring, wrapped: Mapping[UUID, bytes | None]) -> Vault:
    """Return a vault of data keys read elsewhere; None stands for an erased one."""
    return Vault({owner: keyring.unwrap(owner, key) for owner, key in wrapped.items() if key is not None})
