"""What is published of rides: at least k cards behind every row, and behind every two rows that share one."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fare.gtfs.tides import Action, Transaction, amount_text, instant_text
from fare.gtfs.tides_privacy import band_fits, cell_of, public_rows, publishable, suppress
from kernel.money import VND, Money, currency

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
DAY = date(2026, 11, 18)
SEVEN = datetime(2026, 11, 18, 0, 0, tzinfo=UTC)  # 07:00 in Hanoi


def ride(card: int, route: str = "26", minute: int = 0, **changes) -> Transaction:
    at = SEVEN + timedelta(minutes=minute)
    facts = {
        "card_id": UUID(int=card), "tap_id": UUID(int=card * 10_000 + minute), "service_day": DAY, "at": at,
        "action": Action.ENTER, "amount": Money(10_000, VND), "capped": False, "route_id": route, "direction": 0,
        "stop_id": "s", "trip_id": "t", "vehicle_id": "29B-1", "device_id": UUID(int=1), "category": "NORMAL",
        "at_station": False,
    }  # fmt: skip
    return Transaction(**{**facts, **changes})


def published(transactions, k=5, minutes=60):
    return publishable(transactions, k=k, minutes=minutes, zone=HANOI)


journeys = st.lists(
    st.lists(st.tuples(st.sampled_from("ABCD"), st.integers(0, 5)), max_size=5), min_size=1, max_size=60
)


@settings(max_examples=200, deadline=None)
@given(journeys, st.integers(5, 8))
def test_every_cell_and_every_pair_of_cells_has_k_cards_or_is_left_out(cards, k):
    """The rule itself, counted by brute force over what each card is published in."""
    held = {
        UUID(int=number): frozenset(
            cell_of(ride(number, route, 60 * hour), minutes=60, zone=HANOI) for route, hour in made
        )
        for number, made in enumerate(cards)
    }
    kept = suppress(held, k)
    assert all(kept[card] <= held[card] for card in kept), "nothing is made up"
    cells = {cell for found in kept.values() for cell in found}
    for cell in cells:
        assert sum(cell in found for found in kept.values()) >= k
    for one, other in combinations(cells, 2):
        together = sum(one in found and other in found for found in kept.values())
        assert together == 0 or together >= k
    again = suppress(kept, k)
    assert again == kept


@settings(max_examples=50, deadline=None)
@given(journeys, st.randoms(use_true_random=False))
def test_the_report_is_what_the_rows_are_and_order_does_not_matter(cards, dice):
    made = [
        ride(number, route, 60 * hour + place)
        for number, ridden in enumerate(cards)
        for place, (route, hour) in enumerate(ridden)
    ]
    rows, told = published(made)
    shuffled = list(made)
    dice.shuffle(shuffled)
    assert published(shuffled) == (rows, told)
    assert told.holds
    assert told.transactions == len(made)
    assert told.published == sum(row.riders for row in rows) <= len(made)
    assert told.cells_published == len(rows) <= told.cells
    assert all(row.cards >= 5 for row in rows)
    assert sum(row.amount.minor for row in rows) == 10_000 * told.published


@pytest.mark.parametrize(("cards", "rows"), [(4, 0), (5, 1), (50, 1)])
def test_a_row_needs_k_cards_not_k_rides(cards, rows):
    found, _ = published([ride(card, minute=minute) for card in range(cards) for minute in (0, 10)])
    assert len(found) == rows
    assert sum(row.riders for row in found) == 2 * cards * rows


def test_a_lonely_pair_loses_one_of_its_rides_and_both_rows_stay():
    """Nine ride A at 7, nine ride B at 17; one of them rides both, whom two observations would single out."""
    made = [ride(card, "A") for card in range(9)] + [ride(card, "B", 600) for card in range(8, 17)]
    rows, told = published(made)
    assert [(row.cell.pattern_id, row.riders) for row in rows] == [("A:0", 8), ("B:0", 9)] or [
        (row.cell.pattern_id, row.riders) for row in rows
    ] == [("A:0", 9), ("B:0", 8)]
    assert (told.transactions - told.published, told.pairs) == (1, 0)


def test_a_pair_of_k_cards_is_published_whole():
    made = [ride(card, route, minute) for card in range(5) for route, minute in (("A", 0), ("B", 600))]
    _, told = published(made)
    assert (told.published, told.pairs, told.smallest_pair) == (10, 1, 5)


def test_what_sets_one_rider_apart_is_part_of_the_cell():
    """One capped ride among twenty would be seen in the sum or the flag: it is held back."""
    rows, told = published([*(ride(card) for card in range(20)), ride(21, capped=True, amount=Money(1, VND))])
    assert told.transactions - told.published == 1
    (row,) = public_rows(rows)
    assert (row["num_riders"], row["amount"], row["fare_capped"]) == ("20", "200000", "false")


def test_a_published_row_names_no_card_device_vehicle_trip_or_exact_time():
    (row,) = public_rows(published([ride(card, minute=17 + card) for card in range(6)])[0])
    assert row["event_timestamp"] == "2026-11-18T00:00:00Z"
    assert row.keys().isdisjoint(
        {"token_id", "device_id", "vehicle_id", "trip_id_scheduled", "rider_category", "balance"}
    )
    assert row["stop_id"] == "", "a bus stop is finer than its route"
    (row,) = public_rows(published([ride(card, at_station=True) for card in range(6)])[0])
    assert row["stop_id"] == "s"


@pytest.mark.parametrize(
    ("minutes", "fits"), [(15, True), (14, False), (60, True), (50, False), (1440, True), (0, False)]
)
def test_bands_are_coarse_and_begin_at_midnight(minutes, fits):
    assert band_fits(minutes) is fits


def test_nothing_makes_empty_tables():
    rows, told = published([])
    assert (rows, told.transactions, told.holds) == ((), 0, True)


@pytest.mark.parametrize(
    ("minor", "code", "text"),
    [(8595, "VND", "8595"), (1_234_567, "VND", "1234567"), (175, "GBP", "1.75"), (-5, "EUR", "-0.05")],
)
def test_amounts_are_plain_numbers_with_the_currencys_decimals(minor, code, text):
    assert amount_text(Money(minor, currency(code))) == text


def test_instants_are_utc_to_the_second():
    assert instant_text(SEVEN.astimezone(HANOI)) == "2026-11-18T00:00:00Z"


def test_the_rule_counts_cards_once_whatever_they_ride():
    counted = Counter(
        row.cards for row in published([ride(card, minute=m) for card in range(7) for m in (0, 5)])[0]
    )
    assert counted == {7: 1}
