"""Who is on the deny list and why. A card is denied while any reason stands; each reason is lifted on its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from access.rules.denylist import Delta, DenyList
from access.store import cards, denials
from kernel.ids import FareAccountId


class DenyReason(StrEnum):
    """Why a card is denied."""

    BLOCKED = "blocked"
    LOST = "lost"
    REPLACED = "replaced"
    DEBT = "debt"
    """A bill exceeded the stored value; lifted when the receivable is cleared (§8.8)."""
    FORGED = "forged"
    """Bad MACs from two independent devices, or a reviewer's finding (§8.13)."""


def deny(tx: Connection, serials: Iterable[int], *, reason: DenyReason, cause: str, now: datetime) -> int:
    """Deny these cards for one reason and return for how many that is new. Readers hear at the next publication."""
    return denials.insert_changes(
        tx, sorted(set(serials)), reason=reason.value, denied=True, cause=cause, at=now
    )


def clear(tx: Connection, serials: Iterable[int], *, reason: DenyReason, cause: str, now: datetime) -> int:
    """Lift one reason from these cards and return from how many it was lifted; other reasons stand."""
    return denials.insert_changes(
        tx, sorted(set(serials)), reason=reason.value, denied=False, cause=cause, at=now
    )


def deny_accounts(
    tx: Connection, ids: Iterable[FareAccountId], *, reason: DenyReason, cause: str, now: datetime
) -> int:
    """Deny every card of these fare accounts; returns for how many cards that is new."""
    serials = [card.serial for card in cards.list_cards(tx, ids)]
    return deny(tx, serials, reason=reason, cause=cause, now=now)


def clear_accounts(
    tx: Connection, ids: Iterable[FareAccountId], *, reason: DenyReason, cause: str, now: datetime
) -> int:
    """Lift one reason from every card of these fare accounts; returns from how many it was lifted."""
    serials = [card.serial for card in cards.list_cards(tx, ids)]
    return clear(tx, serials, reason=reason, cause=cause, now=now)


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
