"""Walk: a stored-value card on the metro, at both doors of a bus and in a car park; after each, ledger equals card."""

from dataclasses import replace

import pytest

from demo.plan import Reader, at
from demo.processes import wait_until
from demo.world import enrol_readers, scaled, write_reader

from .purses import loaded, on_card, purse, purse_card, reached, shown, slow_disk_allowed
from .town import Purse

pytestmark = pytest.mark.walk
FARE = 18_625  # HANOI.md: 2A from end to end; nothing dearer on that line
STAY = 2 * 60_000  # two begun blocks of two hours in the 12 streets of Hoàn Kiếm
BUS = 10_000  # HANOI.md: route 26
TOPUP = 300_000


def metro(name, stop):
    duty = {"from": at(4).isoformat(), "route_id": "2A", "stop_id": stop, "purpose": "AUTO"}
    return Reader(name, "metro", "hanoi-metro", f"2A-{name}", (duty,))


def door(name):
    duty = {
        "from": at(4).isoformat(), "route_id": "26", "stop_id": "26-01", "trip_id": "26-05", "purpose": "AUTO",
    }  # fmt: skip
    return Reader(name, "bus", "transerco", "29B-777.26", (duty,))


def gate(name, purpose):
    return Reader(name, "parking", "hoankiem-parking", name, (), purpose)


# Each reader at its hour, on the one day of the town.
HOURS = {
    "sv-in": (metro("sv-in", "2A-cat-linh"), at(7, 15)),
    "sv-out": (metro("sv-out", "2A-yen-nghia"), at(7, 50)),
    "sv-back": (metro("sv-back", "2A-yen-nghia"), at(8, 30)),
    "sv-near": (metro("sv-near", "2A-van-quan"), at(8, 50)),
    "sv-front": (door("sv-front"), at(10)),
    "sv-rear": (door("sv-rear"), at(10, 40)),
    "hoan-kiem-01-in": (gate("hoan-kiem-01-in", "PARK_IN"), at(12)),
    "hoan-kiem-01-out": (gate("hoan-kiem-01-out", "PARK_OUT"), at(14, 25)),
    "second-exit": (gate("hoan-kiem-01-out", "PARK_OUT"), at(14, 50)),
}


@pytest.fixture(scope="module")
def readers(town):
    """Readers of names of their own: another walk's gates of the same car park keep theirs."""
    named = {
        f"purse-{name}": (replace(reader, name=f"purse-{name}"), hour)
        for name, (reader, hour) in HOURS.items()
    }
    enrol_readers(town.city, town.city.environment["LIENTHONG_CLOCK"], [one for one, _ in named.values()])
    for name, (reader, hour) in named.items():
        write_reader(town.city, reader, url=town.city.url, clock=scaled(hour, 1))
        slow_disk_allowed(town, name)
        town.city.start_reader(name)
    wait_until("the readers to serve", lambda: all(town.lights(name, "state") for name in named))
    return {name: f"purse-{name}" for name in HOURS}


@pytest.fixture(scope="module")
def card(town, readers):
    """A stored-value card with 200,000 on it by the metro's first gate; the rest of its money is the account's."""
    made = purse_card(town, "04feed00000002", TOPUP)
    loaded(town, made, readers["sv-in"], "--amount", "200000")
    reached(town, readers["sv-in"], 200_000)
    return made


def test_after_each_ride_and_stay_the_ledger_has_taken_what_the_card_has_paid(town, readers, card):
    before, on_the_card, spent = town.evidence(), 200_000, 0

    def tapped(name, light="green"):
        told = shown(town, readers[name], card)
        assert told["light"] == light, told
        return told

    def settled(*names):
        """What the account has left, and what its bill and its card have in common."""
        town.delivered(*(readers[name] for name in names))
        assert on_card(town, card) == on_the_card - spent
        assert town.purse(card.account) == Purse(TOPUP - spent, 0)
        assert town.bill(card.account) == town.fold(card.account)
        assert purse(town, card) == (on_the_card - spent, TOPUP - spent, 0, TOPUP - on_the_card)

    # Metro, end to end: the dearest ride is held at the way in and all of it needed at the way out.
    assert "Tạm giữ" in tapped("sv-in")["money"][0]
    assert on_card(town, card) == on_the_card - FARE
    tapped("sv-out")
    spent += FARE
    settled("sv-in", "sv-out")

    # Metro, a short ride: what it did not need comes back at the way out, to the đồng.
    tapped("sv-back")
    held = on_card(town, card)
    tapped("sv-near")
    given_back = on_card(town, card) - held
    assert 0 < given_back < FARE
    spent += FARE - given_back
    settled("sv-back", "sv-near")

    # A bus that asks at both doors: on costs, off does not; the card itself tells which it is.
    tapped("sv-front")
    spent += BUS
    settled("sv-front")
    tapped("sv-rear")
    settled("sv-rear")

    # A car park: nothing at the entry, the stay at the exit; a second exit has no entry.
    tapped("hoan-kiem-01-in")
    settled("hoan-kiem-01-in")
    assert tapped("hoan-kiem-01-out")["money"]
    spent += STAY
    settled("hoan-kiem-01-in", "hoan-kiem-01-out")
    assert tapped("second-exit", "red")["reason"] == "purse-no-entry"
    settled("second-exit")

    assert "in_exception" not in town.evidence_since(before)
    for kind in ("purse-chain", "trips-chain", "load-mismatch"):
        assert town.ask("GET", f"/v1/cases?kind={kind}")["cases"] == []
    town.proven()
