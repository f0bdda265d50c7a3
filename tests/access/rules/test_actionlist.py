"""The action list as readers hold it: canonical, versioned, and nothing but what its kinds carry."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from access.rules.actionlist import Action, ActionKind, ActionList, BadActionError, MalformedActionListError

AT = datetime(2026, 11, 18, tzinfo=UTC)
PURSE = {
    "amount": "1",
    "device": "01939c1e-5a2b-7c3d-8e4f-0000000000ff",
    "asked_at": "2026-11-18T09:00:00+07:00",
}
LOAD = {"pass_id": "p", "product_id": "month", "valid_from": "2026-12-01", "valid_until": "2027-01-01"}


def action(serial=7, number=1, kind=ActionKind.UNBLOCK, detail=None, until=AT):
    return Action(serial, UUID(int=number), kind, {} if detail is None else detail, until)


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        (ActionKind.LOAD_PASS, LOAD),
        (ActionKind.UNBLOCK, {}),
        (ActionKind.RE_KEY, {"generation": "2"}),
        (ActionKind.LOAD_PURSE, PURSE),
        (ActionKind.LOAD_PURSE, PURSE | {"amount": "5000000"}),
    ],
)
def test_a_list_reads_back_as_it_was_written(kind, detail):
    made = ActionList.of(3, [action(kind=kind, detail=detail)])
    assert ActionList.decode(made.encode()) == made


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        (ActionKind.LOAD_PASS, {}),
        (ActionKind.LOAD_PASS, {**LOAD, "key": "00"}),
        (ActionKind.UNBLOCK, {"why": "x"}),
        (ActionKind.RE_KEY, {}),
        (ActionKind.RE_KEY, {"generation": "two"}),
        (ActionKind.RE_KEY, {"generation": "2", "key": "00112233"}),  # keys never travel in it
        (ActionKind.LOAD_PURSE, {"amount": "1"}),
        *(
            (ActionKind.LOAD_PURSE, PURSE | {"amount": amount})
            for amount in ("0", "-1", "5000001", "1.5", "", "ten", "٣", "1e3", "00000000001")
        ),
        (ActionKind.LOAD_PURSE, PURSE | {"device": "bus-01"}),
        (ActionKind.LOAD_PURSE, PURSE | {"asked_at": "2026-11-18T09:00:00"}),
        (ActionKind.LOAD_PURSE, PURSE | {"asked_at": "today"}),
        (ActionKind.LOAD_PURSE, PURSE | {"key": "00112233"}),
    ],
)
def test_details_of_another_kind_are_refused(kind, detail):
    with pytest.raises(BadActionError):
        action(kind=kind, detail=detail)


def test_what_has_run_out_is_not_done_and_other_cards_are_left_alone():
    made = ActionList.of(
        1, [action(number=2, until=AT + timedelta(hours=1)), action(number=1, until=AT), action(8)]
    )
    assert [one.action_id.int for one in made.for_card(7, AT)] == [2]
    assert made.for_card(7, AT + timedelta(hours=1)) == ()


@pytest.mark.parametrize(("held", "takes"), [(0, True), (2, True), (3, False), (4, False)])
def test_only_a_newer_list_is_taken(held, takes):
    assert ActionList(3, ()).replaces(held) is takes


GOOD = ActionList.of(3, [action()]).encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        GOOD.replace(b"lienthong-actions/1", b"lienthong-actions/2"),
        GOOD.replace(b'"unblock"', b'"open_gate"'),
        GOOD.replace(b'"serial":7', b'"serial": 7'),
        GOOD[:-1],
        GOOD.replace(b"+00:00", b""),
        b"{" * 100_000,
    ],
)
def test_anything_else_is_refused(raw):
    with pytest.raises(MalformedActionListError):
        ActionList.decode(raw)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 20)), unique=True), st.randoms())
def test_the_same_actions_in_any_order_are_the_same_bytes(places, random):
    made = [action(serial, number) for serial, number in places]
    first = ActionList.of(1, made).encode()
    random.shuffle(made)
    assert ActionList.of(1, made).encode() == first
