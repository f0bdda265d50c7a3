"""A medium's life as a table of cases."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from access.rules.medium import (
    EXCLUSIVE,
    FINAL,
    RESULT,
    TRANSITIONS,
    MediumEvent,
    MediumKind,
    MediumState,
    MediumTransitionError,
    diagram,
    may_be_active,
    next_medium_state,
)

S, E, K = MediumState, MediumEvent, MediumKind


@pytest.mark.parametrize(
    ("state", "event", "after"),
    [
        (S.ISSUED, E.ACTIVATED, S.ACTIVE),
        (S.ACTIVE, E.BLOCKED, S.BLOCKED),
        (S.BLOCKED, E.UNBLOCKED, S.ACTIVE),
        (S.ACTIVE, E.REPORTED_LOST, S.LOST),
        (S.BLOCKED, E.REPORTED_LOST, S.LOST),
        (S.LOST, E.FOUND, S.ACTIVE),
        (S.LOST, E.REPLACED, S.REPLACED),
        (S.ACTIVE, E.EXPIRED, S.EXPIRED),
        (S.ISSUED, E.EXPIRED, S.EXPIRED),
        (S.EXPIRED, E.REPLACED, S.REPLACED),
        (S.EXPIRED, E.RETURNED, S.RETURNED),
        (S.BLOCKED, E.RETURNED, S.RETURNED),
        (S.ACTIVE, E.RETIRED, S.RETIRED),
    ],
)
def test_a_step_leads_where_the_table_says(state, event, after):
    assert next_medium_state(state, event) is after


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (S.ISSUED, E.UNBLOCKED),  # nobody unblocks a card past its activation
        (S.ISSUED, E.BLOCKED),
        (S.ISSUED, E.FOUND),
        (S.ACTIVE, E.ACTIVATED),
        (S.ACTIVE, E.UNBLOCKED),
        (S.ACTIVE, E.FOUND),
        (S.BLOCKED, E.ACTIVATED),
        (S.BLOCKED, E.FOUND),
        (S.LOST, E.UNBLOCKED),  # who found it says so
        (S.LOST, E.RETURNED),  # a card that is not there is not handed in
        (S.LOST, E.EXPIRED),
        (S.EXPIRED, E.UNBLOCKED),
        (S.EXPIRED, E.ACTIVATED),
        (S.REPLACED, E.FOUND),
        (S.RETURNED, E.ACTIVATED),
        (S.RETIRED, E.UNBLOCKED),
    ],
)
def test_a_step_that_is_not_in_the_table_is_refused(state, event):
    with pytest.raises(MediumTransitionError) as refused:
        next_medium_state(state, event, card_id="c")
    assert refused.value.fields == {"card_id": "c", "state": state.value, "event": event.value}


def test_final_states_have_empty_rows_and_nothing_leads_back_to_issued():
    assert {S.REPLACED, S.RETURNED, S.RETIRED} == FINAL
    assert all(S.ISSUED not in row.values() for row in TRANSITIONS.values())


def test_an_event_leads_to_one_state_from_wherever_it_may_happen():
    for row in TRANSITIONS.values():
        for event, after in row.items():
            assert RESULT[event] is after


@given(st.lists(st.sampled_from(E), max_size=12))
def test_only_an_activation_an_unblocking_or_a_find_makes_a_card_active(events):
    state = S.ISSUED
    for event in events:
        try:
            after = next_medium_state(state, event)
        except MediumTransitionError:
            continue
        if after is S.ACTIVE:
            assert event in {E.ACTIVATED, E.UNBLOCKED, E.FOUND}
        state = after


@pytest.mark.parametrize(
    ("kind", "beside", "may"),
    [
        (K.TRANSIT, [], True),
        (K.TRANSIT, [K.VIRTUAL], False),
        (K.VIRTUAL, [K.TRANSIT], False),
        (K.TRANSIT, [K.TRANSIT], False),
        (K.TRANSIT, [K.CITIZEN, K.QR, K.BANK], True),
        (K.CITIZEN, [K.TRANSIT], True),
        (K.QR, [K.QR], True),
    ],
)
def test_a_virtual_or_a_physical_card_is_active_never_both(kind, beside, may):
    assert may_be_active(kind, beside) is may
    assert (kind in EXCLUSIVE) is (kind in {K.TRANSIT, K.VIRTUAL})


def test_the_diagram_has_every_step():
    drawn = diagram()
    assert drawn.count(" --> ") == 2 + sum(map(len, TRANSITIONS.values())) + len(FINAL)
    assert "lost --> replaced: replaced" in drawn


def test_the_docs_show_the_table_as_it_is():
    page = (Path(__file__).parents[3] / "docs" / "cards.md").read_text("utf-8")
    assert diagram() in page, "write the diagram anew: access.rules.medium.diagram()"
