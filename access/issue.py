"""Cards are issued: a medium, a fare account, and the key its evidence is sealed under. No ledger account: the
service composes that, for access knows no money.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access import deny, link
from access.deny import DenyReason
from access.keyring import Keyring
from access.rules.medium import EXCLUSIVE, MediumKind, MediumState, OneActiveError, may_be_active
from access.store import cards
from access.store.cards import Card
from access.vault import Vault, unwrapped
from kernel.crypto.card_keys import UID_SIZE, Role
from kernel.errors import DomainError
from kernel.ids import CardId, FareAccountId, uuid7, uuid8
from kernel.wire.cardinfo import PRODUCT_ACCOUNT, PRODUCT_PURSE, CardInfo, Concession, decode, encode

ISSUER: Final = 1
RANDOM_UID: Final = 1
"""CardInfo's flag for a card that shows a UID of the moment."""
_UID: Final = b"uid"
_EARLIEST_ZONE: Final = timedelta(hours=12)
"""How far behind UTC a place may be: a day that is over there is over everywhere."""


class CardIssuedError(DomainError):
    """A card of this UID was issued before."""

    detail = "A card with this UID was issued already."


class CardOutOfDateError(DomainError):
    """A card was asked for whose last day is over."""

    detail = "What is good until {expires_on} is out of date before anybody has it."


class UnknownCardError(DomainError):
    """No issued card has this id or serial."""

    detail = "There is no such card."


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCard:
    """What is asked for: one card, or the same application on a phone, by its 7-byte UID.

    `fare_account_id` puts it on an account that is there, for which it needs to be inactive or the only active one.
    Inactive, it is on the deny list until it is activated. `random_uid`: it shows strangers a UID of the moment, so
    its own one is kept, sealed, and its identity is read from CardInfo (READERS.md).
    """

    uid: bytes
    concession: Concession
    expires_on: date
    operator_id: str = ""
    kind: MediumKind = MediumKind.TRANSIT
    active: bool = True
    fare_account_id: FareAccountId | None = None
    random_uid: bool = False
    stored_value: bool = False
    """It has a purse that pays by itself; its UID is kept, sealed, for what is loaded onto it later."""


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


def check_last_day(expires_on: date, now: datetime) -> None:
    """Refuse with CardOutOfDateError a medium whose last day is over everywhere."""
    if expires_on < (now - _EARLIEST_ZONE).date():
        raise CardOutOfDateError(expires_on=expires_on.isoformat())


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
    """Return one card issued on the keyring's issuing generation; CardIssuedError when its UID is known."""
    asked = NewCard(uid=uid, concession=concession, expires_on=expiry, operator_id=operator)
    return issue_cards(tx, keyring=keyring, asked=(asked,), now=now)[0]


def issue_cards(
    tx: Connection,
    *,
    keyring: Keyring,
    asked: Sequence[NewCard],
    now: datetime,
    serials: Sequence[int] | None = None,
) -> tuple[IssuedCard, ...]:
    """Return the issued cards in the order asked, all or none; CardIssuedError when any UID is known or twice here,
    CardOutOfDateError when the last day of any is over everywhere.

    `serials` are ones that were drawn for these cards before. OneActiveError for an active one on an account whose
    active card or phone is another. A card whose taps came before its issue takes over the id that they were kept under, so they become billable.
    """
    assert all(len(each.uid) == UID_SIZE for each in asked), "7-byte UIDs"
    assert all(each.kind in EXCLUSIVE for each in asked), "what has no application is registered by its token"
    if not asked:
        return ()
    for each in asked:
        check_last_day(each.expires_on, now)
    generation = keyring.issuing
    hashes = [uid_hash(keyring, each.uid) for each in asked]
    if len(set(hashes)) != len(hashes):
        raise CardIssuedError
    known = cards.list_data_keys(tx, [stray_id(hashed) for hashed in hashes])
    accounts = [each.fare_account_id or FareAccountId(uuid7(now)) for each in asked]
    fresh = [account for account, each in zip(accounts, asked, strict=True) if each.fare_account_id is None]
    _open_accounts(tx, keyring, fresh, now)
    vault = _vault(tx, keyring, asked, accounts)
    _check_alone(tx, asked, now)
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
            MediumState.ACTIVE if each.active else MediumState.ISSUED,
            now,
            each.kind,
            vault.seal(account, each.uid, hashed) if each.random_uid or each.stored_value else None,
        )
        for each, hashed, account, serial in zip(
            asked, hashes, accounts, serials or cards.next_serials(tx, len(asked)), strict=True
        )
    ]
    if len(cards.insert_cards(tx, rows)) != len(rows):
        raise CardIssuedError
    waiting = [row.serial for row in rows if row.state is MediumState.ISSUED]
    deny.deny(tx, waiting, reason=DenyReason.NOT_ACTIVE, cause="issued", now=now)
    return tuple(as_issued(row, each) for row, each in zip(rows, asked, strict=True))


def _check_alone(tx: Connection, asked: Sequence[NewCard], now: datetime) -> None:
    """Beside an active card or phone of the same person no other may become active."""
    for each in asked:
        if each.active and each.fare_account_id is not None:
            account = link.current(tx, each.fare_account_id, at=now)
            beside = [
                card.kind
                for card in link.list_media(tx, (account,), at=now)
                if card.state is MediumState.ACTIVE
            ]
            if not may_be_active(each.kind, beside):
                raise OneActiveError


def _open_accounts(
    tx: Connection, keyring: Keyring, accounts: Sequence[FareAccountId], now: datetime
) -> None:
    cards.insert_accounts(tx, accounts, at=now)
    cards.insert_data_keys(tx, {account: keyring.new_data_key(account)[1] for account in accounts}, at=now)


def _vault(
    tx: Connection, keyring: Keyring, asked: Sequence[NewCard], accounts: Sequence[FareAccountId]
) -> Vault:
    owners = {
        account for each, account in zip(asked, accounts, strict=True) if each.random_uid or each.stored_value
    }
    return unwrapped(keyring, cards.list_data_keys(tx, owners) if owners else {})


def as_issued(row: Card, asked: NewCard) -> IssuedCard:
    """Return what this card is to hold, which was issued as it was asked for here."""
    info = CardInfo(
        issuer=ISSUER,
        serial=row.serial,
        product=PRODUCT_PURSE if asked.stored_value else PRODUCT_ACCOUNT,
        concession=asked.concession,
        expires_on=asked.expires_on,
        key_generation=row.key_generation,
        flags=RANDOM_UID if asked.random_uid else 0,
    )
    return IssuedCard(
        card_id=CardId(row.card_id),
        fare_account_id=FareAccountId(row.fare_account_id),
        serial=row.serial,
        key_generation=row.key_generation,
        uid=asked.uid,
        info=encode(info),
    )


def personalisation(keyring: Keyring, issued: IssuedCard) -> dict[str, object]:
    """Return what the personalisation station (or a software card) is given: one entry of cards.json.

    {"serial", "uid", "keys": {"AUTH", "TMAC", …: hex}, "generation", "info"}, and "purse": 0 for a stored-value card.
    It holds the card's keys: whoever has it is the card.
    """
    keys = keyring.card_keys(issued.uid, issued.key_generation)
    return {
        "serial": issued.serial,
        "uid": issued.uid.hex(),
        "keys": {role.value: keys[role].hex() for role in Role},
        "generation": issued.key_generation,
        "info": issued.info.hex(),
        **({"purse": 0} if decode(issued.info).product == PRODUCT_PURSE else {}),
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


def lift_version(tx: Connection, account: FareAccountId, *, by: int) -> None:
    """Raise an account's row version by this much; its row is locked by the caller."""
    cards.lift_version(tx, account, by)


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
