"""Proposed changes of places, rate tables and products: what each asks for, where it stands, and the list of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.errors import DomainError
from kernel.ids import OperatorId
from parking.apds.editions import ElementKind
from parking.apds.shapes import Json
from parking.rules.proposal import ProposalState
from parking.store import proposals as store
from parking.store.proposals import EndRow, ProposalRow

_LISTED: Final = 200


class Action(Enum):
    """What is proposed about an element."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class ProposalUnknownError(DomainError):
    """No proposal of this id."""

    detail = "There is no proposal {proposal_id}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A change: the attributes to change ({} to take the element away), and the version that was read (0: it is new)."""

    action: Action
    kind: ElementKind
    element_id: str
    version: int
    attributes: Json
    effective_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal as it stands; `again` says that the same had been proposed before."""

    row: ProposalRow
    end: EndRow | None
    again: bool = False

    @property
    def state(self) -> ProposalState:
        """Return where it stands."""
        return ProposalState(self.end.outcome) if self.end else ProposalState.PROPOSED

    @property
    def asked(self) -> Asked:
        """Return the change that it asks for."""
        return Asked(
            action=Action(self.row.action),
            kind=ElementKind(self.row.kind),
            element_id=self.row.element_id,
            version=self.row.version,
            attributes=json.loads(self.row.asked, parse_float=Decimal) if self.row.asked else {},
            effective_at=self.row.effective_at,
        )


def get_proposal(tx: Connection, proposal_id: UUID) -> Proposal:
    """Return a proposal; ProposalUnknownError."""
    known = store.find_proposal(tx, proposal_id)
    if known is None:
        raise ProposalUnknownError(proposal_id=str(proposal_id))
    return Proposal(*known)


def list_proposals(
    tx: Connection, operators: frozenset[OperatorId] | None, *, open_only: bool
) -> list[Proposal]:
    """Return the newest 200 proposals that touch only these operators' places (None: all)."""
    rows = store.list_proposals(tx, operators, open_only=open_only, limit=_LISTED)
    return [Proposal(*each) for each in rows]
