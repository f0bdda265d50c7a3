"""A software card that speaks the real protocol: EV2 authentication, MACed files, transaction MAC.

It is a model of a DESFire card's behaviour after public documents, for tests and the demo. Real silicon may differ.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from kernel.crypto import tmac
from kernel.crypto.aes import zero_padded
from kernel.crypto.card_keys import (
    DF_NAME,
    FILE_TRANSACTION_MAC,
    PRIVACY_KEY,
    RANDOM_UID_FIRST,
    UID_SIZE,
)
from kernel.crypto.ev2 import ANSWER_SIZE, TI_SIZE, CardAuth, CommMode, MessagingError, Session
from kernel.wire import cardinfo
from readers.softcard import commands
from readers.softcard.memory import (
    ABORTED,
    AUTHENTICATION,
    BOUNDARY,
    INTEGRITY,
    LENGTH,
    MORE,
    NO_APPLICATION,
    NO_FILE,
    NO_SUCH_KEY,
    OK,
    PARAMETER,
    PERMISSION_DENIED,
    SELECTED,
    TMAC_KEY,
    UNKNOWN_COMMAND,
    Eeprom,
    RefusedError,
    Secrets,
    Status,
    Transaction,
)

__all__ = ["CardLeftError", "Eeprom", "Fault", "Random", "Secrets", "SoftCard"]

Random = Callable[[int], bytes]

_LAST_COUNTER: Final = 0xFFFFFFFF


class Fault(StrEnum):
    """What a card does wrong on demand, once it is asked to commit or from the start."""

    TEAR_BEFORE = "tear_before"
    """Leaves the field with CommitTransaction unheard: nothing is committed."""
    TEAR_AFTER = "tear_after"
    """Commits and leaves before its answer arrives."""
    WRONG_MAC = "wrong_mac"
    """Answers the first MACed command with one bit of the MAC flipped."""
    HOSTILE_ATS = "hostile_ats"
    """Answers RATS with an ATS that ends too early, which makes nfcpy raise IndexError."""
    GARBAGE = "garbage"
    """Answers every command with random bytes."""
    STALE = "stale"
    """Answers each command with its answer to the one before."""
    WRONG_SYSTEM = "wrong_system"
    """A FeliCa token that answers a poll for another system code with its own."""
    SLOW = "slow"
    """Takes its time over every answer, within what a reader must bear."""


class CardLeftError(Exception):
    """The card is out of the field: no answer comes."""


class SoftCard:
    """One card. `answer` takes a command APDU; `power_off` is the card leaving the field.

    `eeprom` is the committed state. `on_commit` is called with it once it is replaced, before the answer leaves.
    `fault` is what this presentation shall do wrong; whoever presents the card sets and clears it.
    `finished_reading` is true once file 0F was read, `asked_to_commit` once CommitReaderID came.
    """

    def __init__(
        self,
        uid: bytes,
        secrets: Secrets,
        eeprom: Eeprom,
        *,
        random: Random = os.urandom,
        on_commit: Callable[[Eeprom], None] | None = None,
        random_uid: bool = False,
    ) -> None:
        assert len(uid) == UID_SIZE, "a 7-byte UID"
        assert len(eeprom.card_info) == cardinfo.SIZE, "CardInfo has 32 bytes"
        self.uid = uid
        self.eeprom = eeprom
        self.fault: Fault | None = None
        self.lock = threading.Lock()
        self._secrets = secrets
        self._random = random
        self._on_commit = on_commit
        self._random_uid = random_uid
        self.shown_uid = uid
        self._commands: Final[dict[int, Callable[[bytes], tuple[bytes, Status]]]] = {
            0x71: self._authenticate_first,
            0x77: self._authenticate_non_first,
            0xAF: self._continue,
            tmac.READ_DATA: self._read_data,
            tmac.COMMIT_READER_ID: self._commit_reader_id,
            tmac.COMMIT_TRANSACTION: self._commit_transaction,
        }
        self.power_off()

    def power_off(self) -> None:
        """Forget everything that is not in the EEPROM; a card with random UIDs shows another one from now on."""
        if self._random_uid:
            self.shown_uid = bytes((RANDOM_UID_FIRST,)) + self._random(3)
        self._selected = False
        self._pending: CardAuth | None = None
        self._gone = False
        self._mac_flipped = False
        self._said_before: bytes | None = None
        self.finished_reading = False
        self.asked_to_commit = False
        self.drop()

    def drop(self) -> None:
        """End the session and whatever was not committed."""
        self._session: Session | None = None
        self.key_number = -1
        self.transaction = Transaction()

    def answer(self, apdu: bytes) -> bytes:
        """Return the answer to a command APDU; CardLeftError when a fault took the card away.

        Any bytes at all are answered. An error drops authentication and whatever was not committed.
        """
        if self._gone:
            raise CardLeftError
        said = self._answered(apdu)
        before, self._said_before = self._said_before, said
        return before if self.fault is Fault.STALE and before is not None else said

    def _answered(self, apdu: bytes) -> bytes:
        code = 0
        if self.fault is Fault.GARBAGE:
            return self._random(int.from_bytes(self._random(1), "big"))
        if apdu[:4] == b"\x00\xa4\x04\x00":
            return self._select(apdu[5 : 5 + apdu[4]] if len(apdu) > 5 else b"")
        try:
            code, body = self._parsed(apdu)
            if code != 0xAF:
                self._pending = None
            if code in commands.COMMANDS:
                reply, status = commands.COMMANDS[code](self, body)
            else:
                reply, status = self._commands[code](body)
        except KeyError:
            reply, status = b"", UNKNOWN_COMMAND
        except MessagingError:
            reply, status = b"", INTEGRITY if self._session else AUTHENTICATION
        except RefusedError as refused:
            reply, status = b"", refused.status
        if status not in (OK, MORE):
            self.drop()
        if (
            self.fault is Fault.WRONG_MAC
            and status == OK
            and self._session
            and not self._mac_flipped
            and code != 0xAF
        ):
            self._mac_flipped = True
            reply = reply[:-1] + bytes((reply[-1] ^ 1,))
        return reply + status

    def _parsed(self, apdu: bytes) -> tuple[int, bytes]:
        if len(apdu) < 4 or apdu[0] != 0x90 or not self._selected:
            raise RefusedError(UNKNOWN_COMMAND)
        if len(apdu) <= 5:
            return apdu[1], b""
        body = apdu[5 : 5 + apdu[4]]
        if len(body) != apdu[4] or len(apdu) > 6 + apdu[4]:
            raise RefusedError(LENGTH)
        return apdu[1], body

    def _select(self, name: bytes) -> bytes:
        self.drop()
        self._pending = None
        self._selected = name == DF_NAME
        return SELECTED if self._selected else NO_APPLICATION

    def _authenticate_first(self, body: bytes) -> tuple[bytes, Status]:
        self.drop()
        if len(body) < 2:
            raise RefusedError(LENGTH)
        return self._challenge(body[0], None)

    def _authenticate_non_first(self, body: bytes) -> tuple[bytes, Status]:
        renews, self._session = self._session, None
        if renews is None:
            raise RefusedError(PERMISSION_DENIED)
        if len(body) != 1:
            raise RefusedError(LENGTH)
        return self._challenge(body[0], renews)

    def _challenge(self, number: int, renews: Session | None) -> tuple[bytes, Status]:
        key = self.key(number)
        if key is None:
            raise RefusedError(NO_SUCH_KEY)
        self.key_number = number
        self._pending = CardAuth(key, self._random(16), self._random(TI_SIZE), renews)
        return self._pending.challenge(), MORE

    def _continue(self, body: bytes) -> tuple[bytes, Status]:
        pending, self._pending = self._pending, None
        if pending is None:
            raise RefusedError(ABORTED)
        if len(body) != ANSWER_SIZE:
            raise RefusedError(LENGTH)
        proof, self._session = pending.verify(body)
        return proof, OK

    def key(self, number: int) -> bytes | None:
        """Return the key of a number as it is now; TMAC_KEY is the transaction MAC file's, None before there is one."""
        made = self._secrets.tmac if number == TMAC_KEY else self._secrets.by_number.get(number)
        return dict(self.eeprom.keys).get(number) or made or None

    def _tmac(self) -> tmac.TmacKey:
        key = self.key(TMAC_KEY)
        if key is None:
            raise RefusedError(NO_FILE)
        return tmac.TmacKey(key)

    def opened(
        self, code: int, body: bytes, header: int, mode: CommMode = CommMode.MAC
    ) -> tuple[Session, bytes, bytes]:
        """Return the session, the header and the data of a secured command."""
        session = self._session
        if session is None:
            raise RefusedError(AUTHENTICATION)
        head, plain = session.open_command(code, body, header, mode)
        if len(head) != header or (mode is CommMode.MAC and plain):
            raise RefusedError(LENGTH)
        return session, head, plain

    def _opened(self, code: int, body: bytes, size: int) -> tuple[Session, bytes]:
        session, header, _ = self.opened(code, body, size)
        if self.key_number == PRIVACY_KEY:
            raise RefusedError(PERMISSION_DENIED)
        return session, header

    def _read_data(self, body: bytes) -> tuple[bytes, Status]:
        session, header = self._opened(tmac.READ_DATA, body, 7)
        file, offset, length = (
            header[0],
            int.from_bytes(header[1:4], "little"),
            int.from_bytes(header[4:], "little"),
        )
        files = self.eeprom.files()
        if file not in files:
            raise RefusedError(NO_FILE)
        if offset + length > len(files[file]):
            raise RefusedError(BOUNDARY)
        found = files[file][offset : offset + length] if length else files[file][offset:]
        if file == FILE_TRANSACTION_MAC:
            self.finished_reading = True
        else:
            self.transaction.tmi += zero_padded(bytes((tmac.READ_DATA,)) + header) + zero_padded(found)
        return session.response(found), OK

    def _commit_reader_id(self, body: bytes) -> tuple[bytes, Status]:
        session, reader = self._opened(tmac.COMMIT_READER_ID, body, tmac.READER_ID_SIZE)
        self.asked_to_commit = True
        if self.transaction.reader is not None or self.eeprom.tmc >= _LAST_COUNTER:
            raise RefusedError(PERMISSION_DENIED)
        sealed = tmac.enc_tmri(
            self._tmac(), uid=self.uid, tmc=self.eeprom.tmc + 1, previous_reader=self.eeprom.last_reader
        )
        self.transaction.reader = reader
        self.transaction.tmi += tmac.tmi_commit_reader(reader, sealed)
        return session.response(sealed), OK

    def _commit_transaction(self, body: bytes) -> tuple[bytes, Status]:
        if self.fault is Fault.TEAR_BEFORE:
            self._leave()
        session, header = self._opened(tmac.COMMIT_TRANSACTION, body, 1)
        reader = self.transaction.reader
        if reader is None:
            raise RefusedError(PERMISSION_DENIED)
        if header not in (b"\x00", b"\x01"):
            raise RefusedError(PARAMETER)
        tmc = self.eeprom.tmc + 1
        value = tmac.tmv(self._tmac(), uid=self.uid, tmc=tmc, tmi=self.transaction.tmi)
        self.eeprom = self.transaction.applied(self.eeprom, tmc=tmc, tmv=value, reader=reader)
        self.transaction = Transaction()
        if self._on_commit is not None:
            self._on_commit(self.eeprom)
        if self.fault is Fault.TEAR_AFTER:
            self._leave()
        return session.response(tmc.to_bytes(4, "little") + value if header == b"\x01" else b""), OK

    def _leave(self) -> None:
        self._gone = True
        raise CardLeftError
