"""Park and ride by data files alone, the parking side: which rides earn it, what it takes, and that it is proven."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from kernel.ground import Ground, GroundKind
from kernel.ids import FareAccountId, uuid8
from parking.rate_dir import HANOI, read_rate_dir
from parking.rules.bill import Component, price_folded
from parking.rules.book import load_rates
from parking.rules.errors import RateFilesInvalidError
from parking.rules.park_ride import earned
from parking.rules.session import EventKind
from parking.rules.stay import fold_stays
from service.cli import main
from tests.parking.test_session import CARD, IN, OUT, START, event

COLUMNS = (
    *(
        "spec_id",
        "kind",
        "name",
        "place_id",
        "percent",
        "minutes",
        "table_id",
        "currency",
        "funder",
        "ride_networks",
    ),
    *("ride_operators", "ride_stops", "ride_timing", "ride_card", "vehicle_class", "valid_from", "valid_to"),
)


def spec(**cells):
    known = {"spec_id": "pr", "kind": "park_and_ride", "name": "P+R", "place_id": "dong-da", "percent": "50"}
    row = {**known, "currency": "VND", "funder": "city", **cells}
    return ",".join(row.get(name, "") for name in COLUMNS)


HALF = spec()
ACCOUNT = FareAccountId(uuid8("an account"))


def files_with(*rows):
    return {
        **read_rate_dir(HANOI),
        "right_specifications.csv": "\n".join([",".join(COLUMNS), *rows]).encode(),
    }


def ride(minutes, *words, card=CARD, number=0):
    at = START + timedelta(minutes=minutes)
    return Ground(
        fare_account_id=ACCOUNT,
        kind=GroundKind.RIDE,
        ref=uuid8("ride", str(minutes), str(number)),
        medium=card,
        since=at,
        until=at + timedelta(minutes=20),
        words=frozenset({"network:metro", "operator:hanoi-metro", "stop:2A-lang", *words}),
    )


def parts(rows, rides, minutes=300, **changes):
    """(charged, discounted) of a stay from 09:00 with the card, 165,000 for five hours."""
    book = load_rates(files_with(*rows))
    (stay,) = fold_stays([event(IN, 0, 1), event(OUT, minutes, 2)])
    stay = replace(stay, **changes)
    bill = price_folded(stay, book, earned(stay, book, rides))
    found = dict.fromkeys(Component, 0)
    for line in bill.lines:
        found[line.component] += line.amount.minor
    assert sum(found.values()) == bill.quote.total.minor
    return found[Component.CHARGED], found[Component.DISCOUNTED]


@pytest.mark.parametrize(
    ("rows", "rides", "expected"),
    [
        ([HALF], [ride(10)], (82_500, 82_500)),
        ([HALF], [], (165_000, 0)),
        ([HALF], [ride(10), ride(20)], (82_500, 82_500)),  # one a stay
        # the place's service day is 04:00 to 04:00; the stay began at 09:00
        ([HALF], [ride(-299)], (82_500, 82_500)),
        ([HALF], [ride(-300)], (82_500, 82_500)),
        ([HALF], [ride(-301)], (165_000, 0)),
        ([HALF], [ride(19 * 60 - 1)], (82_500, 82_500)),
        ([HALF], [ride(19 * 60)], (165_000, 0)),
        # the same card, unless the product says account; a ride that names no card is anybody's of the account
        ([HALF], [ride(10, card=uuid8("other"))], (165_000, 0)),
        ([HALF], [ride(10, card=None)], (82_500, 82_500)),
        ([spec(ride_card="account")], [ride(10, card=uuid8("other"))], (82_500, 82_500)),
        # networks, operators, stops: each that is named must fit
        ([spec(ride_networks="metro;bus")], [ride(10)], (82_500, 82_500)),
        ([spec(ride_networks="bus")], [ride(10)], (165_000, 0)),
        ([spec(ride_networks="metro", ride_operators="transerco")], [ride(10)], (165_000, 0)),
        (
            [spec(ride_networks="metro", ride_operators="hanoi-metro", ride_stops="2A-lang")],
            [ride(10)],
            (82_500, 82_500),
        ),
        ([spec(ride_stops="2A-ha-dong")], [ride(10)], (165_000, 0)),
        ([spec(ride_networks="bus")], [ride(10), ride(20, "network:bus")], (82_500, 82_500)),
        # while parked
        ([spec(ride_timing="while_parked")], [ride(-1)], (165_000, 0)),
        ([spec(ride_timing="while_parked")], [ride(0)], (82_500, 82_500)),
        ([spec(ride_timing="while_parked")], [ride(299)], (82_500, 82_500)),
        ([spec(ride_timing="while_parked")], [ride(300)], (165_000, 0)),
        # minutes off, another table, dates, class, place
        ([spec(percent="", minutes="120")], [ride(10)], (85_000, 80_000)),
        ([spec(percent="", minutes="600")], [ride(10)], (0, 165_000)),
        ([spec(place_id="hoan-kiem-01")], [ride(10)], (165_000, 0)),
        ([spec(place_id="hanoi")], [ride(10)], (82_500, 82_500)),
        ([spec(vehicle_class="motorbike")], [ride(10)], (165_000, 0)),
        ([spec(valid_from="2026-11-19")], [ride(10)], (165_000, 0)),
        ([spec(valid_from="2026-11-18", valid_to="2026-11-18")], [ride(10)], (82_500, 82_500)),
        # two products: by their ids, each of what the other left
        ([spec(spec_id="z"), HALF], [ride(10)], (41_250, 123_750)),
    ],
)
def test_what_rides_take_off_a_stay(rows, rides, expected):
    assert parts(rows, rides) == expected
    assert parts(rows, rides[::-1]) == expected


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (spec(percent=""), "percent"),
        (spec(minutes="60"), "percent"),
        (spec(funder=""), "funder"),
        (spec(ride_timing="sometimes"), "ride_timing"),
        (spec(kind="coupon", ride_networks="metro"), "ride_networks"),
    ],
)
def test_bad_products_are_refused_by_field(row, field):
    with pytest.raises(RateFilesInvalidError) as refused:
        load_rates(files_with(row))
    assert field in {each.field for each in refused.value.fields["problems"]}


def test_a_stay_by_phone_names_no_card_and_takes_any_of_the_accounts_rides():
    book = load_rates(files_with(HALF))
    (stay,) = fold_stays([event(IN, 0), event(OUT, 60)])
    assert [each.ride for each in earned(stay, book, [ride(10, card=uuid8("any"))])] == [
        ride(10, card=uuid8("any"))
    ]


@pytest.mark.parametrize("kind", [EventKind.RESERVED, EventKind.LEFT])
def test_who_never_came_in_earns_nothing(kind):
    book = load_rates(files_with(HALF))
    (stay,) = fold_stays([event(kind, 0)])
    assert earned(stay, book, [ride(10)]) == ()


def test_a_stay_over_several_days_takes_rides_of_each():
    rows = [HALF]
    assert parts(rows, [ride(24 * 60)], minutes=2 * 24 * 60)[1] > 0
    assert parts(rows, [ride(3 * 24 * 60)], minutes=2 * 24 * 60)[1] == 0


@given(
    st.lists(st.tuples(st.integers(-400, 1500), st.sampled_from([CARD, None, uuid8("other")])), max_size=6)
)
def test_the_set_of_rides_alone_decides_and_nothing_costs_more(made):
    rides = [ride(minutes, card=card, number=number) for number, (minutes, card) in enumerate(made)]
    rows = [HALF, spec(spec_id="m", percent="", minutes="90", funder="shop", ride_timing="while_parked")]
    charged, cut = parts(rows, rides)
    assert parts(rows, rides[::-1] + rides) == (charged, cut)
    assert charged + cut == 165_000


def run(*arguments, text=None):
    return CliRunner().invoke(main, ["parking", *arguments], input=text)


STAY = [
    "--place",
    "dong-da-01",
    "--class",
    "car_le9",
    "--from",
    "2026-11-18T09:00",
    "--to",
    "2026-11-18T14:00",
]


@pytest.fixture
def folder(tmp_path) -> Path:
    for name, body in files_with(spec(ride_networks="metro")).items():
        (tmp_path / name).write_bytes(body)
    return tmp_path


def test_data_files_alone_show_and_prove_it(folder):
    rates = ["--rates", str(folder)]
    shown = run("quote", *rates, *STAY, "--ride", "2026-11-18T09:20;network:metro")
    assert "city pays" in shown.output
    assert "82,500 VND" in shown.output
    quoted = run("quote", *rates, *STAY, "--ride", "2026-11-18T09:20;network:metro", "--json")
    proof = json.loads(quoted.output)
    assert (proof["total"]["minor"], proof["charged"]["minor"]) == (165_000, 82_500)
    assert run("prove", *rates, "-", text=quoted.output).exit_code == 0
    for path, value in (
        (("ride", "words"), ["network:bus"]),
        (("ride", "at"), "2026-11-17T09:20:00+00:00"),
        (("amount",), {"minor": 90_000, "currency": "VND"}),
        (("of",), {"minor": 170_000, "currency": "VND"}),
        (("funder",), "nobody"),
        (("spec_id",), "dong-da-month"),
    ):
        changed = json.loads(quoted.output)
        at = changed["park_and_ride"][0]
        for each in path[:-1]:
            at = at[each]
        at[path[-1]] = value
        refused = run("prove", *rates, "-", text=json.dumps(changed))
        assert (refused.exit_code, "park_and_ride" in refused.output) == (1, True), path
    broken = run("prove", *rates, "-", text=json.dumps({**proof, "park_and_ride": [{"spec_id": "pr"}]}))
    assert "no price proof" in broken.output


@pytest.mark.parametrize(
    ("told", "charged"),
    [(["2026-11-18T09:20;network:bus"], 165_000), (["2026-11-19T09:20;network:metro"], 165_000), ([], None)],
)
def test_a_ride_that_does_not_fit_takes_nothing(folder, told, charged):
    options = [option for each in told for option in ("--ride", each)]
    proof = json.loads(run("quote", "--rates", str(folder), *STAY, *options, "--json").output)
    assert (proof["charged"]["minor"] if "charged" in proof else None) == charged


@pytest.mark.parametrize(
    "told", ["soon;network:metro", "2026-11-18T09:20;metro", "2026-11-18T09:20;network:"]
)
def test_a_ride_that_cannot_be_read_is_refused(folder, told):
    assert run("quote", "--rates", str(folder), *STAY, "--ride", told).exit_code == 2


def test_the_moment_is_the_places_own(folder):
    at = datetime.fromisoformat("2026-11-18T09:20+07:00")
    proof = json.loads(
        run(
            "quote", "--rates", str(folder), *STAY, "--ride", "2026-11-18T09:20;network:metro", "--json"
        ).output
    )
    assert datetime.fromisoformat(proof["park_and_ride"][0]["ride"]["at"]) == at
