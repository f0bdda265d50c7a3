"""A journal's chain as the server holds it: one head, and links that wait for the gap before them to fill (§8.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from kernel.wire.tap import FIRST_SEQUENCE, NO_HASH


@dataclass(frozen=True, slots=True)
class Link:
    """One record's place and what it hangs on; `previous_hash` is None where the bytes do not say."""

    sequence: int
    hash: bytes
    previous_hash: bytes | None


@dataclass(frozen=True, slots=True)
class Head:
    """The last record up to which the journal is stored without a gap."""

    sequence: int
    hash: bytes


START: Final = Head(FIRST_SEQUENCE - 1, NO_HASH)


class Place(Enum):
    """What the server holds at a record's place."""

    FREE = "free"
    SAME = "same"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Advance:
    """The head after a run, the sequences it passed, and the link that does not hang on the head, if one is there."""

    head: Head
    passed: tuple[int, ...]
    broken: Link | None


def place_of(link: Link, *, head: Head, waiting: Mapping[int, Link], stored: bool) -> Place:
    """Return what is held where `link` belongs.

    `stored` says whether a record of this very hash is already kept at this place. Everything up to the head is
    kept, so below it "not this hash" means other content.
    """
    if link.sequence <= head.sequence:
        return Place.SAME if stored else Place.OTHER
    held = waiting.get(link.sequence)
    if held is None:
        return Place.FREE
    return Place.SAME if held.hash == link.hash else Place.OTHER


def advance(head: Head, waiting: Mapping[int, Link]) -> Advance:
    """Return how far the head runs over the links that wait; it stops at a gap, or at a link that hangs elsewhere.

    A link that hangs elsewhere never moves the head: the journal has forked, and no reader may prune over a fork.
    """
    passed: list[int] = []
    while (link := waiting.get(head.sequence + 1)) is not None:
        if link.previous_hash is not None and link.previous_hash != head.hash:
            return Advance(head, tuple(passed), link)
        head = Head(link.sequence, link.hash)
        passed.append(link.sequence)
    return Advance(head, tuple(passed), None)
