from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.ids import NotTimeOrderedError, uuid7, uuid7_time, uuid8

NOW = datetime(2026, 11, 18, 2, 0, 0, 123456, tzinfo=UTC)
instants = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
parts = st.one_of(st.text(), st.binary(), st.integers(), st.uuids(), st.dates())


def test_uuid7_matches_the_layout_of_the_standard():
    # RFC 9562 appendix A.6: 2022-02-22T19:22:22.000Z is 017F22E2-79B0-7…; the fraction is ours.
    at = datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)
    assert str(uuid7(at, bytes)) == "017f22e2-79b0-7000-8000-000000000000"
    assert str(uuid7(at, lambda size: b"\xff" * size)) == "017f22e2-79b0-7000-bfff-ffffffffffff"


@given(instants)
def test_uuid7_time_is_the_instant_to_the_millisecond(at):
    minted = uuid7(at)
    assert (minted.version, minted.variant) == (7, uuid4().variant)
    assert uuid7_time(minted) == at.replace(microsecond=at.microsecond // 1000 * 1000)


@given(instants.filter(lambda at: at < datetime(9999, 1, 1, tzinfo=UTC)), st.integers(1, 10**9))
def test_uuid7_sorts_by_time_down_to_the_microsecond(at, later):
    first = uuid7(at, lambda size: b"\xff" * size)
    second = uuid7(at + timedelta(microseconds=later), bytes)
    assert first < second


def test_uuid7_differs_within_one_instant():
    assert len({uuid7(NOW) for _ in range(1000)}) == 1000


def test_uuid7_before_1970_is_a_programmer_error():
    with pytest.raises(AssertionError):
        uuid7(datetime(1969, 12, 31, tzinfo=UTC))


@pytest.mark.parametrize(
    "other", [uuid4(), uuid8("a"), UUID(int=0), UUID("ffffffff-ffff-7fff-bfff-ffffffffffff")]
)
def test_uuid7_time_refuses_ids_without_a_time(other):
    with pytest.raises(NotTimeOrderedError):
        uuid7_time(other)


def test_uuid8_is_fixed_for_ever():
    # Entry ids are derived by this; a change would post every difference of the past once more.
    assert str(uuid8("account", "rider", 7)) == "a6eaf134-3cf6-8c48-975b-75cbfc02eade"
    assert str(uuid8(UUID(int=1), date(2026, 11, 18), b"\x00")) == "415e6849-42f9-8564-91c9-d2817f1c11bc"


@given(st.lists(parts, max_size=5), st.lists(parts, max_size=5))
def test_uuid8_is_one_to_one_in_practice(left, right):
    same = [(type(part), part) for part in left] == [(type(part), part) for part in right]
    assert (uuid8(*left) == uuid8(*right)) is same
    assert uuid8(*left).version == 8
    assert uuid8(*left).variant == uuid4().variant


@pytest.mark.parametrize(
    ("left", "right"),
    [(("ab", "c"), ("a", "bc")), (("1",), (1,)), ((b"a",), ("a",)), (("a",), ("a", "")), ((), ("",))],
)
def test_uuid8_keeps_parts_apart(left, right):
    assert uuid8(*left) != uuid8(*right)


@pytest.mark.parametrize("part", [True, NOW, 1.0, None, ("a",)])
def test_uuid8_refuses_parts_it_cannot_tell_apart(part):
    with pytest.raises(TypeError):
        uuid8("a", part)
