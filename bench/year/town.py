"""The year's city: its servers' keys, 405 gates and their journals, and cards with what they remember; all resumable."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from access.issue import IssuedCard
from access.rules.device import DeviceKind
from bench.city import Bus, City, Rider
from bench.measure import Stage
from bench.year.plan import Year, day_of, rate_files, spots, starts
from fare.publish import Shelf
from kernel.crypto.card_keys import Role
from kernel.crypto.ed25519 import SigningKey
from kernel.crypto.tmac import TmacKey
from kernel.ids import CardId, FareAccountId
from parking.publish_rates import publish_rates
from service.database import Database

CARDS_AT_ONCE: Final = 1_000
LOADED: Final = 20_000_000  # more than anybody parks for in a year: what is owed instead has tests of its own
_TWO: Final = {"prepared_by": "year maker", "approved_by": "year checker"}


@dataclass(slots=True)
class Waiting:
    """A record that its gate has not delivered yet; `price` and `stays` are what its stay is known to cost by then."""

    raw: bytes
    price: int
    stays: int


@dataclass(slots=True)
class Town:
    """What changes as the year goes on. `expected` is what the delivered stays cost by hand, by operator."""

    riders: list[Rider]
    gates: list[Bus]
    day: int = 0
    waiting: list[list[Waiting]] = field(default_factory=list)
    expected: dict[str, int] = field(default_factory=dict)
    cash: int = 0
    stays: int = 0
    taps: int = 0
    spent_s: float = 0.0


def found_town(stage: Stage, year: Year) -> tuple[City, Town, Shelf, Database]:
    """Return the city as it was left, or a new one: tariff, rates, cards and gates."""
    city = City(stage, "year")
    shelf = Shelf(city.keyring.bundle_key.public)
    database = Database(stage.servers.database_url)
    kept = _state_file(stage)
    if kept.exists():
        return city, _load(kept, city), shelf, database
    early = starts(day_of(year, 0)) - timedelta(days=1)
    version = city.publish(early)
    with database.begin() as tx:
        publish_rates(tx, rate_files(year), effective_at=early, **_TWO, now=early)
    riders: list[Rider] = []
    while len(riders) < year.cards:
        riders += city.riders(min(CARDS_AT_ONCE, year.cards - len(riders)), early, loaded=LOADED)
    gates = [
        city.device(f"{spot.place_id}-gate", DeviceKind.PARKING, spot.operator_id, "", version, early)
        for spot in spots(year)
    ]
    town = Town(riders, gates, waiting=[[] for _ in gates])
    save(stage, town)
    return city, town, shelf, database


def save(stage: Stage, town: Town) -> None:
    """Write the town's state beside the books, all or nothing; a day that was cut short is played again from here."""
    kept = _state_file(stage)
    rough = kept.with_suffix(".new")
    rough.write_bytes(
        pickle.dumps(
            (
                [
                    (one.issued.card_id, one.issued.fare_account_id, one.issued.serial, one.issued.key_generation,
                     one.issued.uid, one.issued.info, one.counter, one.last_tmv, one.last_reader)
                    for one in town.riders
                ],
                [
                    (one.device_id, one.key.to_bytes(), one.tariff_version, one.journal_id, one.sequence, one.last_hash)
                    for one in town.gates
                ],
                town.day, town.waiting, town.expected, town.cash, town.stays, town.taps, town.spent_s,
            )
        )
    )  # fmt: skip
    os.replace(rough, kept)


def _load(kept: Path, city: City) -> Town:
    cards, devices, *rest = pickle.loads(kept.read_bytes())
    return Town(
        [_rider(city, *card) for card in cards],
        [
            Bus(device, SigningKey.from_bytes(seed), "", version, *journal)
            for device, seed, version, *journal in devices
        ],
        *rest,
    )


def _rider(
    city: City,
    card_id: UUID,
    account: UUID,
    serial: int,
    generation: int,
    uid: bytes,
    info: bytes,
    counter: int,
    last_tmv: bytes,
    last_reader: bytes,
) -> Rider:
    issued = IssuedCard(
        card_id=CardId(card_id),
        fare_account_id=FareAccountId(account),
        serial=serial,
        key_generation=generation,
        uid=uid,
        info=info,
    )
    key = TmacKey(city.keyring.card_keys(uid, generation)[Role.TMAC])
    return Rider(issued, key, counter, last_tmv, last_reader)


def _state_file(stage: Stage) -> Path:
    return Path(stage.folder) / "year" / "town.state"
