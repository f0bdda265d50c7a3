"""Purses of stored-value cards: what a card last proved to hold, and the keys that let one card be loaded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from access.keyring import Keyring
from access.rules.actionlist import ActionKind, ActionList
from access.rules.mac import purse_of
from access.store import cards, evidence
from access.store.cards import Card
from access.vault import unwrapped
from kernel.crypto.card_keys import Role
from kernel.ids import DeviceId
from kernel.wire.tap import decode_tap

_LOOKED_AT: Final = 100
"""Between two payments lie few taps that cost nothing."""


@dataclass(frozen=True, slots=True)
class PurseState:
    """What the purse held after the card's transaction `counter`, as its MAC proves."""

    value: int
    counter: int
    at: datetime


def find_state(tx: Connection, card: Card, *, keyring: Keyring) -> PurseState | None:
    """Return what the card last proved to hold; None for a card that has never paid from a purse, or was forgotten."""
    rows = evidence.list_newest_proven(tx, card.card_id, limit=_LOOKED_AT)
    vault = unwrapped(keyring, cards.list_data_keys(tx, {row.sealed_under for row in rows}))
    for row in rows:
        if not vault.holds(row.sealed_under):
            continue
        record = decode_tap(vault.open(row.sealed_under, row.sealed, row.tap_id.bytes + row.record_hash))
        move = purse_of(record)
        if move is not None:
            return PurseState(move.after, record.tmc, record.tapped_at)
    return None


def can_load(tx: Connection, card: Card) -> bool:
    """Return whether the card's UID is kept, so that its own LOAD key can be made."""
    return card.serial in cards.find_hidden(tx, {card.serial})


def load_keys(
    tx: Connection, wanted: ActionList, device_id: DeviceId, *, keyring: Keyring
) -> dict[int, bytes]:
    """Return the LOAD keys of those cards alone that this reader shall load, by serial."""
    serials = {
        one.serial
        for one in wanted.actions
        if one.kind is ActionKind.LOAD_PURSE and one.detail["device"] == str(device_id)
    }
    return _load_keys(tx, serials, keyring) if serials else {}


def _load_keys(tx: Connection, serials: Iterable[int], keyring: Keyring) -> dict[int, bytes]:
    found = cards.find_hidden(tx, serials)
    vault = unwrapped(keyring, {one.card.fare_account_id: one.card.wrapped for one in found.values()})
    return {
        serial: keyring.card_keys(
            vault.open(one.card.fare_account_id, one.uid_sealed, one.uid_hash), one.card.key_generation
        )[Role.LOAD]
        for serial, one in found.items()
        if vault.holds(one.card.fare_account_id)
    }
