"""Walk: a stored-value card from its issue over load and payments to a ledger that equals the card's own purse."""

import uuid
from urllib.error import HTTPError

import pytest

from demo.plan import Reader, at
from demo.processes import DemoError, wait_until
from demo.world import enrol_readers, scaled, write_reader
from readers.identity import load_identity

from .purses import loaded, on_card, purse, purse_card, reached, shown, slow_disk_allowed
from .town import Purse, Show

pytestmark = pytest.mark.walk
FARE = 10_000  # HANOI.md: route 26, 15-<25 km
HOURS = (7, 9, 11, 13)
BUSES = tuple(f"purse-bus-{hour}" for hour in HOURS)
DUTY = {
    "from": at(4).isoformat(), "route_id": "26", "stop_id": "26-01", "trip_id": "26-05", "direction": 0, "purpose": "BOARD",
}  # fmt: skip


@pytest.fixture(scope="module")
def buses(town):
    """Four buses on route 26, hours apart, at whose doors everybody boards; their disks may be as slow as ours."""
    readers = [
        Reader(name, "bus", "transerco", f"29B-4{hour:02}.26", (DUTY,))
        for name, hour in zip(BUSES, HOURS, strict=True)
    ]
    enrol_readers(town.city, town.city.environment["LIENTHONG_CLOCK"], readers)
    for reader, hour in zip(readers, HOURS, strict=True):
        write_reader(town.city, reader, url=town.city.url, clock=scaled(at(hour), 1))
        slow_disk_allowed(town, reader.name)
        town.city.start_reader(reader.name)
    wait_until("the readers to serve", lambda: all(town.lights(name, "state") for name in BUSES))
    return BUSES


@pytest.fixture(scope="module")
def card(town):
    return purse_card(town, "04feed00000001", 50_000)


def test_an_empty_purse_is_refused_then_loaded_and_pays_and_ledger_and_card_agree(town, buses, card):
    first, second, third, fourth = buses
    before = town.evidence()
    red = shown(town, first, card)
    assert (red["light"], red["reason"]) == ("red", "purse-short")
    assert purse(town, card) == (0, 50_000, 0, 50_000)

    said = loaded(town, card, first, "--amount", "30000")
    assert "30,000 VND wait" in said
    assert "was asked for before" in loaded(town, card, first, "--amount", "30000", "--id", said.split()[-1])
    assert purse(town, card) == (0, 50_000, 30_000, 20_000)
    reached(town, first, 30_000)

    for bus, left in ((first, 20_000), (second, 10_000)):
        green = shown(town, bus, card)
        assert (green["light"], on_card(town, card)) == ("green", left)
        assert green["money"][0].startswith(f"Giá vé 10.000 đ · Số dư {left:,} đ".replace(",", "."))
    town.delivered(first, second)
    # 50,000 came into the account, two rides went out; of the 30,000 on the card two rides too.
    assert town.purse(card.account) == Purse(50_000 - 2 * FARE, 0)
    assert town.bill(card.account) == town.fold(card.account)
    assert purse(town, card) == (10_000, 30_000, 0, 20_000)

    # Torn, then held there again: paid once on the card, billed once.
    town.present([Show(third, card, "tear_after"), Show(third, card)])
    assert on_card(town, card) == 0
    town.delivered(third)
    assert town.purse(card.account) == Purse(50_000 - 3 * FARE, 0)

    assert "20,000 VND wait" in loaded(town, card, fourth), "all that the account holds beyond the card"
    reached(town, fourth, 20_000)
    assert shown(town, fourth, card)["en"] == "Your card was topped up"
    town.delivered(fourth)
    assert on_card(town, card) == 10_000
    assert town.purse(card.account) == Purse(10_000, 0), "ledger and card agree"
    assert purse(town, card) == (10_000, 10_000, 0, 0)
    assert "in_exception" not in town.evidence_since(before)
    town.proven()


@pytest.mark.parametrize("amount", ["one more", "5000001", "-5", "ten"])
def test_more_than_the_account_holds_is_never_loaded(town, buses, card, amount):
    _, _, waiting, loadable = purse(town, card)
    amount = str(loadable + 1) if amount == "one more" else amount
    asked = {
        "action_id": str(uuid.uuid4()),
        "action": "load_purse",
        "detail": {"amount": amount, "device": str(load_identity(town.state(buses[0])).device_id)},
        "until": "2026-12-31T00:00:00+07:00",
        "cause": "greed",
    }
    with pytest.raises(HTTPError) as refused:
        town.ask("POST", f"/v1/cards/{card.serial}/actions", asked, role="administrator")
    refused.value.close()
    assert refused.value.code in {409, 422}
    assert purse(town, card)[2] == waiting


def test_an_account_card_has_no_purse_to_load(town, buses):
    (plain,) = town.cards(1)
    with pytest.raises(DemoError, match="no purse"):
        loaded(town, plain, buses[0])
