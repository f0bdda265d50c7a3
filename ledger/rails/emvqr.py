"""EMVCo merchant-presented QR: the tag-length-value text and its checksum, without any country's profile.

Source: EMV QRCPS Merchant-Presented Mode 1.1, §3 (data objects) and §4.1 (root objects). A data object is a
two-digit tag, a two-digit decimal length counted in characters, and that many characters.
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from kernel.errors import DomainError

MAX_TEXT: Final = 512  # EMV QRCPS §3.2: a payload stays below 512 alphanumeric characters
CRC_TAG: Final = "63"
FORMAT_TAG: Final = "00"
_CRC_HEAD: Final = "6304"
_TAG: Final = re.compile(r"[0-9]{2}", re.ASCII)
_CRC: Final = re.compile(r"[0-9A-Fa-f]{4}", re.ASCII)


class MalformedQrError(DomainError):
    """The text is not a whole, well-formed payment QR payload."""

    detail = "The QR text is not readable at character {offset}: {reason}."


class UnwritableQrError(DomainError):
    """A value does not fit the field it should be written to."""

    detail = "The field {field} cannot be written: {reason}."


@dataclass(frozen=True, slots=True)
class DataObject:
    """One tag with its value; a template's value is again a run of data objects."""

    tag: str
    value: str


@dataclass(frozen=True, slots=True)
class Warned:
    """What a tolerant reader let pass: a stable code and the words for a person."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Payload:
    """The root's data objects without the checksum, what was let pass on the way, and how lengths are counted."""

    objects: tuple[DataObject, ...]
    warnings: tuple[Warned, ...]
    in_bytes: bool = False


def crc16(text: str) -> str:
    """Return CRC-16/CCITT-FALSE over the text's UTF-8 bytes as four upper-case hex digits.

    Check value: "123456789" gives 29B1. Source: EMV QRCPS §4.7.3 (polynomial 1021, start FFFF).
    """
    return f"{crc_hqx(text.encode(), 0xFFFF):04X}"


def write_objects(objects: Iterable[DataObject]) -> str:
    """Return the objects as text, in the order given; UnwritableQrError for what has no encoding."""
    seen: set[str] = set()
    parts: list[str] = []
    for item in objects:
        if not _TAG.fullmatch(item.tag):
            raise UnwritableQrError(field=item.tag, reason="a tag is two digits")
        if item.tag in seen:
            raise UnwritableQrError(field=item.tag, reason="the tag stands twice")
        if not 1 <= len(item.value) <= 99:
            raise UnwritableQrError(field=item.tag, reason="a value has 1 to 99 characters")
        if not item.value.isprintable():
            raise UnwritableQrError(field=item.tag, reason="a value has no control characters")
        seen.add(item.tag)
        parts.append(f"{item.tag}{len(item.value):02d}{item.value}")
    return "".join(parts)


def write_payload(objects: Iterable[DataObject]) -> str:
    """Return the whole payload: the objects, then the checksum over all of it with its own head."""
    listed = tuple(objects)
    if any(item.tag == CRC_TAG for item in listed):
        raise UnwritableQrError(field=CRC_TAG, reason="the checksum is computed, not given")
    if not listed or listed[0] != DataObject(FORMAT_TAG, "01"):
        raise UnwritableQrError(field=FORMAT_TAG, reason="a payload begins with format 01")
    body = write_objects(listed) + _CRC_HEAD
    if len(body) + 4 > MAX_TEXT:
        raise UnwritableQrError(field=CRC_TAG, reason=f"a payload has at most {MAX_TEXT} characters")
    return body + crc16(body)


def read_objects(
    text: str, offset: int = 0, *, in_bytes: bool = False, empty: bool = False
) -> tuple[DataObject, ...]:
    """Return the data objects that fill `text` exactly, lengths in characters (or in UTF-8 bytes).

    `offset` is where `text` begins in the payload, for the error's sake. Refuses a tag or length that is not two
    ASCII digits, a length that runs over the end, an empty value (unless `empty`) and a repeated tag: MalformedQrError.
    """
    return tuple(_scan(text, offset, in_bytes=in_bytes, empty=empty))


def without_empty(
    objects: tuple[DataObject, ...], within: str, warnings: list[Warned]
) -> tuple[DataObject, ...]:
    """Return the objects that have a value; each of the others is a warning (writers that leave 5900 for no name)."""
    warnings += [Warned("empty", f"tag {within}{item.tag} is empty") for item in objects if not item.value]
    return tuple(item for item in objects if item.value)


def _scan(text: str, offset: int, *, in_bytes: bool, empty: bool) -> Iterator[DataObject]:
    at = 0
    seen: set[str] = set()
    while at < len(text):
        tag, length = text[at : at + 2], text[at + 2 : at + 4]
        if not _TAG.fullmatch(tag):
            raise MalformedQrError(offset=offset + at, reason="a tag of two digits is missing")
        if not _TAG.fullmatch(length):
            raise MalformedQrError(offset=offset + at + 2, reason=f"tag {tag} has no length of two digits")
        if tag in seen:
            raise MalformedQrError(offset=offset + at, reason=f"tag {tag} stands twice")
        begin = at + 4
        end = _end_in_bytes(text, begin, int(length)) if in_bytes else begin + int(length)
        if end is None or end > len(text):
            raise MalformedQrError(
                offset=offset + at + 2, reason=f"tag {tag} runs over the end of its template"
            )
        if end == begin and not empty:
            raise MalformedQrError(offset=offset + at + 2, reason=f"tag {tag} is empty")
        seen.add(tag)
        yield DataObject(tag, text[begin:end])
        at = end


def _end_in_bytes(text: str, begin: int, length: int) -> int | None:
    """Return where `length` UTF-8 bytes from `begin` end, or None when that splits a character."""
    at = begin
    while length > 0 and at < len(text):
        length -= len(text[at].encode())
        at += 1
    return at if length == 0 else None


def read_payload(text: str) -> Payload:
    """Return the payload's root objects, checksum verified and removed.

    Tolerated with a warning: white space around, a lower-case checksum, an empty value, a control character, lengths
    counted in UTF-8 bytes (writers that forget that Vietnamese letters take more than one). Refused with
    MalformedQrError: broken structure, a checksum that is missing, wrong or not last, a format other than 01.
    """
    warnings: list[Warned] = []
    stripped = text.strip()
    if stripped != text:
        warnings.append(Warned("white-space", "white space around the payload was removed"))
    if len(stripped) > MAX_TEXT:
        raise MalformedQrError(offset=MAX_TEXT, reason=f"longer than {MAX_TEXT} characters")
    try:
        encodable = stripped.encode()
    except UnicodeEncodeError as wrong:
        raise MalformedQrError(offset=wrong.start, reason="not Unicode text") from None
    objects, counted_in_bytes = _root(stripped, many_bytes=len(encodable) != len(stripped))
    if counted_in_bytes:
        warnings.append(
            Warned("lengths-in-bytes", "lengths count UTF-8 bytes, the standard counts characters")
        )
    if not objects or objects[0] != DataObject(FORMAT_TAG, "01"):
        raise MalformedQrError(offset=0, reason="a payload begins with format 01 (000201)")
    last = objects[-1]
    if last.tag != CRC_TAG or not _CRC.fullmatch(last.value):
        raise MalformedQrError(
            offset=max(0, len(stripped) - 8), reason="the checksum (6304 and four hex digits) is not last"
        )
    computed = crc16(stripped[:-4])
    if last.value.upper() != computed:
        raise MalformedQrError(
            offset=len(stripped) - 4, reason=f"the checksum is {last.value}, not {computed}"
        )
    if last.value != computed:
        warnings.append(Warned("checksum-case", "the checksum is written in lower case"))
    if not all(item.value.isprintable() for item in objects):
        warnings.append(Warned("control-character", "a value has characters that cannot be printed"))
    kept = without_empty(objects[:-1], "", warnings)
    return Payload(kept, tuple(warnings), counted_in_bytes)


def _root(text: str, *, many_bytes: bool) -> tuple[tuple[DataObject, ...], bool]:
    try:
        return read_objects(text, empty=True), False
    except MalformedQrError:
        if not many_bytes:
            raise
        try:
            return read_objects(text, in_bytes=True, empty=True), True
        except MalformedQrError:
            pass
        raise
