"""Any bank or provider file: its format is seen from its first bytes, then its reader is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ledger.rails.bankfile import Event, FileClosed, FileOpened, Status, error
from ledger.rails.camt import read_camt
from ledger.rails.mt940 import read_mt940
from ledger.rails.provider_csv import is_header, read_provider_csv
from ledger.rails.source import MAX_BYTES, Readable, Source, TooLargeError

_MT940: Final = re.compile(rb"(?:^|[\r\n])(?:\{4:\s*)?:(?:20|25|28C?|6[02][FM]|61):|\{1:[FAL]")
_XML_STARTS: Final = (b"<", b"\xff\xfe<", b"\xfe\xff\x00<")


def read_bank_file(stream: Readable, *, strict: bool = False, max_bytes: int = MAX_BYTES) -> Iterator[Event]:
    """Yield what a file says, in one pass (see `bankfile`); an unknown format is a quarantined file.

    `strict` lets warnings quarantine too. A file of more than `max_bytes` ends quarantined as too-large. Only
    the stream's own OSError passes through.
    """
    source = Source(stream, max_bytes)
    try:
        head = source.look().lstrip(b"\xef\xbb\xbf \t\r\n\0")
    except TooLargeError as large:
        yield from _unknown("too-large", str(large))
        return
    if head.startswith(_XML_STARTS):
        yield from read_camt(source, strict=strict)
    elif _MT940.search(head):
        yield from read_mt940(source, strict=strict)
    elif is_header(_first_line(head)):
        yield from read_provider_csv(source, strict=strict)
    else:
        yield from _unknown("unknown-format", "not camt.053, camt.054, MT940 or a provider's CSV")


def _first_line(head: bytes) -> str:
    """Return the first line, or the one after Excel's "sep=;"."""
    first, _, rest = head.partition(b"\n")
    line = rest.partition(b"\n")[0] if first.startswith(b"sep=") else first
    return line.decode("utf-8", "replace").rstrip("\r")


def _unknown(code: str, message: str) -> Iterator[Event]:
    yield FileOpened("unknown")
    yield FileClosed(
        statements=0,
        entries=0,
        findings=(error(code, message),),
        status=Status.QUARANTINED,
        reason=code,
    )
