"""What a day's stays settle to, and rates that cannot be changed behind a stay's back."""

from datetime import date, timedelta

import pytest

from kernel.money import VND, Money
from kernel.wire.tap import Purpose
from parking.bill import bill_stays
from parking.publish_rates import (
    BackdatedRatesError,
    Rates,
    RatesOnePersonError,
    RatesPublishedError,
    publish_rates,
)
from parking.rate_dir import HANOI, read_rate_dir
from parking.rules.errors import RateFilesInvalidError
from parking.settle_lines import settle_lines
from tests.parking.conftest import TWO, balances, store_taps

DAY = date(2026, 11, 18)
DEARER = {
    **read_rate_dir(HANOI),
    "rate_lines.csv": read_rate_dir(HANOI)["rate_lines.csv"].replace(b",25000,", b",26000,"),
}


def park(tx, card, start, minutes, now, *, gate="dong-da-01"):
    taps = [
        card.tap(Purpose.PARK_IN, start, gate=gate),
        card.tap(Purpose.PARK_OUT, start + timedelta(minutes=minutes), gate=gate),
    ]
    store_taps(tx, taps)
    return bill_stays(tx, taps, now=now)


def test_a_day_settles_to_what_the_ledger_moved(tx, rates, issue, now):
    park(tx, issue(100_000), now, 61, now)
    park(tx, issue(), now, 300, now)
    park(tx, issue(100_000), now, 10, now, gate="hoan-kiem-01")
    lines = settle_lines(tx, DAY).lines
    assert [(line.operator_id, line.route_id, line.trips, line.collected.minor) for line in lines] == [
        ("dongda-parking", "dong-da-01", 2, 215_000),
        ("hoankiem-parking", "hoan-kiem-01", 1, 60_000),
    ]
    assert settle_lines(tx, DAY + timedelta(days=1)).lines == ()


def test_a_correction_is_a_refund_and_the_face_value_stays_right(tx, rates, issue, now):
    card = issue(100_000)
    entry, first, second = (
        card.tap(Purpose.PARK_IN, now),
        card.tap(Purpose.PARK_OUT, now + timedelta(minutes=50)),
        card.tap(Purpose.PARK_OUT, now + timedelta(minutes=52)),
    )
    store_taps(tx, [entry, second])
    bill_stays(tx, [entry, second], now=now)
    late = card.tap(Purpose.PARK_IN, now - timedelta(minutes=30), counter=0, sequence=9)
    store_taps(tx, [late, first])
    bill_stays(tx, [late, first], now=now)
    (line,) = settle_lines(tx, DAY).lines
    assert line.face_value == line.collected - line.refunded == Money(balances(tx, card.account, now)[2], VND)


def test_a_stay_keeps_the_rates_it_began_under(tx, rates, issue, now):
    card, after = issue(200_000), now + timedelta(hours=1)
    publish_rates(tx, DEARER, effective_at=after, **TWO, now=now)
    park(tx, card, now, 120, now)
    assert balances(tx, card.account, now)[0] == 150_000
    park(tx, card, after + timedelta(hours=2), 120, now)
    assert balances(tx, card.account, now)[0] == 150_000 - 52_000


def test_rates_cannot_begin_in_the_past_nor_twice_at_once(tx, rates, now):
    with pytest.raises(BackdatedRatesError):
        publish_rates(tx, DEARER, effective_at=now - timedelta(seconds=1), **TWO, now=now)
    publish_rates(tx, DEARER, effective_at=now, **TWO, now=now)
    other = {**DEARER, "holidays.csv": b"date,name\n2027-01-01,new\n"}
    with pytest.raises(RatesPublishedError):
        publish_rates(tx, other, effective_at=now, **TWO, now=now)


def test_the_same_rates_again_are_the_first_answer_again(tx, rates, now):
    again = publish_rates(tx, read_rate_dir(HANOI), effective_at=now, **TWO, now=now)
    assert (again.again, again.version, again.effective_at.year, again.until) == (True, rates, 2020, None)
    after = now + timedelta(hours=1)
    publish_rates(tx, DEARER, effective_at=after, **TWO, now=now)
    assert publish_rates(tx, read_rate_dir(HANOI), **TWO, now=now).until == after


def test_bad_rates_are_not_published(tx, now):
    with pytest.raises(RateFilesInvalidError):
        publish_rates(tx, {}, effective_at=now, **TWO, now=now)
    assert Rates(tx).at(now) is None


def test_published_files_come_back_byte_for_byte(tx, rates, now):
    assert Rates(tx).at(now).version == rates


def test_rates_take_two_people(tx, now):
    for two in ({"prepared_by": "mai", "approved_by": "Mai "}, {"prepared_by": "", "approved_by": "mai"}):
        with pytest.raises(RatesOnePersonError):
            publish_rates(tx, read_rate_dir(HANOI), **two, now=now)


def test_the_first_rates_hold_before_they_were_published_and_later_ones_from_then_on(tx, now):
    publish_rates(tx, read_rate_dir(HANOI), **TWO, now=now)
    later = publish_rates(tx, DEARER, **TWO, now=now + timedelta(days=1))
    rates = Rates(tx)
    assert rates.at(now - timedelta(days=900)) is rates.at(now)
    assert rates.at(now + timedelta(days=1)).version == later.version != rates.at(now).version
