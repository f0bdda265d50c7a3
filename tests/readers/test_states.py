import pytest

from readers.states import TRANSITIONS, Event, Machine, State, diagram


def test_every_state_can_be_reached_from_boot():
    reached, todo = set(), [State.BOOT]
    while todo:
        state = todo.pop()
        if state not in reached:
            reached.add(state)
            todo += TRANSITIONS[state].values()
    assert reached == set(State)


def test_every_event_is_used_and_no_state_is_a_trap():
    assert {event for row in TRANSITIONS.values() for event in row} == set(Event)
    assert all(TRANSITIONS.values()), "a daemon has no final state: it is killed"


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_table_walk(state, event):
    seen = []
    machine = Machine(lambda *step: seen.append(step))
    machine.state = state
    if event in TRANSITIONS[state]:
        assert machine.on(event) is TRANSITIONS[state][event]
        assert seen == [(state, event, TRANSITIONS[state][event])]
    else:
        with pytest.raises(AssertionError, match=state.value):
            machine.on(event)
        assert machine.state is state
        assert seen == []


def test_done_is_entered_only_with_a_proof():
    ways_in = {(s, e) for s, row in TRANSITIONS.items() for e, after in row.items() if after is State.DONE}
    assert ways_in == {
        (State.COMMIT, Event.COMMITTED),
        (State.DECIDE, Event.RECOVERED),
        (State.DECIDE, Event.VOUCHED),  # a code's own signature, or the back office's voucher
    }


def test_commit_is_entered_only_with_a_saved_intent():
    ways_in = {(s, e) for s, row in TRANSITIONS.items() for e, after in row.items() if after is State.COMMIT}
    assert ways_in == {(State.INTENT, Event.INTENT_SAVED)}


def test_a_broken_reader_leaves_every_working_state_for_out_of_service():
    never_breaks = {State.FEEDBACK, State.OUT_OF_SERVICE}
    for state in set(State) - never_breaks:
        assert TRANSITIONS[state][Event.BROKEN] is State.OUT_OF_SERVICE


def test_diagram_has_one_line_an_edge():
    lines = diagram().splitlines()
    assert len(lines) == 2 + sum(len(row) for row in TRANSITIONS.values())
    assert "    INTENT --> COMMIT: intent saved" in lines
