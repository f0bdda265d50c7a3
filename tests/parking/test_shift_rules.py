"""Shifts, tickets and turns: the pure tables."""

import random
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.money import VND, Money
from parking.rules.cashless import PaidBy
from parking.rules.shift import (
    TRANSITIONS,
    SameSignerError,
    Shift,
    ShiftEvent,
    ShiftEventKind,
    ShiftState,
    ShiftStateError,
    VarianceUnexplainedError,
    check_close,
    fold_shift,
)
from parking.rules.tickets import Ticket, TicketEnd, account_series
from parking.rules.turn import TurnEnd, TurnFacts, count_payments, paid_by, turn_end

NOON = datetime(2026, 11, 18, 5, tzinfo=UTC)
K = ShiftEventKind


def vnd(minor):
    return Money(minor, VND)


def opened(taken=0) -> Shift:
    return Shift(
        shift_id=UUID(int=1),
        place_id="p",
        operator_id="o",
        till="gate-1",
        attendant="An",
        opened_at=NOON,
        opened_by="a",
        float_=vnd(500_000),
        taken=vnd(taken),
        dropped=vnd(0),
    )


def told(kind, minor=None, *, actor="an", note=""):
    amount = None if minor is None else vnd(minor)
    return ShiftEvent(event_id=uuid4(), kind=kind, at=NOON, actor=actor, amount=amount, note=note)


def test_a_shift_reckons_float_takings_and_drops():
    shift = fold_shift(opened(300_000), [told(K.DROPPED, 200_000), told(K.COUNTED, 590_000)])
    assert (shift.expected, shift.variance) == (vnd(600_000), vnd(-10_000))
    assert shift.state is ShiftState.COUNTED


@pytest.mark.parametrize(
    ("events", "closer", "refusal"),
    [
        ([told(K.COUNTED, 500_000)], "an", SameSignerError),
        ([told(K.COUNTED, 499_000)], "mai", VarianceUnexplainedError),
        ([told(K.COUNTED, 501_000)], "mai", VarianceUnexplainedError),
        ([told(K.COUNTED, 499_000), told(K.EXPLAINED, note="change")], "an", SameSignerError),
        ([told(K.COUNTED, 500_000)], "mai", None),
        ([told(K.COUNTED, 499_000), told(K.EXPLAINED, note="change")], "mai", None),
        # counting again asks for the reason again
        (
            [told(K.COUNTED, 499_000), told(K.EXPLAINED, note="x"), told(K.COUNTED, 498_000)],
            "mai",
            VarianceUnexplainedError,
        ),
    ],
)
def test_a_shift_is_closed_from_both_sides(events, closer, refusal):
    shift = fold_shift(opened(), events)
    if refusal is None:
        check_close(shift, closer)
    else:
        with pytest.raises(refusal):
            check_close(shift, closer)


@pytest.mark.parametrize(
    ("state", "kind"), [(state, kind) for state in ShiftState for kind in K if kind not in TRANSITIONS[state]]
)
def test_a_shift_refuses_what_its_table_has_no_row_for(state, kind):
    path = {
        ShiftState.OPEN: [],
        ShiftState.COUNTED: [told(K.COUNTED, 1)],
        ShiftState.EXPLAINED: [told(K.COUNTED, 1), told(K.EXPLAINED, note="x")],
        ShiftState.CLOSED: [told(K.COUNTED, 1), told(K.CLOSED)],
    }[state]
    with pytest.raises(ShiftStateError):
        fold_shift(opened(), [*path, told(kind, 1)])


@given(
    st.dictionaries(st.integers(0, 60), st.sampled_from([None, *TicketEnd]), min_size=1),
    st.randoms(use_true_random=False),
)
def test_a_series_accounts_for_every_number(tickets, dice: random.Random):
    given_ = [Ticket(*each) for each in tickets.items()]
    dice.shuffle(given_)
    found = account_series("A", given_)
    assert found.issued == len(tickets) == found.collected + found.voided + found.open
    assert found.issued + found.missing == found.last - found.first + 1
    missing = {n for first, last in found.gaps for n in range(first, last + 1)}
    assert missing == set(range(found.first, found.last + 1)) - set(tickets)


def test_a_series_that_was_never_issued_has_no_account():
    assert account_series("A", []) is None


def turn(guest=True, void=False, charged=25_000, booked=0, methods=()):
    return TurnFacts(guest, void, charged, booked, frozenset(methods))


@pytest.mark.parametrize(
    ("facts", "end", "way"),
    [
        (turn(guest=False), TurnEnd.PAID, PaidBy.CARD_ACCOUNT),
        (turn(), TurnEnd.UNPAID, None),
        (turn(booked=24_999, methods=[PaidBy.CASH]), TurnEnd.UNPAID, None),
        (turn(booked=25_000, methods=[PaidBy.VIETQR]), TurnEnd.PAID, PaidBy.VIETQR),
        (turn(booked=25_000, methods=[PaidBy.VIETQR, PaidBy.CASH]), TurnEnd.PAID, PaidBy.CASH),
        (
            turn(booked=25_000, methods=[PaidBy.VIETQR, PaidBy.CASH_BY_PROXY]),
            TurnEnd.PAID,
            PaidBy.CASH_BY_PROXY,
        ),
        (turn(charged=0), TurnEnd.EXCUSED, None),
        (turn(void=True), TurnEnd.EXCUSED, None),
    ],
)
def test_a_turn_ends_honestly(facts, end, way):
    assert (turn_end(facts), paid_by(facts)) == (end, way)
    assert count_payments([facts]) == ({way: 1} if way else {})
