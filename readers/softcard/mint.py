"""New software cards from master keys, personalised as the back office would, for tests and trials."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from typing import Final

from kernel.crypto.card_keys import Role, card_key
from kernel.wire import cardinfo
from kernel.wire.cardinfo import CardInfo, Concession
from readers.softcard.card import Eeprom, Random, Secrets, SoftCard

ISSUER: Final = 1
PRODUCT: Final = 1


def uid_of(serial: int) -> bytes:
    """Return a 7-byte UID in NXP's range for a serial below 2^48."""
    return b"\x04" + serial.to_bytes(6, "big")


def mint(
    serial: int,
    masters: Mapping[Role, bytes],
    *,
    generation: int = 1,
    concession: Concession = Concession.NORMAL,
    expires_on: date = date(2031, 12, 31),
    random: Random = os.urandom,
) -> SoftCard:
    """Return a card of this serial whose AUTH and TMAC keys come from `masters` of one generation."""
    uid = uid_of(serial)
    info = CardInfo(
        issuer=ISSUER,
        serial=serial,
        product=PRODUCT,
        concession=concession,
        expires_on=expires_on,
        key_generation=generation,
    )
    secrets = Secrets.of(
        auth=card_key(masters[Role.AUTH], uid, generation),
        tmac_key=card_key(masters[Role.TMAC], uid, generation),
    )
    return SoftCard(uid, secrets, Eeprom(cardinfo.encode(info)), random=random)
