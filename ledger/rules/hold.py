"""Holds: money set aside that is later posted (fully or partly), voided, or freed by time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from kernel.ids import EntryId, LedgerAccountId, uuid8
from kernel.money import Money
from ledger.rules.entry import Entry, Line
from ledger.rules.errors import BadEntryError


class HoldState(Enum):
    """A hold is open once and then ended for good."""

    OPEN = "open"
    POSTED = "posted"
    VOIDED = "voided"
    EXPIRED = "expired"


class HoldEvent(Enum):
    """What may happen to a hold."""

    POSTED = "posted"
    VOIDED = "voided"
    EXPIRED = "expired"


TRANSITIONS: Final[dict[HoldState, dict[HoldEvent, HoldState]]] = {
    HoldState.OPEN: {
        HoldEvent.POSTED: HoldState.POSTED,
        HoldEvent.VOIDED: HoldState.VOIDED,
        HoldEvent.EXPIRED: HoldState.EXPIRED,
    },
    HoldState.POSTED: {},
    HoldState.VOIDED: {},
    HoldState.EXPIRED: {},
}
assert TRANSITIONS.keys() == set(HoldState), "every state has a row, the final ones too"


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold as asked for: an amount to be moved later from a debit to a credit account.

    It counts against the floor of the guarded account it would take from, in [placed, expires_at). The id is
    minted by the caller and unique within `owner_id`. BadEntryError or BadLineError when a field cannot be.
    """

    hold_id: UUID
    owner_id: UUID
    debit: LedgerAccountId
    credit: LedgerAccountId
    amount: Money
    expires_at: datetime
    kind: str
    service_day: date
    cause: str = ""
    narrative: str = ""
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if self.expires_at.tzinfo is None:
            raise BadEntryError(field="expires_at", value=self.expires_at.isoformat(), why="not aware")
        # The entry it would become checks the rest.
        hold_entry(self, self.amount, self.expires_at)


def hold_entry_id(owner_id: UUID, hold_id: UUID) -> EntryId:
    """Return the id of the entry that posting a hold books: derived, so that a hold posts at most once."""
    return EntryId(uuid8("hold", owner_id, hold_id))


def hold_entry(hold: Hold, amount: Money, effective_at: datetime) -> Entry:
    """Return the entry that posts `amount` of a hold."""
    return Entry(
        hold_entry_id(hold.owner_id, hold.hold_id),
        hold.kind,
        (Line(hold.debit, hold.credit, amount),),
        hold.owner_id,
        hold.service_day,
        effective_at,
        hold.cause,
        hold.narrative,
        None,
        hold.metadata,
    )


@dataclass(frozen=True, slots=True)
class StoredHold:
    """A hold as it stands. `state` is what the clock says: an open hold past its time reads EXPIRED."""

    hold: Hold
    state: HoldState
    placed_at: datetime
    ended_at: datetime | None
    posted: Money | None
    entry_id: EntryId | None


@dataclass(frozen=True, slots=True)
class Held:
    """The hold was placed by this call."""

    hold_id: UUID
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class AlreadyHeld:
    """The same hold was placed before; this is the first answer, whatever became of it since."""

    hold_id: UUID
    placed_at: datetime
