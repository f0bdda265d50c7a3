"""Cards are issued: a medium, a fare account, and the key its evidence is sealed under. No ledger account: the
service composes that, for access knows no money.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access.keyring import Keyring
from access.rules.medium import MediumState
from access.store import cards
from access.store.cards import Card
from kernel.crypto.card_keys import UID_SIZE, Role
from kernel.errors import DomainError
from kernel.ids import CardId, FareAccountId, uuid7, uuid8
from kernel.wire.cardinfo import CardInfo, Concession, encode

ISSUER: Final = 1
PRODUCT_ACCOUNT: Final = 1
"""CardInfo's product for the account-based profile: no purse on the card (READERS.md)."""
_UID: Final = b"uid"


class CardIssuedError(DomainError):
    """A card of this UID was issued before."""

    detail = "A card with this UID was issued already."


class UnknownCardError(DomainError):
    """No issued card has this id or serial."""

    detail = "There is no such card."


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCard:
    """What is asked for: one medium by its 7-byte UID."""

    uid: bytes
    concession: Concession
    expires_on: date
    operator_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCard:
    """One issued card. `info` is what its file 01 must hold."""

    card_id: CardId
    fare_account_id: FareAccountId
    serial: int
    key_generation: int
    uid: bytes
    info: bytes


def uid_hash(keyring: Keyring, uid: bytes) -> bytes:
    """Return the keyed hash by which a UID is looked up; the UID itself is stored nowhere in clear."""
    return keyring.lookup(_UID, uid)


def stray_id(hashed: bytes) -> CardId:
    """Return the id under which taps of a card that was never issued here are kept."""
    return CardId(uuid8("stray card", hashed))


def issue_card(
    tx: Connection,
    *,
    keyring: Keyring,
    uid: bytes,
    concession: Concession,
    expiry: date,
    now: datetime,
    operator: str = "",
) -> IssuedCard:
    """Return one card issued on the newest key generation; CardIssuedError when its UID is known."""
    asked = NewCard(uid=uid, concession=concession, expires_on=expiry, operator_id=operator)
    return issue_cards(tx, keyring=keyring, asked=(asked,), now=now)[0]


def issue_cards(
    tx: Connection, *, keyring: Keyring, asked: Sequence[NewCard], now: datetime
) -> tuple[IssuedCard, ...]:
    """Return the issued cards in the order asked, all or none; CardIssuedError when any UID is known or twice here.

    A card whose taps came before its issue takes over the id that they were kept under, so they become billable.
    """
    assert all(len(each.uid) == UID_SIZE for each in asked), "7-byte UIDs"
    if not asked:
        return ()
    generation = keyring.generations[-1]
    hashes = [uid_hash(keyring, each.uid) for each in asked]
    if len(set(hashes)) != len(hashes):
        raise CardIssuedError
    known = cards.list_data_keys(tx, [stray_id(hashed) for hashed in hashes])
    accounts = [FareAccountId(uuid7(now)) for _ in asked]
    cards.insert_accounts(tx, accounts, at=now)
    cards.insert_data_keys(tx, {account: keyring.new_data_key(account)[1] for account in accounts}, at=now)
    rows = [
        Card(
            stray_id(hashed) if stray_id(hashed) in known else uuid7(now),
            account,
            hashed,
            serial,
            generation,
            each.concession,
            each.operator_id,
            each.expires_on,
            MediumState.ACTIVE,
            now,
        )
        for each, hashed, account, serial in zip(
            asked, hashes, accounts, cards.next_serials(tx, len(asked)), strict=True
        )
    ]
    if len(cards.insert_cards(tx, rows)) != len(rows):
        raise CardIssuedError
    return tuple(_issued(row, each) for row, each in zip(rows, asked, strict=True))


def personalisation(keyring: Keyring, issued: IssuedCard) -> dict[str, object]:
    """Return what the personalisation station (or a software card) is given: one entry of cards.json.

    {"serial", "uid", "keys": {"AUTH", "TMAC", …: hex}, "generation", "info"}. It holds the card's keys: whoever
    has it is the card.
    """
    keys = keyring.card_keys(issued.uid, issued.key_generation)
    return {
        "serial": issued.serial,
        "uid": issued.uid.hex(),
        "keys": {role.value: keys[role].hex() for role in Role},
        "generation": issued.key_generation,
        "info": issued.info.hex(),
    }


def open_guest(tx: Connection, account_id: FareAccountId, now: datetime) -> None:
    """Open the fare account of somebody without a card, once: what a guest's stay is locked and billed by."""
    cards.insert_guest(tx, account_id, at=now)


def lock_accounts(tx: Connection, ids: Iterable[FareAccountId]) -> None:
    """Lock these fare accounts until the transaction ends, in id order (§8.5); UnknownCardError if one is none."""
    wanted = set(ids)
    if cards.lock_accounts(tx, wanted) != wanted:
        raise UnknownCardError


def raise_versions(tx: Connection, ids: Iterable[FareAccountId]) -> dict[FareAccountId, int]:
    """Return the accounts' next row versions, their rows locked: what the cache orders its writes by (§8.15).

    Call it in every transaction that changes what the cache shows: a bill, a top-up, a block.
    """
    wanted = set(ids)
    cards.lock_accounts(tx, wanted)
    return {FareAccountId(account): version for account, version in cards.raise_versions(tx, wanted).items()}


def get_card(tx: Connection, *, card_id: CardId | None = None, serial: int | None = None) -> Card:
    """Return the card of this id or serial; UnknownCardError."""
    found = cards.find_card(tx, card_id=card_id, serial=serial)
    if found is None:
        raise UnknownCardError
    return found


def find_card_by_uid(tx: Connection, *, keyring: Keyring, uid: bytes) -> Card | None:
    """Return the card issued with this UID, or None."""
    return cards.find_by_uid_hash(tx, uid_hash(keyring, uid))


def list_cards(tx: Connection, ids: Iterable[UUID]) -> tuple[Card, ...]:
    """Return the cards of these fare accounts, by serial."""
    return cards.list_cards(tx, ids)


def list_versions(tx: Connection, ids: Iterable[FareAccountId]) -> dict[FareAccountId, int]:
    """Return the accounts' row versions as stored."""
    return {FareAccountId(account): version for account, version in cards.list_versions(tx, ids).items()}


def _issued(row: Card, asked: NewCard) -> IssuedCard:
    info = CardInfo(
        issuer=ISSUER,
        serial=row.serial,
        product=PRODUCT_ACCOUNT,
        concession=asked.concession,
        expires_on=asked.expires_on,
        key_generation=row.key_generation,
    )
    return IssuedCard(
        card_id=CardId(row.card_id),
        fare_account_id=FareAccountId(row.fare_account_id),
        serial=row.serial,
        key_generation=row.key_generation,
        uid=asked.uid,
        info=encode(info),
    )
