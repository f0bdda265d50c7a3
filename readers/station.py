"""The personalisation desk: keys and CardInfo onto a card whose application its maker laid out under a transport key.

    personalise   transport key → the card's own keys, transaction MAC key, CardInfo; then read back as a validator does
    rekey         AUTH, DEBIT, LOAD and APP of one generation → the next. The transaction MAC key stays: on these cards
                  it can only be put in with its file, which starts the counter anew, and (card, counter) must stay
                  unique for ever. CardInfo names the generation of the transaction MAC key.

Keys are the card's own, from `lienthong card issue`: no master is needed here. Whatever goes wrong, the card can be
shown again: each step finds out what has been done.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from kernel.crypto.aes import BLOCK
from kernel.crypto.card_keys import (
    DF_NAME,
    FILE_CARD_INFO,
    FILE_TRANSACTION_MAC,
    KEY_NUMBER,
    Role,
)
from kernel.crypto.change_key import CHANGE_KEY, other_key, own_key
from kernel.crypto.ev2 import CommMode, Session
from kernel.crypto.tmac import CREATE_TMAC_FILE, WRITE_DATA
from kernel.wire import cardinfo
from readers.card import (
    CardChannel,
    CardForgedError,
    CardRefusedError,
    Random,
    Steps,
    authenticate,
    native,
    read_file,
    run,
    secured,
)

TRANSPORT_KEY: Final = bytes(BLOCK)
TIMEOUT_S: Final = 1.0
_SELECTED: Final = b"\x90\x00"
_OK: Final = b"\x91\x00"
_DUPLICATE: Final = b"\x91\xde"
_KEY_VERSION: Final = 1
# Read by AUTH, CommitReaderID by AUTH, nothing writes it (MF2DL(H)x0 §11.7): our layout, unproven on silicon.
_TMAC_LAYOUT: Final = bytes((FILE_TRANSACTION_MAC,)) + bytes.fromhex("0111ff02")


def personalise(
    channel: CardChannel,
    keys: Mapping[Role, bytes],
    info: bytes,
    *,
    transport: bytes = TRANSPORT_KEY,
    random: Random = os.urandom,
) -> None:
    """Put keys and the 32 bytes of CardInfo onto the card and read them back.

    CardRefusedError `unknown_key` for a card that is neither fresh nor this one; CardForgedError where it reads back
    something else. A card that was personalised halfway, or wholly, with these very keys is finished.
    """
    assert len(info) == cardinfo.SIZE, "CardInfo has 32 bytes"
    run(channel, _personalise_steps(keys, info, transport, random), TIMEOUT_S)


def rekey(
    channel: CardChannel, old: Mapping[Role, bytes], new: Mapping[Role, bytes], *, random: Random = os.urandom
) -> None:
    """Change the card's AUTH, DEBIT, LOAD and APP keys from `old` to `new`; one left halfway is finished.

    CardRefusedError `unknown_key` for a card that holds neither.
    """
    run(channel, _rekey_steps(old, new, random), TIMEOUT_S)


def _personalise_steps(
    keys: Mapping[Role, bytes], info: bytes, transport: bytes, random: Random
) -> Steps[None]:
    blank = dict.fromkeys(KEY_NUMBER, transport)
    yield from _rekey_steps(blank, keys, random, tmac=keys[Role.TMAC])
    session, _ = yield from authenticate(KEY_NUMBER[Role.LOAD], {0: keys[Role.LOAD]}, random)
    place = bytes((FILE_CARD_INFO,)) + bytes(3) + len(info).to_bytes(3, "little")
    yield from secured(session, WRITE_DATA, place, info, sent=CommMode.FULL)
    session, _ = yield from authenticate(KEY_NUMBER[Role.AUTH], {0: keys[Role.AUTH]}, random)
    found = yield from read_file(session, FILE_CARD_INFO, cardinfo.SIZE)
    if found != info:
        raise CardForgedError("card_info")


def _rekey_steps(
    old: Mapping[Role, bytes], new: Mapping[Role, bytes], random: Random, *, tmac: bytes | None = None
) -> Steps[None]:
    selected = yield b"\x00\xa4\x04\x00" + bytes((len(DF_NAME),)) + DF_NAME + b"\x00"
    if selected[-2:] != _SELECTED:
        raise CardRefusedError("not_ours", selected[-2:])
    # The APP key changes last: while it is the old one, the others may be either.
    session, app = yield from authenticate(KEY_NUMBER[Role.APP], {0: old[Role.APP], 1: new[Role.APP]}, random)
    if app:
        return
    for role in (Role.AUTH, Role.DEBIT, Role.LOAD):
        session = yield from _change(session, role, old, new, random)
    if tmac is not None:
        yield from _create_tmac_file(session, tmac)
        session, _ = yield from authenticate(KEY_NUMBER[Role.APP], {0: old[Role.APP]}, random)
    number = bytes((KEY_NUMBER[Role.APP],))
    sent = session.command(CHANGE_KEY, number, own_key(new[Role.APP], _KEY_VERSION), CommMode.FULL)
    # The session ends with its own key: there is no MAC on this answer, so the new key is proven by its use.
    done = yield native(CHANGE_KEY, sent)
    if done[-2:] != _OK:
        raise CardRefusedError("status", done[-2:])
    yield from authenticate(number[0], {0: new[Role.APP]}, random)


def _change(
    session: Session, role: Role, old: Mapping[Role, bytes], new: Mapping[Role, bytes], random: Random
) -> Steps[Session]:
    number = KEY_NUMBER[role]
    # Which of the two it holds is found by trying: an error drops authentication, and APP is shown again.
    _, held = yield from authenticate(number, {0: old[role], 1: new[role]}, random)
    session, _ = yield from authenticate(KEY_NUMBER[Role.APP], {0: old[Role.APP]}, random)
    if not held:
        change = other_key(new[role], old[role], _KEY_VERSION)
        yield from secured(session, CHANGE_KEY, bytes((number,)), change, sent=CommMode.FULL)
    return session


def _create_tmac_file(session: Session, key: bytes) -> Steps[None]:
    sent = session.command(CREATE_TMAC_FILE, _TMAC_LAYOUT, key + bytes((_KEY_VERSION,)), CommMode.FULL)
    made = yield native(CREATE_TMAC_FILE, sent)
    if made[-2:] == _DUPLICATE:
        return  # by the attempt before; whose key it is, the first upload proves
    if made[-2:] != _OK:
        raise CardRefusedError("status", made[-2:])
    session.open_response(made[:-2])
