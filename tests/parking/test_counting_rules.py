"""Plates, the honest cashless share, occupancy and the leakage meter."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.money import VND, Money
from parking.rules.cashless import PaidBy, cashless_share, check_parts
from parking.rules.errors import PartsDoNotSumError, PlateInvalidError
from parking.rules.leakage import Seen, leakage
from parking.rules.occupancy import Count, Occupancy, Pass, occupancy
from parking.rules.plate import PlateMatch, compare_plates, normal_plate

NOON = datetime(2026, 11, 18, 5, tzinfo=UTC)
PLATES = st.text("ABCDEFGH01234567OI", min_size=4, max_size=9)


@pytest.mark.parametrize(
    ("text", "plate"), [("30A-123.45", "30A12345"), (" 29 đ1 999 ", "29D1999"), ("51F–678.90", "51F67890")]
)
def test_a_plate_is_its_letters_and_digits(text, plate):
    assert normal_plate(text) == plate


@pytest.mark.parametrize(
    "text", ["", "30A", "30A-12345678901", "30A/12345", "30А12345"]
)  # the last has a Cyrillic А
def test_what_is_no_plate_is_refused(text):
    with pytest.raises(PlateInvalidError):
        normal_plate(text)


@pytest.mark.parametrize(
    ("one", "other", "match"),
    [
        ("30A12345", "30A12345", PlateMatch.SAME),
        ("30A12345", "30A12346", PlateMatch.MINOR),
        ("30A12345", "30A1234", PlateMatch.MINOR),
        ("30A12345", "30A123455", PlateMatch.MINOR),
        ("30A12345", "30A12354", PlateMatch.MINOR),
        ("30A12345", "3OA12345", PlateMatch.MINOR),
        ("30A10345", "3OAI0345", PlateMatch.MINOR),
        ("30A12345", "30A12366", PlateMatch.MAJOR),
        ("30A12345", "30A1255", PlateMatch.MAJOR),
        ("30A12345", "03A12354", PlateMatch.MAJOR),
        ("30A12345", "30A54321", PlateMatch.MAJOR),
        ("30A12345", "3OA12346", PlateMatch.MAJOR),
    ],
)
def test_one_mistake_is_minor_and_two_are_major(one, other, match):
    """STANDARDS: one character wrong, missing, added or swapped, or 0/O, 1/I."""
    assert compare_plates(one, other) is compare_plates(other, one) is match


@given(PLATES, st.integers(0, 8), st.sampled_from("AB01"))
def test_any_single_edit_is_never_major(plate, at, letter):
    at %= len(plate)
    edits = [
        plate[:at] + letter + plate[at + 1 :],
        plate[:at] + plate[at + 1 :],
        plate[:at] + letter + plate[at:],
        plate[:at] + plate[at : at + 2][::-1] + plate[at + 2 :],
    ]
    assert all(compare_plates(plate, edit) is not PlateMatch.MAJOR for edit in edits)


def test_the_published_report_of_phase_two_does_not_add_up():
    """565,954 motorbikes + 268,938 cars = 834,892, printed 843,892."""
    with pytest.raises(PartsDoNotSumError, match=r"swapped \(3 and 4\)"):
        check_parts([565_954, 268_938], 843_892)


@pytest.mark.parametrize(("printed", "hint"), [(109, "two digits of one figure"), (103, "no digit swap")])
def test_a_total_that_is_off_has_a_hint(printed, hint):
    with pytest.raises(PartsDoNotSumError, match=hint):
        check_parts([60, 40], printed)


def test_cash_by_proxy_is_not_cashless():
    share = cashless_share(
        {PaidBy.CARD_ACCOUNT: 70, PaidBy.VIETQR: 9, PaidBy.CASH: 11, PaidBy.CASH_BY_PROXY: 10}
    )
    assert (share.cashless, share.turns, share.share_millionths) == (79, 100, 790_000)
    assert cashless_share({}).share_millionths is None


@pytest.mark.parametrize(
    ("counts", "passes", "capacity", "expected"),
    [
        ([], [], 5, Occupancy(0, None, 0)),
        ([Count(NOON - timedelta(hours=1), 3)], [Pass(NOON, 1)], 5, Occupancy(4, timedelta(hours=1), 0)),
        ([], [Pass(NOON, -1)], 5, Occupancy(0, None, 1)),
        ([Count(NOON, 5)], [], 5, Occupancy(5, timedelta(0), 0)),
        ([Count(NOON - timedelta(1), 5)], [Pass(NOON, 1)], 5, Occupancy(5, timedelta(1), 1)),
        ([Count(NOON - timedelta(1), 5)], [Pass(NOON, 1), Pass(NOON, -1)], 5, Occupancy(5, timedelta(1), 0)),
        ([Count(NOON + timedelta(1), 5)], [Pass(NOON + timedelta(1), 1)], 5, Occupancy(0, None, 0)),
        ([Count(NOON, 2)], [Pass(NOON, 1)], None, Occupancy(2, timedelta(0), 0)),
    ],
)
def test_occupancy(counts, passes, capacity, expected):
    assert occupancy(counts, passes, capacity=capacity, at=NOON) == expected


@given(
    st.lists(st.tuples(st.integers(-500, 10), st.sampled_from([-1, 1]))), st.randoms(use_true_random=False)
)
def test_occupancy_depends_on_the_set_of_passes_alone(facts, dice: random.Random):
    passes = [Pass(NOON + timedelta(minutes=minute), change) for minute, change in facts]
    shuffled = dice.sample(passes, len(passes))
    assert occupancy([], passes, capacity=3, at=NOON) == occupancy([], shuffled, capacity=3, at=NOON)


def seen(gate=100, camera=100, tickets=100, paid=95, excused=5, expected=1_300, received=1_300):
    return Seen(
        place_id="p",
        shift="2026-11-18/1",
        attendant="a",
        gate_turns=gate,
        camera_turns=camera,
        tickets_issued=tickets,
        turns_paid=paid,
        turns_excused=excused,
        expected=Money(expected, VND),
        received=Money(received, VND),
    )


@pytest.mark.parametrize(
    ("shift", "unpaid", "capture", "apart", "alert"),
    [
        (seen(), 0, 1_000_000, 0, False),
        (seen(camera=120), 20, 833_333, 20, True),
        (seen(gate=None, camera=None, tickets=104), 4, 961_538, 0, False),
        (seen(gate=None, camera=None, tickets=None), 0, None, 0, False),
        (seen(gate=90, camera=80, tickets=None), 0, 1_000_000, 10, False),
        (seen(received=220), 0, 1_000_000, 0, True),  # 220 M of an expected 1,300 M a month
        (seen(received=1_400), 0, 1_000_000, 0, False),
    ],
)
def test_the_witness_who_saw_most_is_believed(shift, unpaid, capture, apart, alert):
    (found,) = leakage([shift], least_capture_millionths=950_000)
    assert (found.turns_unpaid, found.capture_millionths, found.witnesses_apart, found.alert) == (
        unpaid,
        capture,
        apart,
        alert,
    )
