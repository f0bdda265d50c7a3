"""A card that parks and rides, a gate and a station of their own journals, and data that link the two."""

import io
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from sqlalchemy import text

import fare
from access.issue import lock_accounts
from access.rules.device import DeviceKind
from access.take_in import take_in
from fare.publish import Shelf, publish
from kernel.wire.tap import Purpose
from ledger.accounts import open_accounts, read_balances
from ledger.rules import chart
from parking.publish_rates import publish_rates
from parking.rate_dir import HANOI as RATES
from parking.rate_dir import read_rate_dir
from service.jobs.bill_batch import bill_batch, bill_due
from tests.parking.conftest import TWO, load
from tests.parking.test_park_ride import COLUMNS, spec
from tests.simulation import World

TARIFF = Path(fare.__file__).parent / "tariffs" / "hanoi"
NIGHT = datetime(2026, 11, 18, 20, 0, tzinfo=UTC)  # 03:00 in Hanoi: the service day is nearly over
MORNING = datetime(2026, 11, 18, 0, 30, tzinfo=UTC)  # 07:30
BENEFITS = b"""benefit_id,place_ids,network_ids,parked_by,share_percent,max_rides,funder
pr,dong-da,metro_2a,stay,50,2,city
pass,hoan-kiem-12-streets,metro_2a,right,100,,shop
"""
STAY, RIDE, RIDE_OFF = 165_000, 9_615, 4_808
BOARDING, ALIGHTING = "2A-cat-linh", "2A-thai-ha"


class Town:
    """A card that parks and rides, a gate and a station of their own journals, and data that link the two."""

    def __init__(self, tx, keyring):
        self.world = World(tx, keyring, NIGHT)
        self.tx = tx
        tariff = {each.name: each.read_bytes() for each in TARIFF.iterdir()} | {"park_and_ride.txt": BENEFITS}
        early = NIGHT - timedelta(days=60)
        publish(tx, _zip(tariff), prepared_by="mai", approved_by="tuan", key=keyring.bundle_key, now=early)
        rights = "\n".join(
            [
                ",".join(COLUMNS),
                spec(ride_networks="metro_2a"),
                spec(
                    spec_id="month",
                    kind="season_pass",
                    place_id="hoan-kiem-12-streets",
                    percent="",
                    funder="",
                ),
            ]
        )
        rates = {**read_rate_dir(RATES), "right_specifications.csv": rights.encode()}
        publish_rates(tx, rates, effective_at=early, **TWO, now=early)
        self.shelf = Shelf(keyring.bundle_key.public)
        self.version = self.shelf.books(tx).current().version
        number = uuid4().int % 1_000_000
        self.station = self.world.reader(f"station-{number}", kind=DeviceKind.METRO)
        self.gate = self.world.reader(f"gate-{number}", kind=DeviceKind.PARKING)
        self.card = self.world.card(number)
        self.account = self.card.issued.fare_account_id
        load(tx, self.account, 1_000_000, NIGHT)

    def ride(self, minutes, *, card=None):
        for purpose, stop, at in (
            (Purpose.BOARD, BOARDING, minutes),
            (Purpose.ALIGHT, ALIGHTING, minutes + 12),
        ):
            self.station.tap(
                card or self.card,
                at=MORNING + timedelta(minutes=at),
                purpose=purpose,
                stop_id=stop,
                route_id="2A",
                place=stop,
                trip_id="",
                tariff_version=self.version,
            )

    def pass_gate(self, purpose, minutes):
        self.gate.tap(
            self.card,
            at=MORNING + timedelta(minutes=minutes),
            purpose=purpose,
            stop_id="",
            route_id="",
            trip_id="",
            place="dong-da-01",
            vehicle_class="car_le9",
            tariff_version=self.version,
        )

    def send(self, reader, first=1, last=None):
        taken = take_in(self.tx, reader.upload(first, last), keyring=self.world.keyring, now=NIGHT)
        return bill_batch(self.tx, taken, shelf=self.shelf, now=NIGHT)

    def meet(self):
        lock_accounts(self.tx, [self.account])
        return bill_due(self.tx, self.account, shelf=self.shelf, now=NIGHT)

    def money(self):
        """(rider's balance, owed by the city, owed by the shop) in đồng."""
        specs = (
            chart.rider_stored_value(self.account),
            chart.funder_receivable("city"),
            chart.funder_receivable("shop"),
        )
        open_accounts(self.tx, specs, NIGHT)
        found = read_balances(self.tx, [each.account_id for each in specs], NIGHT)
        stored, city, shop = (found[each.account_id].posted.minor for each in specs)
        return stored, abs(city), abs(shop)

    def booked(self):
        """Every bill line of both houses as booked, by what it is about."""
        rows = self.tx.execute(
            text(
                "SELECT 'fare', component, funder, route_id, sum(delta_minor) FROM fare_bill_line"
                " WHERE fare_account_id = :account GROUP BY 2, 3, 4 HAVING sum(delta_minor) <> 0"
                " UNION ALL SELECT 'parking', component, funder, place_id, sum(delta_minor) FROM parking_bill_line"
                " WHERE fare_account_id = :account GROUP BY 2, 3, 4 HAVING sum(delta_minor) <> 0 ORDER BY 1, 2, 3, 4"
            ),
            {"account": self.account},
        )
        return [tuple(row) for row in rows]


def _zip(files):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        for name, body in files.items():
            packed.writestr(name, body)
    return made.getvalue()
