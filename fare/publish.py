"""Publish a tariff: checked, packed, signed, by two people, once; and read published ones back."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Final

from sqlalchemy import Connection

from fare.gtfs.load import bundle_digest, check_files, load_tariff, pack
from fare.gtfs.read import files_of
from fare.gtfs.table import Notice, TariffInvalidError
from fare.rules.tariff import TariffBook
from fare.store import tariffs
from fare.store.tariffs import PublishedTariff
from kernel.crypto.ed25519 import SigningKey, VerifyKey
from kernel.errors import DomainError

CONTEXT: Final = b"lienthong/tariff/1"


class TariffNotPublishedError(DomainError):
    """No tariff of this version, or none at all, has been published."""

    detail: ClassVar[str] = "There is no published tariff “{version}”."


class TariffVersionTakenError(DomainError):
    """The version is published with other content; a published tariff never changes."""

    detail: ClassVar[str] = "Version “{version}” is published already, with other content ({sha256}…)."


class TariffOnePersonError(DomainError):
    """The same person prepared and approved."""

    detail: ClassVar[str] = "“{person}” cannot both prepare and approve a tariff."


class TariffDayChangedError(DomainError):
    """The tariff cuts service days, or counts money, in another way than the one it follows."""

    detail: ClassVar[str] = "{field} is {given}, and {published} in the published tariff “{version}”."


class TariffSignatureError(DomainError):
    """A stored bundle does not match its digest or its signature."""

    detail: ClassVar[str] = "The stored bundle of tariff “{version}” is not what was signed."


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing did; `duplicate` when the same bundle was there already (its first answer counts)."""

    version: str
    sha256: str
    duplicate: bool


def publish(
    tx: Connection,
    source: Path | bytes,
    *,
    prepared_by: str,
    approved_by: str,
    key: SigningKey,
    now: datetime,
) -> Published:
    """Store the immutable, signed bundle of a tariff directory or zip.

    Refuses: TariffInvalidError (every error of the files), TariffOnePersonError, TariffVersionTakenError, and
    TariffDayChangedError where zone, start of the day or currency differ from the newest one: bills are stored
    by service day, and booked days cannot be cut anew (docs/decisions/0011).
    Publishing the same content again is answered as the first time.
    """
    preparer, approver = prepared_by.strip(), approved_by.strip()
    if not preparer or not approver or preparer.casefold() == approver.casefold():
        raise TariffOnePersonError(person=approver or preparer)
    files = files_of(source)
    checked = check_files(files)
    if "tariff.txt" not in files:
        detail = "a published tariff says its version, its currency and when its day starts"
        raise TariffInvalidError((Notice("tariff.txt", 0, "", "missing_required_file", detail),))
    if checked.book is None:
        raise TariffInvalidError(checked.notices)
    _check_days(tx, checked.book)
    bundle = pack(files)
    digest, version = bundle_digest(bundle), checked.book.version
    fresh = tariffs.insert(
        tx,
        PublishedTariff(
            version=version,
            sha256=digest,
            bundle=bundle,
            signature=key.sign(CONTEXT, _signed(version, digest)),
            key_id=key.public.key_id.hex(),
            prepared_by=preparer,
            approved_by=approver,
            published_at=now,
        ),
    )
    if not fresh:
        known = tariffs.find(tx, version)
        assert known is not None, "a version that conflicts is there"
        if known.sha256 != digest:
            raise TariffVersionTakenError(version=version, sha256=known.sha256.hex()[:12])
    return Published(version, digest.hex(), duplicate=not fresh)


def _check_days(tx: Connection, book: TariffBook) -> None:
    listed = tariffs.list_versions(tx)
    newest = tariffs.find(tx, listed[-1][0]) if listed else None
    if newest is None:
        return
    before = load_tariff(newest.bundle)
    for field, given, published in (
        ("zone", str(book.zone), str(before.zone)),
        ("day_starts", book.day_starts.isoformat(), before.day_starts.isoformat()),
        ("currency", book.currency.code, before.currency.code),
    ):
        if given != published:
            raise TariffDayChangedError(field=field, given=given, published=published, version=before.version)


def _signed(version: str, digest: bytes) -> bytes:
    return version.encode() + b"\x00" + digest


def verify(tariff: PublishedTariff, key: VerifyKey) -> None:
    """Return where a stored bundle is the one that was signed; TariffSignatureError otherwise."""
    intact = bundle_digest(tariff.bundle) == tariff.sha256
    if not intact or not key.verify(CONTEXT, _signed(tariff.version, tariff.sha256), tariff.signature):
        raise TariffSignatureError(version=tariff.version)


@dataclass(frozen=True, slots=True)
class Books:
    """The published tariffs of one moment, compiled: what `fare.bill` asks for."""

    by_version: dict[str, TariffBook]
    newest: str

    def current(self) -> TariffBook:
        """Return the tariff published last; TariffNotPublishedError when there is none."""
        return self.version(self.newest)

    def version(self, version: str) -> TariffBook:
        """Return a published tariff by version; TariffNotPublishedError."""
        found = self.by_version.get(version)
        if found is None:
            raise TariffNotPublishedError(version=version)
        return found


class Shelf:
    """Keeps compiled tariffs of a process by digest, so each bundle is verified and compiled once."""

    __slots__ = ("_books", "_key")

    def __init__(self, key: VerifyKey) -> None:
        self._key = key
        self._books: dict[bytes, TariffBook] = {}

    def books(self, tx: Connection) -> Books:
        """Return every published tariff; TariffSignatureError for a bundle that was altered."""
        listed = tariffs.list_versions(tx)
        found: dict[str, TariffBook] = {}
        for version, digest in listed:
            book = self._books.get(digest)
            if book is None:
                stored = tariffs.find(tx, version)
                assert stored is not None, "published tariffs are never deleted"
                verify(stored, self._key)
                book = self._books[digest] = load_tariff(stored.bundle)
            found[version] = book
        return Books(found, listed[-1][0] if listed else "")


def read_bundle(tx: Connection, version: str = "") -> PublishedTariff:
    """Return a published tariff as it was stored, the newest where no version is named; TariffNotPublishedError."""
    listed = tariffs.list_versions(tx)
    wanted = version or (listed[-1][0] if listed else "")
    found = tariffs.find(tx, wanted)
    if found is None:
        raise TariffNotPublishedError(version=wanted)
    return found
