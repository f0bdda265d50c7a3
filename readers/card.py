"""One tap, as the validator sees the card: seven APDUs of the account-based profile, every answer MACed.

    SELECT, AuthenticateEV2First (2), ReadData 01 CardInfo, ReadData 0F, CommitReaderID, CommitTransaction

The exchange itself is sans-IO: generators yield command APDUs and are sent the answers, so the same bytes go over
nfcpy, PC/SC or a direct call. `begin`, `prepare` and `commit` drive them over a `CardChannel`. Whatever a card
answers, only the three errors below come out, and after any of them the authentication is gone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from kernel.crypto.card_keys import (
    DF_NAME,
    FILE_CARD_INFO,
    FILE_TRANSACTION_MAC,
    KEY_NUMBER,
    PRIVACY_KEY,
    RANDOM_UID_FIRST,
    RANDOM_UID_SIZE,
    UID_SIZE,
    Role,
    card_key,
    privacy_key,
)
from kernel.crypto.ev2 import CommMode, MessagingError, ReaderAuth, Session
from kernel.crypto.tmac import (
    COMMIT_READER_ID,
    COMMIT_TRANSACTION,
    GET_CARD_UID,
    READ_DATA,
    READER_ID_SIZE,
    TMV_SIZE,
    abt_tmi,
)
from kernel.wire import cardinfo
from kernel.wire.cardinfo import CardInfo
from kernel.wire.codec import MalformedRecordError

APDU_TIMEOUT_S: Final = 0.25
LAST_COUNTER: Final = 0xFFFFFFFF

_AUTHENTICATE_FIRST: Final = 0x71
_CONTINUE: Final = 0xAF
_RETURN_TMV: Final = b"\x01"
_SELECTED: Final = b"\x90\x00"
_OK: Final = b"\x91\x00"
_MORE: Final = b"\x91\xaf"
_AUTHENTICATION_ERROR: Final = b"\x91\xae"
_TMC_SIZE: Final = 4

_Result = TypeVar("_Result")
Steps = Generator[bytes, bytes, _Result]
Random = Callable[[int], bytes]


class CardError(Exception):
    """What can go wrong with a card; `reason` is a stable code for the journal."""

    def __init__(self, reason: str, status: bytes = b"") -> None:
        super().__init__(f"{reason} {status.hex()}".strip())
        self.reason = reason
        self.status = status


class CardLostError(CardError):
    """No answer: the card left the field, or the air ate it."""


class CardRefusedError(CardError):
    """The card, or the lack of a key to it, said no; `status` is its two bytes."""


class CardForgedError(CardError):
    """An answer that a genuine card of ours cannot give."""


class CardChannel(Protocol):
    """A card in the field, whatever carries its APDUs."""

    @property
    def uid(self) -> bytes:
        """Return the UID that anticollision gave."""
        ...

    def transceive(self, apdu: bytes, timeout_s: float) -> bytes:
        """Return the answer to one command APDU; CardLostError when there is none in time."""
        ...

    def present(self) -> bool:
        """Return whether the card still answers."""
        ...

    def close(self) -> None:
        """Let go of the card; nothing is sent through the channel afterwards."""
        ...


@dataclass(frozen=True, slots=True)
class CardRead:
    """A genuine card and what it holds. `prior_*` is file 0F: the card's last committed transaction."""

    uid: bytes
    info: CardInfo
    data_read: bytes
    prior_tmc: int
    prior_tmv: bytes
    key_generation: int
    session: Session = field(repr=False)
    channel: CardChannel = field(repr=False)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything the transaction MAC will cover, known before the card is asked to commit."""

    read: CardRead
    reader_id: bytes
    enc_tmri: bytes
    expected_tmc: int
    tmi: bytes


@dataclass(frozen=True, slots=True)
class Committed:
    """The card's counter after the transaction and its MAC, which only the back office can verify."""

    tmc: int
    tmv: bytes


def begin(
    channel: CardChannel,
    keys: Mapping[int, bytes],
    *,
    timeout_s: float = APDU_TIMEOUT_S,
    random: Random = os.urandom,
) -> CardRead:
    """Return the card in the channel, authenticated and read (5 APDUs).

    `keys` are the AUTH masters by generation; the newest is tried first. Raises CardLostError, CardRefusedError
    (`not_ours`, `unknown_key`, `uid`, `counter_exhausted`, `status`) or CardForgedError.
    """
    return run(channel, read_steps(channel, keys, random), timeout_s)


def prepare(read: CardRead, reader_id: bytes, *, timeout_s: float = APDU_TIMEOUT_S) -> Prepared:
    """Return the transaction made ready under this 16-byte reader id (1 APDU); nothing is committed yet."""
    return run(read.channel, prepare_steps(read, reader_id), timeout_s, read.session)


def commit(prepared: Prepared, *, timeout_s: float = APDU_TIMEOUT_S) -> Committed:
    """Return the committed transaction (1 APDU).

    After *any* CardError from here the card may or may not have committed: its journal entry stays INTENT, and
    file 0F tells at the next presentation.
    """
    return run(prepared.read.channel, commit_steps(prepared), timeout_s, prepared.read.session)


def run(
    channel: CardChannel, steps: Steps[_Result], timeout_s: float, session: Session | None = None
) -> _Result:
    """Drive sans-IO steps over a channel and return their result; a CardError drops the session."""
    try:
        answer = channel.transceive(next(steps), timeout_s)
        while True:
            answer = channel.transceive(steps.send(answer), timeout_s)
    except StopIteration as done:
        result: _Result = done.value
        return result
    except CardError:
        if session is not None:
            session.drop()
        raise
    except MessagingError as error:
        raise CardForgedError(str(error).replace(" ", "_")) from None
    finally:
        steps.close()


def read_steps(
    channel: CardChannel, keys: Mapping[int, bytes], random: Random, role: Role = Role.AUTH
) -> Steps[CardRead]:
    """Return the steps of `begin`; under another role's masters for a tap that does more than read."""
    session, uid, generation = yield from select_and_authenticate(channel, role, keys, random)
    data_read = yield from read_file(session, FILE_CARD_INFO, cardinfo.SIZE)
    last = yield from read_file(session, FILE_TRANSACTION_MAC, _TMC_SIZE + TMV_SIZE)
    try:
        info = cardinfo.decode(data_read)
    except MalformedRecordError:
        raise CardForgedError("card_info") from None
    return CardRead(
        uid=uid,
        info=info,
        data_read=data_read,
        prior_tmc=int.from_bytes(last[:_TMC_SIZE], "little"),
        prior_tmv=last[_TMC_SIZE:],
        key_generation=generation,
        session=session,
        channel=channel,
    )


def prepare_steps(read: CardRead, reader_id: bytes) -> Steps[Prepared]:
    """Return the steps of `prepare`."""
    assert len(reader_id) == READER_ID_SIZE, "a 16-byte reader id"
    if read.prior_tmc >= LAST_COUNTER:
        raise CardRefusedError("counter_exhausted")
    enc_tmri = yield from secured(read.session, COMMIT_READER_ID, reader_id)
    if len(enc_tmri) != READER_ID_SIZE:
        raise CardForgedError("reader_id_length")
    return Prepared(
        read=read,
        reader_id=reader_id,
        enc_tmri=enc_tmri,
        expected_tmc=read.prior_tmc + 1,
        tmi=abt_tmi(read.data_read, reader_id, enc_tmri),
    )


def commit_steps(prepared: Prepared) -> Steps[Committed]:
    """Return the steps of `commit`."""
    answer = yield from secured(prepared.read.session, COMMIT_TRANSACTION, _RETURN_TMV)
    # One transaction to an authentication: what follows needs a new one.
    prepared.read.session.drop()
    if len(answer) != _TMC_SIZE + TMV_SIZE:
        raise CardForgedError("commit_length")
    tmc = int.from_bytes(answer[:_TMC_SIZE], "little")
    if tmc != prepared.expected_tmc:
        raise CardForgedError("counter")
    return Committed(tmc, answer[_TMC_SIZE:])


def native(code: int, body: bytes) -> bytes:
    """Return a native command wrapped as an ISO 7816 APDU."""
    return bytes((0x90, code, 0, 0, len(body))) + body + b"\x00"


def select_and_authenticate(
    channel: CardChannel, role: Role, keys: Mapping[int, bytes], random: Random
) -> Steps[tuple[Session, bytes, int]]:
    """Return the session under the card's key of a role, the card's UID, and the key's generation.

    `keys` are that role's masters by generation. A card with random UIDs is asked who it is first, under the privacy
    key that the same masters give.
    """
    uid = channel.uid
    hidden = len(uid) == RANDOM_UID_SIZE and uid[0] == RANDOM_UID_FIRST
    if not hidden and len(uid) != UID_SIZE:
        raise CardRefusedError("uid")
    selected = yield b"\x00\xa4\x04\x00" + bytes((len(DF_NAME),)) + DF_NAME + b"\x00"
    if selected[-2:] != _SELECTED:
        raise CardRefusedError("not_ours", selected[-2:])
    if hidden:
        privacy = {generation: privacy_key(master, generation) for generation, master in keys.items()}
        session, _ = yield from authenticate(PRIVACY_KEY, privacy, random)
        uid = yield from secured(session, GET_CARD_UID, b"", answer=CommMode.FULL)
        if len(uid) != UID_SIZE:
            raise CardForgedError("uid_length")
    own = {generation: card_key(master, uid, generation) for generation, master in keys.items()}
    session, generation = yield from authenticate(KEY_NUMBER[role], own, random)
    return session, uid, generation


def authenticate(number: int, keys: Mapping[int, bytes], random: Random) -> Steps[tuple[Session, int]]:
    """Return the session under key `number`, and the generation of `keys` that the card answered to, newest first."""
    status = b""
    for generation in sorted(keys, reverse=True):
        auth = ReaderAuth(keys[generation], random(16))
        challenge = yield native(_AUTHENTICATE_FIRST, bytes((number, 0)))
        if challenge[-2:] != _MORE:
            raise CardRefusedError("status", challenge[-2:])
        proof = yield native(_CONTINUE, auth.answer(challenge[:-2]))
        status = proof[-2:]
        if status == _OK:
            return auth.finish(proof[:-2]), generation
        if status != _AUTHENTICATION_ERROR:
            raise CardRefusedError("status", status)
    raise CardRefusedError("unknown_key", status)


def secured(
    session: Session,
    code: int,
    header: bytes,
    data: bytes = b"",
    *,
    sent: CommMode = CommMode.MAC,
    answer: CommMode = CommMode.MAC,
) -> Steps[bytes]:
    """Return what the card answered to one secured command."""
    got = yield native(code, session.command(code, header, data, sent))
    if got[-2:] != _OK:
        raise CardRefusedError("status", got[-2:])
    return session.open_response(got[:-2], answer)


def read_file(session: Session, file: int, size: int) -> Steps[bytes]:
    """Return a file's first `size` bytes."""
    place = bytes((file,)) + bytes(3) + size.to_bytes(3, "little")
    found = yield from secured(session, READ_DATA, place)
    if len(found) != size:
        raise CardForgedError("file_length")
    return found
