"""A bank file's bytes: read once, counted against the limit, with a look at the beginning first."""

from __future__ import annotations

from typing import Final, Protocol
from xml.parsers import expat

MAX_BYTES: Final = 512 * 1024 * 1024
_LOOK: Final = 64 * 1024
_PROLOG: Final = 1024 * 1024  # nothing honest writes a megabyte before its first element


class Readable(Protocol):
    """Anything bytes come from."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, empty at the end."""


class TooLargeError(ValueError):
    """The file passes the limit."""


class ForbiddenXmlError(ValueError):
    """The XML declares a document type, the door to external entities and entity expansion."""


class Source:
    """Bytes of a file in order. `look` shows the beginning without taking it; past the limit TooLargeError."""

    def __init__(self, stream: Readable, max_bytes: int = MAX_BYTES) -> None:
        self._stream = stream
        self._left = max_bytes
        self._limit = max_bytes
        self._head = b""

    def look(self, size: int = _LOOK) -> bytes:
        """Return the first bytes, at least `size` of them where the file has so many."""
        while len(self._head) < size and (more := self._take(_LOOK)):
            self._head += more
        return self._head

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, empty at the end."""
        if size == 0:
            return b""
        if self._head:
            size = len(self._head) if size < 0 else size
            given, self._head = self._head[:size], self._head[size:]
            return given
        return self._take(size if size > 0 else _LOOK)

    def skip_blank(self) -> bool:
        """Drop white space before the first other byte (of the beginning); tell whether there was any."""
        head = self.look()
        self._head = head.lstrip(b" \t\r\n")
        return len(self._head) < len(head)

    def _take(self, size: int) -> bytes:
        given = self._stream.read(size)
        self._left -= len(given)
        if self._left < 0:
            raise TooLargeError(f"the file is larger than {self._limit} bytes")
        return given


def check_prolog(source: Source) -> None:
    """Return when the document begins with its root element; nothing is taken from `source`.

    ForbiddenXmlError for a document type declaration, ValueError for what is no XML.
    """
    parser = expat.ParserCreate()
    seen: list[str] = []

    def forbid(*_: object) -> None:
        raise ForbiddenXmlError("a document type (DOCTYPE) may not stand in a bank file")

    parser.StartDoctypeDeclHandler = forbid
    parser.EntityDeclHandler = forbid
    parser.StartElementHandler = lambda name, _attributes: seen.append(name)
    size, fed = _LOOK, 0
    while True:
        head = source.look(size)
        final = len(head) < size
        try:
            parser.Parse(head[fed:], final)
        except (
            expat.ExpatError,
            LookupError,
        ) as wrong:  # LookupError: it declares an encoding that nobody knows
            if seen:  # the reader itself will say what is wrong further on
                return
            raise ValueError(f"not XML: {wrong}") from None
        if seen:
            return
        if final or size > _PROLOG:
            raise ValueError("no element in the first megabyte")
        fed, size = len(head), size * 2
