"""Cases end with a finding, and what follows from it follows at once."""

import pytest

from access import cases, deny, enrol, review
from access.cases import CaseKind, CaseUnknownError, Suspicion
from access.deny import DenyReason
from access.review import FindingDoesNotFitError
from access.rules.device import DeviceState
from access.rules.finding import Finding
from kernel.ids import CardId, uuid7
from tests.access.looking import take


def forged(world, card, reader):
    """A tap of this card with a MAC that only somebody without its key could make."""
    reader.tap(card, tmv=bytes(8), committed=False)
    take(world, reader.upload())


def only_case(world, kind=CaseKind.MAC_INVALID):
    (found,) = cases.list_open(world.tx, kind=kind)
    return found.case.case_id


def decide(world, case_id, finding):
    return review.decide(world.tx, case_id, finding, reason="looked at it", actor="mai", now=world.now)


def denied(world, card):
    return deny.reasons(world.tx, card.serial)


def test_one_forged_tap_opens_a_case_and_restricts_nobody(world):
    card = world.card()
    forged(world, card, world.reader())
    assert denied(world, card) == ()
    found = review.get_case(world.tx, only_case(world))
    assert (found.card.serial, len(found.pieces), found.closed_at) == (card.serial, 1, None)
    assert not review.replaces_free(world.tx, found.card.card_id)


def test_found_forged_it_is_restricted_and_replaced_free(world):
    card = world.card()
    forged(world, card, world.reader())
    case_id = only_case(world)
    decided = decide(world, case_id, Finding.CARD_FORGED)
    assert (decided.restricted, decided.free_replacement, decided.suspended) == (True, True, False)
    assert denied(world, card) == (DenyReason.FORGED,)
    assert review.replaces_free(world.tx, card.issued.card_id)
    found = review.get_case(world.tx, case_id)
    assert found.outcome == "card-forged: looked at it"
    assert (found.closed_by, found.closed_at) == ("mai", world.now)
    with pytest.raises(CaseUnknownError):
        decide(world, case_id, Finding.CARD_HONEST)


def test_two_devices_restrict_and_an_honest_finding_lifts(world):
    card = world.card()
    for name in ("bus-01", "bus-02"):
        forged(world, card, world.reader(name))
    assert denied(world, card) == (DenyReason.FORGED,)
    deny.deny(world.tx, [card.serial], reason=DenyReason.DEBT, cause="t", now=world.now)
    decided = decide(world, only_case(world), Finding.CARD_HONEST)
    assert (decided.lifted, decided.free_replacement) == (True, False)
    assert denied(world, card) == (DenyReason.DEBT,), "each reason is lifted on its own"


def test_a_device_at_fault_is_suspended_and_the_card_lifted(world):
    card, reader = world.card(), world.reader()
    forged(world, card, reader)
    decided = decide(world, only_case(world), Finding.DEVICE_AT_FAULT)
    assert (decided.suspended, decided.lifted) == (True, False)
    assert enrol.get_device(world.tx, reader.device_id).state is DeviceState.SUSPENDED


def test_what_another_case_stands_for_is_not_lifted(world):
    card, reader = world.card(), world.reader()
    forged(world, card, reader)
    decide(world, only_case(world), Finding.CARD_FORGED)
    forged(world, card, reader)
    decided = decide(world, only_case(world), Finding.CARD_HONEST)
    assert not decided.lifted
    assert denied(world, card) == (DenyReason.FORGED,)


def test_noted_changes_nothing(world):
    card, reader = world.card(), world.reader()
    forged(world, card, reader)
    decided = decide(world, only_case(world), Finding.NOTED)
    assert not any(yes is True for yes in review.describe(decided).values())
    assert cases.list_open(world.tx) == ()


def test_a_card_that_is_not_ours_cannot_be_restricted(world, stray):
    reader = world.reader()
    suspicion = Suspicion(
        kind=CaseKind.COUNTER_TAKEN,
        subject="x",
        evidence="x",
        device_id=reader.device_id,
        card_id=CardId(uuid7(world.now)),
    )
    cases.suspect(world.tx, [suspicion], now=world.now)
    case_id = only_case(world, CaseKind.COUNTER_TAKEN)
    with pytest.raises(FindingDoesNotFitError):
        decide(world, case_id, Finding.CARD_FORGED)


def test_a_case_that_is_not_there(world):
    missing = uuid7(world.now)
    with pytest.raises(CaseUnknownError):
        review.get_case(world.tx, missing)
    with pytest.raises(CaseUnknownError):
        decide(world, missing, Finding.NOTED)
    assert not review.replaces_free(world.tx, CardId(missing))
