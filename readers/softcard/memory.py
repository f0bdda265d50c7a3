"""What a software card keeps: its committed state and its keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from kernel.crypto import tmac
from kernel.crypto.card_keys import (
    FILE_CARD_INFO,
    FILE_ENTITLEMENTS,
    FILE_TRANSACTION_MAC,
    FILE_TRIP_STATE,
    KEY_NUMBER,
    PRIVACY_KEY,
    Role,
)
from kernel.wire.trips import NO_TRIPS

LOG_RECORDS: Final = 6


class Status(bytes):
    """Two status bytes that end an answer."""


OK: Final = Status(b"\x91\x00")
MORE: Final = Status(b"\x91\xaf")
SELECTED: Final = Status(b"\x90\x00")
NO_APPLICATION: Final = Status(b"\x6a\x82")
UNKNOWN_COMMAND: Final = Status(b"\x91\x1c")
INTEGRITY: Final = Status(b"\x91\x1e")
NO_SUCH_KEY: Final = Status(b"\x91\x40")
LENGTH: Final = Status(b"\x91\x7e")
PERMISSION_DENIED: Final = Status(b"\x91\x9d")
PARAMETER: Final = Status(b"\x91\x9e")
AUTHENTICATION: Final = Status(b"\x91\xae")
BOUNDARY: Final = Status(b"\x91\xbe")
ABORTED: Final = Status(b"\x91\xca")
DUPLICATE: Final = Status(b"\x91\xde")
NO_FILE: Final = Status(b"\x91\xf0")
TMAC_KEY: Final = 0x0F
"""Where the key of the transaction MAC file stands among a card's changed keys; it has no number of its own."""


class RefusedError(Exception):
    """The card's no to one command."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.hex())
        self.status = status


@dataclass(frozen=True, slots=True)
class Eeprom:
    """What survives without power. A transaction replaces it whole, so it is never half written.

    `purse`, `log` and `trips` (file 05) are there on stored-value cards only, `entitlements` (file 02) where they were laid out. `keys`
    are those that ChangeKey has put in the place of the secrets'.
    """

    card_info: bytes
    tmc: int = 0
    tmv: bytes = bytes(tmac.TMV_SIZE)
    last_reader: bytes = bytes(tmac.READER_ID_SIZE)
    entitlements: bytes = b""
    purse: int | None = None
    log: tuple[bytes, ...] = ()
    trips: bytes = NO_TRIPS
    credit_limit: int = 0
    """What LimitedCredit may still give back: the debits of the last transaction that had any."""
    keys: tuple[tuple[int, bytes], ...] = field(default=(), repr=False)

    def files(self) -> dict[int, bytes]:
        """Return the files that ReadData reads, by number."""
        found = {
            FILE_CARD_INFO: self.card_info,
            FILE_TRANSACTION_MAC: self.tmc.to_bytes(4, "little") + self.tmv,
        }
        if self.entitlements:
            found[FILE_ENTITLEMENTS] = self.entitlements
        if self.purse is not None:
            found[FILE_TRIP_STATE] = self.trips
        return found

    def with_key(self, number: int, key: bytes) -> Eeprom:
        """Return this memory with one key changed."""
        return replace(self, keys=(*(pair for pair in self.keys if pair[0] != number), (number, key)))


@dataclass(frozen=True, slots=True)
class Secrets:
    """One card's keys: by key number, and the transaction MAC key."""

    by_number: Mapping[int, bytes] = field(repr=False)
    tmac: bytes = field(repr=False)

    @classmethod
    def of(cls, *, auth: bytes, tmac_key: bytes) -> Secrets:
        """Return the secrets of an account-based card: AUTH and TMAC."""
        return cls({KEY_NUMBER[Role.AUTH]: auth}, tmac_key)

    @classmethod
    def blank(cls, transport: bytes = bytes(16)) -> Secrets:
        """Return the secrets of a card as its maker delivers it: no transaction MAC file yet."""
        return cls(dict.fromkeys(KEY_NUMBER.values(), transport), b"")

    @classmethod
    def all_of(cls, keys: Mapping[Role, bytes], *, privacy: bytes = b"") -> Secrets:
        """Return the secrets of a card with all its keys, and, for one with random UIDs, the privacy key."""
        by_number = {number: keys[role] for role, number in KEY_NUMBER.items()}
        if privacy:
            by_number[PRIVACY_KEY] = privacy
        return cls(by_number, keys[Role.TMAC])


@dataclass(slots=True)
class Transaction:
    """What a transaction has done so far; it counts once it is committed."""

    tmi: bytes = b""
    reader: bytes | None = None
    purse: int | None = None
    records: tuple[bytes, ...] = ()
    trips: bytes | None = None
    debited: int | None = None
    gave_back: bool = False

    def applied(self, before: Eeprom, *, tmc: int, tmv: bytes, reader: bytes) -> Eeprom:
        """Return the memory after the commit."""
        return replace(
            before,
            tmc=tmc,
            tmv=tmv,
            last_reader=reader,
            purse=before.purse if self.purse is None else self.purse,
            log=(*reversed(self.records), *before.log)[:LOG_RECORDS],
            trips=before.trips if self.trips is None else self.trips,
            credit_limit=self._limit(before.credit_limit),
        )

    def _limit(self, before: int) -> int:
        if self.debited is not None:
            return self.debited
        return 0 if self.gave_back else before
