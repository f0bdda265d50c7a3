"""Operators' terms: two people, in force from a day on; fees and shares booked once and found again in the settlement."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.crypto.ed25519 import SigningKey
from kernel.ids import OperatorId
from kernel.money import VND, Money
from ledger import accounts, close_period, settle, terms
from ledger.rules import chart
from ledger.rules.entry import Line
from ledger.rules.settlement import HouseDay, SettleLine, blank_line
from ledger.rules.terms import (
    BadTermsError,
    Share,
    Terms,
    TermsOnePersonError,
    TermsStateError,
    UnknownTermsError,
    apply_terms,
    share_parts,
)

from .conftest import NOW, TODAY, Books, vnd

DAY = timedelta(days=1)
SIGNER = SigningKey.generate()
ALPHA = OperatorId("alpha")


def to(name: str, per_mille: int, house: str = "fare", route: str = "*") -> Share:
    return Share(house=house, route=route, to=OperatorId(name), per_mille=per_mille)


def some_terms(*shares: Share, **changed) -> Terms:
    values = {
        "operator_id": ALPHA,
        "valid_from": TODAY,
        "name": "Alpha",
        "account": "0011",
        "bank": "970436",
        "shares": shares,
    }
    return Terms(**values | changed)


def a_line(collected: int = 0, refunded: int = 0, trips: int = 1, **changed) -> SettleLine:
    blank = blank_line("fare", ALPHA, "bus", "01", TODAY, VND)
    return replace(
        blank,
        trips=trips,
        face_value=vnd(collected - refunded),
        collected=vnd(collected),
        refunded=vnd(refunded),
        **changed,
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"operator_id": OperatorId("Alpha!")},
        {"name": " "},
        {"account": "00-11"},
        {"account": "1" * 35},
        {"bank": "97043"},
        {"bic": "VIETCOM"},
        {"fee_basis_points": -1},
        {"fee_basis_points": 10_001},
        {"fee_per_trip": -1},
        {"shares": (to("alpha", 10),)},
        {"shares": (to("beta", 0),)},
        {"shares": (to("beta", 1_001),)},
        {"shares": (to("beta", 600), to("gamma", 500))},
        {"shares": (to("beta", 600), to("gamma", 500, route="01"))},
        {"shares": (to("", 10),)},
    ],
)
def test_terms_that_cannot_be_are_refused(wrong):
    with pytest.raises(BadTermsError):
        some_terms(**wrong)


def test_shares_of_several_houses_and_routes_stand_beside_each_other():
    some_terms(to("beta", 1_000, "fare"), to("beta", 1_000, "parking"))
    some_terms(to("beta", 1_000, route="01"), to("beta", 1_000, route="02"))


@pytest.mark.parametrize(
    ("line", "basis_points", "per_trip", "fee"),
    [
        (a_line(10_000), 50, 0, 50),
        (a_line(9_999), 50, 0, 49),  # 49.995, rounded down
        (a_line(0, 10_000), 50, 0, -50),  # a refund gives back what the charge took
        (a_line(0, 9_999), 50, 0, -49),
        (a_line(10_000, 10_000), 50, 0, 0),
        (a_line(10_000, trips=3), 0, 20, 60),
        (a_line(0, trips=-1), 0, 20, -20),
        (a_line(10_000, trips=3), 50, 20, 110),
    ],
)
def test_fee_of_a_line(line, basis_points, per_trip, fee):
    held = some_terms(fee_basis_points=basis_points, fee_per_trip=per_trip)
    (charged,) = apply_terms([line], {ALPHA: held})
    assert charged.fees == vnd(fee)
    assert charged.net == line.net - vnd(fee)


def test_a_share_goes_to_a_line_of_who_gets_it():
    held = {ALPHA: some_terms(to("district", 300), to("owner", 100, route="02"))}
    one, two = a_line(10_001), a_line(1_000, route_id="02")
    alpha1, alpha2, district1, district2, owner = apply_terms([two, one], held)
    assert (alpha1.shared, alpha2.shared) == (vnd(-3_000), vnd(-400))
    assert (district1.operator_id, district1.route_id, district1.shared) == ("district", "01", vnd(3_000))
    assert (district2.shared, owner.shared) == (vnd(300), vnd(100))
    assert (owner.trips, owner.face_value) == (0, vnd(0))


def test_a_share_joins_the_line_of_its_own_that_who_gets_it_has():
    beta = replace(a_line(500), operator_id=OperatorId("beta"))
    found = apply_terms([a_line(1_000), beta], {ALPHA: some_terms(to("beta", 500))})
    assert [(one.operator_id, one.net) for one in found] == [("alpha", vnd(500)), ("beta", vnd(1_000))]


LINES = st.lists(
    st.builds(
        lambda operator, route, collected, refunded, trips: replace(
            a_line(collected, refunded, trips, route_id=route), operator_id=OperatorId(operator)
        ),
        st.sampled_from(["alpha", "beta", "gamma"]),
        st.sampled_from(["01", "02"]),
        st.integers(0, 10**9),
        st.integers(0, 10**9),
        st.integers(-5, 1_000),
    ),
    max_size=6,
    unique_by=lambda line: (line.operator_id, line.route_id),
)
SHARES = st.lists(st.tuples(st.sampled_from(["beta", "gamma", "city"]), st.integers(1, 300)), max_size=3)


@given(LINES, SHARES, st.integers(0, 10_000))
def test_what_is_shared_sums_to_nothing_and_face_values_stay(lines, shares, basis_points):
    held = {ALPHA: some_terms(*(to(name, part) for name, part in shares), fee_basis_points=basis_points)}
    charged = apply_terms(lines, held)
    zero = Money.zero(VND)
    assert sum((line.shared for line in charged), zero) == zero
    for name in ("face_value", "collected", "refunded"):
        assert sum((getattr(one, name) for one in charged), zero) == sum(
            (getattr(one, name) for one in lines), zero
        )
    given_ = sum((part.amount for part in share_parts(lines, held)), zero)
    assert given_ == -sum((line.shared for line in charged if line.operator_id == ALPHA), zero)
    assert apply_terms(lines, {}) == tuple(
        sorted(lines, key=lambda line: (line.house, line.operator_id, line.mode, line.route_id))
    )


# verbs


def test_terms_hold_when_a_second_person_has_signed(tx):
    held = some_terms()
    made = terms.propose(tx, held, by="staff:lan", now=NOW)
    assert terms.propose(tx, held, by="staff:lan", now=NOW) == made
    assert terms.in_force(tx, TODAY, signed_by=NOW) == {}
    for same in ("staff:lan", " STAFF:LAN", ""):
        with pytest.raises(TermsOnePersonError):
            terms.sign(tx, "alpha", 1, approved=True, by=same, now=NOW)
    signed = terms.sign(tx, "alpha", 1, approved=True, by="staff:minh", now=NOW)
    assert signed == terms.sign(tx, "alpha", 1, approved=True, by="staff:minh", now=NOW)
    assert terms.in_force(tx, TODAY, signed_by=NOW) == {ALPHA: held}
    assert terms.in_force(tx, TODAY - DAY, signed_by=NOW) == {}
    assert terms.in_force(tx, TODAY, signed_by=NOW - DAY) == {}
    with pytest.raises(TermsStateError):
        terms.sign(tx, "alpha", 1, approved=False, by="staff:minh", now=NOW)
    with pytest.raises(UnknownTermsError):
        terms.sign(tx, "alpha", 2, approved=True, by="staff:minh", now=NOW)


def test_later_terms_hold_from_their_day_and_refused_ones_never(tx):
    for version, (first, decided) in enumerate([(TODAY, True), (TODAY + DAY, True), (TODAY, False)], start=1):
        asked = some_terms(valid_from=first, account=str(version))
        terms.propose(tx, asked, by="lan", now=NOW)
        terms.sign(tx, "alpha", version, approved=decided, by="minh", now=NOW)
    assert terms.in_force(tx, TODAY, signed_by=NOW)[ALPHA].account == "1"
    assert terms.in_force(tx, TODAY + 9 * DAY, signed_by=NOW)[ALPHA].account == "2"


@pytest.fixture
def day(tx, books: Books) -> HouseDay:
    """Alpha took 10,000 and gave 1,000 back, by parking 4,000, on terms of fee and shares; not closed yet."""
    parking = chart.parking_payable("alpha")
    accounts.open_accounts(tx, [parking], NOW)
    books.posted(
        tx,
        books.topup(0, 20_000),
        books.fare(0, 10_000),
        books.entry(0, Line(books.alpha, books.purse(0), vnd(1_000))),
        books.entry(0, Line(books.purse(0), parking.account_id, vnd(4_000))),
    )
    held = some_terms(to("beta", 100), to("district", 300, "parking"), fee_basis_points=100, fee_per_trip=5)
    terms.propose(tx, held, by="lan", now=NOW)
    terms.sign(tx, "alpha", 1, approved=True, by="minh", now=NOW)
    return HouseDay((a_line(10_000, 1_000, 2), a_line(4_000, trips=1, house="parking", mode="parking")))


def test_charged_before_the_close_and_found_in_the_settlement(tx, day: HouseDay):
    assert close_period.take_open(tx, TODAY, NOW) == (TODAY,)
    settle.charge(tx, TODAY, day, NOW)
    settle.charge(tx, TODAY, day, NOW)
    close_period.close(tx, TODAY, NOW, signer=SIGNER)
    settled = settle.settle(tx, TODAY, day, NOW)
    nets = {one.operator_id: (one.net.minor, one.shared.minor, one.fees.minor) for one in settled.settlements}
    assert nets == {
        "alpha": (13_000 - 900 - 1_200 - 100 - 45, -2_100, 145),
        "beta": (900, 900, 0),
        "district": (1_200, 1_200, 0),
    }
    assert all(one.reconciled for one in settled.settlements)
    found = accounts.read_balances(tx, [chart.settlement_fees().account_id], NOW)
    assert found[chart.settlement_fees().account_id].posted == vnd(145)
    assert close_period.take_open(tx, TODAY, NOW) == ()


def test_terms_signed_after_the_seal_change_nothing(tx, day: HouseDay):
    later = NOW + timedelta(hours=1)
    close_period.take_open(tx, TODAY, NOW)
    settle.charge(tx, TODAY, day, NOW)
    close_period.close(tx, TODAY, NOW, signer=SIGNER)
    terms.propose(tx, some_terms(fee_basis_points=5_000), by="lan", now=later)
    terms.sign(tx, "alpha", 2, approved=True, by="minh", now=later)
    assert all(one.reconciled for one in settle.settle(tx, TODAY, day, later).settlements)


def test_lines_about_earlier_days_are_named(tx, books: Books):
    books.posted(tx, books.topup(0, 9_000), books.fare(0, 7_000))
    close_period.close(tx, TODAY, NOW, signer=SIGNER)
    late = a_line(5_000, trips=1, service_day=TODAY - 2 * DAY)
    settled = settle.settle(tx, TODAY, HouseDay((a_line(2_000), late)), NOW)
    (one,) = settled.adjustments
    assert (one.operator_id, one.service_day, one.trips, one.net) == ("alpha", TODAY - 2 * DAY, 1, vnd(5_000))
    assert settled.settlements[0].reconciled
