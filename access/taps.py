"""Evidence as the businesses read it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access import link
from access.rules.link import Counting
from access.rules.tap import Tap
from access.rules.verdict import Reason
from access.store import missing, taps
from access.store.missing import Missing
from kernel.errors import DomainError
from kernel.ids import FareAccountId

# A bad MAC is listed with `mac_valid` False, so that a rider can be told why it was not charged; a tap of a card
# that was unknown then counts from the day the card is issued. Every other exception waits for a person.
_LISTED: Final = ("", Reason.MAC_INVALID.value, Reason.UNKNOWN_CARD.value)

# A person may let these through for pricing: the card proved them, and only a plausibility check stopped them.
RELEASABLE: Final = frozenset({Reason.TIME_IMPLAUSIBLE.value, Reason.VERSION_IMPLAUSIBLE.value})


class UnknownTapError(DomainError):
    """No tap of an issued card has this id."""

    detail = "There is no tap {tap_id}."


class TapNotReleasableError(DomainError):
    """Only a proven tap that a plausibility check stopped may be let through."""

    detail = "Tap {tap_id} waits for “{reason}”, which a person cannot let through."


@dataclass(frozen=True, slots=True)
class Found:
    """One tap by its id. `exception` is why it is not priced (empty for none), `released` that a person let it through."""

    tap: Tap
    exception: str
    released: bool

    @property
    def stopped(self) -> str:
        """Return why pricing does not see this tap; empty where it does."""
        return "" if self.released or self.exception in {"", Reason.UNKNOWN_CARD.value} else self.exception


def get_tap(tx: Connection, tap_id: UUID) -> Found:
    """Return an issued card's tap by its id, under the account that it counts to; UnknownTapError."""
    found = taps.find_tap(tx, tap_id)
    if found is None:
        raise UnknownTapError(tap_id=str(tap_id))
    tap, exception, released = found
    counted = link.current(tx, tap.fare_account_id, at=tap.tapped_at)
    return Found(tap._replace(fare_account_id=counted), exception, released)


def release_tap(tx: Connection, tap_id: UUID, *, reason: str, actor: str, now: datetime) -> Tap:
    """Let a tap through that only a plausibility check stopped, and return it; the evidence itself stays as it is.

    Its day must then be billed again. Once more changes nothing. UnknownTapError, TapNotReleasableError.
    """
    found = get_tap(tx, tap_id)
    if found.exception not in RELEASABLE or not found.tap.mac_valid:
        raise TapNotReleasableError(tap_id=str(tap_id), reason=found.exception or "nothing")
    taps.release(tx, card_id=found.tap.card_id, tap_id=tap_id, reason=reason, by=actor, at=now)
    return found.tap


def list_taps(
    tx: Connection,
    fare_account_ids: Iterable[FareAccountId],
    *,
    since: datetime,
    until: datetime,
    counting: Counting | None = None,
) -> tuple[Tap, ...]:
    """Return the taps that count to these fare accounts in [since, until) by their own time, each card's in card order.

    Of records that claim one counter of one card only the first by its own time is listed (§8.3). Taps that wait in
    the exception queue are not. A linked account's taps are listed under the account they count to (§8.1), by
    `counting` where the caller has read that already.
    """
    wanted = set(fare_account_ids)
    counting = counting or link.counting(tx, wanted)
    found = taps.list_taps(tx, counting.homes_of(wanted), since=since, until=until, listed=_LISTED)
    if not counting.linked:
        return found
    counted = (
        tap._replace(fare_account_id=counting.account(tap.fare_account_id, tap.tapped_at)) for tap in found
    )
    mine = (tap for tap in counted if tap.fare_account_id in wanted)
    return tuple(sorted(mine, key=lambda tap: (tap.fare_account_id, tap.card_id, *tap.order)))


def list_home_taps(
    tx: Connection, homes: Iterable[FareAccountId], *, since: datetime, until: datetime
) -> tuple[Tap, ...]:
    """Return as `list_taps` the taps of cards issued on these accounts, whatever they count to."""
    return taps.list_taps(tx, set(homes), since=since, until=until, listed=_LISTED)


def list_missing(tx: Connection, *, since: datetime, limit: int = 100) -> tuple[Missing, ...]:
    """Return taps that cards remember and no device has delivered, each with the reader that still holds it.

    Told by the reader id that the card sealed into its next tap, made `since` then (READERS.md, check 7). A young
    one is only late; an old one means a lost or withheld journal.
    """
    return missing.list_missing(tx, since=since, limit=limit)
