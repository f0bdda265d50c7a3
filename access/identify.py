"""Whose account is whose: one account a citizen, one citizen an account, known by a keyed hash of the number only."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from access.keyring import Keyring
from access.store import identities
from kernel.errors import DomainError
from kernel.ids import FareAccountId

_KIND: Final = b"citizen"


class IdentifiedElsewhereError(DomainError):
    """The citizen has an account, and it is another one: link the two instead."""

    detail = "This citizen is identified on another account."


class OtherCitizenError(DomainError):
    """The account is identified as another citizen's."""

    detail = "This account is identified as another citizen's."


def citizen_hash(keyring: Keyring, number: str) -> bytes:
    """Return the keyed hash by which a citizen's number is known; the number itself is stored nowhere."""
    return keyring.lookup(_KIND, number.encode())


def identify(tx: Connection, account: FareAccountId, hashed: bytes, *, verifier: str, now: datetime) -> bool:
    """Record whose account this is; False when it is known already. The account is locked by the caller.

    IdentifiedElsewhereError, OtherCitizenError.
    """
    known = identities.find_citizen(tx, account)
    if known is not None:
        if known != hashed:
            raise OtherCitizenError
        return False
    if not identities.insert(tx, account, hashed, verifier=verifier, at=now):
        raise IdentifiedElsewhereError
    return True


def is_identified(tx: Connection, account: FareAccountId) -> bool:
    """Return whether an account is a known citizen's."""
    return identities.find_citizen(tx, account) is not None


def forget(tx: Connection, account: FareAccountId) -> None:
    """Forget whose account this is."""
    identities.delete(tx, account)
