from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from access.rules.chain import START, Head, Link, Place, advance, place_of
from kernel.wire.tap import NO_HASH


def chain(length):
    links, previous = {}, NO_HASH
    for sequence in range(1, length + 1):
        digest = sha256(bytes((sequence,))).digest()
        links[sequence] = Link(sequence, digest, previous)
        previous = digest
    return links


@given(st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.permutations(range(1, n + 1)))))
def test_any_order_of_arrival_ends_at_the_same_head(case):
    length, order = case
    links, head, waiting = chain(length), START, {}
    for sequence in order:
        waiting[sequence] = links[sequence]
        moved = advance(head, waiting)
        head = moved.head
        for passed in moved.passed:
            del waiting[passed]
        assert moved.broken is None
    assert head == Head(length, links[length].hash)
    assert waiting == {}


def test_the_head_stops_before_a_gap():
    links = chain(6)
    del links[3]
    moved = advance(START, links)
    assert (moved.head.sequence, moved.passed) == (2, (1, 2))


def test_a_link_that_hangs_elsewhere_is_named_and_not_passed():
    links = chain(3)
    links[2] = Link(2, links[2].hash, b"x" * 32)
    moved = advance(START, links)
    assert (moved.head.sequence, moved.broken) == (1, links[2])


def test_a_link_without_a_readable_header_is_passed():
    links = chain(3)
    links[2] = Link(2, links[2].hash, None)
    assert advance(START, links).head.sequence == 3


def test_places():
    links = chain(4)
    head, other = Head(2, links[2].hash), Link(4, b"y" * 32, links[3].hash)
    assert place_of(links[1], head=head, waiting={}, stored=True) is Place.SAME
    assert place_of(links[1], head=head, waiting={}, stored=False) is Place.OTHER
    assert place_of(links[3], head=head, waiting={}, stored=False) is Place.FREE
    assert place_of(links[4], head=head, waiting={4: links[4]}, stored=False) is Place.SAME
    assert place_of(other, head=head, waiting={4: links[4]}, stored=False) is Place.OTHER
