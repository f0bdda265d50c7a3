"""The stored-value profile: the tap pays from the card's own purse, decidable offline.

    SELECT, AuthenticateEV2First under AUTH (2), ReadData 01, ReadData 0F       as for every card (`readers.card.begin`)
    AuthenticateEV2NonFirst under DEBIT (2), GetValue
    [ReadData 05                                                                where a ride or a stay decides
     GetFileSettings 03                                                         where something is given back]
    [AuthenticateEV2NonFirst under LOAD (2), Credit                             where an action loads it
     AuthenticateEV2NonFirst under DEBIT (2)]
    Debit or LimitedCredit or neither, WriteRecord, [WriteData 05], CommitReaderID, CommitTransaction

LimitedCredit gives back at most what the card's last payment took, which the card itself sees to: a stolen DEBIT key
makes no money. NonFirst keeps the session's identifier and counter, and the transaction: CardInfo as it was read under
AUTH is in the transaction MAC. Load, debit, record and reader id count together with the commit or not at all.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from kernel.crypto.card_keys import FILE_LOG, FILE_PURSE, FILE_TRIP_STATE, KEY_NUMBER, Role, card_key
from kernel.crypto.ev2 import CommMode, ReaderAuth, Session
from kernel.crypto.tmac import (
    CREDIT,
    DEBIT,
    GET_FILE_SETTINGS,
    GET_VALUE,
    LIMITED_CREDIT,
    READ_RECORDS,
    WRITE_DATA,
    WRITE_RECORD,
    sv_tmi,
)
from kernel.wire.purse import RECORD_SIZE, PurseMove
from kernel.wire.trips import TRIPS_SIZE
from readers.card import (
    APDU_TIMEOUT_S,
    CardForgedError,
    CardRead,
    CardRefusedError,
    Prepared,
    Random,
    Steps,
    native,
    prepare_steps,
    read_file,
    run,
    secured,
)

_VALUE_SIZE: Final = 4
_VALUE_FILE: Final = 0x02
_SETTINGS_SIZE: Final = 1 + 1 + 2 + 3 * _VALUE_SIZE + 1
_LIMIT_AT: Final = 1 + 1 + 2 + 2 * _VALUE_SIZE
_AUTHENTICATE_NON_FIRST: Final = 0x77
_CONTINUE: Final = 0xAF
_MORE: Final = b"\x91\xaf"
_OK: Final = b"\x91\x00"
_NO_RECORD: Final = b"\x91\xbe"
_LOG: Final = struct.Struct(">III4s")
assert _LOG.size == RECORD_SIZE, "one record of the card's log"


@dataclass(frozen=True, slots=True)
class PurseRead:
    """A genuine stored-value card, its session under DEBIT, and what its purse held in whole đồng."""

    card: CardRead
    before: int
    key: bytes = field(repr=False)
    trips: bytes = b""
    """File 05 as it was read; empty where it was not asked for."""


@dataclass(frozen=True, slots=True)
class Load:
    """What an action puts onto this card, and this card's own LOAD key; no reader holds that master."""

    amount: int
    key: bytes = field(repr=False)


def begin(
    read: CardRead,
    debit_masters: Mapping[int, bytes],
    *,
    timeout_s: float = APDU_TIMEOUT_S,
    random: Random = os.urandom,
) -> PurseRead:
    """Return the purse of a card that was just read (3 APDUs); the errors are those of `readers.card.begin`.

    CardRefusedError `unknown_key` where the reader holds no DEBIT master of the card's generation.
    """
    return run(read.channel, _begin_steps(read, debit_masters, random), timeout_s, read.session)


def read_trips(read: PurseRead, *, timeout_s: float = APDU_TIMEOUT_S) -> PurseRead:
    """Return the purse with what is under way on its card (1 APDU)."""
    raw = run(
        read.card.channel,
        read_file(read.card.session, FILE_TRIP_STATE, TRIPS_SIZE),
        timeout_s,
        read.card.session,
    )
    return replace(read, trips=raw)


def read_limit(read: PurseRead, *, timeout_s: float = APDU_TIMEOUT_S) -> int:
    """Return how much the card lets be given back now (1 APDU)."""
    steps = secured(read.card.session, GET_FILE_SETTINGS, bytes((FILE_PURSE,)))
    settings = run(read.card.channel, steps, timeout_s, read.card.session)
    if len(settings) != _SETTINGS_SIZE or settings[0] != _VALUE_FILE:
        raise CardForgedError("file_settings")
    enabled = settings[-1] & 1
    return int.from_bytes(settings[_LIMIT_AT : _LIMIT_AT + _VALUE_SIZE], "little") if enabled else 0


def read_last_record(read: CardRead, *, timeout_s: float = APDU_TIMEOUT_S) -> bytes:
    """Return the newest record of a card's log (1 APDU, before `begin`), empty where it has none; then read the card anew.

    It names the device and the second of the last payment. The errors are those of `readers.card.begin`.
    """
    place = bytes((FILE_LOG,)) + bytes(3) + (1).to_bytes(3, "little")
    try:
        return run(read.channel, secured(read.session, READ_RECORDS, place), timeout_s, read.session)
    except CardRefusedError as refused:
        if refused.status == _NO_RECORD:
            return b""
        raise


def prepare(
    read: PurseRead,
    reader_id: bytes,
    *,
    amount: int,
    record: bytes,
    load: Load | None = None,
    returned: int = 0,
    trips: bytes = b"",
    timeout_s: float = APDU_TIMEOUT_S,
    random: Random = os.urandom,
) -> tuple[Prepared, PurseMove]:
    """Return the payment made ready (3 APDUs; 8 with a load), to be committed by `readers.card.commit`.

    With `returned` so much is given back instead; `trips` is what is under way afterwards, where that changes.
    CardRefusedError `purse` where the purse would not hold the amount; nothing was changed then.
    """
    assert amount >= 0, "a payment takes"
    assert len(record) == RECORD_SIZE, "a log record has 16 bytes"
    assert not (amount and returned), "a tap pays or is given back"
    loaded = load.amount if load is not None else 0
    move = PurseMove(
        before=read.before,
        loaded=loaded,
        paid=amount,
        record=record,
        returned=returned,
        trips_read=read.trips,
        trips_written=trips if trips != read.trips else b"",
    )
    if move.after < 0:
        raise CardRefusedError("purse")
    steps = _prepare_steps(read, reader_id, move, load, random)
    return run(read.card.channel, steps, timeout_s, read.card.session), move


def log_record(at: datetime, move_paid: int, after: int, device: bytes) -> bytes:
    """Return the card's own log record: seconds since 1970, paid, left, the device's first four bytes."""
    return _LOG.pack(int(at.timestamp()), move_paid, after, device[:4])


def _begin_steps(read: CardRead, masters: Mapping[int, bytes], random: Random) -> Steps[PurseRead]:
    master = masters.get(read.key_generation)
    if master is None:
        raise CardRefusedError("unknown_key")
    key = card_key(master, read.uid, read.key_generation)
    session = yield from _again(read.session, Role.DEBIT, key, random)
    value = yield from secured(session, GET_VALUE, bytes((FILE_PURSE,)))
    if len(value) != _VALUE_SIZE:
        raise CardForgedError("value_length")
    before = int.from_bytes(value, "little", signed=True)
    if before < 0:
        raise CardForgedError("value")
    return PurseRead(replace(read, session=session), before, key)


def _prepare_steps(
    read: PurseRead, reader_id: bytes, move: PurseMove, load: Load | None, random: Random
) -> Steps[Prepared]:
    card = read.card
    session = card.session
    if load is not None:
        session = yield from _again(session, Role.LOAD, load.key, random)
        yield from _moved(session, CREDIT, load.amount)
        session = yield from _again(session, Role.DEBIT, read.key, random)
    if move.paid or not move.trips_read:
        yield from _moved(session, DEBIT, move.paid)
    if move.returned:
        yield from _moved(session, LIMITED_CREDIT, move.returned)
    yield from _written(session, WRITE_RECORD, FILE_LOG, move.record)
    if move.trips_written:
        yield from _written(session, WRITE_DATA, FILE_TRIP_STATE, move.trips_written)
    prepared = yield from prepare_steps(replace(card, session=session), reader_id)
    tmi = sv_tmi(
        card.data_read,
        before=move.before,
        amount=move.paid,
        record=move.record,
        reader_id=reader_id,
        enc_reader_id=prepared.enc_tmri,
        loaded=move.loaded,
        returned=move.returned,
        trips_read=move.trips_read,
        trips_written=move.trips_written,
    )
    return replace(prepared, tmi=tmi)


def _written(session: Session, code: int, file: int, content: bytes) -> Steps[None]:
    place = bytes((file,)) + bytes(3) + len(content).to_bytes(3, "little")
    yield from secured(session, code, place, content, sent=CommMode.FULL)


def _moved(session: Session, code: int, amount: int) -> Steps[None]:
    money = amount.to_bytes(_VALUE_SIZE, "little")
    yield from secured(session, code, bytes((FILE_PURSE,)), money, sent=CommMode.FULL)


def _again(session: Session, role: Role, key: bytes, random: Random) -> Steps[Session]:
    """Return the session under another key of the card; identifier, counter and transaction go on."""
    auth = ReaderAuth(key, random(16), session)
    challenge = yield native(_AUTHENTICATE_NON_FIRST, bytes((KEY_NUMBER[role],)))
    if challenge[-2:] != _MORE:
        raise CardRefusedError("status", challenge[-2:])
    proof = yield native(_CONTINUE, auth.answer(challenge[:-2]))
    if proof[-2:] != _OK:
        raise CardRefusedError("unknown_key", proof[-2:])
    return auth.finish(proof[:-2])
