"""Number plates compared so that a typing mistake never leads to a notice (STANDARDS: APDS, typo-safe look-ups)."""

from __future__ import annotations

import unicodedata
from enum import Enum
from typing import Final

from parking.rules.errors import PlateInvalidError

_SHORTEST: Final = 4
_LONGEST: Final = 12
_LOOK_ALIKE: Final = str.maketrans("OI", "01")


class PlateMatch(Enum):
    """How two plates differ. Only MAJOR may ever lead to a notice."""

    SAME = "same"
    MINOR = "minor"
    MAJOR = "major"


def normal_plate(text: str) -> str:
    """Return a plate's letters and digits, upper-case and unaccented ("30A-123.45" is "30A12345").

    PlateInvalidError for other letters, or fewer than 4 or more than 12 of them.
    """
    folded = unicodedata.normalize("NFKD", text.upper().replace("Đ", "D"))
    kept = "".join(each for each in folded if not (each in " .-–·" or unicodedata.combining(each)))
    if not (kept.isascii() and kept.isalnum()):
        raise PlateInvalidError(plate=text[:40], reason="letters, digits, spaces, dots and dashes only")
    if not _SHORTEST <= len(kept) <= _LONGEST:
        raise PlateInvalidError(plate=text[:40], reason=f"{_SHORTEST} to {_LONGEST} letters and digits")
    return kept


def compare_plates(one: str, other: str) -> PlateMatch:
    """Return how two normal plates differ.

    One character wrong, missing, added or swapped with its neighbour, or any number of 0/O and 1/I, is MINOR;
    two differences are MAJOR.
    """
    if one == other:
        return PlateMatch.SAME
    if one.translate(_LOOK_ALIKE) == other.translate(_LOOK_ALIKE) or _one_edit(one, other):
        return PlateMatch.MINOR
    return PlateMatch.MAJOR


def _one_edit(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    at = next(
        (place for place, pair in enumerate(zip(short, long, strict=False)) if pair[0] != pair[1]), len(short)
    )
    if len(short) == len(long):
        wrong = short[at + 1 :] == long[at + 1 :]
        swapped = short[at : at + 2] == long[at : at + 2][::-1] and short[at + 2 :] == long[at + 2 :]
        return wrong or swapped
    return len(long) - len(short) == 1 and short[at:] == long[at + 1 :]
