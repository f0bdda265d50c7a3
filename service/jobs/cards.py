"""What is done to cards, composed from the houses: state and deny list, money, versions for the cache, audit trail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access import block, issue, link
from access.issue import NewCard
from access.keyring import Keyring
from access.replace import Replaced, replace_card
from access.rules.medium import FINAL, MediumEvent, MediumState
from access.store.cards import Card
from kernel.clock import Clock
from kernel.ids import CardId, FareAccountId, uuid7
from kernel.money import VND, Money
from kernel.service_day import local_date
from ledger.refund import quote_refund, refund_stored
from ledger.rules.book_day import ZONE
from service import audit
from service.audit import Actor, ActorKind
from service.database import Database

JOB: Final = Actor(ActorKind.COMMAND, "expire_cards")
_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Changed:
    """A card after a step; `accounts` are those whose cached cards are out of date."""

    card: Card
    accounts: frozenset[FareAccountId]


@dataclass(frozen=True, slots=True)
class Returned:
    """A card that was handed in, and what is to be paid out: zero while another medium of the account lives."""

    card: Card
    refund: Money
    accounts: frozenset[FareAccountId]


def change_card(
    tx: Connection,
    serial: int,
    event: MediumEvent,
    *,
    reason: str,
    by: Actor,
    now: datetime,
    event_id: UUID | None = None,
    request_id: str = "",
) -> Changed:
    """Take one step of a card's life and return the card; again with the same `event_id`, nothing changes.

    Raises as `access.block.change_state` does.
    """
    card = issue.get_card(tx, serial=serial)
    accounts = _lock(tx, card)
    made = event_id or uuid7(now)
    again = any(row.event_id == made for row in block.list_history(tx, CardId(card.card_id)))
    block.change_state(
        tx, CardId(card.card_id), event, reason=reason, actor=by.actor_id, now=now, event_id=made
    )
    if not again:
        _audit(tx, card, f"access.card.{event.value}", by, now, request_id, {"cause": reason})
    return Changed(issue.get_card(tx, serial=serial), accounts)


def replace(
    tx: Connection,
    serial: int,
    asked: NewCard,
    *,
    keyring: Keyring,
    event_id: UUID,
    reason: str,
    by: Actor,
    now: datetime,
    request_id: str = "",
) -> tuple[Replaced, frozenset[FareAccountId]]:
    """Replace a card: its account with balance, passes and history stays, the old card is denied for good."""
    card = issue.get_card(tx, serial=serial)
    accounts = _lock(tx, card)
    done = replace_card(
        tx,
        CardId(card.card_id),
        asked,
        keyring=keyring,
        event_id=event_id,
        reason=reason,
        actor=by.actor_id,
        now=now,
    )
    if done.made is not None:
        detail = {"cause": reason, "replacement": str(done.new.serial)}
        _audit(tx, card, "access.card.replaced", by, now, request_id, detail)
    return done, accounts


def quote_return(tx: Connection, serial: int, *, now: datetime) -> Money:
    """Return what handing the card in would pay out now: nothing while another medium of the person lives.

    OpenReceivableError where the account owes, HeldValueError where a hold stands.
    """
    card = issue.get_card(tx, serial=serial)
    head = link.current(tx, FareAccountId(card.fare_account_id), at=now)
    amount = quote_refund(tx, head, now=now)
    return amount if _is_last(tx, card, head, now) else Money.zero(VND)


def return_card(
    tx: Connection,
    serial: int,
    *,
    confirmed: Money,
    event_id: UUID,
    reason: str,
    by: Actor,
    now: datetime,
    request_id: str = "",
) -> Returned:
    """Take a card back and book what it stored as to be paid out; `confirmed` must be that amount.

    Refused with an open receivable. The same `event_id` again answers the same. Raises as `quote_return`,
    RefundAmountError, MediumTransitionError.
    """
    card = issue.get_card(tx, serial=serial)
    accounts = _lock(tx, card)
    known = [row for row in block.list_history(tx, CardId(card.card_id)) if row.event_id == event_id]
    head = link.current(tx, FareAccountId(card.fare_account_id), at=now)
    last = _is_last(tx, card, head, now)
    block.change_state(
        tx,
        CardId(card.card_id),
        MediumEvent.RETURNED,
        reason=reason,
        actor=by.actor_id,
        now=now,
        event_id=event_id,
    )
    refund = Money.zero(VND)
    if last:
        refund = refund_stored(tx, head, refund_id=event_id, confirmed=confirmed, now=now)
    else:
        quote_refund(tx, head, now=now)  # who owes keeps the card, whatever else is active
    if not known:
        detail = {"cause": reason, "refund": refund.to_json()}
        _audit(tx, card, "access.card.returned", by, now, request_id, detail)
    return Returned(issue.get_card(tx, serial=serial), refund, accounts)


def expire_cards(database: Database, clock: Clock) -> Iterator[Changed]:
    """Yield each card that is past its last day as it is marked so; each in a transaction, so it may be killed."""
    while True:
        now = clock.now()
        with database.read() as tx:
            due = [
                issue.get_card(tx, card_id=card_id).serial
                for card_id in block.list_expiring(tx, local_date(now, ZONE), limit=_AT_ONCE)
            ]
        if not due:
            return
        for serial in due:

            def work(tx: Connection, serial: int = serial, now: datetime = now) -> Changed:
                return change_card(
                    tx, serial, MediumEvent.EXPIRED, reason="past its last day", by=JOB, now=now
                )

            yield database.run(work)


def _is_last(tx: Connection, card: Card, head: FareAccountId, now: datetime) -> bool:
    return all(
        other.state in FINAL or other.state is MediumState.EXPIRED or other.card_id == card.card_id
        for other in link.list_media(tx, (head,), at=now)
    )


def _lock(tx: Connection, card: Card) -> frozenset[FareAccountId]:
    home = FareAccountId(card.fare_account_id)
    accounts = link.lock_counted(tx, (home,)).accounts | {home}
    issue.raise_versions(tx, accounts)
    return accounts


def _audit(
    tx: Connection,
    card: Card,
    action: str,
    by: Actor,
    now: datetime,
    request_id: str,
    detail: Mapping[str, object],
) -> None:
    audit.record(
        tx,
        actor=by,
        action=action,
        subject_kind="card",
        subject_id=str(card.card_id),
        now=now,
        request_id=request_id,
        detail=detail,
    )
