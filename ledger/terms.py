"""Operators' terms: proposed by one person, signed by another, in force from their day on."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Connection

from kernel.ids import OperatorId
from ledger.rules.terms import Terms, TermsOnePersonError, TermsStateError, UnknownTermsError
from ledger.store import terms as store
from ledger.store.terms import TermsRow, from_json, to_json

__all__ = ["TermsRow", "from_json", "to_json"]


def propose(tx: Connection, terms: Terms, *, by: str, now: datetime) -> TermsRow:
    """Write terms that wait for a second person. The same as the newest version answers that version."""
    store.lock(tx, terms.operator_id)
    versions = store.list_versions(tx, terms.operator_id)
    if versions and versions[-1].terms == terms and versions[-1].approved is not False:
        return versions[-1]
    store.insert(tx, len(versions) + 1, terms, by=by, now=now)
    return store.list_versions(tx, terms.operator_id)[-1]


def sign(tx: Connection, operator: str, version: int, *, approved: bool, by: str, now: datetime) -> TermsRow:
    """Sign or refuse proposed terms as the second person; the same word by the same person again is answered.

    UnknownTermsError, TermsStateError, TermsOnePersonError.
    """
    store.lock(tx, operator)
    found = _get(tx, operator, version)
    if found.approved is not None:
        if (found.approved, found.decided_by) == (approved, by):
            return found
        raise TermsStateError(operator=operator, version=version, state=found.state)
    if not by.strip() or by.strip().casefold() == found.proposed_by.strip().casefold():
        raise TermsOnePersonError(person=by)
    store.insert_end(tx, operator, version, approved=approved, by=by, now=now)
    return _get(tx, operator, version)


def in_force(tx: Connection, day: date, *, signed_by: datetime) -> dict[OperatorId, Terms]:
    """Return the terms that hold on a day, by operator, as they were signed by an instant."""
    return {row.terms.operator_id: row.terms for row in store.list_in_force(tx, day, signed_by)}


def list_terms(tx: Connection, operator: str | None = None) -> tuple[TermsRow, ...]:
    """Return all versions of an operator's terms, or of everybody's, oldest first."""
    return store.list_versions(tx, operator)


def _get(tx: Connection, operator: str, version: int) -> TermsRow:
    for row in store.list_versions(tx, operator):
        if row.version == version:
            return row
    raise UnknownTermsError(operator=operator, version=version)
