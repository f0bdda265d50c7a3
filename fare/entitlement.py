"""Concessions by entitlement: proven by an authority, dated, ended by a later fact; pricing reads them by the tap's date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access import identify
from access.keyring import Keyring
from fare.rules.attestation import IdentityService, Rejected
from fare.rules.facts import Entitlement
from fare.store import entitlements as store
from fare.store.entitlements import EntitlementRow
from kernel.errors import DomainError
from kernel.ids import FareAccountId
from kernel.wire.cardinfo import Concession

_PROOF: Final = b"entitlement proof"


class ProofRejectedError(DomainError):
    """The proof is not accepted; `reason` says why."""

    detail = "The proof is not accepted: {reason}."


class EntitlementIdReusedError(DomainError):
    """The entitlement's id was used before for another proof."""

    detail = "Entitlement {entitlement_id} was recorded before, from another proof."


class UnknownEntitlementError(DomainError):
    """The account has no such entitlement."""

    detail = "There is no entitlement {entitlement_id} on this account."


@dataclass(frozen=True, slots=True)
class Proven:
    """An entitlement as recorded; `again` when it was recorded before."""

    entitlement_id: UUID
    entitlement: Entitlement
    verifier: str
    again: bool


def prove(
    tx: Connection,
    account: FareAccountId,
    proof: bytes,
    *,
    entitlement_id: UUID,
    service: IdentityService,
    keyring: Keyring,
    actor: str,
    now: datetime,
) -> Proven:
    """Record what a proof says of an account's holder; the days it touches are the caller's to bill anew.

    What an entitlement that has not ended says already is recorded once, under whatever id it is proven again.
    The account becomes that citizen's, by the keyed hash of the number. It is locked by the caller.
    ProofRejectedError, EntitlementIdReusedError, IdentifiedElsewhereError, OtherCitizenError.
    """
    hashed = keyring.lookup(_PROOF, proof)
    known = store.find(tx, account, entitlement_id)
    if known is not None:
        if known.proof_hash != hashed:
            raise EntitlementIdReusedError(entitlement_id=str(entitlement_id))
        return _proven(known, again=True)
    said = service.verify(proof, now=now)
    if isinstance(said, Rejected):
        raise ProofRejectedError(reason=said.reason.value)
    identify.identify(
        tx, account, identify.citizen_hash(keyring, said.citizen), verifier=said.verifier, now=now
    )
    row = EntitlementRow(
        entitlement_id,
        int(said.concession),
        said.valid_from,
        said.valid_to,
        said.verifier,
        said.reference,
        hashed,
        now,
        None,
    )
    for one in store.list_all(tx, account):
        if one.last_day is None and _facts(one) == _facts(row):
            return _proven(one, again=True)
    store.insert(tx, account, row, actor=actor)
    return _proven(row, again=False)


def end(
    tx: Connection,
    account: FareAccountId,
    entitlement_id: UUID,
    *,
    last_day: date,
    reason: str,
    actor: str,
    now: datetime,
) -> bool:
    """Record an entitlement's last day, before its first one for one that never was; False when it ends then already.

    A later fact may say another day, never one past the proof's own. UnknownEntitlementError.
    """
    known = store.find(tx, account, entitlement_id)
    if known is None:
        raise UnknownEntitlementError(entitlement_id=str(entitlement_id))
    if known.last_day == last_day:
        return False
    store.insert_end(tx, account, entitlement_id, last_day=last_day, reason=reason, actor=actor, at=now)
    return True


def list_proven(tx: Connection, account: FareAccountId) -> tuple[EntitlementRow, ...]:
    """Return all that was ever proven of an account, with where it ended."""
    return store.list_all(tx, account)


def _facts(row: EntitlementRow) -> tuple[int, date, date | None, str, str]:
    return (row.concession, row.valid_from, row.valid_to, row.verifier, row.reference)


def _proven(row: EntitlementRow, *, again: bool) -> Proven:
    fact = Entitlement(Concession(row.concession), row.valid_from, row.valid_to)
    return Proven(row.entitlement_id, fact, row.verifier, again)
