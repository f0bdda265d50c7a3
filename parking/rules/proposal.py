"""What becomes of a proposed change of places, rates or products: one person proposes, another approves."""

from __future__ import annotations

from enum import Enum
from typing import Final

from kernel.errors import DomainError


class ProposalState(Enum):
    """Where a proposal stands."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class Word(Enum):
    """What is said to a proposal; its own proposer withdraws, somebody else approves or refuses."""

    APPROVE = "approve"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"


TRANSITIONS: Final[dict[ProposalState, dict[Word, ProposalState]]] = {
    ProposalState.PROPOSED: {
        Word.APPROVE: ProposalState.APPROVED,
        Word.REFUSE: ProposalState.REFUSED,
        Word.WITHDRAW: ProposalState.WITHDRAWN,
    },
    ProposalState.APPROVED: {},
    ProposalState.REFUSED: {},
    ProposalState.WITHDRAWN: {},
}
assert TRANSITIONS.keys() == set(ProposalState), "every state has a row, the final ones too"


class ProposalStateError(DomainError):
    """A proposal that was approved, refused or withdrawn is over."""

    detail = "The proposal was {state} already; it cannot be {word}."


class ProposalOnePersonError(DomainError):
    """The same person on both sides, or another one where it takes the same."""

    detail = "{by} cannot {word} this proposal: {reason}."


def next_state(state: ProposalState, word: Word, *, by: str, proposed_by: str) -> ProposalState:
    """Return the state after a word; ProposalStateError, ProposalOnePersonError."""
    found = TRANSITIONS[state].get(word)
    if found is None:
        raise ProposalStateError(state=state.value, word=_PAST[word])
    own = by.strip().casefold() == proposed_by.strip().casefold()
    if own and word is not Word.WITHDRAW:
        raise ProposalOnePersonError(
            by=by, word=word.value, reason="it is their own, and it takes another person"
        )
    if not own and word is Word.WITHDRAW:
        raise ProposalOnePersonError(
            by=by, word=word.value, reason=f"it is {proposed_by}'s; refuse it instead"
        )
    return found


_PAST: Final = {Word.APPROVE: "approved", Word.REFUSE: "refused", Word.WITHDRAW: "withdrawn"}
