"""Arrays as PostgreSQL's own text: the driver's dumping of a list costs several microseconds an element, this one."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID


def uuids(values: Iterable[UUID]) -> str:
    """Return the literal of a uuid[]."""
    return "{" + ",".join([value.hex for value in values]) + "}"


def byteas(values: Iterable[bytes]) -> str:
    """Return the literal of a bytea[] without NULLs."""
    joined = '","\\\\x'.join([value.hex() for value in values])
    return '{"\\\\x' + joined + '"}' if joined else "{}"


def bigints(values: Iterable[int]) -> str:
    """Return the literal of a bigint[]."""
    return "{" + ",".join(map(str, values)) + "}"
