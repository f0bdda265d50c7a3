"""Erase a person: the account's data key is destroyed, and what is sealed under it becomes noise (DESIGN §6).

Evidence, entries and seals stay as they are: they hold hashes and pseudonyms. What could lead from a card or a
citizen back to them goes: the UID's keyed hash, the sealed UID, and the identity.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

from access import identify
from access.issue import stray_id
from access.rules.medium import FINAL, MediumState
from access.store import cards
from kernel.errors import DomainError
from kernel.ids import FareAccountId

_OVER = FINAL | {MediumState.EXPIRED}


class StillInUseError(DomainError):
    """A card of the account is still in use; hand it in first."""

    detail = "Card {serial} is {state}: hand it in or retire it first."


def erase(tx: Connection, accounts: Iterable[FareAccountId], *, now: datetime) -> int:
    """Destroy the keys of these accounts and what leads to them; return how many keys that were (0: done before).

    The accounts are locked by the caller, who has seen to it that they hold and owe nothing. StillInUseError.
    """
    wanted = sorted(set(accounts))
    listed = cards.list_cards(tx, wanted)
    for card in listed:
        if card.state not in _OVER:
            raise StillInUseError(serial=card.serial, state=card.state.value)
    owners = {*wanted, *(stray_id(card.uid_hash) for card in listed)}
    destroyed = cards.erase_data_keys(tx, owners, at=now)
    cards.replace_uid_hashes(tx, {card.card_id: os.urandom(len(card.uid_hash)) for card in listed})
    for account in wanted:
        identify.forget(tx, account)
    return destroyed
