"""A change of rate files as people are told of it."""

from parking.apds.notice import TELLS_APART, Cell, Change, Sort, notice


def row(file, **cells):
    return {"file": file, "cells": {"table_id": "t", "valid_from": "2018-01-01", **cells}}


def anew(row, **cells):
    return {**row, "cells": {**row["cells"], "valid_from": "2026-12-01", **cells}}


def line(number, value, **cells):
    return row("rate_lines.csv", sequence=str(number), value=value, **cells)


def test_a_row_that_goes_and_comes_is_one_change_of_what_differs():
    told = notice([line(1, "25000", start_min="0", end_min="120")], [anew(line(1, "26000", end_min="120"))])
    assert told.changes == (
        Change(
            "rate_lines.csv",
            (("collection_id", ""), ("sequence", "1")),
            Sort.CHANGED,
            (Cell("value", "25000", "26000"),),
        ),
    )
    assert told.anew == 0


def test_rows_that_only_begin_anew_are_counted_and_not_told():
    rows = [line(1, "25000"), row("rate_tables.csv", name="T")]
    told = notice(rows, [anew(each, decision="7/2026", source="the gazette") for each in rows])
    assert (told.changes, told.anew) == ((), 2)
    assert (told.decisions, told.sources) == (("7/2026",), ("the gazette",))


def test_what_is_new_or_gone_is_told_whole_in_the_order_of_files_and_numbers():
    told = notice(
        [line(10, "1"), line(9, "2"), row("rate_caps.csv", cap_id="day", value="3", valid_to="2027-01-01")],
        [row("rate_tables.csv", name="T")],
    )
    assert [(each.file, each.called[-1:], each.sort) for each in told.changes] == [
        ("rate_tables.csv", (), Sort.ADDED),
        ("rate_lines.csv", (("sequence", "9"),), Sort.REMOVED),
        ("rate_lines.csv", (("sequence", "10"),), Sort.REMOVED),
        ("rate_caps.csv", (("cap_id", "day"),), Sort.REMOVED),
    ]
    assert told.changes[0].cells == (Cell("name", "", "T"),)
    assert told.changes[-1].cells == (Cell("value", "3", ""), Cell("valid_to", "2027-01-01", ""))


def test_nothing_is_told_of_nothing():
    assert notice([], []).changes == ()
    assert "places.csv" in TELLS_APART
