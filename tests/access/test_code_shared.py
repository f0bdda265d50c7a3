"""One QR code that several readers let through: charged once, shown to a person, and what that person may decide."""

from datetime import date, timedelta

import pytest

from access import cases, deny, review, tokens
from access.deny import DenyReason
from access.rules.finding import Finding
from access.rules.medium import MediumKind
from tests.access.looking import open_kinds, take, verdicts
from tests.access.test_coded import Phone


@pytest.fixture
def phone(world):
    return Phone(world)


def test_codes_that_are_shared_again_and_again_are_one_case_with_every_showing(world, phone):
    readers = [world.reader(f"bus-0{number}") for number in range(1, 4)]
    made = world.now - timedelta(hours=1)
    for reader in readers:
        for minute in (0, 1):
            at = made + timedelta(minutes=minute)
            phone.show(reader, at + timedelta(seconds=20), made=at)
        take(world, reader.upload())
    (case,) = cases.list_open(world.tx)
    assert (case.case.kind, case.case.card_id, case.pieces) == ("code-shared", phone.card_id, 6)
    assert len(phone.taps()) == 2, "each code is one ride"
    assert deny.reasons(world.tx, phone.serial) == (), (
        "its holder may be who was photographed: a person decides"
    )


def test_a_medium_that_a_reviewer_found_shared_gets_no_certificate_until_it_is_lifted(world, phone):
    def certificate():
        made = tokens.register(
            world.tx, phone.account, MediumKind.QR, phone.key.public.raw,
            expires_on=date(2030, 1, 1), keyring=world.keyring, now=world.now,
        )  # fmt: skip
        return made.certificate

    made = world.now - timedelta(hours=1)
    for name in ("bus-01", "bus-02"):
        reader = world.reader(name)
        phone.show(reader, made + timedelta(seconds=20), made=made)
        take(world, reader.upload())
    assert certificate(), "nothing is decided yet"
    (case,) = cases.list_open(world.tx)
    found = review.decide(
        world.tx,
        case.case.case_id,
        Finding.CARD_FORGED,
        reason="sold by the minute",
        actor="lan",
        now=world.now,
    )
    assert (found.restricted, deny.reasons(world.tx, phone.serial)) == (True, (DenyReason.FORGED,))
    assert certificate() == b""
    deny.clear(world.tx, (phone.serial,), reason=DenyReason.FORGED, cause="appeal", now=world.now)
    assert certificate()


def test_a_code_that_its_own_reader_delivers_twice_is_nobodys_fault(world, phone):
    reader, made = world.reader(), world.now - timedelta(hours=1)
    for after in (5, 40):
        phone.show(reader, made + timedelta(seconds=after), made=made)
    assert verdicts(take(world, reader.upload())) == [(1, "accepted", ""), (2, "exception", "counter-taken")]
    assert open_kinds(world) == []
