"""Text as banks leave it: folded to ASCII, cut, glued and wrapped, and how to find ourselves in it again."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256
from typing import Final
from uuid import UUID

# Letters that are not a letter with a mark: NFKD leaves them whole.
_STROKES: Final = str.maketrans(
    {
        "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "ı": "i",
        "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "þ": "th", "Þ": "Th",
    }
)  # fmt: skip
_FRACTION: Final = str.maketrans({"⁄": "/"})  # NFKD of ½ is 1⁄2; without its slash it would be twelve
_SPACE: Final = re.compile(r"\s+")
_NOISE: Final = re.compile(r"[^0-9A-Z]")

# Crockford's letters without I, L, O, U (a reference survives being read aloud or typed from paper) and without
# Z: 31 is prime, so the check character below misses no single wrong character and no swap of neighbours.
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXY"
_LOOK_ALIKE: Final = str.maketrans("OIL", "011")
_PREFIX: Final = "LT"
_BODY: Final = 12
_REFERENCE: Final = re.compile(rf"(?={_PREFIX}([0-9A-Z]{{{_BODY + 1}}}))")


def fold(text: str) -> str:
    """Return `text` in printable ASCII, Vietnamese marks taken off, one space between words.

    "Nạp thẻ Đống Đa" gives "Nap the Dong Da"; what has no ASCII letter is dropped.
    """
    flat = unicodedata.normalize("NFKD", text.translate(_STROKES)).translate(_FRACTION)
    ascii_only = "".join(letter for letter in flat if " " <= letter <= "~" or letter in "\t\r\n")
    return _SPACE.sub(" ", ascii_only).strip()


def printable(text: str) -> str:
    """Return `text` fit for a terminal: what cannot be printed (an escape, a line end) becomes �."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def squeeze(text: str) -> str:
    """Return the folded text's letters and digits alone, in upper case: what any bank's wrapping leaves."""
    return _NOISE.sub("", fold(text).upper())


def same_text(left: str, right: str) -> bool:
    """Tell whether two remittance texts say the same once both are folded."""
    return squeeze(left) == squeeze(right)


def reference_of(identifier: UUID) -> str:
    """Return the 15-character payment reference of an intent: LT, 59 bits of its hash, one check character.

    Derived, so a retry prints the same QR. 15 ≤ 25, the limit of tag 62 and of a payOS description.
    """
    number = int.from_bytes(sha256(b"lienthong/reference/1" + identifier.bytes).digest(), "big")
    letters = []
    for _ in range(_BODY):
        number, digit = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[digit])
    body = "".join(letters)
    return f"{_PREFIX}{body}{_check(body)}"


def order_code_of(identifier: UUID) -> int:
    """Return the number an intent is known by at providers that want one, in [1, 2^53): safe in JavaScript."""
    number = int.from_bytes(sha256(b"lienthong/order-code/1" + identifier.bytes).digest()[:8], "big") >> 11
    return number or 1


def find_references(text: str) -> tuple[str, ...]:
    """Return the well-formed references inside a bank's description, in order, without repeats.

    Spaces, punctuation and line breaks inside the reference do not matter, nor case, nor O for 0 and I or L for 1.
    """
    found: dict[str, None] = {}
    for match in _REFERENCE.finditer(squeeze(text)):
        body, check = match[1][:-1].translate(_LOOK_ALIKE), match[1][-1].translate(_LOOK_ALIKE)
        if all(letter in _ALPHABET for letter in body) and _check(body) == check:
            found[f"{_PREFIX}{body}{check}"] = None
    return tuple(found)


def _check(body: str) -> str:
    """Weighted sum modulo 31: any one wrong character and any swap of two neighbours changes it."""
    total = sum((place + 1) * _ALPHABET.index(letter) for place, letter in enumerate(body))
    return _ALPHABET[total % len(_ALPHABET)]
