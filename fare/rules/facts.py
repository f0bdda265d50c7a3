"""What pricing reads: the taps, passes and entitlements of one fare account, as plain values.

Every fact carries its own effective time, so pricing never asks a clock or a table (DESIGN §8.2).
"""

from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import Final, NamedTuple
from uuid import UUID

from kernel.clock import from_micros, micros
from kernel.ground import Ground
from kernel.ids import CardId, FareAccountId, OperatorId, TapId
from kernel.wire.tap import ClockState, Phase, Purpose

CARD_MEDIUM: Final = "card"


class FareTap(NamedTuple):
    """One accepted tap as fares read it; `tapped_at` is an aware UTC instant. A named tuple, as bills are.

    `counter` is the card's transaction counter, 0 for media without one. `medium` is a `fare_media_id`
    of the tariff; the usual one is `card`. `concession` is a `Concession`, or the number that a book gives
    one of its own rider categories.
    """

    tap_id: TapId
    card_id: CardId
    counter: int
    tapped_at: datetime
    purpose: Purpose
    phase: Phase
    operator_id: OperatorId
    stop_id: str
    route_id: str
    trip_id: str
    place: str
    direction: int
    concession: int
    clock_state: ClockState
    proven_torn: bool
    medium: str = CARD_MEDIUM

    def to_json(self) -> dict[str, object]:
        """Return the tap as JSON values; instants are whole microseconds since 1970 UTC."""
        return {
            "tap_id": str(self.tap_id),
            "card_id": str(self.card_id),
            "counter": self.counter,
            "tapped_at": micros(self.tapped_at),
            "purpose": int(self.purpose),
            "phase": int(self.phase),
            "operator_id": self.operator_id,
            "stop_id": self.stop_id,
            "route_id": self.route_id,
            "trip_id": self.trip_id,
            "place": self.place,
            "direction": self.direction,
            "concession": int(self.concession),
            "clock_state": int(self.clock_state),
            "proven_torn": self.proven_torn,
            "medium": self.medium,
        }

    @classmethod
    def from_json(cls, body: dict[str, object]) -> "FareTap":
        """Return the tap that `to_json` wrote; a missing field raises KeyError (our own writing)."""
        return cls(
            tap_id=TapId(UUID(str(body["tap_id"]))),
            card_id=CardId(UUID(str(body["card_id"]))),
            counter=int(str(body["counter"])),
            tapped_at=from_micros(int(str(body["tapped_at"]))),
            purpose=Purpose(int(str(body["purpose"]))),
            phase=Phase(int(str(body["phase"]))),
            operator_id=OperatorId(str(body["operator_id"])),
            stop_id=str(body["stop_id"]),
            route_id=str(body["route_id"]),
            trip_id=str(body["trip_id"]),
            place=str(body["place"]),
            direction=int(str(body["direction"])),
            concession=int(str(body["concession"])),
            clock_state=ClockState(int(str(body["clock_state"]))),
            proven_torn=bool(body["proven_torn"]),
            medium=str(body["medium"]),
        )


@dataclass(frozen=True, slots=True)
class HeldPass:
    """A pass the account bought: valid on `[valid_from, valid_until)`.

    `product_id` is a `pass_product_id` of passes.txt; `scope` is the route or network the rider chose
    where the product leaves the choice open, else empty. `ended_at` is when it was given back.
    """

    pass_id: UUID
    product_id: str
    scope: str
    valid_from: datetime
    valid_until: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Correction:
    """The rider's word on where and when the ride of a tap-on ended; a tap-off that is found speaks before it."""

    tap_id: TapId
    stop_id: str
    left_at: datetime


@dataclass(frozen=True, slots=True)
class Entitlement:
    """A proven right to a concession on the local dates `valid_from` to `valid_to`, both inclusive."""

    concession: int
    valid_from: date
    valid_to: date | None

    def holds_on(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


@dataclass(frozen=True, slots=True)
class PurseMove:
    """Money that came to the account (a top-up), or left it for something else than rides (then negative)."""

    at: datetime
    minor: int


@dataclass(frozen=True, slots=True)
class DayFacts:
    """Everything about one account and one service day that its bill may depend on.

    `taps` may come in any order and with duplicates: `in_card_order` settles both. `as_of` is the
    instant up to which the world is known: a ride that may still be tapped off then is left open.
    None means the day is over and every ride is closed by the tariff's rule. `purse` are all moves of the
    account's money since its beginning, from which its debts are folded where a rule asks for them; None
    where nobody kept them. `in_debt` are times in debt, `[from, until)`, known otherwise. `parked` are stays and
    rights of the car parks, of this day or another: that they were, never what they cost.
    """

    fare_account_id: FareAccountId
    service_day: date
    taps: tuple[FareTap, ...]
    passes: tuple[HeldPass, ...] = ()
    entitlements: tuple[Entitlement, ...] = ()
    as_of: datetime | None = None
    in_debt: tuple[tuple[datetime, datetime], ...] = ()
    corrections: tuple[Correction, ...] = ()
    purse: tuple[PurseMove, ...] | None = None
    parked: tuple[Ground, ...] = ()


_card_key = attrgetter("card_id", "counter", "tapped_at", "tap_id")
_one_card_key = attrgetter("counter", "tapped_at", "tap_id")
# Of two records of one card transaction the committed one speaks: a recovered tap is the torn one found.
_RANK: Final = {Phase.DONE: 0, Phase.RECOVERED: 1, Phase.TORN: 2, Phase.REFUSED: 3}


def in_card_order(taps: tuple[FareTap, ...]) -> list[FareTap]:
    """Return the taps once each, every card's by its counter, several cards merged by time.

    The merge uses each card's latest time so far, so a clock that runs backwards never overturns the
    counter (DESIGN §8.3). A card transaction reported twice (torn, then recovered) is kept once.
    """
    if len(taps) <= 1:
        return list(taps)
    first_card = taps[0].card_id
    if all(tap.card_id == first_card for tap in taps):
        return _once(sorted(taps, key=_one_card_key))
    merged: list[tuple[datetime, UUID, int, FareTap]] = []
    latest: datetime | None = None
    card: CardId | None = None
    for place, tap in enumerate(_once(sorted(taps, key=_card_key))):
        if tap.card_id != card or latest is None:
            card, latest = tap.card_id, tap.tapped_at
        latest = max(latest, tap.tapped_at)
        merged.append((latest, tap.card_id, place, tap))
    merged.sort(key=lambda row: row[:3])
    return [row[3] for row in merged]


def _once(taps: list[FareTap]) -> list[FareTap]:
    kept: list[FareTap] = []
    last: FareTap | None = None
    for tap in taps:
        if last is not None:
            if tap.tap_id == last.tap_id:
                continue
            if tap.counter and tap.counter == last.counter and tap.card_id == last.card_id:
                if (_RANK[tap.phase], tap.tapped_at, tap.tap_id) < (
                    _RANK[last.phase],
                    last.tapped_at,
                    last.tap_id,
                ):
                    kept[-1] = last = tap
                continue
        kept.append(tap)
        last = tap
    return kept
