import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.currencies import _DECIMALS, EXPONENTS
from kernel.errors import DomainError
from kernel.money import (
    VND,
    Currency,
    CurrencyMismatchError,
    MalformedAmountError,
    Money,
    Rounding,
    UnknownCurrencyError,
    currency,
)

USD, KWD, JPY, CLF = currency("USD"), currency("KWD"), currency("JPY"), currency("CLF")
amounts = st.integers(-(10**15), 10**15)
moneys = st.builds(Money, amounts, st.just(VND))


def test_bool_is_whether_there_is_any():
    assert not Money.zero(VND)
    assert Money(1, VND)
    assert Money(-1, VND)


@pytest.mark.parametrize("wrong", [1.0, "1", True, None])
def test_minor_units_are_whole_numbers(wrong):
    with pytest.raises(TypeError):
        Money(wrong, VND)


@pytest.mark.parametrize(
    ("code", "exponent"), [("VND", 0), ("JPY", 0), ("USD", 2), ("EUR", 2), ("KWD", 3), ("CLF", 4), ("UYW", 4)]
)
def test_currency_knows_its_decimals(code, exponent):
    assert currency(code) == Currency(code, exponent)


@pytest.mark.parametrize("code", ["vnd", "", "XAU", "XTS", "XXX", "VN", "VNDD", "DEM"])
def test_currency_refuses_what_money_is_not_counted_in(code):
    with pytest.raises(UnknownCurrencyError) as refused:
        currency(code)
    assert refused.value.fields == {"code": code}


def test_every_currency_is_three_capitals_and_listed_once():
    assert all(len(code) == 3 and code.isupper() for code in EXPONENTS)
    assert len(EXPONENTS) == sum(len(codes.split()) for codes in _DECIMALS.values())


@pytest.mark.parametrize(
    ("text", "of", "minor"),
    [
        ("8595", VND, 8595),
        ("-8595", VND, -8595),
        ("0", VND, 0),
        ("3.20", USD, 320),
        ("3.2", USD, 320),
        ("3", USD, 300),
        ("-0.01", USD, -1),
        ("1.234", KWD, 1234),
        ("0.0001", CLF, 1),
    ],
)
def test_parse_reads_decimal_text(text, of, minor):
    assert Money.parse(text, of) == Money(minor, of)


@pytest.mark.parametrize(
    ("text", "of"),
    [
        ("8595.00", VND),
        ("8595.", VND),
        ("3.201", USD),
        (".5", USD),
        ("", VND),
        ("+1", VND),
        (" 1", VND),
        ("1,000", VND),
        ("1e3", VND),
        ("--1", VND),
        ("٣", VND),
        ("1\n", VND),
        ("9" * 19, VND),
        ("nan", VND),
    ],
)
def test_parse_refuses_what_is_no_amount_of_the_currency(text, of):
    with pytest.raises(MalformedAmountError) as refused:
        Money.parse(text, of)
    assert refused.value.fields == {"text": text, "currency": of.code}


@given(moneys)
def test_json_round_trip(amount):
    assert Money.from_json(amount.to_json()) == amount


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"minor": 1},
        {"currency": "VND"},
        {"minor": 1.0, "currency": "VND"},
        {"minor": "1", "currency": "VND"},
        {"minor": True, "currency": "VND"},
        {"minor": 1, "currency": 704},
        {"minor": 1, "currency": "VND", "major": 1},
    ],
)
def test_from_json_refuses_other_shapes(body):
    with pytest.raises(MalformedAmountError):
        Money.from_json(body)


def test_from_json_refuses_an_unknown_currency():
    with pytest.raises(UnknownCurrencyError):
        Money.from_json({"minor": 1, "currency": "XXX"})


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Money(8595, VND), "8,595 VND"),
        (Money(-8595, VND), "-8,595 VND"),
        (Money(0, VND), "0 VND"),
        (Money(-5, USD), "-0.05 USD"),
        (Money(123456, USD), "1,234.56 USD"),
        (Money(1, KWD), "0.001 KWD"),
    ],
)
def test_text_groups_thousands_and_shows_decimals(amount, text):
    assert str(amount) == text


@pytest.mark.parametrize(
    "operation",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a < b,
        lambda a, b: a <= b,
        lambda a, b: a > b,
        lambda a, b: a >= b,
    ],
)
def test_two_currencies_do_not_mix(operation):
    with pytest.raises(CurrencyMismatchError) as refused:
        operation(Money(1, VND), Money(1, USD))
    assert refused.value.fields == {"left": "VND", "right": "USD"}


def test_equal_numbers_of_two_currencies_differ():
    assert Money(1, VND) != Money(1, JPY)


@given(moneys, moneys)
def test_arithmetic_is_that_of_whole_numbers(a, b):
    assert (a + b).minor == a.minor + b.minor
    assert (a - b).minor == a.minor - b.minor
    assert (-a).minor == -a.minor
    assert 3 * a == a * 3 == a + a + a
    assert abs(a).minor == abs(a.minor)
    assert (a < b, a <= b, a > b, a >= b) == (
        a.minor < b.minor,
        a.minor <= b.minor,
        a.minor > b.minor,
        a.minor >= b.minor,
    )
    assert sorted([a, b]) == sorted([b, a], key=lambda each: each.minor)


@pytest.mark.parametrize("factor", [0.5, "2", None])
def test_multiplying_by_anything_but_a_whole_number_fails(factor):
    with pytest.raises(TypeError):
        Money(10, VND) * factor


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize(
    ("minor", "expected"),
    # Halves of these, in the order DOWN, UP, HALF_UP, HALF_EVEN.
    [(5, (2, 3, 3, 2)), (7, (3, 4, 4, 4)), (-5, (-2, -3, -3, -2)), (-7, (-3, -4, -4, -4)), (4, (2, 2, 2, 2))],
)
def test_share_rounds_by_distance_from_zero(minor, expected, rounding):
    want = dict(
        zip((Rounding.DOWN, Rounding.UP, Rounding.HALF_UP, Rounding.HALF_EVEN), expected, strict=True)
    )
    assert Money(minor, VND).share(1, 2, rounding) == Money(want[rounding], VND)
    assert Money(minor, VND).share(-1, -2, rounding) == Money(want[rounding], VND)


@given(moneys, st.integers(1, 1000), st.integers(1, 1000), st.sampled_from(Rounding))
def test_share_is_less_than_one_unit_off(amount, num, den, rounding):
    assert abs(amount.share(num, den, rounding).minor * den - amount.minor * num) < den


def test_a_share_of_nothing_is_a_programmer_error():
    with pytest.raises(AssertionError):
        Money(1, VND).share(1, 0, Rounding.DOWN)


@pytest.mark.parametrize(
    ("cashless", "cash"),
    # HANOI: cash is the cashless fare rounded up to 1,000.
    [(8595, 9000), (18625, 19000), (8935, 9000), (14290, 15000), (9000, 9000), (0, 0)],
)
def test_rounded_to_gives_the_published_cash_fares(cashless, cash):
    assert Money(cashless, VND).rounded_to(1000, Rounding.UP) == Money(cash, VND)


@given(moneys, st.integers(1, 10**6), st.sampled_from(Rounding))
def test_rounded_to_is_a_near_multiple(amount, step, rounding):
    rounded = amount.rounded_to(step, rounding)
    assert rounded.minor % step == 0
    assert abs((rounded - amount).minor) < step


@pytest.mark.parametrize(
    ("whole", "weights", "parts"),
    [
        (100, (1, 1, 1), (34, 33, 33)),
        (-100, (1, 1, 1), (-34, -33, -33)),
        (2, (1, 1, 1), (1, 1, 0)),
        (10, (0, 1), (0, 10)),
        (7, (3, 1), (5, 2)),
        (0, (5, 5), (0, 0)),
        (1, (1, 2), (0, 1)),
    ],
)
def test_split_gives_the_largest_remainder_first(whole, weights, parts):
    assert tuple(part.minor for part in Money(whole, VND).split(weights)) == parts


@given(moneys, st.lists(st.integers(0, 10**9), min_size=1, max_size=20).filter(any))
def test_parts_of_a_split_sum_to_the_whole(amount, weights):
    parts = amount.split(weights)
    assert sum(part.minor for part in parts) == amount.minor
    assert len(parts) == len(weights)
    total = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part.minor * total - amount.minor * weight) < total
        assert weight or not part


@pytest.mark.parametrize("weights", [(), (0,), (0, 0), (1, -1), (-1, 2)])
def test_split_refuses_weights_that_share_nothing(weights):
    with pytest.raises(ValueError):
        Money(10, VND).split(weights)


def test_refusals_are_domain_errors_that_survive_pickling():
    error = CurrencyMismatchError(left="VND", right="USD")
    assert isinstance(error, DomainError)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.fields, str(again)) == (type(error), error.fields, str(error))
    assert str(error) == "VND and USD cannot be added or compared."
    assert str(CurrencyMismatchError(left="VND")) == "VND and {right} cannot be added or compared."
