"""Yes or no to a proposed change of places, rates or products, the same at every door: API, console and command."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from parking import propose_rates
from parking.proposals import Proposal, get_proposal
from parking.rules.proposal import Word
from service import audit
from service.audit import Actor
from service.auth import require_operator
from service.staff import Role

PROPOSERS: Final = frozenset({Role.PARKING_OPERATOR, Role.FINANCE_MAKER})
READERS: Final = PROPOSERS | {Role.FINANCE_CHECKER, Role.AUDITOR}
SPEAKERS: Final = {
    Word.APPROVE: frozenset({Role.FINANCE_CHECKER}),
    Word.REFUSE: frozenset({Role.FINANCE_CHECKER}),
    Word.WITHDRAW: PROPOSERS,
}


def get_seen(tx: Connection, proposal_id: UUID) -> Proposal:
    """Return a proposal for a caller over HTTP; OtherOperatorError where it touches places of others.

    ProposalUnknownError.
    """
    found = get_proposal(tx, proposal_id)
    for operator_id in found.row.operators:
        require_operator(operator_id)
    return found


def say(tx: Connection, proposal_id: UUID, word: Word, *, note: str, actor: Actor, now: datetime) -> Proposal:
    """Approve (and publish), refuse or withdraw a proposal, audited once; raises what `propose_rates.say` does."""
    ended = propose_rates.say(tx, proposal_id, word, by=actor.name, note=note, now=now)
    if not ended.again:
        audit.record(
            tx,
            actor=actor,
            action=f"parking.rates_{ended.state.value}",
            subject_kind="rate_proposal",
            subject_id=str(proposal_id),
            now=now,
            detail={**told(ended), "note": note},
        )
    return ended


def told(one: Proposal) -> dict[str, object]:
    """Return what the audit trail keeps of a proposal."""
    return {"action": one.row.action, "kind": one.row.kind, "id": one.row.element_id}
