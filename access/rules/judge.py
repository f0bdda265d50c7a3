"""What the back office checks on one authentic record before it may be priced (READERS.md, checks 3, 5, 6)."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from access.rules.coded import Coded
from access.rules.mac import PROVEN_PHASES, Proof
from access.rules.verdict import Reason
from kernel.wire.cardinfo import CardInfo, Concession, decode
from kernel.wire.codec import MalformedRecordError
from kernel.wire.tap import Phase, TapRecord


@dataclass(frozen=True, slots=True)
class IssuedTo:
    """What the register says of a card, as far as a record can contradict it."""

    serial: int
    key_generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a record's time and versions may be at this moment.

    `tariff_versions` None accepts any: the caller does not know them. Defaults: a bus that stood in a workshop for
    60 days still delivers; five minutes is more than a disciplined clock is ever ahead.
    """

    now: datetime
    deny_version: int
    tariff_versions: AbstractSet[str] | None = None
    max_age: timedelta = timedelta(days=60)
    max_ahead: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Finding:
    """The judgement of one record: why it may not be priced (None: it may), and whether the card proved it."""

    reason: Reason | None
    mac_valid: bool
    concession: Concession


def judge(
    record: TapRecord,
    *,
    card: IssuedTo | None,
    proof: Proof | None,
    key_ids: AbstractSet[bytes],
    limits: Limits,
) -> Finding:
    """Return the finding on a record that its device's signature vouches for.

    `card` is the registered card of the record's UID, `proof` what `check_mac` made of it, `key_ids` every key the
    device ever had. A REFUSED record is evidence only and never an exception. A record that fails a check is still
    evidence; the finding only keeps it from being priced.
    """
    read = card_info(record.data_read)
    concession = read.concession if read else Concession.NORMAL
    if record.phase is Phase.REFUSED:
        return Finding(None, mac_valid=False, concession=concession)
    reason = None
    if not _signer_read(record, key_ids):
        reason = Reason.READER_NOT_SIGNER
    elif record.phase in PROVEN_PHASES and proof is None:
        reason = Reason.MAC_INVALID
    elif card is None:
        reason = Reason.UNKNOWN_CARD
    elif not _is_of(record, read, card):
        reason = Reason.CARD_MISMATCH
    else:
        reason = _implausible(record, limits)
    return Finding(reason, proof is not None, concession)


def judge_coded(
    record: TapRecord,
    *,
    card: IssuedTo | None,
    coded: Coded | None,
    key_ids: AbstractSet[bytes],
    limits: Limits,
) -> Finding:
    """Return the finding on a record of something shown instead of a card, as `judge` does on a card's.

    `coded` is what vouches for it, `card` the registered medium of its serial. Its concessions are the account's
    entitlements: a code says nothing of its holder.
    """
    if record.phase is Phase.REFUSED:
        return Finding(None, mac_valid=False, concession=Concession.NORMAL)
    if not _signer_read(record, key_ids):
        reason: Reason | None = Reason.READER_NOT_SIGNER
    elif coded is None:
        reason = Reason.CODE_INVALID
    elif card is None:
        reason = Reason.UNKNOWN_CARD
    elif not record.card_serial == coded.serial == card.serial:
        reason = Reason.CARD_MISMATCH
    else:
        reason = _implausible(record, limits)
    return Finding(reason, coded is not None, Concession.NORMAL)


def _signer_read(record: TapRecord, key_ids: AbstractSet[bytes]) -> bool:
    return record.reader_id == record.device_id.bytes and record.key_id in key_ids


def _implausible(record: TapRecord, limits: Limits) -> Reason | None:
    if not limits.now - limits.max_age <= record.tapped_at <= limits.now + limits.max_ahead:
        return Reason.TIME_IMPLAUSIBLE
    return None if _published(record, limits) else Reason.VERSION_IMPLAUSIBLE


@lru_cache(maxsize=65_536)  # the same cards tap again and again; what file 01 says hardly ever changes
def card_info(raw: bytes) -> CardInfo | None:
    """Return what file 01 says; None where these bytes say nothing."""
    try:
        return decode(raw)
    except MalformedRecordError:
        return None


def _is_of(record: TapRecord, read: CardInfo | None, card: IssuedTo) -> bool:
    return (
        read is not None
        and record.card_serial == read.serial == card.serial
        and record.key_generation == read.key_generation == card.key_generation
    )


def _published(record: TapRecord, limits: Limits) -> bool:
    known = limits.tariff_versions
    return record.deny_version <= limits.deny_version and (known is None or record.tariff_version in known)
