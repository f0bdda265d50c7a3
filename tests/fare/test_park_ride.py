"""Park and ride by data files alone, the fares' side: what earns it, what it takes, and that it explains itself."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fare.gtfs.load import check_files
from fare.gtfs.riders import read_riders
from fare.gtfs.taps import read_taps
from fare.rules import recompute
from fare.rules.bill import Component
from fare.rules.explain import explain
from fare.rules.facts import DayFacts
from fare.rules.price import price_day
from kernel.ground import Ground, GroundKind
from kernel.ids import CardId, FareAccountId, uuid8
from tests.described import told
from tests.fare.cities import BASE, ride, town

HEAD = (
    "benefit_id,place_ids,network_ids,parked_by,timing,card,share_percent,amount,currency,max_rides,funder\n"
)
HALF = HEAD + "pr,lot,,,,,50,,,,city"
PARKED = "rider,parked_at,parked_from,parked_until,parked_by,parked_card\n"
MORNING = PARKED + "r,lot,2026-11-18T07:30+00:00,2026-11-18T17:00+00:00,,"
THERE, BACK = ride("08:00", "a1"), ride("16:00", "a1")


def discounted(priced):
    return list(zip(priced.charged, priced.part(Component.DISCOUNTED), strict=True))


@pytest.mark.parametrize(
    ("rows", "riders", "expected"),
    [
        (HALF, MORNING, [(100, 100), (100, 100)]),
        (HALF, "", [(200, 0), (200, 0)]),
        (HALF, PARKED + "r,lot;town,2026-11-18T07:30+00:00,,,", [(100, 100), (100, 100)]),
        (HALF, PARKED + "r,elsewhere,2026-11-18T07:30+00:00,,,", [(200, 0), (200, 0)]),
        # any time of the service day will do, also after the ride; the day begins at 03:00
        (HALF, PARKED + "r,lot,2026-11-18T20:00+00:00,2026-11-18T21:00+00:00,,", [(100, 100), (100, 100)]),
        (HALF, PARKED + "r,lot,2026-11-18T01:00+00:00,2026-11-18T02:59+00:00,,", [(200, 0), (200, 0)]),
        (HALF, PARKED + "r,lot,2026-11-18T01:00+00:00,2026-11-18T03:00+00:00,,", [(100, 100), (100, 100)]),
        (HALF, PARKED + "r,lot,2026-11-19T03:00+00:00,,,", [(200, 0), (200, 0)]),
        # the same card, unless the row says account
        (HALF, PARKED + "r,lot,2026-11-18T07:30+00:00,,,other", [(200, 0), (200, 0)]),
        (
            HEAD + "pr,lot,,,,account,50,,,,city",
            PARKED + "r,lot,2026-11-18T07:30+00:00,,,other",
            [(100, 100)] * 2,
        ),
        # while parked: the ride begins between entry and exit
        (HEAD + "pr,lot,,,while_parked,,50,,,,city", MORNING, [(100, 100), (100, 100)]),
        (
            HEAD + "pr,lot,,,while_parked,,50,,,,city",
            PARKED + "r,lot,2026-11-18T08:01+00:00,2026-11-18T16:00+00:00,,",
            [(200, 0), (100, 100)],
        ),
        # so many rides a day
        (HEAD + "pr,lot,,,,,50,,,1,city", MORNING, [(100, 100), (200, 0)]),
        # an amount, never more than the ride costs
        (HEAD + "pr,lot,,,,,,0.75,EUR,,city", MORNING, [(125, 75), (125, 75)]),
        (HEAD + "pr,lot,,,,,,9.00,EUR,,city", MORNING, [(0, 200), (0, 200)]),
        # only these networks
        (HEAD + "pr,lot,B;R,,,,50,,,,city", MORNING, [(200, 0), (200, 0)]),
        (HEAD + "pr,lot,A,,,,50,,,,city", MORNING, [(100, 100), (100, 100)]),
        # a right that is held, or either
        (HEAD + "pr,lot,,right,,,50,,,,city", MORNING, [(200, 0), (200, 0)]),
        (
            HEAD + "pr,lot,,right,,,50,,,,city",
            PARKED + "r,lot,2026-11-01T00:00+00:00,2026-12-01T00:00+00:00,right,",
            [(100, 100), (100, 100)],
        ),
        (HEAD + "pr,lot,,either,,,50,,,,city", MORNING, [(100, 100), (100, 100)]),
        # any place
        (HEAD + "pr,,,,,,50,,,,city", PARKED + "r,moon,2026-11-18T07:30+00:00,,,", [(100, 100), (100, 100)]),
        # of several the largest; what is used up leaves the next
        (HALF + "\nmore,lot,,,,,,1.50,EUR,1,shop", MORNING, [(50, 150), (100, 100)]),
    ],
)
def test_what_a_stay_takes_off_rides(price, rows, riders, expected):
    found = price(town(park_and_ride=rows), "at,purpose,route,stop", THERE, BACK, riders=riders)
    assert discounted(found) == expected
    assert found.face == [200, 200]


def test_it_comes_after_concession_and_pass_and_before_caps(price):
    files = {
        "park_and_ride": HALF,
        "concessions": "concession_id,card_category,share_percent,funder\nc,PRIORITY,50,town",
        "caps": "cap_id,period,amount,currency\nday,day,1.20,EUR",
    }
    child = [f"{each},PRIORITY" for each in (THERE, BACK)]
    found = price(town(**files), "at,purpose,route,stop,category", *child, riders=MORNING)
    assert discounted(found) == [(50, 150), (50, 150)]
    adult = price(town(**files), "at,purpose,route,stop,category", THERE + ",", BACK + ",", riders=MORNING)
    assert (adult.charged, adult.part(Component.CAP_COVERED)) == ([100, 20], [0, 80])


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("pr,lot,,,,,50,1.00,EUR,,city", "park_and_ride_needs_share_or_amount"),
        ("pr,lot,,,,,,,,,city", "park_and_ride_needs_share_or_amount"),
        ("pr,lot,,,,,,1.00,,,city", "missing_required_field"),
        ("pr,lot,,,,,50,,,,", "missing_required_field"),
        ("pr,lot,Q,,,,50,,,,city", "foreign_key_violation"),
        ("pr,lot,,seen,,,50,,,,city", "unexpected_enum_value"),
        ("pr,lot,,,,,0,,,,city", "unexpected_enum_value"),
        ("pr,lot,,,,,50,,,0,city", "number_out_of_range"),
        ("pr,lot,,,,,50,,,,city\npr,lot,,,,,40,,,,city", "duplicate_key"),
    ],
)
def test_bad_rows_are_refused_by_name(row, code):
    files = {f"{name}.txt": text.encode() for name, text in {**BASE, "park_and_ride": HEAD + row}.items()}
    checked = check_files(files)
    assert checked.book is None
    assert code in {each.code for each in checked.errors}, [str(each) for each in checked.errors]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("r,lot,,,,", "parked_from"),
        ("r,lot,soon,,,", "parked_from"),
        ("r,lot,2026-11-18T08:00,2026-11-18T07:00,,", "parked_until"),
        ("r,lot,2026-11-18T08:00,,flying,", "parked_by"),
    ],
)
def test_bad_facts_are_refused_by_field(row, field):
    _, wrong = read_riders(PARKED + row, town())
    assert [each.field for each in wrong] == [field]


def explained(rows, riders, *lines):
    book = town(park_and_ride=rows)
    taps, _ = read_taps("\n".join(["rider,at,purpose,route,stop", *(f"r,{line}" for line in lines)]), book)
    facts, _ = read_riders(riders, book)
    day = DayFacts(
        FareAccountId(uuid8("rider-file", "r")),
        datetime(2026, 11, 18, tzinfo=UTC).date(),
        tuple(each.tap for each in taps),
        parked=facts["r"].parked,
    )
    return [each.to_json() for each in explain(day, book).taps]


def test_the_explanation_names_the_stay_the_funder_and_recomputes():
    one, other = explained(HEAD + "pr,lot,,,,,50,,,1,city", MORNING, THERE, BACK)
    step = next(each for each in one["steps"] if each["op"] == "park_and_ride")
    assert (step["minor"], step["of_minor"], step["funder"], step["parked_at"]) == (100, 200, "city", ["lot"])
    assert step["parked_ref"] == str(uuid8("parked-file", "r", 2))
    assert any("Park and ride (pr): city pays 1.00 EUR" in each for each in one["en"])
    assert any("Gửi xe và đi tiếp" in each for each in one["vi"])
    assert recompute.check(told(one)) == 100
    assert told(other) == other
    assert {"rule": "park_and_ride:pr", "why": "used_up"}.items() <= other["considered"][-1].items()
    for name, value in (("minor", 90), ("percent", 60), ("rides_before", 1)):
        changed = {**one, "steps": [{**each, name: value} if each is step else each for each in one["steps"]]}
        with pytest.raises(ValueError, match=r".+"):
            recompute.check(changed)


def test_what_was_not_earned_says_so():
    (one,) = explained(HALF, PARKED + "r,moon,2026-11-18T07:30+00:00,,,", THERE)
    found = next(each for each in one["considered"] if each["rule"] == "park_and_ride:pr")
    assert (found["why"], bool(found["vi"])) == ("not_earned", True)


moments = st.integers(0, 48).map(
    lambda hours: datetime(2026, 11, 17, 12, tzinfo=UTC) + timedelta(hours=hours)
)


@given(
    st.lists(
        st.tuples(moments, st.integers(0, 30), st.sampled_from(["lot", "moon"]), st.booleans()), max_size=4
    ),
    st.lists(st.integers(0, 20), min_size=1, max_size=4, unique=True),
    st.randoms(use_true_random=False),
)
def test_the_bill_depends_on_the_set_of_grounds_alone_and_never_costs_more(parked, hours, dice):
    book = town(
        park_and_ride=HEAD + "pr,lot,A,either,,,50,,,2,city\nx,lot,,stay,while_parked,,,0.30,EUR,,shop"
    )
    lines = [f"r,2026-11-18T{hour + 3:02}:00+00:00,on,{'a1' if hour % 2 else 'b1'}," for hour in hours]
    taps, _ = read_taps("\n".join(["rider,at,purpose,route,stop", *lines]), book)
    account = FareAccountId(uuid4())
    grounds = [
        Ground(
            fare_account_id=account,
            kind=GroundKind.RIGHT if right else GroundKind.STAY,
            ref=uuid8("g", number),
            medium=CardId(uuid8("card-file", "r")),
            since=since,
            until=since + timedelta(hours=length),
            words=frozenset({place}),
        )
        for number, (since, length, place, right) in enumerate(parked)
    ]
    day = datetime(2026, 11, 18, tzinfo=UTC).date()

    def bill(some, presented):
        return price_day(DayFacts(account, day, tuple(presented), parked=tuple(some)), book)

    whole = bill(grounds, (each.tap for each in taps))
    shuffled, presented = grounds * 2, [each.tap for each in taps] * 2
    dice.shuffle(shuffled)
    dice.shuffle(presented)
    assert bill(shuffled, presented) == whole
    without = bill((), (each.tap for each in taps))
    assert whole.parts.face == without.parts.face == whole.parts.charged + whole.parts.discounted
    assert whole.parts.charged <= without.parts.charged
