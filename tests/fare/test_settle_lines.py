"""What a day hands in to settlement: claims with exact ride counts across days, pass money by route and basis."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

import fare
from access.keyring import Keyring
from fare import earn
from fare.bill import close_day
from fare.gtfs.load import load_tariff
from fare.publish import Books
from fare.settle_lines import settle_lines
from fare.store import earnings
from kernel.crypto.ed25519 import SigningKey
from kernel.wire.cardinfo import Concession
from ledger import close_period
from ledger.rules.settlement import HouseDay
from tests.fare.test_bill import DAY, EVENING, NOW, City, at
from tests.fare.test_serving_riders import NEXT, buy
from tests.simulation import World

HANOI = Path(fare.__file__).parent / "tariffs/hanoi"
NEXT_DAY = DAY + timedelta(days=1)


@pytest.fixture(scope="module")
def books() -> Books:
    book = load_tariff(HANOI)
    return Books({book.version: book}, book.version)


@pytest.fixture
def city(tx: Connection, keyring: Keyring, books: Books) -> City:
    return City(World(tx, keyring, NOW), books)


def handed_in(city: City, day=DAY) -> HouseDay:
    return settle_lines(city.tx, day, books=city.books)


def senior(city: City, number: int):
    return city.world.card(number, concession=Concession.FREE_SENIOR)


def test_claims_name_funder_rule_route_and_rides(city: City) -> None:
    bus = city.world.reader()
    for number in (1, 2):
        bus.tap(senior(city, number), at=at(number))
    bus.tap(city.rider(3, 50_000), at=at(3))
    city.upload(bus)
    (claim,) = handed_in(city).claims
    assert (claim.funder, claim.route_id, claim.component, claim.service_day) == (
        "city",
        "26",
        "discounted",
        DAY,
    )
    assert (claim.rides, claim.amount.minor) == (2, 20_000)
    assert "senior" in claim.rule
    (line,) = handed_in(city).lines
    assert (line.trips, line.discounted.minor, line.collected.minor) == (3, 20_000, 10_000)


def test_a_correction_after_the_close_claims_the_difference_and_no_ride_more(city: City) -> None:
    """A tap-off that comes a day late: the claim falls from the dearest ride to the real one, the ride stays one."""
    card, town, suburb = senior(city, 4), city.world.reader("g1"), city.world.reader("g2")
    for reader, stop in ((town, "2A-cat-linh"), (suburb, "2A-la-thanh")):
        reader.facts = {"route_id": "2A", "stop_id": stop, "trip_id": ""}
    town.tap(card, at=at(0))
    suburb.tap(card, at=at(5))
    city.upload(town)
    close_day(city.tx, DAY, books=city.books, now=EVENING)
    (first,) = handed_in(city).claims
    assert (first.rides, first.amount.minor) == (1, 18_625)
    close_period.close(city.tx, DAY, EVENING, signer=SigningKey.generate())
    city.upload(suburb, now=NEXT)
    assert handed_in(city).claims == (first,)
    (late,) = handed_in(city, NEXT_DAY).claims
    assert (late.service_day, late.rides, late.amount.minor) == (DAY, 0, 8_595 - 18_625)
    (line,) = handed_in(city, NEXT_DAY).lines
    assert (line.service_day, line.trips) == (DAY, 0)


def test_a_late_ride_is_one_ride_more_of_its_day(city: City) -> None:
    bus = city.world.reader()
    bus.tap(senior(city, 5), at=at(0))
    close_period.close(city.tx, DAY, EVENING, signer=SigningKey.generate())
    city.upload(bus, now=NEXT)
    assert handed_in(city) == HouseDay()
    (claim,) = handed_in(city, NEXT_DAY).claims
    assert (claim.service_day, claim.rides, claim.amount.minor) == (DAY, 1, 10_000)


def shared_by(tmp_path: Path, basis: str) -> Books:
    """Hanoi's tariff with the month pass shared by another basis."""
    for path in HANOI.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    terms = tmp_path / "pass_terms.txt"
    head, *rows = terms.read_text("utf-8").splitlines()
    terms.write_text(
        "\n".join([f"{head},shared_by", *(f"{row},{basis}" for row in rows)]) + "\n", encoding="utf-8"
    )
    book = load_tariff(tmp_path)
    return Books({book.version: book}, book.version)


@pytest.mark.parametrize(
    ("basis", "weights"),
    [
        # Two rides on 26 at 10,000 each and one whole ride of line 2A at 18,625.
        ("face_value", {"26": 20_000, "2A": 18_625}),
        ("rides", {"26": 2, "2A": 1}),
        # The published length of route 26; the metro's stations are 12.5 km apart.
        ("kilometres", {"26": 2 * 15_900, "2A": 12_500}),
    ],
)
def test_pass_money_goes_to_the_routes_that_carried_by_the_tariffs_basis(
    city: City, tmp_path: Path, basis: str, weights: dict[str, int]
) -> None:
    card = city.rider(6, 900_000)
    buy(city, card, product_id="multimodal_month")
    bus, town, suburb = city.world.reader(), city.world.reader("g1"), city.world.reader("g2")
    for minutes in (70, 300):
        bus.tap(card, at=at(minutes))
        bus.tap(card, at=at(minutes + 20))
    for reader, stop in ((town, "2A-cat-linh"), (suburb, "2A-yen-nghia")):
        reader.facts = {"route_id": "2A", "stop_id": stop, "trip_id": ""}
    town.tap(card, at=at(160))
    suburb.tap(card, at=at(190))
    for reader in (bus, town, suburb):
        city.upload(reader, now=EVENING)
    tariff = shared_by(tmp_path, basis).current()
    (earned,) = earn.earn_day(city.tx, DAY, tariff=tariff, now=EVENING)
    parts = earnings.list_route_parts(city.tx, DAY)
    assert {part.route_id: part.weight for part in parts} == weights
    assert {part.basis for part in parts} == {basis}
    assert sum(part.minor for part in parts) == earned.earned_minor > 0
    lines = {line.route_id: line.pass_revenue.minor for line in handed_in(city).lines}
    assert lines == {part.route_id: part.minor for part in parts}
