"""One mistake, one notice: what follows from it elsewhere is told with it, not beside it."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from fare.gtfs.table import Notice, Severity

# Codes that one wrong cell elsewhere may call forth in many rows.
_SPREADING: Final = frozenset({"foreign_key_violation", "currency_mismatch"})
# What makes a whole column of ids unknown, so that nobody can be blamed for referring to it.
_HIDING: Final = frozenset({
    "missing_required_file", "missing_required_column", "empty_file", "csv_parsing_failed", "duplicated_column",
    "invalid_row_length",
})  # fmt: skip
_MOST_NAMED: Final = 3


def causes(notices: Iterable[Notice]) -> list[Notice]:
    """Return the notices with each mistake once.

    Rows that stumble over the same unknown id, or the same wrong currency, are one notice at the first of them, which
    names the others. A reference into a file that could not be read is left out: the file's own notice is the cause.
    """
    kept: list[Notice] = []
    spread: dict[tuple[str, str], list[Notice]] = {}
    found = list(notices)
    hidden = {
        one.file
        for one in found
        if one.severity == Severity.ERROR.value
        and (one.code in _HIDING or (one.code == "missing_required_field" and one.field.endswith("_id")))
    }
    for one in sorted(found):
        if one.code not in _SPREADING:
            kept.append(one)
        elif one.code != "foreign_key_violation" or not any(f" {file} " in one.detail for file in hidden):
            # A column may look into one file or two: the mistake is the same id in the first.
            said = one.detail.partition(" or ")[0].partition(" (")[0]
            spread.setdefault((one.code, said), []).append(one)
    for same in spread.values():
        first, *others = same
        kept.append(first if not others else replace(first, detail=f"{first.detail}; also {_named(others)}"))
    return kept


def _named(others: list[Notice]) -> str:
    named = ", ".join(f"{one.file}:{one.row}" for one in others[:_MOST_NAMED])
    more = len(others) - _MOST_NAMED
    return f"{named} and {more} more" if more > 0 else named
