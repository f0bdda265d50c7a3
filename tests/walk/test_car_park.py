"""Walk: a car park's own gates: real reader daemons on nfcpy's udp driver, guests through HTTP, every đồng booked.

A hundred sessions in `make faults`, a tenth of them in every run.
"""

import os
from uuid import uuid4

import pytest

from demo.plan import Reader, at
from demo.processes import wait_until
from ledger.rules import chart

from .town import Show

pytestmark = [pytest.mark.walk, pytest.mark.faults]
FULL = os.environ.get("LIENTHONG_TEST_FAULTS") == "full"
CARDS, GUESTS = (90, 10) if FULL else (9, 1)
ENTRY, EXIT = at(9), at(11, 25)
PRICE = 2 * 60_000  # two begun blocks of two hours in the 12 streets of Hoàn Kiếm
OPERATOR = "hoankiem-parking"
GATES = {"hoan-kiem-01-in": ENTRY, "hoan-kiem-01-out": EXIT}


@pytest.fixture
def gates(town):
    """The daemons of the place's two gates, hours apart."""
    readers = [
        (Reader(name, "parking", OPERATOR, name, (), "PARK_IN" if name.endswith("in") else "PARK_OUT"), hour)
        for name, hour in GATES.items()
    ]
    town.open_readers(readers)
    wait_until("the gates to serve", lambda: all(town.lights(name, "state") for name in GATES))


@pytest.fixture
def gate(town):
    """What the operator's own machine may ask of the service."""
    granted = ("--role", f"parking_operator:{OPERATOR}")
    token = town.city.lienthong("credential", "add", f"gate {uuid4()}", *granted).strip()
    shift = {
        "shift_id": str(uuid4()), "place_id": "hoan-kiem-01", "till": "walk-gate", "attendant": "An",
        "float": {"minor": 0, "currency": "VND"},
    }  # fmt: skip
    town.city.ask("POST", "/v1/parking/shifts", token, shift)
    return lambda path, body: town.city.ask("POST", f"/v1/parking/sessions{path}", token, body)


def park_as_guest(gate) -> None:
    """In, out and paid at the till, as an attendant's machine tells it."""
    ticket = {"kind": "ticket", "value": str(uuid4())}
    entry = {
        "event_id": str(uuid4()), "place_id": "hoan-kiem-01", "vehicle_class": "car_le9", "medium": ticket,
        "entered_at": ENTRY.isoformat(),
    }  # fmt: skip
    session = gate("", entry)["session_id"]
    left = gate(f"/{session}/leave", {"event_id": str(uuid4()), "left_at": EXIT.isoformat()})
    assert left["state"] == "left"
    price = {"minor": PRICE, "currency": "VND"}
    cash = {"payment_id": str(uuid4()), "method": "cash", "amount": price, "till": "walk-gate"}
    gate(f"/{session}/payments", cash)


def test_sessions_at_the_gates_and_at_the_till_are_booked_to_the_dong(town, gates, gate):
    cards = town.cards(CARDS, money=200_000)
    seen = town.evidence()
    shows = [Show(name, card) for name in GATES for card in cards]
    assert set(town.present(shows, patience_s=600).values()) == {2}, "each card was held to both gates"
    for _ in range(GUESTS):
        park_as_guest(gate)
    town.delivered(*GATES)
    came = 2 * CARDS
    assert town.evidence_since(seen) == {"records": came, "proven": came, "committed": came}
    assert [town.purse(card.account).stored for card in cards] == [200_000 - PRICE] * CARDS
    assert town.posted(chart.parking_payable(OPERATOR).account_id) == (CARDS + GUESTS) * PRICE
    assert "Proven: " in town.city.lienthong("ledger", "prove")
