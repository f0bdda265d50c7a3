"""What may be said to a proposal, by whom, and what it becomes."""

import pytest

from parking.rules.proposal import (
    ProposalOnePersonError,
    ProposalState,
    ProposalStateError,
    Word,
    next_state,
)


@pytest.mark.parametrize("word", list(Word))
@pytest.mark.parametrize("state", list(ProposalState))
@pytest.mark.parametrize("own", [True, False])
def test_every_word_to_every_state_is_taken_or_refused(state, word, own):
    by = "Mai@example.org " if own else "tuan@example.org"
    ends = {Word.APPROVE: "approved", Word.REFUSE: "refused", Word.WITHDRAW: "withdrawn"}
    if state is not ProposalState.PROPOSED:
        with pytest.raises(ProposalStateError):
            next_state(state, word, by=by, proposed_by="mai@example.org")
    elif own != (word is Word.WITHDRAW):
        with pytest.raises(ProposalOnePersonError):
            next_state(state, word, by=by, proposed_by="mai@example.org")
    else:
        assert next_state(state, word, by=by, proposed_by="mai@example.org").value == ends[word]
