"""To which account a tap counts: dated facts, undone by later ones, the same whatever order they are read in."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from access.rules.link import Counting, LinkFact, Span
from kernel.ids import FareAccountId

A, B, C, D = (FareAccountId(UUID(int=n)) for n in range(1, 5))
T0 = datetime(2026, 11, 18, tzinfo=UTC)


def hour(n):
    return T0 + timedelta(hours=n)


def fact(account, number, into, at):
    return LinkFact(account, number, into, hour(at))


CASES = [
    # facts, home, hour, account
    ((), A, 5, A),
    ((fact(A, 1, B, 8),), A, 7, A),
    ((fact(A, 1, B, 8),), A, 8, B),  # from that instant on
    ((fact(A, 1, B, 8),), B, 9, B),
    ((fact(A, 1, B, 8),), C, 9, C),
    ((fact(A, 1, B, 8), fact(A, 2, A, 8)), A, 9, A),  # undone from the beginning
    ((fact(A, 1, B, 8), fact(A, 2, A, 12)), A, 11, B),
    ((fact(A, 1, B, 8), fact(A, 2, A, 12)), A, 12, A),
    ((fact(A, 1, B, 12), fact(A, 2, A, 8)), A, 13, A),  # the later fact rules from its instant on, over all
    ((fact(A, 1, B, 12), fact(A, 2, C, 8)), A, 13, C),
    ((fact(A, 1, B, 8), fact(A, 2, C, 12)), A, 13, C),
    ((fact(A, 1, B, 8), fact(B, 1, C, 10)), A, 9, B),
    ((fact(A, 1, B, 8), fact(B, 1, C, 10)), A, 10, C),  # links chain
    ((fact(A, 1, B, 8), fact(B, 1, C, 6)), A, 7, A),
]


@pytest.mark.parametrize(("facts", "home", "at", "account"), CASES)
def test_a_tap_counts_to(facts, home, at, account):
    assert Counting(facts).account(home, hour(at)) == account
    assert Counting(reversed(facts)).account(home, hour(at)) == account


def test_spans_cut_the_whole_of_time_where_the_account_changes():
    found = Counting([fact(A, 1, B, 8), fact(A, 2, A, 12), fact(C, 1, D, 9)])
    assert found.spans(A) == (Span(A, None, hour(8)), Span(B, hour(8), hour(12)), Span(A, hour(12), None))
    assert found.spans(B) == (Span(B, None, None),)
    assert found.homes_of([B]) == {A, B}
    assert found.homes_of([A]) == {A}
    assert found.homes_of([D, C]) == {C, D}
    assert found.accounts == {A, B, C, D}


@pytest.mark.parametrize(
    ("facts", "loops"),
    [
        ((fact(A, 1, B, 8), fact(B, 1, A, 8)), True),
        ((fact(A, 1, B, 8), fact(B, 1, A, 12)), True),
        ((fact(A, 1, B, 8), fact(A, 2, A, 12), fact(B, 1, A, 12)), False),  # one after the other
        ((fact(A, 1, B, 8), fact(B, 1, C, 9), fact(C, 1, A, 10)), True),
        ((fact(A, 1, A, 8),), False),
        ((fact(A, 1, B, 8), fact(C, 1, B, 8)), False),
    ],
)
def test_a_circle_is_seen_at_whatever_instant_it_closes(facts, loops):
    assert Counting(facts).loops() is loops


@st.composite
def fact_sets(draw):
    numbers = dict.fromkeys((A, B, C, D), 0)
    made = []
    for account, into, at in draw(
        st.lists(
            st.tuples(st.sampled_from([A, B, C, D]), st.sampled_from([A, B, C, D]), st.integers(0, 20)),
            max_size=8,
        )
    ):
        candidate = fact(account, numbers[account] + 1, into, at)
        if not Counting([*made, candidate]).loops():  # as the verb does
            made.append(candidate)
            numbers[account] += 1
    return made


@given(fact_sets(), st.randoms(), st.sampled_from([A, B, C, D]), st.integers(-1, 21))
def test_any_reading_order_gives_what_following_the_facts_by_hand_gives(facts, random, home, at):
    shuffled = list(facts)
    random.shuffle(shuffled)
    account, instant = home, hour(at)
    for _ in range(10):
        mine = [f for f in facts if f.account == account and f.effective_from <= instant]
        account = max(mine, key=lambda f: f.number).into if mine else account
    found = Counting(shuffled)
    assert found.account(home, instant) == account
    assert home in found.homes_of([account])
    covering = [span for span in found.spans(home) if span.covers(instant)]
    assert [span.account for span in covering] == [account]
