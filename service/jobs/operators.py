"""Operators' terms with their lines in the audit trail: proposed by one person, signed by another."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from ledger import terms as verbs
from ledger.rules.terms import Terms
from ledger.terms import TermsRow
from service import audit
from service.audit import Actor


def propose(tx: Connection, asked: Terms, *, by: Actor, now: datetime) -> TermsRow:
    """Write terms that wait for a second person."""
    made = verbs.propose(tx, asked, by=by.name, now=now)
    _record(tx, "operator.propose_terms", made, by, now)
    return made


def sign(
    tx: Connection, operator: str, version: int, *, approved: bool, by: Actor, now: datetime
) -> TermsRow:
    """Sign or refuse terms as the second person."""
    made = verbs.sign(tx, operator, version, approved=approved, by=by.name, now=now)
    _record(tx, "operator.sign_terms" if approved else "operator.refuse_terms", made, by, now)
    return made


def _record(tx: Connection, action: str, row: TermsRow, by: Actor, now: datetime) -> None:
    subject = f"{row.terms.operator_id} {row.version}"
    audit.record(tx, actor=by, action=action, subject_kind="operator_terms", subject_id=subject, now=now)
