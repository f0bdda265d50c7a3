"""Actions on cards: told by the bundle, carried out by a tap, named in its record, said by the light."""

from base64 import b64encode
from datetime import timedelta
from uuid import UUID

import pytest

from access.rules.actionlist import REASON, Action, ActionKind, ActionList
from kernel.wire.tap import Phase
from readers.bundle import adopt_bundle, open_bundle
from readers.errors import BundleError
from readers.softcard.card import Fault
from tests.readers.kit import IDENTITY, NOW, adopt, envelope, present, soft_card

PASS = {"pass_id": "p1", "product_id": "month", "valid_from": "2026-11-01", "valid_until": "2026-11-30"}
DETAIL = {ActionKind.LOAD_PASS: PASS, ActionKind.UNBLOCK: {}, ActionKind.RE_KEY: {"generation": "2"}}


def action(serial, kind, *, number=1, until=NOW + timedelta(days=1)):
    return Action(serial, UUID(int=number), kind, DETAIL[kind], until)


def told(*actions, version=1):
    return {"actions": b64encode(ActionList.of(version, actions).encode()).decode()}


def later(bench):
    bench.clock.advance(timedelta(minutes=1))


@pytest.mark.parametrize(
    ("kind", "words", "reason"),
    [
        (ActionKind.LOAD_PASS, "Your pass is on your card", f"{REASON}{UUID(int=1)}"),
        (ActionKind.UNBLOCK, "Your card works again", f"{REASON}{UUID(int=1)}"),
        (ActionKind.RE_KEY, "Please have this card renewed at a desk", ""),
    ],
)
def test_an_action_is_carried_out_once_by_the_cards_next_tap(bench, kind, words, reason):
    adopt(bench, **told(action(5, kind)))
    assert present(bench, soft_card(6)).message.en == "Tap recorded"
    card = soft_card(5)
    shown = present(bench, card)
    assert (shown.message.en, shown.phase) == (words, "DONE")
    later(bench)
    assert present(bench, card).message.en == "Tap recorded"
    assert [record.reason for record in bench.records()] == ["", reason, ""]


def test_actions_come_one_a_tap_in_order(bench):
    adopt(bench, **told(action(5, ActionKind.UNBLOCK), action(5, ActionKind.LOAD_PASS, number=2)))
    card = soft_card(5)
    first = present(bench, card).message.en
    later(bench)
    assert (first, present(bench, card).message.en) == ("Your card works again", "Your pass is on your card")


def test_an_action_that_has_ended_is_not_carried_out(bench):
    adopt(bench, **told(action(5, ActionKind.UNBLOCK, until=NOW)))
    assert present(bench, soft_card(5)).message.en == "Tap recorded"


def test_a_torn_tap_carries_nothing_out_until_it_is_proven(bench):
    adopt(bench, **told(action(5, ActionKind.UNBLOCK)))
    card = soft_card(5)
    present(bench, card, Fault.TEAR_AFTER)
    assert present(bench, card).phase == "RECOVERED"
    assert [(record.phase, record.reason) for record in bench.records()] == [
        (Phase.TORN, f"{REASON}{UUID(int=1)}"),
        (Phase.RECOVERED, f"{REASON}{UUID(int=1)}"),
    ]


@pytest.mark.parametrize("kind", DETAIL)
def test_what_a_torn_tap_did_not_commit_is_done_by_the_next(bench, kind):
    adopt(bench, **told(action(5, kind)))
    assert present(bench, soft_card(6)).message.en == "Tap recorded"
    card = soft_card(5)
    present(bench, card, Fault.TEAR_BEFORE)
    later(bench)
    done = present(bench, card)
    later(bench)
    assert (done.phase, done.message.en == "Tap recorded") == ("DONE", False)
    assert present(bench, card).message.en == "Tap recorded", "once"


def test_a_refused_card_has_nothing_done_to_it(bench):
    adopt(bench, version=2, denied=(5,), **told(action(5, ActionKind.UNBLOCK)))
    shown = present(bench, soft_card(5))
    assert (shown.message.light.value, shown.reason) == ("red", "denied")
    assert [record.reason for record in bench.records()] == ["denied"]


@pytest.mark.parametrize("raw", ["", "AAAA", "*", 5, None])
def test_a_list_that_is_none_is_refused_with_its_bundle(raw):
    with pytest.raises(BundleError):
        open_bundle(envelope(actions=raw), IDENTITY)


def test_an_older_list_is_refused(tmp_path):
    held = adopt_bundle(
        envelope(version=1, **told(version=4)), identity=IDENTITY, held=None, state_dir=tmp_path
    )
    older = envelope(version=2, deny_version=1, **told(action(5, ActionKind.UNBLOCK), version=3))
    with pytest.raises(BundleError, match="older"):
        adopt_bundle(older, identity=IDENTITY, held=held, state_dir=tmp_path)
    assert held.action_version == 4
