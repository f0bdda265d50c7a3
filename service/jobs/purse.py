"""Money onto a stored-value card: what its account holds beyond the purse, by an action that one reader carries out.

The ledger is the truth, the purse what may be spent offline. A payment from the purse is booked as the tariff bills it;
what that leaves (a transfer, a cap, a top-up) is the difference, and only a difference is ever loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access import actions, enrol, issue, link, purse
from access.actions import ActionIdReusedError
from access.keyring import Keyring
from access.rules.actionlist import LARGEST_LOAD, ActionKind
from access.store.card_actions import ActionRow
from access.store.cards import Card
from kernel.errors import DomainError
from kernel.ids import CardId, DeviceId, FareAccountId
from kernel.money import VND
from ledger.accounts import open_accounts, read_balances
from ledger.rules import chart
from service import audit
from service.audit import Actor

WAITS: Final = timedelta(days=90)


class NoPurseError(DomainError):
    """The card is account-based: there is no purse on it."""

    detail = "Card {serial} has no purse."


class PurseLoadError(DomainError):
    """More is asked for than the account holds beyond the purse and what is on its way there."""

    detail = "At most {most} đồng can be loaded onto card {serial} now."


@dataclass(frozen=True, slots=True)
class PurseView:
    """An account's stored value, what the card last proved to hold, and what waits to be loaded, in đồng."""

    stored: int
    purse: int
    proven_at: datetime | None
    waiting: int

    @property
    def loadable(self) -> int:
        """Return what may be loaded."""
        return max(0, min(LARGEST_LOAD, self.stored - self.purse - self.waiting))


def view(tx: Connection, card: Card, *, keyring: Keyring, now: datetime) -> PurseView:
    """Return how account and purse stand to each other; NoPurseError."""
    if not purse.can_load(tx, card):
        raise NoPurseError(serial=card.serial)
    state = purse.find_state(tx, card, keyring=keyring)
    account = link.current(tx, FareAccountId(card.fare_account_id), at=now)
    money = chart.rider_stored_value(account, VND)
    open_accounts(tx, (money,), now)
    stored = read_balances(tx, (money.account_id,), now)[money.account_id].available.minor
    waiting = sum(
        int(each.detail["amount"]) for each in _waiting(actions.list_of_card(tx, CardId(card.card_id)), now)
    )
    return PurseView(stored, state.value if state else 0, state.at if state else None, waiting)


def load(
    tx: Connection,
    serial: int,
    amount: int | None,
    *,
    reader: DeviceId,
    action_id: UUID,
    keyring: Keyring,
    cause: str,
    by: Actor,
    now: datetime,
    request_id: str = "",
) -> int:
    """Ask one reader to load an amount, by default all that may be, and return it; 0 where this id did so before.

    No other reader does: two that both held the action would both load it. Locks the account. NoPurseError,
    PurseLoadError, UnknownDeviceError, ActionIdReusedError.
    """
    enrol.get_device(tx, reader)
    card = issue.get_card(tx, serial=serial)
    issue.lock_accounts(tx, (FareAccountId(card.fare_account_id),))
    known = next(
        (each for each in actions.list_of_card(tx, CardId(card.card_id)) if each.action_id == action_id), None
    )
    if known is not None:
        same = known.action == ActionKind.LOAD_PURSE.value and known.detail["device"] == str(reader)
        if same and (amount is None or known.detail["amount"] == str(amount)):
            return 0
        raise ActionIdReusedError(action_id=str(action_id))
    most = view(tx, card, keyring=keyring, now=now).loadable
    asked = most if amount is None else amount
    if not 0 < asked <= most:
        raise PurseLoadError(serial=serial, most=most)
    actions.want(
        tx,
        card,
        ActionKind.LOAD_PURSE,
        action_id=action_id,
        detail={"amount": str(asked), "device": str(reader), "asked_at": now.isoformat()},
        until_at=now + WAITS,
        cause=cause,
        actor=by.actor_id,
        now=now,
    )
    audit.record(
        tx,
        actor=by,
        action="access.card.load_purse",
        subject_kind="card",
        subject_id=str(card.card_id),
        now=now,
        request_id=request_id,
        detail={"amount": asked, "reader": str(reader), "cause": cause},
    )
    return asked


def _waiting(rows: Sequence[ActionRow], now: datetime) -> list[ActionRow]:
    # One that ran out may still have been carried out by a reader that has not delivered yet: it counts until its taps
    # can no longer come.
    return [
        row
        for row in rows
        if row.action == ActionKind.LOAD_PURSE.value and row.outcome is None and now < row.until_at + WAITS
    ]
