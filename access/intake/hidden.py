"""Cards that show a UID of the moment: their identity comes from CardInfo, which their MAC covers (READERS.md)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from access.keyring import Keyring
from access.rules.hidden import is_random
from access.store import cards
from access.store.cards import KnownCard
from access.vault import unwrapped
from kernel.wire.tap import TapRecord


@dataclass(frozen=True, slots=True)
class Revealed:
    """A card that showed another UID, with its own one, under which its keys are made."""

    card: KnownCard
    uid: bytes
    uid_hash: bytes


def reveal(tx: Connection, records: Iterable[TapRecord], *, keyring: Keyring) -> dict[int, Revealed]:
    """Return, by the serial that they claim, the cards behind records with a random UID; others are absent.

    A claim proves nothing: the MAC, which only the card of that UID can make, is checked afterwards.
    """
    serials = {record.card_serial for record in records if is_random(record.uid)}
    if not serials:
        return {}
    found = cards.find_hidden(tx, serials)
    vault = unwrapped(keyring, {one.card.fare_account_id: one.card.wrapped for one in found.values()})
    return {
        serial: Revealed(
            one.card, vault.open(one.card.fare_account_id, one.uid_sealed, one.uid_hash), one.uid_hash
        )
        for serial, one in found.items()
        if vault.holds(one.card.fare_account_id)
    }
