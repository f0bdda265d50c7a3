"""The journeys that operators share and that the next service day may go on with, as one day hands them on."""

from dataclasses import dataclass
from typing import Any

from kernel.ids import OperatorId

Paid = tuple[tuple[str, str, str, str, int], ...]
"""Amounts in minor units by component, funder, operator and route."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """One ride of a journey: who carried it how far, and what it would have cost alone."""

    operator: OperatorId
    route_id: str
    networks: frozenset[str]
    metres: int | None
    alone_minor: int

    def to_json(self) -> dict[str, Any]:
        return {
            "operator": self.operator,
            "route_id": self.route_id,
            "networks": sorted(self.networks),
            "metres": self.metres,
            "alone_minor": self.alone_minor,
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> "Carrier":
        return cls(**{**body, "networks": frozenset(body["networks"])})


@dataclass(frozen=True, slots=True)
class OpenJourney:
    """A journey that several operators share and that may go on: who carried it, and what each got of it.

    It goes on by a transfer or a join from the day's last leg (`last`), or inside these windows; its last ride may be
    under way still (`riding`), its length unknown.
    """

    last: bool
    windows: tuple[str, ...]
    carriers: tuple[Carrier, ...]
    paid: Paid
    riding: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "last": self.last,
            "windows": list(self.windows),
            "carriers": [one.to_json() for one in self.carriers],
            "paid": [list(one) for one in self.paid],
            "riding": self.riding,
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> "OpenJourney":
        carriers = tuple(map(Carrier.from_json, body["carriers"]))
        return cls(
            body["last"], tuple(body["windows"]), carriers, _paid(body["paid"]), body.get("riding", False)
        )


@dataclass(frozen=True, slots=True)
class Apart:
    """A day's last leg and its journey each alone, for the leg may leave its journey when a join makes it longer.

    `journeys` are those that were under way before it, with what each got without it; `into` is the one of them that it
    went on with, None where it began its own; `paid` is what it was charged itself, before any was shared.
    """

    journeys: tuple[OpenJourney, ...]
    into: int | None
    paid: Paid

    def to_json(self) -> dict[str, Any]:
        return {
            "journeys": [one.to_json() for one in self.journeys],
            "into": self.into,
            "paid": [list(one) for one in self.paid],
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> "Apart":
        return cls(tuple(map(OpenJourney.from_json, body["journeys"])), body["into"], _paid(body["paid"]))


def _paid(rows: list[list[Any]]) -> Paid:
    return tuple((row[0], row[1], row[2], row[3], row[4]) for row in rows)
