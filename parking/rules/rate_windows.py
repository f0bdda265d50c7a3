"""The times a collection holds, as its row says them: days, hours, dates of an event, a package's conditions."""

from __future__ import annotations

from datetime import date, time
from typing import Final

from parking.rules.edges import Choose, Outlasted, Role
from parking.rules.rate import DailyWindow, PackageRule
from parking.rules.rows import Row

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday", "eve")
_GROUPS: Final = {"weekdays": range(5), "weekend": range(5, 7), "daily": range(9)}
_WITHOUT: Final = {"not_holiday": "holiday", "not_eve": "eve"}


def days(row: Row, name: str = "days") -> frozenset[int]:
    """Return the day types of a cell such as "mon tue holiday", "weekdays", "daily" (also where empty).

    `not_holiday` and `not_eve` take such dates from what the other words say.
    """
    found: set[int] = set()
    words = row.text(name, "daily").split()
    for word in [each for each in words if each not in _WITHOUT] or ["daily"]:
        if word in _GROUPS:
            found.update(_GROUPS[word])
        elif word in DAYS:
            found.add(DAYS.index(word))
        else:
            row.wrong(name, f"“{word}” is none of {', '.join([*DAYS, *_GROUPS, *_WITHOUT])}")
    return frozenset(found - {DAYS.index(_WITHOUT[word]) for word in words if word in _WITHOUT})


def _told(row: Row) -> frozenset[int]:
    """Return the special dates that a window's days tell apart from others: 7 for holidays, 8 for eves."""
    words = [_WITHOUT.get(word, word) for word in row.text("days").split()]
    return frozenset(DAYS.index(word) for word in words if word in _WITHOUT.values())


def _limits(row: Row) -> tuple[date | None, date | None, tuple[int, int] | None]:
    """Return the first and last date of an event, and the season of every year (MM-DD): one of the two, or neither."""
    if not any(len(row.text(name)) == len("MM-DD") for name in ("first_on", "last_on")):
        return row.day("first_on"), row.day("last_on"), None
    first, last = row.day_of_year("first_on"), row.day_of_year("last_on")
    return None, None, None if first is None or last is None else (first, last)


def window(row: Row) -> DailyWindow | None:
    """Return a collection's window, or None where it names neither days, hours nor dates."""
    starts, ends = row.clock("from"), row.clock("to")
    if (starts is None) != (ends is None):
        row.wrong("to" if ends is None else "from", "a window names both its hours or neither")
    first, last, season = _limits(row)
    if not any(row.text(name) for name in ("days", "from", "to", "first_on", "last_on")):
        return None
    if first is not None and last is not None and last < first:
        row.wrong("last_on", "is before first_on")
    midnight = time(0)
    return DailyWindow(
        days=days(row),
        starts=starts or midnight,
        ends=ends or midnight,
        first_on=first,
        last_on=last,
        season=season,
        tells=_told(row),
    )


def package(row: Row) -> PackageRule | None:
    """Return a package's conditions; they are refused on any other role."""
    names = ("enter_from", "enter_to", "leave_from", "leave_to", "leave_days", "longest_min")
    used = [name for name in names if row.text(name)]
    if row.choice("role", Role.ORDINARY) is not Role.PACKAGE:
        for name in used:
            row.wrong(name, "only a package has conditions")
        return None
    if bool(row.text("enter_from")) != bool(row.text("enter_to")):
        missing = "enter_from" if row.text("enter_to") else "enter_to"
        row.wrong(missing, "a condition names both its hours or neither")
    for name in ("leave_from", "leave_days"):
        if name in used and "leave_to" not in used:
            row.wrong("leave_to", f"{name} needs the hour until which one may leave")
    for name in ("from", "to"):
        if row.text(name):
            row.wrong(name, "a package is entered within enter_from and enter_to")
    if "leave_to" not in used and "longest_min" not in used:
        row.wrong("longest_min", "a package needs leaving hours or a longest stay, else it never ends")
    return PackageRule(
        enter_from=row.clock("enter_from"),
        enter_to=row.clock("enter_to"),
        leave_from=row.clock("leave_from"),
        leave_to=row.clock("leave_to"),
        leave_days=days(row, "leave_days") if "leave_days" in used else frozenset(),
        max_stay_min=row.whole("longest_min", 0),
        choose=row.choice("choose", Choose.CHEAPER),
        outlasted=row.choice("outlasted", Outlasted.REFUSED),
    )


def weekday(row: Row) -> int:
    """Return 0 (Monday) to 6 of a `week_starts` cell."""
    found = row.text("week_starts", "mon")
    if found not in DAYS[:7]:
        row.wrong("week_starts", f"“{found}” is none of {', '.join(DAYS[:7])}")
        return 0
    return DAYS.index(found)
