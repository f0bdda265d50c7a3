"""What one service day hands to the next: small, comparable, and canonical as JSON (DESIGN §8.6)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from fare.rules.facts import FareTap
from fare.rules.open_journeys import Apart, OpenJourney


@dataclass(frozen=True, slots=True)
class OpenRide:
    """A tap-on without its tap-off yet; `priced` says that boarding alone settled the fare.

    `companions` are the taps of those who ride along on the same card.
    """

    tap: FareTap
    priced: bool
    companions: tuple[FareTap, ...] = ()


@dataclass(frozen=True, slots=True)
class TransferRun:
    """A sub-journey of GTFS transfers: its first leg's times (µs), the last leg, the running total.

    `total_minor` is S of the standard: what the legs so far cost together after transfers; `transferred` says
    that there was one already.
    """

    first_leg_group: str
    last_leg_group: str
    first_departed_us: int
    first_arrived_us: int | None
    count: int
    total_minor: int
    transferred: bool


@dataclass(frozen=True, slots=True)
class WindowUse:
    """An open non-consecutive transfer window: when its first leg began (µs) and what it has granted.

    `ended_us`, `network` and `route_id` are of its last leg, `metres` of all its legs together.
    """

    window_id: str
    started_us: int
    used: int
    paid_minor: int
    ended_us: int = 0
    network: str = ""
    route_id: str = ""
    metres: int = 0


@dataclass(frozen=True, slots=True)
class CapUse:
    """What counts towards one cap in the period that began at `period`: money and rides so far."""

    cap_id: str
    period: str
    minor: int
    rides: int


@dataclass(frozen=True, slots=True)
class PassStart:
    """When a pass that starts with its first tap was first used (µs)."""

    pass_id: UUID
    started_us: int


@dataclass(frozen=True, slots=True)
class Habit:
    """The last service days (ordinals, oldest first) on which this ride was made with both its taps."""

    network: str
    from_stop: str
    to_stop: str
    days: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PurseState:
    """What the account's rides cost so far: with its dated money that tells what it had left at any time."""

    spent_minor: int


@dataclass(frozen=True, slots=True)
class OtherWay:
    """A way of paying that was dearer up to now, and may yet come out cheaper: by how much, and its state."""

    dearer_minor: int
    run: TransferRun | None
    windows: tuple[WindowUse, ...]
    caps: tuple[CapUse, ...]
    passes: tuple[PassStart, ...]


@dataclass(frozen=True, slots=True)
class Tail:
    """The last leg of a day that a join rule may still go on with: its rides, and what it cost them together.

    `run`, `windows` and `apart` are what was under way before it: the leg it becomes is priced in its place.
    """

    rides: tuple[tuple[FareTap, FareTap | None], ...]
    face_minor: int
    run: TransferRun | None
    windows: tuple[WindowUse, ...]
    apart: Apart | None = None

    def to_json(self) -> dict[str, Any]:
        apart = {} if self.apart is None else {"apart": self.apart.to_json()}
        return {
            "rides": [[on.to_json(), None if off is None else off.to_json()] for on, off in self.rides],
            "face_minor": self.face_minor,
            "run": None if self.run is None else _fields(self.run),
            "windows": _rows(self.windows),
            **apart,
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> "Tail":
        return cls(
            tuple(
                (FareTap.from_json(on), None if off is None else FareTap.from_json(off))
                for on, off in body["rides"]
            ),
            body["face_minor"],
            _run(body["run"]),
            tuple(WindowUse(**row) for row in body["windows"]),
            Apart.from_json(body["apart"]) if "apart" in body else None,
        )


@dataclass(frozen=True, slots=True)
class Carried:
    """The summary between two days. Compare with `==`; equal values have equal JSON."""

    open_ride: OpenRide | None = None
    run: TransferRun | None = None
    windows: tuple[WindowUse, ...] = ()
    caps: tuple[CapUse, ...] = ()
    passes: tuple[PassStart, ...] = ()
    last_tap: FareTap | None = None
    habits: tuple[Habit, ...] = ()
    purse: PurseState | None = None
    others: tuple[OtherWay, ...] = ()
    tail: Tail | None = None
    journeys: tuple[OpenJourney, ...] = ()

    @property
    def must_bill_next(self) -> bool:
        """True when the next day must be billed even without taps: a ride there is still to be priced."""
        return self.open_ride is not None and not self.open_ride.priced

    def to_json(self) -> dict[str, object]:
        """Return a JSON object with only what is set; dump it with sorted keys for canonical bytes."""
        body: dict[str, Any] = {}
        if self.open_ride is not None:
            body["open_ride"] = {"tap": self.open_ride.tap.to_json(), "priced": self.open_ride.priced}
            if self.open_ride.companions:
                body["open_ride"]["companions"] = [tap.to_json() for tap in self.open_ride.companions]
        body |= _state_json(self)
        if self.habits:
            body["habits"] = _rows(self.habits)
        if self.tail is not None:
            body["tail"] = self.tail.to_json()
        if self.journeys:
            body["journeys"] = [one.to_json() for one in self.journeys]
        if self.others:
            body["others"] = [{"dearer_minor": one.dearer_minor, **_state_json(one)} for one in self.others]
        if self.last_tap is not None:
            body["last_tap"] = self.last_tap.to_json()
        if self.purse is not None:
            body["purse"] = {"spent_minor": self.purse.spent_minor}
        return body

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> "Carried":
        """Return what `to_json` wrote; an empty object is the empty summary."""
        opened, last = body.get("open_ride"), body.get("last_tap")
        return cls(
            open_ride=None
            if opened is None
            else OpenRide(
                FareTap.from_json(opened["tap"]),
                bool(opened["priced"]),
                tuple(FareTap.from_json(tap) for tap in opened.get("companions", ())),
            ),
            **_state(body),
            last_tap=None if last is None else FareTap.from_json(last),
            habits=tuple(
                Habit(row["network"], row["from_stop"], row["to_stop"], tuple(row["days"]))
                for row in body.get("habits", ())
            ),
            purse=PurseState(**body["purse"]) if "purse" in body else None,
            others=tuple(
                OtherWay(dearer_minor=one["dearer_minor"], **_state(one)) for one in body.get("others", ())
            ),
            tail=Tail.from_json(body["tail"]) if "tail" in body else None,
            journeys=tuple(map(OpenJourney.from_json, body.get("journeys", ()))),
        )


def _state_json(one: Carried | OtherWay) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if one.run is not None:
        body["run"] = _fields(one.run)
    for name, rows in (("windows", one.windows), ("caps", one.caps), ("passes", one.passes)):
        if rows:
            body[name] = _rows(rows)
    return body


def _state(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "run": _run(body.get("run")),
        "windows": tuple(WindowUse(**row) for row in body.get("windows", ())),
        "caps": tuple(CapUse(**row) for row in body.get("caps", ())),
        "passes": tuple(PassStart(UUID(row["pass_id"]), row["started_us"]) for row in body.get("passes", ())),
    }


def _run(body: dict[str, Any] | None) -> TransferRun | None:
    """Return a run as it was written; the first summaries of engine 1 told otherwise that there was a transfer."""
    if body is None:
        return None
    known = {name: body[name] for name in TransferRun.__slots__ if name in body}
    if "transferred" not in known:
        several = known["count"] > 0 or known["first_leg_group"] != known["last_leg_group"]
        known["transferred"] = several or known["total_minor"] != body["last_minor"]
    return TransferRun(**known)


def _rows(rows: Iterable[object]) -> list[dict[str, Any]]:
    return [_fields(row) for row in rows]


def _fields(row: object) -> dict[str, Any]:
    return {name: _plain(getattr(row, name)) for name in type(row).__slots__}  # type: ignore[attr-defined]


def _plain(value: object) -> object:
    if isinstance(value, UUID):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


EMPTY: Final = Carried()
