"""The transaction MAC: the card's own proof of what was done to it, by which reader, in which order.

Formulas: MF2DL(H)x0 data sheet rev. 3.3 §10.3. Session keys agree with a public vector; no vector for a whole
transaction MAC value is public, so ours are derived and prove nothing about real silicon.

Throughout, `tmc` is the counter the transaction gets, i.e. one more than the card showed before it.
"""

from __future__ import annotations

from hmac import compare_digest
from typing import Final

from kernel.crypto.aes import BLOCK, decrypt_cbc, encrypt_cbc, zero_padded
from kernel.crypto.card_keys import FILE_CARD_INFO, FILE_LOG, FILE_PURSE, FILE_TRIP_STATE, UID_SIZE
from kernel.crypto.cmac import CmacKey

READ_DATA: Final = 0xAD
DEBIT: Final = 0xDC
CREDIT: Final = 0x0C
LIMITED_CREDIT: Final = 0x1C
GET_VALUE: Final = 0x6C
WRITE_DATA: Final = 0x8D
WRITE_RECORD: Final = 0x8B
READ_RECORDS: Final = 0xBB
GET_CARD_UID: Final = 0x51
GET_FILE_SETTINGS: Final = 0xF5
CREATE_TMAC_FILE: Final = 0xCE
COMMIT_READER_ID: Final = 0xC8
COMMIT_TRANSACTION: Final = 0xC7
READER_ID_SIZE: Final = 16
TMV_SIZE: Final = 8

_SV_MAC: Final = b"\x5a\x00\x01\x00\x80"
_SV_ENC: Final = b"\xa5\x00\x01\x00\x80"


class TmacKey:
    """One card's AppTransactionMACKey, kept ready to derive the session keys of any of its transactions."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        assert len(key) == BLOCK, "AES-128"
        self._key = CmacKey(key)

    def mac_key(self, *, uid: bytes, tmc: int) -> bytes:
        """Return SesTMMACKey."""
        return self._key.mac(_SV_MAC + _counter_and_uid(tmc, uid))

    def enc_key(self, *, uid: bytes, tmc: int) -> bytes:
        """Return SesTMENCKey."""
        return self._key.mac(_SV_ENC + _counter_and_uid(tmc, uid))


def _counter_and_uid(tmc: int, uid: bytes) -> bytes:
    assert len(uid) == UID_SIZE, "a 7-byte UID"
    return tmc.to_bytes(4, "little") + uid


def _place(file: int, offset: int, length: int) -> bytes:
    return bytes((file,)) + offset.to_bytes(3, "little") + length.to_bytes(3, "little")


def tmi_read(file: int, read: bytes, *, offset: int = 0) -> bytes:
    """Return what a ReadData of `read` adds to the transaction MAC input: whole blocks."""
    return zero_padded(bytes((READ_DATA,)) + _place(file, offset, len(read))) + zero_padded(read)


def tmi_debit(file: int, amount: int) -> bytes:
    """Return what a Debit of `amount` (the value file's units) adds: one block."""
    return zero_padded(bytes((DEBIT, file)) + amount.to_bytes(4, "little"))


def tmi_credit(file: int, amount: int) -> bytes:
    """Return what a Credit of `amount` adds: one block."""
    return zero_padded(bytes((CREDIT, file)) + amount.to_bytes(4, "little"))


def tmi_limited_credit(file: int, amount: int) -> bytes:
    """Return what a LimitedCredit of `amount` adds: one block."""
    return zero_padded(bytes((LIMITED_CREDIT, file)) + amount.to_bytes(4, "little"))


def tmi_write_data(file: int, written: bytes, *, offset: int = 0) -> bytes:
    """Return what a WriteData adds: whole blocks."""
    return zero_padded(bytes((WRITE_DATA,)) + _place(file, offset, len(written))) + zero_padded(written)


def tmi_get_value(file: int, value: int) -> bytes:
    """Return what a GetValue that was answered `value` adds: one block."""
    return zero_padded(bytes((GET_VALUE, file)) + value.to_bytes(4, "little", signed=True))


def tmi_write_record(file: int, record: bytes, *, offset: int = 0) -> bytes:
    """Return what a WriteRecord adds: whole blocks."""
    return zero_padded(bytes((WRITE_RECORD,)) + _place(file, offset, len(record))) + zero_padded(record)


def tmi_commit_reader(reader_id: bytes, enc_reader_id: bytes) -> bytes:
    """Return what CommitReaderID adds: command, this reader's id, and the previous one as the card sealed it."""
    assert len(reader_id) == len(enc_reader_id) == READER_ID_SIZE, "16-byte reader ids"
    return zero_padded(bytes((COMMIT_READER_ID,)) + reader_id + enc_reader_id)


def abt_tmi(read: bytes, reader_id: bytes, enc_reader_id: bytes) -> bytes:
    """Return the whole input of an account-based tap: CardInfo read, reader id committed."""
    return tmi_read(FILE_CARD_INFO, read) + tmi_commit_reader(reader_id, enc_reader_id)


def sv_tmi(
    read: bytes,
    *,
    before: int,
    amount: int,
    record: bytes,
    reader_id: bytes,
    enc_reader_id: bytes,
    loaded: int = 0,
    returned: int = 0,
    trips_read: bytes = b"",
    trips_written: bytes = b"",
) -> bytes:
    """Return the whole input of a stored-value tap: CardInfo and purse read, trips read where they matter, load if any,
    debit or what is given back, log record, trips written where they change, reader id.

    A tap that reads the trips and takes nothing makes no debit: a debit of nothing would end what the card lets be
    given back.
    """
    debits = amount > 0 or not trips_read
    return (
        tmi_read(FILE_CARD_INFO, read)
        + tmi_get_value(FILE_PURSE, before)
        + (tmi_read(FILE_TRIP_STATE, trips_read) if trips_read else b"")
        + (tmi_credit(FILE_PURSE, loaded) if loaded else b"")
        + (tmi_debit(FILE_PURSE, amount) if debits else b"")
        + (tmi_limited_credit(FILE_PURSE, returned) if returned else b"")
        + tmi_write_record(FILE_LOG, record)
        + (tmi_write_data(FILE_TRIP_STATE, trips_written) if trips_written else b"")
        + tmi_commit_reader(reader_id, enc_reader_id)
    )


def tmv(key: TmacKey, *, uid: bytes, tmc: int, tmi: bytes) -> bytes:
    """Return the 8-byte transaction MAC value over the whole input."""
    assert len(tmi) % BLOCK == 0, "whole blocks"
    return CmacKey(key.mac_key(uid=uid, tmc=tmc)).short_mac(tmi)


def verify_tmv(key: TmacKey, *, uid: bytes, tmc: int, tmi: bytes, claimed: bytes) -> bool:
    """Return whether the card made `claimed` over this input, compared in constant time."""
    return compare_digest(tmv(key, uid=uid, tmc=tmc, tmi=tmi), claimed)


def enc_tmri(key: TmacKey, *, uid: bytes, tmc: int, previous_reader: bytes) -> bytes:
    """Return the previous transaction's reader id as the card seals it into this one."""
    assert len(previous_reader) == READER_ID_SIZE, "a 16-byte reader id"
    return encrypt_cbc(key.enc_key(uid=uid, tmc=tmc), previous_reader)


def open_tmri(key: TmacKey, *, uid: bytes, tmc: int, enc_reader_id: bytes) -> bytes:
    """Return the reader id of transaction `tmc - 1`: it names the validator that holds a tap still missing here."""
    assert len(enc_reader_id) == READER_ID_SIZE, "16 sealed bytes"
    return decrypt_cbc(key.enc_key(uid=uid, tmc=tmc), enc_reader_id)
