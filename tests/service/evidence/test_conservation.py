"""Every tap is accounted for: priced, nothing due, or in exception; what came late is listed with its age."""

import json
import random
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import text

from kernel.wire.tap import Phase, Purpose
from service.conservation import conserve

pytestmark = pytest.mark.usefixtures("described")

DAY = date(2026, 11, 18)
HOUR = timedelta(hours=1)


def day_of(running, day=DAY):
    with running.database.read() as tx:
        return conserve(tx, day, book=running.shelf.books(tx).current())


@pytest.mark.parametrize("seed", range(4))
def test_every_record_of_a_wild_day_has_exactly_one_fate(running, world, send, seed):
    """Torn, recovered, refused, forged, cloned, misplaced, implausible taps, in uploads of any order."""
    dice = random.Random(seed)
    at = world.now - 3 * HOUR
    for _ in range(60):
        at += timedelta(seconds=dice.choice((5, 70, 900)))
        reader, card = dice.choice((world.bus, world.gate)), dice.choice(world.cards)
        match dice.randrange(12):
            case 0:
                torn = reader.tap(card, phase=Phase.TORN, at=at)
                if dice.random() < 0.5:
                    reader.recover(torn, card)
            case 1:
                reader.tap(card, phase=Phase.TORN, committed=False, at=at)
            case 2:
                reader.tap(card, phase=Phase.REFUSED, at=at)
            case 3:
                reader.tap(card, committed=False, tmv=b"forged!!", at=at)
            case 4:
                world.bus.tap(replace(card), at=at)
                world.gate.tap(card, at=at + timedelta(seconds=1))
            case 5:
                reader.tap(card, tariff_version="never", at=at)
            case 6:
                reader.tap(card, purpose=Purpose.INSPECT, at=at)
            case 7:
                reader.tap(card, route_id="nowhere", at=at)
            case _:
                reader.tap(card, purpose=dice.choice((Purpose.BOARD, Purpose.ALIGHT, Purpose.AUTO)), at=at)
    uploads = []
    for reader in (world.bus, world.gate):
        first = 1
        while first <= len(reader.records):
            last = min(len(reader.records), first + dice.randrange(1, 9))
            uploads.append(reader.upload(first, last))
            first = last + 1
    dice.shuffle(uploads)
    for upload in uploads:
        send(upload)
    found = day_of(running)
    assert [one.unaccounted for one in found.devices] == [0, 0]
    assert found.conserved
    with running.database.read() as tx:
        stored = dict(tx.execute(text("SELECT device_id, count(*) FROM tap GROUP BY device_id")).all())
    assert {one.device_id: one.accepted for one in found.devices} == stored
    assert sum(one.priced for one in found.devices) > 0
    assert not any(one.gaps for one in found.devices)


def test_a_tap_off_after_four_ends_a_ride_that_its_bus_settled_the_day_before(running, world, send):
    """On at 03:50, off at 04:10: the off costs nothing, stands in no ride of its day, and is accounted for."""
    on, off = world.now.replace(hour=20, minute=50) - timedelta(days=1), world.now.replace(hour=21, minute=10)
    world.bus.tap(world.cards[0], at=on, purpose=Purpose.BOARD)
    world.bus.tap(world.cards[0], at=off - timedelta(days=1), purpose=Purpose.ALIGHT)
    send(world.bus.upload())
    before, after = (day_of(running, day) for day in (DAY - timedelta(days=1), DAY))
    assert [one.priced for one in before.devices] == [1]
    assert [(one.priced, one.unaccounted) for one in after.devices] == [(1, 0)]


def test_a_gap_names_the_device_that_still_holds_it(running, world, send, ask, lienthong):
    card = world.cards[0]
    for minute in range(5):
        world.bus.tap(card, at=world.now - HOUR + timedelta(minutes=20 * minute))
    world.gate.tap(card, at=world.now)
    send(world.bus.upload(1, 1))
    send(world.bus.upload(4, 4))
    send(world.gate.upload())
    found = {one.name: one for one in day_of(running).devices}
    (gap,) = found["bus"].gaps
    assert (gap.first, gap.last) == (2, 3)
    assert found["bus"].missing_taps == 2, "before the 4th, and before the gate's: the cards remember both"
    assert not found["bus"].complete
    reply = ask("GET", f"/v1/evidence/{DAY}/conservation").json
    assert reply["conserved"] is True, "what has not come was not accepted"
    assert reply["devices"][0]["gaps"][0]["last"] == 3
    said = lienthong("evidence", "conservation", str(DAY))
    assert "still holds 2 to 3" in said
    assert "cards remember 2 more taps" in said


def test_late_taps_are_listed_with_their_ages_and_what_they_changed(running, world, send, ask, lienthong):
    came = world.now + timedelta(days=6)
    world.bus.tap(world.cards[0], at=world.now - HOUR, purpose=Purpose.BOARD)
    world.gate.tap(world.cards[1], at=came - HOUR)
    send(world.bus.upload(), at=came)
    send(world.gate.upload(), at=came)
    with running.database.read() as tx:
        from service.conservation import late

        book = running.shelf.books(tx).current()
        found = late(tx, book=book, now=came + 2 * HOUR, since=came - HOUR, later_than=24 * HOUR)
    (one,) = found
    assert (one.name, one.service_day, one.records, one.waiting) == ("bus", DAY, 1, 0)
    assert (one.longest, one.age) == (timedelta(days=6) + HOUR, 2 * HOUR)
    assert ask("GET", "/v1/evidence/late?days=7&hours=24").json["late"][0]["records"] == 1
    assert "1 late records" in lienthong("evidence", "late", "--days", "7")


def test_a_quiet_day_says_so(running, ask, lienthong):
    reply = ask("GET", f"/v1/evidence/{DAY}/conservation").json
    assert (reply["conserved"], reply["accepted"], reply["devices"]) == (True, 0, [])
    assert ask("GET", "/v1/evidence/late").json == {"late": []}
    assert ask("GET", "/v1/exceptions").json == {"exceptions": [], "counts": []}
    assert "No device has anything" in lienthong("evidence", "conservation", str(DAY))
    assert "Nothing came late." in lienthong("evidence", "late")
    assert "Nothing waits." in lienthong("evidence", "exceptions")
    assert json.loads(lienthong("evidence", "late", "--json")) == {"late": []}
    assert json.loads(lienthong("evidence", "exceptions", "--json")) == {"exceptions": []}
    assert json.loads(lienthong("evidence", "conservation", str(DAY), "--json"))["conserved"] is True
    again = lienthong("evidence", "rerun", "--reason", "pricing-fault", "--why", "no reason")
    assert "Nothing of that waits" in again
    assert "name one exception" in lienthong("evidence", "rerun", "--why", "x", code=2)


def test_a_lost_bill_line_is_found(running, world, send):
    world.bus.tap(world.cards[0], at=world.now - HOUR, purpose=Purpose.BOARD)
    send(world.bus.upload())
    assert day_of(running).disagreeing == ()
    with running.database.begin() as tx:
        tx.execute(
            text(
                "INSERT INTO fare_bill_line SELECT fare_account_id, service_day, revision, 99, tap_id, 'pass_covered',"
                " operator_id, 'rider', route_id, rule, currency, 5, 0, book_day, NULL FROM fare_bill_line"
            )
        )
    found = day_of(running)
    assert found.disagreeing == (world.cards[0].issued.fare_account_id,)
    assert not found.conserved
