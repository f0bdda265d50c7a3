"""Publish rates, and find the ones that hold: the version in force when a stay began, for ever."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from sqlalchemy import Connection

from kernel.errors import DomainError
from ledger.rules.book_day import ZONE
from parking.rules.book import RateBook, load_rates
from parking.store import rates as store

_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


class BackdatedRatesError(DomainError):
    """Rates that begin in the past would change stays that have begun already."""

    detail = "Rates cannot begin at {effective_at}, before {now}: stays of that time may have begun."


class RatesOnePersonError(DomainError):
    """Rates take two people: one prepares, another approves."""

    detail = (
        "Rates are prepared by one person and approved by another, not by {prepared_by} and {approved_by}."
    )


class RatesPublishedError(DomainError):
    """Other rates begin at the same instant."""

    detail = "Rates {version} begin at {effective_at} already."


@dataclass(frozen=True, slots=True)
class Published:
    """What is in force from when; `again` says that the same files were published before, and begin no second time.

    `until` is when other rates take over, None where none do.
    """

    version: str
    effective_at: datetime
    again: bool
    until: datetime | None = None


class Rates:
    """The published versions as one transaction sees them; books are compiled at most once a process."""

    def __init__(self, tx: Connection) -> None:
        self._tx = tx
        self._versions = store.list_versions(tx)

    def at(self, instant: datetime) -> RateBook | None:
        """Return the book in force at an instant; None before the first publication."""
        place = bisect_right(self._versions, instant, key=lambda each: each[0])
        return self.version(self._versions[place - 1][1]) if place else None

    def published(self) -> list[tuple[datetime, str]]:
        """Return (effective_at, version) of every publication, those that are planned too, oldest first."""
        return list(self._versions)

    def published_until(self, instant: datetime) -> list[tuple[datetime, str]]:
        """Return (effective_at, version) of every publication that was in force by an instant, oldest first."""
        return [each for each in self._versions if each[0] <= instant]

    def files(self, version: str) -> Mapping[str, bytes]:
        """Return a published version's files, by name."""
        packed = store.find_files(self._tx, version)
        assert packed is not None, f"stays name versions that were published, not {version}"
        return _unpack(packed)

    def version(self, version: str) -> RateBook:
        """Return the book of a published version."""
        found = _remembered(version)
        if not found:
            found.append(load_rates(self.files(version)))
        return found[0]


@lru_cache(maxsize=16)
def _remembered(version: str) -> list[RateBook]:  # noqa: ARG001 the key of the memo
    return []


def publish_rates(
    tx: Connection,
    files: Mapping[str, bytes],
    *,
    prepared_by: str,
    approved_by: str,
    now: datetime,
    effective_at: datetime | None = None,
) -> Published:
    """Publish checked rate files from an instant on, unchangeably; the same files again are the first answer again.

    Without `effective_at` they begin `now`; the first ones ever hold for all time before, too, within their own
    rows' dates. RateFilesInvalidError with every problem, RatesOnePersonError, RatesPublishedError, and
    BackdatedRatesError unless they begin `now` or later (the first ones may begin earlier).
    """
    preparer, approver = prepared_by.strip(), approved_by.strip()
    if not preparer or not approver or preparer.casefold() == approver.casefold():
        raise RatesOnePersonError(prepared_by=preparer, approved_by=approver)
    book = load_rates(files)
    store.lock_publications(tx)
    versions = store.list_versions(tx)
    if effective_at is None:
        effective_at = now if versions else _EVER
    for begins, version in versions:
        if version == book.version:
            until = min((later for later, _ in versions if later > begins), default=None)
            return Published(version, begins, again=True, until=until)
        if begins == effective_at:
            raise RatesPublishedError(version=version, effective_at=_local(effective_at))
    if versions and effective_at < now:
        raise BackdatedRatesError(effective_at=_local(effective_at), now=_local(now))
    store.insert_rates(
        tx,
        book.version,
        _pack(files),
        effective_at=effective_at,
        published_at=now,
        prepared_by=preparer,
        approved_by=approver,
    )
    return Published(book.version, effective_at, again=False)


def _local(at: datetime) -> str:
    return at.astimezone(ZONE).isoformat()


def _pack(files: Mapping[str, bytes]) -> bytes:
    # Checked files are UTF-8; JSON keeps every character, and a person can read the column.
    return json.dumps({name: files[name].decode() for name in sorted(files)}, ensure_ascii=False).encode()


def _unpack(packed: bytes) -> dict[str, bytes]:
    return {name: text.encode() for name, text in json.loads(packed).items()}
