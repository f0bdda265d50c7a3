"""Two media linked afterwards to one account re-price as one: whatever comes first, as a fold from scratch says."""

from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from access import deny, issue, link
from access.deny import DenyReason
from access.rules.medium import MediumKind, MediumState, OneActiveError
from kernel.wire.tap import Purpose
from service import cards_cache
from service.jobs.link_accounts import LinkTooEarlyError
from tests.linked import City, facts_of
from tests.simulation import World


@pytest.fixture
def city(tx, keyring, now):
    return City(World(tx, keyring, now))


def ride(city, into="card"):
    """In with the phone at Cát Linh, out with the card one station on: 8,595 as one ride (HANOI.md)."""
    city.tap("phone", 10, purpose=Purpose.BOARD, stop="2A-cat-linh", place="2A-cat-linh", route="2A")
    city.tap(into, 40, purpose=Purpose.ALIGHT, stop="2A-la-thanh", place="2A-la-thanh", route="2A")


def test_phone_in_and_card_out_are_one_ride_once_they_are_linked(city):
    city.load("phone", 100_000)
    city.load("card", 100_000)
    ride(city)
    city.send(1, 2)
    apart = city.charged("card")  # an exit without an entry
    done = city.link("phone", "card")
    assert (done.again, done.taps) == (False, 1)
    assert city.charged("phone") == 0
    assert city.charged("card") == 8_595 != apart
    assert city.purse("phone") == (0, 0)
    assert city.purse("card") == (200_000 - 8_595, 0)


def test_the_same_link_again_changes_nothing(city):
    city.load("phone", 50_000)
    ride(city)
    city.send(1, 2)
    link_id = uuid4()
    city.link("phone", "card", link_id=link_id)
    before = city.booked("card"), city.purse("card")
    again = city.link("phone", "card", link_id=link_id)
    assert again.again
    assert (city.booked("card"), city.purse("card")) == before
    with pytest.raises(link.LinkIdReusedError):
        city.link("phone", "phone", link_id=link_id)


def test_undone_from_the_beginning_everything_is_as_if_it_had_never_been(city):
    city.load("phone", 60_000)
    city.load("card", 30_000)
    ride(city)
    city.send(1, 2)
    before = {name: (city.booked(name), city.purse(name)) for name in city.media}
    city.link("phone", "card")
    city.link("phone", "phone")
    assert {name: (city.booked(name), city.purse(name)) for name in city.media} == before
    assert link.current(city.tx, city.account("phone"), at=city.now) == city.account("phone")


def test_parted_from_a_later_instant_what_was_one_stays_one(city):
    city.load("card", 100_000)
    ride(city)
    city.tap("phone", 90)
    city.send(1, 3)
    city.link("phone", "card")
    assert city.charged("card") > 8_595
    city.link("phone", "phone", minutes=60)
    assert city.charged("card") == 8_595
    assert city.charged("phone") > 0
    assert city.booked("card") == city.scratch("card", facts_of(city))


def test_a_debt_is_paid_from_the_other_medium_and_both_are_off_the_deny_list(city):
    city.load("card", 100_000)
    ride(city, into="phone")
    city.send(1, 2)
    phone, card = city.media["phone"], city.media["card"]
    assert city.purse("phone")[1] > 0
    assert deny.reasons(city.tx, phone.serial) == (DenyReason.DEBT,)
    done = city.link("phone", "card", minutes=100)  # from after the ride: the debt stays the phone's own
    assert done.owing == frozenset()
    assert city.purse("phone") == (0, 0)
    assert city.purse("card") == (100_000 - 8_595, 0)
    assert deny.reasons(city.tx, phone.serial) == (
        DenyReason.BLOCKED,
    )  # one of the two is active, never both
    assert deny.reasons(city.tx, card.serial) == ()


def test_a_debt_that_nobody_can_pay_denies_the_medium_that_is_left(city):
    ride(city, into="phone")
    city.send(1, 2)
    done = city.link("phone", "card", minutes=100)
    assert done.owing == {city.account("card")}
    assert deny.reasons(city.tx, city.media["card"].serial) == (DenyReason.DEBT,)


def test_two_active_media_need_a_word_on_which_one_stays(city):
    with pytest.raises(OneActiveError):
        city.link("phone", "card", keep=None)
    city.link("phone", "card", keep=MediumKind.VIRTUAL)
    states = {
        name: issue.get_card(city.tx, serial=medium.serial).state for name, medium in city.media.items()
    }
    assert states == {"phone": MediumState.ACTIVE, "card": MediumState.BLOCKED}


@pytest.mark.parametrize("minutes", [-60 * 24 * 45 - 200, 200])
def test_a_link_begins_neither_before_bills_can_change_nor_in_time_to_come(city, minutes):
    with pytest.raises(LinkTooEarlyError):
        city.link("phone", "card", minutes=minutes)


def test_the_cache_shows_linked_media_the_same_balance_and_its_versions_never_fall(city):
    city.load("card", 40_000)
    seen = {}

    def versions():
        states = cards_cache.read_states(city.tx, [city.account("phone")], city.now)
        for state in states:
            assert state.version >= seen.get(state.serial, 0)
            seen[state.serial] = state.version
        return {state.serial: state.balance.minor for state in states}

    assert versions() == {city.media["phone"].serial: 0}
    city.link("phone", "card")
    assert versions() == {city.media["phone"].serial: 40_000, city.media["card"].serial: 40_000}
    city.link("phone", "phone")
    assert versions() == {city.media["phone"].serial: 0}


STOPS = ("26-01", "26-04")
tap_plans = st.lists(
    st.tuples(
        st.sampled_from(["phone", "card"]),
        st.integers(0, 170),
        st.sampled_from([Purpose.BOARD, Purpose.ALIGHT, Purpose.AUTO]),
        st.sampled_from(STOPS),
    ),
    min_size=1,
    max_size=7,
)
link_plans = st.lists(
    st.tuples(st.sampled_from(["phone", "card"]), st.booleans(), st.integers(-30, 170)), max_size=3
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(taps=tap_plans, links=link_plans, random=st.randoms(use_true_random=False))
def test_taps_and_links_in_any_order_end_in_the_bills_of_a_fold_from_scratch(
    tx, keyring, now, taps, links, random
):
    nested = tx.begin_nested()
    try:
        city = City(World(tx, keyring, now))
        city.load("phone", 1_000_000)
        city.load("card", 1_000_000)
        for name, minutes, purpose, stop in taps:
            city.tap(name, minutes, purpose=purpose, stop=stop)
        todo = [("tap", number) for number in range(1, len(taps) + 1)] + [("link", each) for each in links]
        random.shuffle(todo)
        for what, of in todo:
            if what == "tap":
                city.send(of, of)
                continue
            name, parts, minutes = of
            other = name if parts else {"phone": "card", "card": "phone"}[name]
            try:
                with tx.begin_nested():
                    city.link(name, other, minutes=minutes)
            except link.LinkLoopError:
                continue
        facts = facts_of(city)
        for name in city.media:
            assert city.booked(name) == city.scratch(name, facts)
        money = [city.purse(name) for name in city.media]
        paid = sum(city.charged(name) for name in city.media)
        assert sum(stored - owed for stored, owed in money) == 2_000_000 - paid
    finally:
        nested.rollback()
