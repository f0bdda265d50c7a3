"""Link two fare accounts, or part them again: bills are folded anew, money follows, readers are told (DESIGN §8.1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access import block, issue, link
from access.rules.link import Counting
from access.rules.medium import EXCLUSIVE, MediumEvent, MediumKind, MediumState, OneActiveError
from access.rules.tap import Tap
from access.taps import list_home_taps
from fare.publish import Shelf
from kernel.errors import DomainError
from kernel.ids import CardId, FareAccountId, uuid7
from ledger import close_period
from ledger.move import move, moved_between
from service.jobs.bill_batch import bill_touched
from service.jobs.debts import LINK, settle_debts

_AHEAD: Final = timedelta(days=2)


class LinkTooEarlyError(DomainError):
    """The link would begin before the days that may still be billed anew, or in time to come."""

    detail = "A link may begin from {earliest} to now; {asked} is outside."


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkAsked:
    """Two accounts, from an instant on; `into` the account itself parts it again.

    `keep` is the kind of medium that stays active where both a card and a phone are: the other is blocked.
    """

    link_id: UUID
    account: FareAccountId
    into: FareAccountId
    effective_from: datetime
    reason: str
    keep: MediumKind | None = None


@dataclass(frozen=True, slots=True)
class Linked:
    """What a link came to: taps that count elsewhere now, ledger entries, accounts whose cards readers see anew."""

    again: bool
    taps: int
    entries: int
    accounts: frozenset[FareAccountId]
    owing: frozenset[FareAccountId] = frozenset()


def link_accounts(
    tx: Connection, asked: LinkAsked, *, shelf: Shelf, actor: str, now: datetime, late_days: int
) -> Linked:
    """Record the link, fold every bill it touches anew, and move the money after it; all in one transaction.

    The bills are those of a fold from scratch, whatever came first, link or taps. Parting from the very beginning
    gives the account back what it brought. The same `link_id` again changes nothing. UnknownCardError for an
    account that is none, LinkTooEarlyError, LinkLoopError, LinkIdReusedError, OneActiveError.
    """
    earliest = now - timedelta(days=late_days)
    if not earliest <= asked.effective_from <= now:
        raise LinkTooEarlyError(earliest=earliest.isoformat(), asked=asked.effective_from.isoformat())
    both = (asked.account, asked.into)
    until = now + _AHEAD
    # Book days before accounts (§8.5).
    near = link.counting(tx, both).accounts | set(both)
    seen = list_home_taps(tx, near, since=asked.effective_from, until=until)
    close_period.share(tx, {now, *(tap.tapped_at for tap in seen)})
    issue.lock_accounts(tx, near)
    before = link.lock_counted(tx, both)
    if not link.record(
        tx,
        link_id=asked.link_id,
        account=asked.account,
        into=asked.into,
        effective_from=asked.effective_from,
        reason=asked.reason,
        actor=actor,
        now=now,
    ):
        return Linked(again=True, taps=0, entries=0, accounts=frozenset())
    after = link.counting(tx, both)
    everyone = after.accounts | set(both)
    _keep_one_active(tx, asked, actor, now)
    lifted = _lift_versions(tx, everyone, before, after, now)
    moved = [
        tap
        for tap in list_home_taps(tx, everyone, since=asked.effective_from, until=until)
        if before.account(tap.fare_account_id, tap.tapped_at)
        != after.account(tap.fare_account_id, tap.tapped_at)
    ]
    # Whoever loses the rides is refunded first, so that the money is there when it follows them.
    entries = _bill(tx, moved, before, after, losing=True, shelf=shelf, now=now, late_days=late_days)
    _follow(tx, asked, before, now)
    entries += _bill(tx, moved, before, after, losing=False, shelf=shelf, now=now, late_days=late_days)
    owing = settle_debts(tx, everyone, cause=f"link:{asked.link_id}", now=now)
    return Linked(again=False, taps=len(moved), entries=entries, accounts=lifted, owing=owing)


def _bill(
    tx: Connection,
    moved: Iterable[Tap],
    before: Counting,
    after: Counting,
    *,
    losing: bool,
    shelf: Shelf,
    now: datetime,
    late_days: int,
) -> int:
    """Bill the accounts that the taps counted to, or those that they count to now."""
    side = before if losing else after
    theirs = tuple(
        tap._replace(fare_account_id=side.account(tap.fare_account_id, tap.tapped_at)) for tap in moved
    )
    touched = frozenset((tap.fare_account_id, tap.tapped_at) for tap in theirs)
    return bill_touched(tx, touched, theirs, shelf=shelf, now=now, late_days=late_days).entries


def _follow(tx: Connection, asked: LinkAsked, before: Counting, now: datetime) -> None:
    """Let the money go where the account now counts; parted from the beginning, it takes back what it brought."""
    was = before.account(asked.account, now)
    if asked.into != asked.account:
        if was == asked.account:
            move(tx, asked.account, asked.into, move_id=uuid7(now), kind=LINK, now=now)
    elif was != asked.account and _from_the_beginning(before, asked):
        brought = moved_between(tx, asked.account, was, kind=LINK)
        if brought.minor > 0:
            move(tx, was, asked.account, move_id=uuid7(now), kind=LINK, now=now, limit=brought)


def _from_the_beginning(before: Counting, asked: LinkAsked) -> bool:
    """Return whether nothing of the link that is undone stays."""
    spans = [span for span in before.spans(asked.account) if span.account != asked.account]
    return all(span.since is not None and span.since >= asked.effective_from for span in spans)


def _keep_one_active(tx: Connection, asked: LinkAsked, actor: str, now: datetime) -> None:
    head = link.current(tx, asked.into, at=now)
    active = [
        card
        for card in link.list_media(tx, (head,), at=now)
        if card.state is MediumState.ACTIVE and card.kind in EXCLUSIVE
    ]
    if len(active) < 2:
        return
    kept = [card for card in active if card.kind is asked.keep]
    if len(kept) != 1:
        raise OneActiveError
    for card in active:
        if card is not kept[0]:
            block.change_state(
                tx,
                CardId(card.card_id),
                MediumEvent.BLOCKED,
                reason="another medium of the same person is active",
                actor=actor,
                now=now,
                detail={"link": str(asked.link_id)},
            )


def _lift_versions(
    tx: Connection,
    accounts: frozenset[FareAccountId],
    before: Counting,
    after: Counting,
    now: datetime,
) -> frozenset[FareAccountId]:
    """Raise the versions by which the cache orders its writes, past all that it may hold (§8.15).

    A linked card is cached at its own account's version plus that of the account it counts to, so the sum must not
    fall when the second one changes.
    """
    versions = issue.raise_versions(tx, accounts)
    for account in sorted(accounts):
        was = before.account(account, now)
        if was != after.account(account, now) and was != account:
            issue.lift_version(tx, account, by=versions[was])
    return accounts
