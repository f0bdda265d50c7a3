"""Number plates compared so that a typing mistake never leads to a notice (STANDARDS: APDS, typo-safe look-ups)."""

from __future__ import annotations

import unicodedata
from enum import Enum
from itertools import product
from string import ascii_uppercase, digits
from typing import Final

from parking.rules.errors import PlateInvalidError

_SHORTEST: Final = 4
_LONGEST: Final = 12
_LOOK_ALIKE: Final = str.maketrans("OI", "01")
_ALPHABET: Final = digits + ascii_uppercase
_ALIKE: Final = {"O": "O0", "0": "O0", "I": "I1", "1": "I1"}


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


def near_plates(plate: str) -> frozenset[str]:
    """Return every normal plate that differs from this normal one by a MINOR difference, itself left out.

    Plates are kept as keyed hashes, so a typo-safe look-up hashes the neighbours of what was typed: about 620 for
    a plate of eight characters, and 2^n more where n of them are 0, O, 1 or I.
    """
    found = {"".join(each) for each in product(*(_ALIKE.get(letter, letter) for letter in plate))}
    for at in range(len(plate) + 1):
        head, tail = plate[:at], plate[at:]
        found.update(head + letter + tail for letter in _ALPHABET)
        if tail:
            found.update(head + letter + tail[1:] for letter in _ALPHABET)
            found.add(head + tail[1:])
            found.add(head + tail[1:2] + tail[:1] + tail[2:])
    return frozenset(each for each in found - {plate} if _SHORTEST <= len(each) <= _LONGEST)


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
