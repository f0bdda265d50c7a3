"""The doors of this room: check a tariff's files, load them as a book, pack them as a bundle."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fare.gtfs.causes import causes
from fare.gtfs.check import check_feed
from fare.gtfs.compile import compile_book
from fare.gtfs.read import files_of, read_feed
from fare.gtfs.schema import FILES
from fare.gtfs.table import Feed, Notice, Severity, TariffInvalidError
from fare.rules.tariff import TariffBook

_ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can say: equal files make equal bytes


@dataclass(frozen=True, slots=True)
class Checked:
    """The notices of a tariff, sorted by file and row, and its book where there is no error."""

    notices: tuple[Notice, ...]
    book: TariffBook | None
    feed: Feed

    @property
    def errors(self) -> tuple[Notice, ...]:
        return tuple(one for one in self.notices if one.severity == Severity.ERROR.value)


def check_tariff(source: Path | bytes) -> Checked:
    """Read and check a directory, a zip file or a zip's bytes; never refuses for what the files say.

    OSError or zipfile.BadZipFile where there is nothing to read.
    """
    return check_files(files_of(source))


def check_files(files: Mapping[str, bytes]) -> Checked:
    """Check a tariff's files by name; the book is there when no notice is an error."""
    feed, notices = read_feed(files)
    notices += check_feed(feed)
    found = tuple(sorted(causes(set(notices))))
    sound = not any(one.severity == Severity.ERROR.value for one in found) and bool(feed.of("tariff.txt"))
    return Checked(found, compile_book(feed, bundle_digest(pack(files)).hex()) if sound else None, feed)


def load_tariff(source: Path | bytes) -> TariffBook:
    """Return the compiled book of a tariff directory, zip file or zip's bytes; TariffInvalidError lists every error."""
    checked = check_tariff(source)
    if checked.book is None:
        raise TariffInvalidError(checked.notices)
    return checked.book


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return the bundle: a zip of the tariff's own files whose bytes depend on their content alone.

    Stored, not deflated, so that no library version can change them.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(set(files) & set(FILES)):
            entry = zipfile.ZipInfo(name, _ZIP_DATE)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            archive.writestr(entry, files[name])
    return packed.getvalue()


def bundle_digest(bundle: bytes) -> bytes:
    """Return the SHA-256 by which a published tariff is known."""
    return hashlib.sha256(bundle).digest()
