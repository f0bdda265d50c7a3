"""The card's own proof: the transaction MAC rebuilt from what a record claims, and what it says of the tap before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from kernel.crypto.tmac import TmacKey, abt_tmi, open_tmri, sv_tmi, tmv, verify_tmv
from kernel.wire.cardinfo import SIZE
from kernel.wire.codec import MalformedRecordError
from kernel.wire.purse import PurseMove, decode_purse
from kernel.wire.tap import Phase, TapRecord

_LARGEST: Final = 2**31 - 1  # a value file's upper limit

NOBODY: Final = UUID(int=0)
"""The previous reader of a card's first transaction: its EncTMRI hides zeros."""

PROVEN_PHASES: Final = frozenset({Phase.DONE, Phase.RECOVERED})
"""Phases that carry a transaction MAC value. TORN and REFUSED records have none and prove nothing themselves."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A valid transaction MAC: this card, this counter, this reader; and which reader the card saw before."""

    previous_reader: UUID


def check_mac(record: TapRecord, key: TmacKey) -> Proof | None:
    """Return the proof that the card made this record's transaction, None when it did not.

    The input of the MAC is rebuilt from the claimed fields, never taken as bytes (READERS.md, check 3). `key` is
    the card's transaction MAC key of the generation the record names.
    """
    if record.phase not in PROVEN_PHASES or len(record.data_read) != SIZE or record.tmc == 0:
        return None
    tmi = _tmi(record)
    if tmi is None or not verify_tmv(key, uid=record.uid, tmc=record.tmc, tmi=tmi, claimed=record.tmv):
        return None
    previous = open_tmri(key, uid=record.uid, tmc=record.tmc, enc_reader_id=record.enc_tmri)
    return Proof(UUID(bytes=previous))


def torn_value(torn: TapRecord, key: TmacKey) -> bytes | None:
    """Return the 8-byte MAC value the card holds in file 0F if this torn transaction committed after all.

    None when the record cannot have reached the card's commit. The next tap's `prior_tmv` equals it if, and only
    if, it committed: that proves the tap without its own reader ever having heard the answer (§8.14).
    """
    if torn.phase is not Phase.TORN or len(torn.data_read) != SIZE or torn.tmc == 0:
        return None
    tmi = _tmi(torn)
    return None if tmi is None else tmv(key, uid=torn.uid, tmc=torn.tmc, tmi=tmi)


def purse_of(record: TapRecord) -> PurseMove | None:
    """Return what the record says of the card's purse; None for an account-based tap, or for bytes that say nothing."""
    if not record.purse:
        return None
    try:
        return decode_purse(record.purse)
    except MalformedRecordError:
        return None


def _tmi(record: TapRecord) -> bytes | None:
    if not record.purse:
        return abt_tmi(record.data_read, record.reader_id, record.enc_tmri)
    move = purse_of(record)
    if move is None or move.after < 0 or max(move.before, move.after) > _LARGEST:
        return None
    return sv_tmi(
        record.data_read,
        before=move.before,
        amount=move.paid,
        record=move.record,
        reader_id=record.reader_id,
        enc_reader_id=record.enc_tmri,
        loaded=move.loaded,
        returned=move.returned,
        trips_read=move.trips_read,
        trips_written=move.trips_written,
    )
