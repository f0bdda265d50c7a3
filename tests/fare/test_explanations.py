"""An explanation recomputes by itself, and no number in it can be changed without that being seen."""

import ast
import copy
import json
from pathlib import Path

import pytest

from fare.gtfs.riders import read_riders
from fare.gtfs.taps import price_taps, read_taps
from fare.rules import recompute
from fare.rules.explain import explain
from fare.rules.explain_text import sentences
from tests.described import told
from tests.fare.cities import book_of

BY_FORMULA = (  # no published pair: the matrix has the line's ends and its first hop
    "at,purpose,route,stop",
    "2026-11-18T08:00,on,2A,2A-lang",
    "2026-11-18T08:30,off,2A,2A-ha-dong",
)
DAYS = {
    "distance": ("hanoi", BY_FORMULA, ""),
    "discount": ("hanoi", BY_FORMULA, "rider,category\nr,FREE_SENIOR"),
    "cap": (
        "stagecoach_caps",
        ("at,purpose,route", *(f"2026-11-18T{hour:02}:00,on,b{1 + hour % 2}" for hour in range(8, 13))),
        "",
    ),
    "transfer": (
        "vancouver",
        (
            "at,purpose,route,stop",
            "2026-11-18T08:00,on,bus,",
            "2026-11-18T08:20,on,sky,w1",
            "2026-11-18T08:40,off,sky,m",
        ),
        "",
    ),
    "window": (
        "tfl_hopper_inclusive",
        ("at,purpose,route", "2026-11-18T08:00,on,b1", "2026-11-18T08:30,on,b2"),
        "",
    ),
}


def explained(name: str) -> list[dict]:
    tariff, lines, riders = DAYS[name]
    book = book_of(tariff)
    taps, wrong = read_taps("\n".join([f"rider,{lines[0]}", *(f"r,{line}" for line in lines[1:])]), book)
    assert not wrong
    facts, wrong = read_riders(riders, book) if riders else ({}, ())
    assert not wrong
    (rider,) = price_taps(taps, facts, book, None)
    return [
        json.loads(json.dumps(one.to_json()))
        for day, carried, _ in rider.days
        for one in explain(day, book, carried).taps
    ]


def numbers(value, path=()):
    """Every place in the document that holds an amount or a count."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from numbers(one, (*path, key))
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from numbers(one, (*path, place))
    elif type(value) is int:
        yield path


@pytest.mark.parametrize("name", DAYS)
def test_the_explanation_alone_comes_to_the_charge(name):
    found = explained(name)
    assert found
    ops = {step["op"] for one in found for step in one["steps"]}
    assert ops > {"price", "charge"} or "distance" in found[0]["steps"][0]
    for one in found:
        assert recompute.check(one) == one["charged_minor"]
        assert told(one) == one, "as the API describes it"
        assert len(one["vi"]) == len(one["en"]) >= 2


# What an explanation tells beside the sum: which length a window has, where it came from, what others cost.
TOLD = {"minutes", "considered", "windows"}
# A limit or a floor only speaks where it binds.
BINDS = {
    "so_far_minor",
    "limit_minor",
    "limit_rides",
    "min_minor",
    "max_minor",
    "owed_before",
    "of_minor",
    "paid_minor",
}


@pytest.mark.parametrize("name", DAYS)
def test_no_number_can_be_altered_unseen(name):
    altered = 0
    for one in explained(name):
        for path in numbers(one):
            if path[0] in TOLD or path[-1] in BINDS:
                continue
            changed = copy.deepcopy(one)
            place = changed
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] += 1_000_000
            with pytest.raises((ValueError, KeyError)):
                recompute.check(changed)
            altered += 1
    assert altered >= 8


def test_a_share_that_goes_to_nobody_is_seen():
    (one,) = explained("distance")
    with pytest.raises(ValueError, match="shares of charged"):
        recompute.check({**one, "shares": []})


def test_an_unpriced_tap_may_have_no_amounts():
    nothing = {"steps": [], "parts": {}, "shares": [], "charged_minor": 0}
    assert recompute.check(nothing) == 0
    with pytest.raises(ValueError, match="without a price"):
        recompute.check({**nothing, "charged_minor": 1})


def test_the_checker_imports_nothing_of_the_pricing_code():
    tree = ast.parse(Path(recompute.__file__).read_text("utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules == {"collections.abc", "typing"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]


def test_what_was_not_used_says_why_in_both_languages():
    found = [one for tap in explained("cap") for one in tap["considered"]]
    assert {one["why"] for one in found} >= {"not_reached"}
    assert all(one["vi"] and one["en"] for one in found)


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("unknown_route", "no such route"),
        ("unknown_stop", "no such stop"),
        ("no_leg_rule", "no rule of the tariff"),
        ("no_product_for_medium", "this medium"),
        ("no_rule_for_missing_off", "the tap-off is missing"),
        ("no_rule_for_missing_on", "the tap-on is missing"),
        ("no_rule_for_over_long", "too late"),
    ],
)
def test_what_is_unknown_of_a_tap_without_a_fare_is_said_in_words(reason, said):
    (vi,), (en,) = sentences([], book_of("hanoi").currency, "unpriced", reason)
    assert said in en
    assert "(" in vi
    assert reason not in vi + en
