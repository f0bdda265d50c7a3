"""Who is on the deny list and why. A card is denied while any reason stands; each reason is lifted on its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection

from access import link
from access.rules.denylist import MAX_SERIAL, Delta, DenyList
from access.store import denials
from access.store.denials import ChangeRow
from kernel.errors import DomainError
from kernel.ids import FareAccountId


class DenyReason(StrEnum):
    """Why a card is denied."""

    NOT_ACTIVE = "not-active"
    """Made and not yet activated."""
    BLOCKED = "blocked"
    LOST = "lost"
    REPLACED = "replaced"
    EXPIRED = "expired"
    RETURNED = "returned"
    DEBT = "debt"
    """A bill exceeded the stored value; lifted when the receivable is cleared (§8.8)."""
    FORGED = "forged"
    """Bad MACs from two independent devices, or a reviewer's finding (§8.13)."""
    STOLEN = "stolen"
    """One of a batch that was stolen, told by its serial."""
    RISK = "risk"
    """What all riders owe has reached its limit, and this one could not pay the dearest ride."""


MAX_RANGE: Final = 1_000_000
"""Serials that one order may deny: ten times the largest box of cards, and far from a slip of a digit."""


class DenyRangeError(DomainError):
    """The range is empty, too long, or outside the serials there can be."""

    detail = "Serials {first} to {last} are no range: 1 to {max_serial}, at most {max_range} of them."


def deny(
    tx: Connection, serials: Iterable[int], *, reason: DenyReason, cause: str, now: datetime, actor: str = ""
) -> int:
    """Deny these cards for one reason and return for how many that is new. Readers hear at the next publication.

    `actor` is who did it; empty for the program itself, which names its `cause`.
    """
    return denials.insert_changes(
        tx, sorted(set(serials)), reason=reason.value, denied=True, cause=cause, actor=actor, at=now
    )


def clear(
    tx: Connection, serials: Iterable[int], *, reason: DenyReason, cause: str, now: datetime, actor: str = ""
) -> int:
    """Lift one reason from these cards and return from how many it was lifted; other reasons stand."""
    return denials.insert_changes(
        tx, sorted(set(serials)), reason=reason.value, denied=False, cause=cause, actor=actor, at=now
    )


def deny_range(tx: Connection, first: int, last: int, *, cause: str, actor: str, now: datetime) -> int:
    """Deny a stolen batch by its serials, both ends included, issued yet or not; return how many that is new for.

    DenyRangeError.
    """
    _check_range(first, last)
    return denials.insert_range(
        tx, first, last, reason=DenyReason.STOLEN.value, denied=True, cause=cause, actor=actor, at=now
    )


def clear_range(tx: Connection, first: int, last: int, *, cause: str, actor: str, now: datetime) -> int:
    """Lift what `deny_range` did, from all or a part of the serials; return from how many. DenyRangeError."""
    _check_range(first, last)
    return denials.insert_range(
        tx, first, last, reason=DenyReason.STOLEN.value, denied=False, cause=cause, actor=actor, at=now
    )


def _check_range(first: int, last: int) -> None:
    if not (1 <= first <= last <= MAX_SERIAL and last - first < MAX_RANGE):
        raise DenyRangeError(first=first, last=last, max_serial=MAX_SERIAL, max_range=MAX_RANGE)


def deny_accounts(
    tx: Connection, ids: Iterable[FareAccountId], *, reason: DenyReason, cause: str, now: datetime
) -> int:
    """Deny every card that counts to these fare accounts now; returns for how many cards that is new."""
    serials = [card.serial for card in link.list_media(tx, ids, at=now)]
    return deny(tx, serials, reason=reason, cause=cause, now=now)


def clear_accounts(
    tx: Connection, ids: Iterable[FareAccountId], *, reason: DenyReason, cause: str, now: datetime
) -> int:
    """Lift one reason from every card that counts to these fare accounts now; returns from how many."""
    serials = [card.serial for card in link.list_media(tx, ids, at=now)]
    return clear(tx, serials, reason=reason, cause=cause, now=now)


def list_history(tx: Connection, serial: int) -> tuple[ChangeRow, ...]:
    """Return why, since when and by whom this card was ever denied or cleared, oldest first."""
    return denials.list_history(tx, serial)


def list_serials(tx: Connection, reason: DenyReason) -> tuple[int, ...]:
    """Return every serial that stands under one reason now, ascending."""
    return denials.list_serials(tx, reason.value)


def count_denied(tx: Connection) -> dict[DenyReason, int]:
    """Return how many cards stand under each reason now."""
    return {DenyReason(reason): count for reason, count in denials.count_denied(tx).items()}


def list_reasons(tx: Connection, serials: Sequence[int]) -> dict[int, tuple[DenyReason, ...]]:
    """Return why each of these cards is denied now; cards that are not are absent."""
    found = denials.list_reasons(tx, serials)
    return {serial: tuple(map(DenyReason, why)) for serial, why in found.items()}


def reasons(tx: Connection, serial: int) -> tuple[DenyReason, ...]:
    """Return why this card is denied now; empty when it is not."""
    return list_reasons(tx, (serial,)).get(serial, ())


def publish(tx: Connection) -> int:
    """Give all changes so far the next version and return the newest version (0 when nothing ever changed)."""
    return denials.publish(tx) if denials.any_unpublished(tx) else denials.newest_version(tx)


def version(tx: Connection) -> int:
    """Return the newest published version; no honest reader can name a later one."""
    return denials.newest_version(tx)


def snapshot(tx: Connection, at_version: int) -> DenyList:
    """Return the whole list as of a published version."""
    return DenyList.of(at_version, denials.list_denied(tx, at_version))


def delta(tx: Connection, held: int, newest: int) -> Delta:
    """Return what leads from a version that a reader holds to a newer one."""
    touched = denials.list_touched(tx, held, newest)
    denied = set(denials.list_denied(tx, newest)) if touched else set()
    return Delta(
        held,
        newest,
        tuple(serial for serial in touched if serial in denied),
        tuple(serial for serial in touched if serial not in denied),
    )
