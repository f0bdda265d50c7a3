"""The transition table, and stays folded from events in any order."""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.ids import uuid8
from parking.rules.bill import Component, price_folded, price_stay
from parking.rules.errors import SessionStateError
from parking.rules.session import TRANSITIONS, Case, EventKind, State, diagram, take_step
from parking.rules.stay import StayEvent, as_if_left, fold_stays
from tests.parking.books import book

START = datetime.fromisoformat("2026-11-18T09:00+07:00")
CARD = uuid8("a card")
IN, OUT = EventKind.ENTERED, EventKind.LEFT


def event(kind, minutes, number=None, *, place="dong-da-01", until=None):
    at = START + timedelta(minutes=minutes)
    return StayEvent(
        event_id=uuid8("event", kind.value, str(minutes), str(number)),
        kind=kind,
        subject=CARD,
        at=at,
        place_id=place,
        vehicle_class="car_le9",
        order=None if number is None else (number, b"", b"", 1),
        until=None if until is None else START + timedelta(minutes=until),
    )


def shapes(events):
    return [
        (stay.state, [case.value for case in stay.cases], len(stay.events)) for stay in fold_stays(events)
    ]


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("kind", list(EventKind))
def test_every_pair_steps_or_refuses(state, kind):
    if kind in TRANSITIONS[state]:
        assert take_step(state, kind).to in State
    else:
        with pytest.raises(SessionStateError):
            take_step(state, kind)


def test_final_states_have_empty_rows():
    assert [state for state, row in TRANSITIONS.items() if not row] == [State.REFUNDED, State.VOIDED]


def test_the_diagram_in_the_docs_is_the_table():
    text = (Path(__file__).parents[2] / "docs" / "parking.md").read_text(encoding="utf-8")
    assert diagram() in text


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([event(IN, 0, 1)], [(State.OPEN, [], 1)]),
        ([event(IN, 0, 1), event(OUT, 61, 2)], [(State.LEFT, [], 2)]),
        ([event(OUT, 61, 2)], [(State.LEFT, ["missing_entry"], 1)]),
        ([event(IN, 0, 1), event(IN, 4, 2), event(OUT, 61, 3)], [(State.LEFT, [], 3)]),  # gate to gate
        (
            [event(IN, 0, 1), event(IN, 6, 2), event(OUT, 61, 3)],
            [(State.LEFT, ["missing_exit"], 2), (State.LEFT, [], 2)],
        ),
        ([event(IN, 0, 1), event(OUT, 61, 2), event(OUT, 65, 3)], [(State.LEFT, [], 3)]),
        (
            [event(IN, 0, 1), event(OUT, 61, 2), event(OUT, 90, 3)],
            [(State.LEFT, [], 2), (State.LEFT, ["missing_entry"], 1)],
        ),
        (
            [event(IN, 0, 1), event(IN, 3, 2, place="hoan-kiem-01")],
            [(State.LEFT, ["missing_exit"], 2), (State.OPEN, [], 1)],
        ),
        (
            [event(IN, 0, 1), event(OUT, 30, 2, place="hoan-kiem-01")],
            [(State.LEFT, ["missing_exit"], 2), (State.LEFT, ["missing_entry"], 1)],
        ),
        ([event(EventKind.RESERVED, 0), event(EventKind.NO_SHOW, 60)], [(State.VOIDED, ["no_show"], 2)]),
        ([event(IN, 0), event(EventKind.EXTENDED, 1, until=60)], [(State.EXTENDED, [], 2)]),
        ([event(IN, 0), event(EventKind.PAID, 1, until=60), event(IN, 2)], [(State.PAID_AHEAD, [], 3)]),
        ([event(IN, 0), event(EventKind.UPHELD, 1)], [(State.OPEN, ["out_of_turn"], 2)]),
        (
            [event(IN, 0), event(OUT, 60), event(EventKind.DISPUTED, 70), event(EventKind.REFUNDED, 80)],
            [(State.REFUNDED, [], 4)],
        ),
    ],
)
def test_what_events_come_to(events, expected):
    shuffled = [*events, *events[:2]]
    random.Random(1).shuffle(shuffled)
    assert shapes(events) == expected
    assert shapes(shuffled) == expected


@given(
    st.lists(
        st.tuples(
            st.sampled_from([IN, OUT]), st.integers(-30, 600), st.sampled_from(["dong-da-01", "hoan-kiem-01"])
        ),
        max_size=8,
    ),
    st.randoms(),
)
def test_stays_are_a_function_of_the_set_of_events(passes, dice):
    events = [event(kind, at, number, place=place) for number, (kind, at, place) in enumerate(passes, 1)]
    shuffled = events + dice.sample(events, len(events) // 2)
    dice.shuffle(shuffled)
    assert fold_stays(shuffled) == fold_stays(events)
    rates = book("hanoi")
    bills = [price_folded(stay, rates) for stay in fold_stays(events)]
    assert bills == [price_folded(stay, rates) for stay in fold_stays(shuffled)]
    assert {each.event_id for stay in fold_stays(events) for each in stay.events} >= {
        each.event_id for each in events
    }
    for bill in bills:
        if bill.quote is not None:
            assert sum(line.amount.minor for line in bill.lines) == bill.quote.total.minor


@given(st.integers(0, 5_000))
def test_what_leaving_would_cost_is_the_bill(minutes):
    events = (event(OUT, minutes, 2), event(IN, 0, 1))
    bill = price_stay(events, book("hanoi"))
    (running,) = fold_stays(events[1:])
    asked = price_folded(as_if_left(running, START + timedelta(minutes=minutes)), book("hanoi"))
    assert (asked.quote.total, asked.lines) == (bill.quote.total, bill.lines)


def test_leaving_is_priced_by_what_was_paid_ahead():
    (paid,) = fold_stays([event(IN, 0), event(EventKind.PAID, 1, until=120)])
    for left, expected in ((30, 25_000), (120, 50_000), (121, 85_000)):
        asked = price_folded(as_if_left(paid, START + timedelta(minutes=left)), book("hanoi"))
        assert asked.charged().minor == expected
    ahead = as_if_left(paid, START + timedelta(minutes=180), paid=True)
    assert price_folded(ahead, book("hanoi")).charged().minor == 85_000


def test_gates_whose_clocks_disagree_cost_the_least_and_open_a_case():
    bill = price_stay([event(IN, 60, 1), event(OUT, 0, 2)], book("hanoi"))
    assert (bill.cases, bill.charged().minor) == ((Case.CLOCKS_DISAGREE,), 25_000)


@pytest.mark.parametrize(("left", "expected"), [(120, 50_000), (30, 25_000), (121, 85_000)])
def test_paid_ahead_is_priced_by_the_time_parked(left, expected):
    """The default unused_paid_time=refund; dong-da-car has no exit grace."""
    events = [event(IN, 0), event(EventKind.PAID, 1, until=120), event(OUT, left)]
    assert price_stay(events, book("hanoi")).charged().minor == expected


def test_a_place_nobody_knows_has_a_case_and_no_price():
    bill = price_stay([event(IN, 0, place="moon"), event(OUT, 60, place="moon")], book("hanoi"))
    assert (bill.cases, bill.lines, bill.quote) == ((Case.UNKNOWN_PLACE,), (), None)


def test_two_stays_at_once_are_a_programmers_error():
    with pytest.raises(AssertionError, match="one stay"):
        price_stay([event(IN, 0), replace(event(IN, 0), event_id=uuid4(), subject=uuid4())], book("hanoi"))


def test_a_class_without_a_rate_is_not_free():
    events = [replace(event(IN, 0), vehicle_class="tank"), event(OUT, 60)]
    bill = price_stay(events, book("hanoi"))
    assert bill.cases == (Case.NO_RATE,)
    assert Component.CHARGED not in {line.component for line in bill.lines}
