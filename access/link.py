"""Link fare accounts: from an instant on what counts to one counts to another, until a later fact says otherwise.

Recording is all that happens here; re-folding the bills and moving the money is the service's job (DESIGN §8.1).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from access.rules.link import Counting, LinkFact
from access.store import cards, links
from access.store.cards import Card
from access.store.links import LinkRow
from kernel.errors import DomainError
from kernel.ids import FareAccountId


class LinkLoopError(DomainError):
    """The links would lead round in a circle."""

    detail = "Account {fare_account_id} cannot count to {into}: that one counts to it already."


class LinkIdReusedError(DomainError):
    """The link's id was used before for something else."""

    detail = "Link {link_id} was recorded before, as something else."


def counting(tx: Connection, accounts: Iterable[FareAccountId]) -> Counting:
    """Return to what these accounts, and all that are linked with them, count at any instant."""
    return Counting(links.list_near(tx, accounts))


def lock_counted(tx: Connection, homes: Iterable[FareAccountId]) -> Counting:
    """Return as `counting`, with these accounts and all that are linked with them locked in id order (§8.5)."""
    wanted = set(homes)
    found = counting(tx, wanted)
    locked = wanted | found.accounts
    cards.lock_accounts(tx, locked)
    again = counting(tx, wanted)
    # A link that was recorded while we waited: rare, and the one case in which locks are taken out of order.
    if late := again.accounts - locked:
        cards.lock_accounts(tx, late)
    return again


def record(
    tx: Connection,
    *,
    link_id: UUID,
    account: FareAccountId,
    into: FareAccountId,
    effective_from: datetime,
    reason: str,
    actor: str,
    now: datetime,
) -> bool:
    """Record that `account` counts to `into` from an instant on; return False when this id did so before.

    `into` the account itself undoes: it stands alone from then on. Both fare accounts are locked by the caller.
    LinkIdReusedError, LinkLoopError.
    """
    known = links.find_link(tx, account, link_id)
    if known is not None:
        if (known.into_account_id, known.effective_from) != (into, effective_from):
            raise LinkIdReusedError(link_id=str(link_id))
        return False
    before = links.list_near(tx, (account, into))
    number = 1 + max((fact.number for fact in before if fact.account == account), default=0)
    if Counting((*before, LinkFact(account, number, into, effective_from))).loops():
        raise LinkLoopError(fare_account_id=str(account), into=str(into))
    links.insert_link(tx, LinkRow(account, number, link_id, into, effective_from, reason, actor, now))
    return True


def list_links(tx: Connection, account: FareAccountId) -> tuple[LinkRow, ...]:
    """Return what was recorded about one account, in that order."""
    return links.list_links(tx, account)


def current(tx: Connection, account: FareAccountId, *, at: datetime) -> FareAccountId:
    """Return the account that this one counts to at an instant; mostly itself."""
    return counting(tx, (account,)).account(account, at)


def list_media(
    tx: Connection, accounts: Iterable[FareAccountId], *, at: datetime, found: Counting | None = None
) -> tuple[Card, ...]:
    """Return every card whose taps count to these accounts at an instant, by serial.

    `found` is what `counting` says of them where the caller has asked already.
    """
    wanted = set(accounts)
    found = found or counting(tx, wanted)
    listed = cards.list_cards(tx, found.homes_of(wanted))
    return tuple(card for card in listed if found.account(FareAccountId(card.fare_account_id), at) in wanted)
