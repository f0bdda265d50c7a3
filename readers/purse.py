"""The stored-value profile: the tap pays from the card's own purse, decidable offline.

    SELECT, AuthenticateEV2First under DEBIT (2), ReadData 01, ReadData 0F, GetValue, Debit, WriteRecord,
    CommitReaderID, CommitTransaction

One APDU more than the shortest exchange: file 0F is what a torn tap is recovered by. Debit, record and reader id count
together with the commit or not at all. The daemon serves account-based cards; this is the exchange alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from kernel.crypto.card_keys import FILE_LOG, FILE_PURSE, RECORD_SIZE, Role
from kernel.crypto.ev2 import CommMode
from kernel.crypto.tmac import DEBIT, GET_VALUE, WRITE_RECORD, sv_tmi
from readers.card import (
    APDU_TIMEOUT_S,
    CardChannel,
    CardForgedError,
    CardRead,
    CardRefusedError,
    Prepared,
    Random,
    Steps,
    prepare_steps,
    read_steps,
    run,
    secured,
)

_VALUE_SIZE: Final = 4


@dataclass(frozen=True, slots=True)
class PurseRead:
    """A genuine stored-value card, and what its purse held in whole đồng."""

    card: CardRead
    before: int


def begin(
    channel: CardChannel,
    debit_masters: Mapping[int, bytes],
    *,
    timeout_s: float = APDU_TIMEOUT_S,
    random: Random = os.urandom,
) -> PurseRead:
    """Return the card and its purse (6 APDUs); the errors are those of `readers.card.begin`."""
    return run(channel, _begin_steps(channel, debit_masters, random), timeout_s)


def prepare(
    read: PurseRead, reader_id: bytes, *, amount: int, record: bytes, timeout_s: float = APDU_TIMEOUT_S
) -> Prepared:
    """Return the payment made ready (3 APDUs), to be committed by `readers.card.commit`.

    CardRefusedError `purse` where the purse does not hold the amount; nothing was changed then.
    """
    assert amount >= 0, "a payment takes"
    assert len(record) == RECORD_SIZE, "a log record has 16 bytes"
    if amount > read.before:
        raise CardRefusedError("purse")
    steps = _prepare_steps(read, reader_id, amount, record)
    return run(read.card.channel, steps, timeout_s, read.card.session)


def _begin_steps(channel: CardChannel, masters: Mapping[int, bytes], random: Random) -> Steps[PurseRead]:
    card = yield from read_steps(channel, masters, random, Role.DEBIT)
    value = yield from secured(card.session, GET_VALUE, bytes((FILE_PURSE,)))
    if len(value) != _VALUE_SIZE:
        raise CardForgedError("value_length")
    return PurseRead(card, int.from_bytes(value, "little", signed=True))


def _prepare_steps(read: PurseRead, reader_id: bytes, amount: int, record: bytes) -> Steps[Prepared]:
    session = read.card.session
    money = amount.to_bytes(_VALUE_SIZE, "little")
    yield from secured(session, DEBIT, bytes((FILE_PURSE,)), money, sent=CommMode.FULL)
    place = bytes((FILE_LOG,)) + bytes(3) + len(record).to_bytes(3, "little")
    yield from secured(session, WRITE_RECORD, place, record, sent=CommMode.FULL)
    prepared = yield from prepare_steps(read.card, reader_id)
    tmi = sv_tmi(
        read.card.data_read,
        before=read.before,
        amount=amount,
        record=record,
        reader_id=reader_id,
        enc_reader_id=prepared.enc_tmri,
    )
    return replace(prepared, tmi=tmi)
