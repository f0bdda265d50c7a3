"""An element as APDS says it, turned back into rows: nothing is lost, and what would be is named."""

import json
from csv import DictReader
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from kernel.exact_json import exact_json
from parking.apds import encode
from parking.apds.amend import (
    ElementNeededError,
    EndingRowsError,
    LaterRowsError,
    amend,
    check_not_needed,
    difference,
)
from parking.apds.decode import ElementInvalidError, merged, rows_of, unkept
from parking.apds.editions import ElementKind, contents, editions
from parking.elements import Elements
from parking.rate_dir import HANOI, read_rate_dir
from parking.rules.book import load_rates
from parking.rules.errors import RateFilesInvalidError
from service.api.apds_element_documents import ApdsPlaceBody, ApdsRateBody, ApdsSpecificationBody

ON = date(2026, 11, 30)
AT = datetime(2026, 11, 30, 5, tzinfo=UTC)
PLACE, TABLE, SPEC = ElementKind.PLACE, ElementKind.RATE_TABLE, ElementKind.RIGHT_SPECIFICATION
CITIES = [HANOI, *sorted(path.parent for path in (Path(__file__).parent / "rates").rglob("places.csv"))]


def seen(files):
    said = contents(files)
    return Elements(load_rates(files), editions([(AT, said)]), said, AT, None)


def shown(files, kind, element_id):
    one = seen(files)
    rows = one.rows(kind, element_id)
    match kind:
        case ElementKind.PLACE:
            place = one.book.places[element_id]
            return encode.place(place, one.book, one.editions, one.of_place(place), None, rows=rows)
        case ElementKind.RATE_TABLE:
            table = next(each for each in one.tables if each.table_id == element_id)
            return encode.rate_table(table, one.editions, rows)
        case ElementKind.RIGHT_SPECIFICATION:
            spec = next(each for each in one.specifications if each.spec_id == element_id)
            return encode.right_specification(spec, one.book, one.editions, rows)


BODIES = {PLACE: ApdsPlaceBody, TABLE: ApdsRateBody, SPEC: ApdsSpecificationBody}


@pytest.mark.parametrize("city", CITIES, ids=lambda city: city.name)
def test_every_element_of_a_city_is_what_our_description_says(city):
    files = read_rate_dir(city)
    said = {kind: Draft202012Validator(body.model_json_schema()) for kind, body in BODIES.items()}
    for kind, element_id in elements(files):
        element = json.loads(exact_json(shown(files, kind, element_id)))
        assert [error.message for error in said[kind].iter_errors(element)] == [], element_id


def changed(files, kind, element_id, changes):
    element = merged(shown(files, kind, element_id), changes)
    after = amend(files, kind, element_id, rows_of(kind, element), on=seen(files).on)
    return after, unkept(changes, shown(after, kind, element_id))


def elements(files):
    one = seen(files)
    yield from ((PLACE, each.place_id) for each in one.places)
    yield from ((TABLE, each.table_id) for each in one.tables)
    yield from ((SPEC, each.spec_id) for each in one.specifications)


def priced(value):
    """What prices, of a compiled value: without where it was published and by whose decision."""
    if is_dataclass(value):
        names = {each.name for each in fields(value)} - {
            "version",
            "edition",
            "decision",
            "source",
            "stretches",
        }
        return {name: priced(getattr(value, name)) for name in names}
    return tuple(priced(each) for each in value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("directory", CITIES, ids=lambda path: path.name)
def test_every_element_of_every_city_comes_back_as_it_was(directory):
    files = read_rate_dir(directory)
    before = seen(files)
    for kind, element_id in elements(files):
        told = shown(files, kind, element_id)
        after = amend(files, kind, element_id, rows_of(kind, told), on=before.on)
        assert unkept(told, shown(after, kind, element_id)) == (), element_id
        now = seen(after)
        assert now.places == before.places
        assert priced(now.tables) == priced(before.tables), element_id
        assert priced(now.specifications) == priced(before.specifications), element_id
        assert now.casuals == before.casuals


def test_only_the_changed_element_has_another_version():
    files = read_rate_dir(HANOI)
    after, lost = changed(files, PLACE, "dong-da-01", {"name": [{"language": "vi", "string": "Bãi xe mới"}]})
    assert lost == ()
    at = [(AT, contents(files)), (AT.replace(hour=6), contents(after))]
    assert {key: each.version for key, each in editions(at).items() if each.version > 1} == {
        (PLACE, "dong-da-01"): 2
    }
    gone, come = difference(contents(files)[PLACE, "dong-da-01"], contents(after)[PLACE, "dong-da-01"])
    assert [each["cells"]["name"] for each in come] == ["Bãi xe mới"]
    assert [each["file"] for each in gone] == ["places.csv"]


def lines(*values):
    return [
        {"rateLineType": "incrementingRate", "sequence": number, "durationStart": f"PT{2 * number - 2}H",
         "durationEnd": f"PT{2 * number}H", "incrementPeriod": "PT60M", "value": value}
        for number, value in enumerate(values, 1)
    ]  # fmt: skip


def test_a_dearer_hour_is_priced_from_the_day_on():
    files = read_rate_dir(HANOI)
    collection = shown(files, TABLE, "dong-da-car")["rateLineCollections"][0]
    dearer = [{**collection, "rateLines": lines(26_000, Decimal("36000.0"))}]
    after, lost = changed(files, TABLE, "dong-da-car", {"rateLineCollections": dearer})
    assert lost == ()
    book = load_rates(after)
    table = book.table_for("dong-da-01", "car_le9", AT)
    assert [each.value for each in table.ordinary[0].timed] == [26_000, 36_000]
    assert {row["valid_from"] for row in seen(after).rows(TABLE, "dong-da-car")["rate_lines.csv"]} == {
        ON.isoformat()
    }


@pytest.mark.parametrize(
    ("kind", "element_id", "changes", "lost"),
    [
        (PLACE, "dong-da-01", {"description": [{"language": "vi", "string": "x"}]}, ("description",)),
        (PLACE, "dong-da-01", {"childIds": [{"id": "x", "version": 1}]}, ("childIds",)),
        (PLACE, "dong-da-01", {"name": [{"language": "vi", "string": "A"}, {"language": "en", "string": "B"}]},
         ("name",)),
        (PLACE, "dong-da-01", {"layer": 1}, ("layer",)),
        (TABLE, "dong-da-car", {"validityEnd": "2027-01-01T00:00:00+07:00"}, ("validityEnd",)),
        (TABLE, "dong-da-car", {"availability": "private"}, ("availability",)),
        (TABLE, "dong-da-car", {"lienthong": {"edges": {"free_minutes": "10"}}}, ("lienthong.edges.free_minutes",)),
        (SPEC, "hoan-kiem-12-month", {"transferable": True}, ("transferable",)),
        (SPEC, "hoan-kiem-12-month", {"type": "oneTimeUseParking"}, ("type",)),
    ],
)  # fmt: skip
def test_what_would_not_be_kept_is_named(kind, element_id, changes, lost):
    assert changed(read_rate_dir(HANOI), kind, element_id, changes)[1] == lost


def collection(**changes):
    return {"applicableCurrency": "VND", "rateLines": lines(25_000), "lienthong": {}, **changes}


@pytest.mark.parametrize(
    ("kind", "changes", "at"),
    [
        (PLACE, {"type": "garage"}, "type"),
        (TABLE, {"rateLineCollections": [collection(applicableCurrency="EUR")]},
         "rateLineCollections[0].applicableCurrency"),
        (TABLE, {"rateLineCollections": [collection(minValueCollection=5)]},
         "rateLineCollections[0].lienthong.collection_id"),
        (TABLE, {"rateLineCollections": [collection(lienthong={"from": "08:00", "to": "18:00"})]},
         "rateLineCollections[0].lienthong.collection_id"),
        *[
            (TABLE, {"rateLineCollections": [collection(rateLines=[{**lines(1)[0], "durationEnd": wrong}])]},
             "rateLineCollections[0].rateLines[0].durationEnd")
            for wrong in ("PT90S", "2H", "PT", "P", "P1M", "PT-1H", "PT1.5H")
        ],
    ],
)  # fmt: skip
def test_what_rate_files_cannot_say_is_refused_by_its_path(kind, changes, at):
    element_id = {PLACE: "dong-da-01", TABLE: "dong-da-car"}[kind]
    with pytest.raises(ElementInvalidError) as refused:
        changed(read_rate_dir(HANOI), kind, element_id, changes)
    assert refused.value.fields["at"] == at


def test_a_row_that_begins_later_is_not_lost_unseen():
    files = read_rate_dir(HANOI)
    files["rate_caps.csv"] = b"table_id,cap_id,value,valid_from\ndong-da-car,day,200000,2027-01-01\n"
    with pytest.raises(LaterRowsError) as refused:
        changed(files, TABLE, "dong-da-car", {"rateTableName": [{"language": "vi", "string": "x"}]})
    assert refused.value.fields["begins"] == "2027-01-01"


def test_a_row_that_ended_stays():
    files = read_rate_dir(HANOI)
    files["rate_caps.csv"] = b"table_id,cap_id,value,valid_to\ndong-da-car,day,200000,2026-11-29\n"
    after, lost = changed(
        files, TABLE, "dong-da-car", {"lienthong": {"caps": [{"cap_id": "day", "value": 9}]}}
    )
    assert lost == ()
    rows = list(DictReader(StringIO(after["rate_caps.csv"].decode())))
    assert [(row["value"], row["valid_from"], row["valid_to"]) for row in rows] == [
        ("200000", "", "2026-11-29"),
        ("9", ON.isoformat(), ""),
    ]


def test_what_was_to_end_still_does():
    files = read_rate_dir(HANOI)
    files["rate_caps.csv"] = b"table_id,cap_id,value,valid_to\ndong-da-car,day,200000,2027-12-31\n"
    after, _ = changed(files, TABLE, "dong-da-car", {"lienthong": {"caps": [{"cap_id": "day", "value": 9}]}})
    (row,) = DictReader(StringIO(after["rate_caps.csv"].decode()))
    assert (row["value"], row["valid_to"]) == ("9", "2027-12-31")


def test_what_ends_beside_what_goes_on_is_not_guessed_at():
    files = read_rate_dir(HANOI)
    files["rate_caps.csv"] = (
        b"table_id,cap_id,value,valid_to\ndong-da-car,day,200000,2027-12-31\ndong-da-car,week,900000,\n"
    )
    with pytest.raises(EndingRowsError) as refused:
        changed(files, TABLE, "dong-da-car", {"rateTableName": [{"language": "vi", "string": "x"}]})
    assert refused.value.fields == {"file": "rate_caps.csv", "id": "dong-da-car", "ends": "2027-12-31"}


@pytest.mark.parametrize("directory", CITIES, ids=lambda path: path.name)
def test_every_element_of_every_city_is_taken_away_or_is_needed(directory):
    files = read_rate_dir(directory)
    on = seen(files).on
    taken = 0
    for kind, element_id in elements(files):
        try:
            check_not_needed(files, kind, element_id)
        except ElementNeededError:
            continue
        after = amend(files, kind, element_id, {}, on=on)
        assert (kind, element_id) not in contents(after)
        if (kind, sum(one is PLACE for one, _ in elements(files))) == (PLACE, 1):
            with pytest.raises(RateFilesInvalidError, match="names no place"):
                load_rates(after)
        else:
            load_rates(after)
        taken += 1
    assert taken


def test_what_ended_goes_with_the_element_that_it_was_about():
    files = read_rate_dir(HANOI)
    files["places.csv"] += b"dong-da-02,dong-da,,Two,dongda-parking,,,,,,,,\n"
    files["rate_assignments.csv"] += b"dong-da-02,car_le9,,dong-da-car,2018-01-01,2019-12-31,,\n"
    load_rates(files)
    check_not_needed(files, PLACE, "dong-da-02")
    load_rates(amend(files, PLACE, "dong-da-02", {}, on=ON))


@pytest.mark.parametrize(
    ("element_id", "named", "first"),
    [
        ("dong-da-01", "gates dong-da-01-in, dong-da-01-out", "publish rate files in which these gates stand elsewhere"),
        ("dong-da", "place dong-da-01", "propose to change or take away these"),
    ],
)  # fmt: skip
def test_who_names_an_element_is_said_and_what_to_do_first(element_id, named, first):
    with pytest.raises(ElementNeededError) as refused:
        check_not_needed(read_rate_dir(HANOI), PLACE, element_id)
    says = f"{element_id} cannot be taken away: it is named by {named}. First {first}"
    assert str(refused.value).startswith(says)


def test_an_attribute_that_is_null_is_taken_away():
    files = read_rate_dir(HANOI)
    with_point, _ = changed(files, PLACE, "dong-da-01", {"characteristics": [{"spacesTotal": 9}]})
    assert seen(with_point).book.places["dong-da-01"].capacity == 9
    without, lost = changed(with_point, PLACE, "dong-da-01", {"characteristics": None})
    assert lost == ()
    assert seen(without).book.places["dong-da-01"].capacity is None


@given(st.integers(0, 400 * 24 * 60), st.integers(0, 10**9))
def test_any_length_and_price_of_a_line_comes_back(minutes, value):
    files = read_rate_dir(HANOI)
    one = {**lines(value)[0], "incrementPeriod": f"PT{minutes + 1}M"}
    element = merged(
        shown(files, TABLE, "dong-da-car"), {"rateLineCollections": [collection(rateLines=[one])]}
    )
    rows = rows_of(TABLE, element)["rate_lines.csv"][0]
    assert (int(rows["increment_min"]), int(rows["value"])) == (minutes + 1, value)
