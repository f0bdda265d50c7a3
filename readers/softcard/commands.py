"""Commands on a card's files and keys beyond the account-based tap: writing, the purse, the log, ChangeKey, the UID."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from kernel.crypto import tmac
from kernel.crypto.card_keys import (
    FILE_CARD_INFO,
    FILE_ENTITLEMENTS,
    FILE_LOG,
    FILE_PURSE,
    FILE_TRIP_STATE,
    KEY_NUMBER,
    RECORD_SIZE,
    Role,
)
from kernel.crypto.change_key import CHANGE_KEY, changed
from kernel.crypto.ev2 import CommMode, Session
from kernel.wire.trips import TRIPS_SIZE
from readers.softcard.memory import (
    BOUNDARY,
    DUPLICATE,
    INTEGRITY,
    LENGTH,
    NO_FILE,
    NO_SUCH_KEY,
    OK,
    PERMISSION_DENIED,
    TMAC_KEY,
    Eeprom,
    RefusedError,
    Status,
    Transaction,
)

PURSE_FLOOR: Final = 0
PURSE_LIMIT: Final = 2**31 - 1
# A value file, MACed; GetValue, Debit and LimitedCredit by DEBIT, Credit by LOAD: our layout, unproven on silicon.
_VALUE_FILE: Final = bytes.fromhex("02013022")


class Card(Protocol):
    """What the commands need of the card they run on."""

    uid: bytes
    eeprom: Eeprom
    key_number: int
    transaction: Transaction

    def opened(
        self, code: int, body: bytes, header: int, mode: CommMode = CommMode.MAC
    ) -> tuple[Session, bytes, bytes]:
        """Return the session, the header and the data of a secured command."""
        ...

    def key(self, number: int) -> bytes | None:
        """Return the key of a number as it is now."""
        ...

    def drop(self) -> None:
        """End the session and whatever was not committed."""
        ...


Answer = tuple[bytes, Status]


def _only(card: Card, *roles: Role) -> None:
    if card.key_number not in {KEY_NUMBER[role] for role in roles}:
        raise RefusedError(PERMISSION_DENIED)


def _purse(card: Card, header: bytes) -> int:
    if header[0] != FILE_PURSE or card.eeprom.purse is None:
        raise RefusedError(NO_FILE)
    return card.eeprom.purse if card.transaction.purse is None else card.transaction.purse


def write_data(card: Card, body: bytes) -> Answer:
    """WriteData, enciphered: to file 01 or 02 under the LOAD key, at once; to file 05 also under DEBIT, with the commit."""
    session, header, written = card.opened(tmac.WRITE_DATA, body, 7, CommMode.FULL)
    if header[0] == FILE_TRIP_STATE:
        return _write_trips(card, session, header, written)
    _only(card, Role.LOAD)
    offset, length = int.from_bytes(header[1:4], "little"), int.from_bytes(header[4:], "little")
    held = {FILE_CARD_INFO: card.eeprom.card_info, FILE_ENTITLEMENTS: card.eeprom.entitlements}.get(header[0])
    if not held:
        raise RefusedError(NO_FILE)
    if length != len(written):
        raise RefusedError(LENGTH)
    if offset + length > len(held):
        raise RefusedError(BOUNDARY)
    made = held[:offset] + written + held[offset + length :]
    if header[0] == FILE_CARD_INFO:
        card.eeprom = replace(card.eeprom, card_info=made)
    else:
        card.eeprom = replace(card.eeprom, entitlements=made)
    return session.response(mode=CommMode.MAC), OK


def _write_trips(card: Card, session: Session, header: bytes, written: bytes) -> Answer:
    _only(card, Role.DEBIT, Role.LOAD)
    if card.eeprom.purse is None:
        raise RefusedError(NO_FILE)
    if header[1:4] != bytes(3) or int.from_bytes(header[4:], "little") != len(written):
        raise RefusedError(LENGTH)
    if len(written) != TRIPS_SIZE:
        raise RefusedError(BOUNDARY)
    card.transaction.trips = written
    card.transaction.tmi += tmac.tmi_write_data(FILE_TRIP_STATE, written)
    return session.response(mode=CommMode.MAC), OK


def get_file_settings(card: Card, body: bytes) -> Answer:
    """GetFileSettings of the purse: type, mode, rights, limits, and what LimitedCredit may give back."""
    session, header, _ = card.opened(tmac.GET_FILE_SETTINGS, body, 1)
    if len(header) != 1:
        raise RefusedError(LENGTH)
    _purse(card, header)
    limits = (PURSE_FLOOR, PURSE_LIMIT, card.eeprom.credit_limit)
    said = b"".join(value.to_bytes(4, "little") for value in limits)
    return session.response(_VALUE_FILE + said + b"\x01"), OK


def get_value(card: Card, body: bytes) -> Answer:
    """GetValue of the purse: 4 bytes, part of the transaction's MAC."""
    session, header, _ = card.opened(tmac.GET_VALUE, body, 1)
    if len(header) != 1:
        raise RefusedError(LENGTH)
    value = _purse(card, header)
    card.transaction.tmi += tmac.tmi_get_value(FILE_PURSE, value)
    return session.response(value.to_bytes(4, "little", signed=True)), OK


def debit(card: Card, body: bytes) -> Answer:
    """Debit under the DEBIT key; counts with the commit."""
    return _move(card, body, tmac.DEBIT, Role.DEBIT, -1, tmac.tmi_debit)


def limited_credit(card: Card, body: bytes) -> Answer:
    """LimitedCredit under the DEBIT key: at most what the last transaction with a debit took, once; with the commit."""
    session, header, amount_bytes = card.opened(tmac.LIMITED_CREDIT, body, 1, CommMode.FULL)
    _only(card, Role.DEBIT)
    if len(header) != 1 or len(amount_bytes) != 4:
        raise RefusedError(LENGTH)
    amount = int.from_bytes(amount_bytes, "little")
    after = _purse(card, header) + amount
    if amount > card.eeprom.credit_limit or card.transaction.gave_back or after > PURSE_LIMIT:
        raise RefusedError(BOUNDARY)
    card.transaction.purse, card.transaction.gave_back = after, True
    card.transaction.tmi += tmac.tmi_limited_credit(FILE_PURSE, amount)
    return session.response(mode=CommMode.MAC), OK


def credit(card: Card, body: bytes) -> Answer:
    """Credit under the LOAD key; counts with the commit."""
    return _move(card, body, tmac.CREDIT, Role.LOAD, 1, tmac.tmi_credit)


def _move(
    card: Card, body: bytes, code: int, role: Role, sign: int, tmi: Callable[[int, int], bytes]
) -> Answer:
    session, header, amount_bytes = card.opened(code, body, 1, CommMode.FULL)
    _only(card, role)
    if len(header) != 1 or len(amount_bytes) != 4:
        raise RefusedError(LENGTH)
    amount = int.from_bytes(amount_bytes, "little")
    after = _purse(card, header) + sign * amount
    if not PURSE_FLOOR <= after <= PURSE_LIMIT:
        raise RefusedError(BOUNDARY)
    card.transaction.purse = after
    if code == tmac.DEBIT:
        card.transaction.debited = (card.transaction.debited or 0) + amount
    card.transaction.tmi += tmi(FILE_PURSE, amount)
    return session.response(mode=CommMode.MAC), OK


def write_record(card: Card, body: bytes) -> Answer:
    """WriteRecord to the log under the DEBIT or LOAD key; counts with the commit."""
    session, header, record = card.opened(tmac.WRITE_RECORD, body, 7, CommMode.FULL)
    _only(card, Role.DEBIT, Role.LOAD)
    if header[0] != FILE_LOG or card.eeprom.purse is None:
        raise RefusedError(NO_FILE)
    if header[1:4] != bytes(3) or int.from_bytes(header[4:], "little") != len(record) != 0:
        raise RefusedError(LENGTH)
    if len(record) != RECORD_SIZE:
        raise RefusedError(BOUNDARY)
    card.transaction.records += (record,)
    card.transaction.tmi += tmac.tmi_write_record(FILE_LOG, record)
    return session.response(mode=CommMode.MAC), OK


def read_records(card: Card, body: bytes) -> Answer:
    """ReadRecords of the log: the newest `count` (0: all), oldest first as the card gives them."""
    session, header, _ = card.opened(tmac.READ_RECORDS, body, 7)
    if header[0] != FILE_LOG or card.eeprom.purse is None:
        raise RefusedError(NO_FILE)
    first, count = int.from_bytes(header[1:4], "little"), int.from_bytes(header[4:7], "little")
    log = card.eeprom.log
    if first >= len(log) or first + count > len(log):
        raise RefusedError(BOUNDARY)
    found = log[first : first + count] if count else log[first:]
    return session.response(b"".join(reversed(found))), OK


def change_key(card: Card, body: bytes) -> Answer:
    """ChangeKey under the APP key; its own change ends the session."""
    session, header, sent = card.opened(CHANGE_KEY, body, 1, CommMode.FULL)
    _only(card, Role.APP)
    number = header[0]
    old = card.key(number)
    if old is None:
        raise RefusedError(NO_SUCH_KEY)
    own = number == card.key_number
    found = changed(sent, old, own=own)
    if found is None:
        raise RefusedError(INTEGRITY)
    card.eeprom = card.eeprom.with_key(number, found[0])
    if own:
        card.drop()
        return b"", OK
    return session.response(mode=CommMode.MAC), OK


def create_tmac_file(card: Card, body: bytes) -> Answer:
    """CreateTransactionMACFile under the APP key, once: the counter starts at 0 with it."""
    session, _, key = card.opened(tmac.CREATE_TMAC_FILE, body, 5, CommMode.FULL)
    _only(card, Role.APP)
    if card.key(TMAC_KEY):
        raise RefusedError(DUPLICATE)
    if len(key) != 17:
        raise RefusedError(LENGTH)
    card.eeprom = card.eeprom.with_key(TMAC_KEY, key[:16])
    return session.response(mode=CommMode.MAC), OK


def get_card_uid(card: Card, body: bytes) -> Answer:
    """GetCardUID under any key, enciphered: how a reader learns the UID of a card that shows random ones."""
    session, header, _ = card.opened(tmac.GET_CARD_UID, body, 0)
    if header:
        raise RefusedError(LENGTH)
    return session.response(card.uid, CommMode.FULL), OK


COMMANDS: Final[dict[int, Callable[[Card, bytes], Answer]]] = {
    tmac.WRITE_DATA: write_data,
    tmac.GET_VALUE: get_value,
    tmac.DEBIT: debit,
    tmac.CREDIT: credit,
    tmac.LIMITED_CREDIT: limited_credit,
    tmac.GET_FILE_SETTINGS: get_file_settings,
    tmac.WRITE_RECORD: write_record,
    tmac.READ_RECORDS: read_records,
    CHANGE_KEY: change_key,
    tmac.CREATE_TMAC_FILE: create_tmac_file,
    tmac.GET_CARD_UID: get_card_uid,
}
