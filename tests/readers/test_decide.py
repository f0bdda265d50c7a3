from dataclasses import replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from access.rules.denylist import DenyList
from kernel.wire.cardinfo import PRODUCT_PURSE
from kernel.wire.tap import ClockState, Phase
from readers.bundle import Bundle, Risk
from readers.decide import (
    LAST_COUNTER,
    Accept,
    Moment,
    Reason,
    Recover,
    Refused,
    Repeat,
    Seen,
    decide,
    within_passback,
)
from readers.memory import Memory
from tests.readers.kit import NOW, draft, info_of

MOMENT = Moment(
    now=NOW, monotonic_ms=1_000_000, clock_state=ClockState.SYNCED, zone=ZoneInfo("Asia/Ho_Chi_Minh")
)
BUNDLE = Bundle(
    version=3,
    made_at=NOW - timedelta(hours=2),
    tariff_version="hanoi-1",
    denied=DenyList.of(3, [13]),
    generations=frozenset({1, 2}),
    passback_s=30,
    risk=Risk(),
    auth_keys={},
)


def asked(*, info=None, prior_tmc=4, bundle=BUNDLE, seen=None, moment=MOMENT, own_unsent=0):
    return decide(
        info=info or info_of(1),
        prior_tmc=prior_tmc,
        bundle=bundle,
        seen=seen,
        moment=moment,
        own_unsent=own_unsent,
    )


def risky(**risk):
    return replace(BUNDLE, risk=Risk(**risk))


def last(phase, *, tmc=4, ago_s=5, this_run=True, shown=True):
    at = {"tapped_at": NOW - timedelta(seconds=ago_s), "monotonic_ms": 1_000_000 - ago_s * 1000}
    return Seen(draft(phase=phase, tmc=tmc, **at), shown=shown, this_run=this_run)


STALE = {"stale_after": timedelta(hours=1)}


@pytest.mark.parametrize(
    ("reason", "circumstances"),
    [
        (Reason.NO_BUNDLE, {"bundle": None}),
        (Reason.BUNDLE_STALE, {"bundle": risky(**STALE, refuse_when_stale=True)}),
        (
            Reason.CLOCK_UNSYNCED,
            {
                "bundle": risky(refuse_when_unsynced=True),
                "moment": replace(MOMENT, clock_state=ClockState.UNSYNCED),
            },
        ),
        (Reason.EXPOSURE, {"bundle": risky(unsent_max=10), "moment": replace(MOMENT, unsent=10)}),
        (Reason.GENERATION_UNKNOWN, {"info": info_of(1, generation=3)}),
        (Reason.DENIED, {"info": info_of(13)}),
        (Reason.EXPIRED, {"info": info_of(1, expires_on=date(2026, 11, 17))}),
        # 17:00 UTC is midnight in Hanoi: the 18th is over there.
        (
            Reason.EXPIRED,
            {
                "info": info_of(1, expires_on=date(2026, 11, 18)),
                "moment": replace(MOMENT, now=NOW.replace(hour=17)),
            },
        ),
        (Reason.COUNTER_EXHAUSTED, {"prior_tmc": LAST_COUNTER}),
        (Reason.PASSBACK, {"seen": last(Phase.DONE)}),
        (Reason.PASSBACK, {"seen": last(Phase.RECOVERED)}),
        (Reason.PASSBACK, {"seen": last(Phase.DONE, ago_s=0)}),
        (Reason.PASSBACK, {"seen": last(Phase.DONE, tmc=3)}),
        (Reason.PASSBACK, {"seen": last(Phase.DONE, this_run=False)}),
        (Reason.CARD_EXPOSURE, {"bundle": risky(card_unsent_max=3), "own_unsent": 3}),
        (Reason.CARD_EXPOSURE, {"bundle": risky(card_unsent_max=0)}),
        (Reason.DENIED, {"info": info_of(13), "bundle": risky(card_unsent_max=3), "own_unsent": 3}),
        (Reason.DENIED, {"info": info_of(13), "seen": last(Phase.DONE)}),
        (Reason.DENIED, {"info": info_of(13), "seen": last(Phase.TORN, tmc=5)}),
    ],
)
def test_refusals(reason, circumstances):
    assert asked(**circumstances) == Refused(reason)


@pytest.mark.parametrize(
    "circumstances",
    [
        {},
        {"bundle": risky(**STALE)},
        {"bundle": risky(refuse_when_stale=True)},
        {"bundle": risky(stale_after=timedelta(hours=2), refuse_when_stale=True)},
        {"moment": replace(MOMENT, clock_state=ClockState.UNSYNCED)},
        {
            "bundle": risky(refuse_when_unsynced=True),
            "moment": replace(MOMENT, clock_state=ClockState.HOLDOVER),
        },
        {"bundle": risky(unsent_max=10), "moment": replace(MOMENT, unsent=9)},
        {"bundle": risky(card_unsent_max=3), "own_unsent": 2},
        {"own_unsent": 1_000},
        {
            "bundle": risky(card_unsent_max=3),
            "own_unsent": 3,
            "info": replace(info_of(1), product=PRODUCT_PURSE),
        },
        {"info": info_of(2, generation=2)},
        {"info": info_of(10**9)},
        {"info": info_of(1, expires_on=date(2026, 11, 18))},
        {
            "info": info_of(1, expires_on=date(2026, 11, 18)),
            "moment": replace(MOMENT, now=NOW.replace(hour=16, minute=59)),
        },
        {
            "info": info_of(1, expires_on=date(2026, 1, 1)),
            "moment": replace(MOMENT, clock_state=ClockState.UNSYNCED),
        },
        {"prior_tmc": LAST_COUNTER - 1},
        {"seen": last(Phase.DONE, ago_s=30)},
        {"seen": last(Phase.TORN, tmc=5)},
        {"seen": last(Phase.TORN, tmc=4, ago_s=30)},
        {"seen": last(Phase.TORN, tmc=3)},
        {"seen": last(Phase.DONE, ago_s=-1, this_run=False)},
    ],
)
def test_accepted(circumstances):
    assert asked(**circumstances) == Accept()


def test_a_torn_tap_that_the_card_committed_is_recovered_before_anything_is_refused():
    seen = last(Phase.TORN)
    for circumstances in ({}, {"info": info_of(13)}, {"bundle": risky(**STALE, refuse_when_stale=True)}):
        assert asked(seen=seen, **circumstances) == Recover(seen.tap)


def test_a_light_never_shown_is_shown_once_more_without_a_record():
    seen = last(Phase.DONE, this_run=False, shown=False)
    assert asked(seen=seen) == Repeat(seen.tap)
    assert asked(seen=seen, prior_tmc=5) == Refused(Reason.PASSBACK), "the card has tapped elsewhere since"
    late = last(Phase.DONE, this_run=False, shown=False, ago_s=30)
    assert asked(seen=late) == Accept()


@given(jump_s=st.integers(-200_000, 200_000), ago_ms=st.integers(0, 60_000))
def test_a_jump_of_the_wall_clock_never_moves_the_passback_window(jump_s, ago_ms):
    seen = Seen(draft(phase=Phase.DONE, tapped_at=NOW, monotonic_ms=1_000_000 - ago_ms))
    moment = replace(MOMENT, now=NOW + timedelta(seconds=jump_s))
    assert within_passback(seen, moment, 30) == (ago_ms < 30_000)


def tapped(serial, sequence, phase=Phase.DONE, **more):
    return draft(card_serial=serial, sequence=sequence, phase=phase, **more)


def test_memory_keeps_the_last_tap_of_each_card_and_no_refusals():
    memory = Memory()
    memory.note(tapped(1, 1))
    memory.note(tapped(1, 2, Phase.TORN))
    memory.note(tapped(1, 3, Phase.REFUSED))
    memory.note(tapped(2, 4, Phase.REFUSED))
    assert memory.find(1).tap.sequence == 2
    assert memory.find(2) is None


def test_memory_of_a_journal_owes_the_last_light_only():
    taps = [tapped(1, 1), tapped(2, 2)]
    memory = Memory.of(taps, last_shown=0)
    assert (memory.find(1).shown, memory.find(2).shown) == (True, False)
    assert not memory.find(1).this_run
    assert Memory.of(taps, last_shown=2).find(2).shown
    refused_last = Memory.of([*taps, tapped(2, 3, Phase.REFUSED)], last_shown=0)
    assert refused_last.find(2).shown, "a later record proves that the reader went on after it"
    memory.shown(taps[1])
    assert memory.find(2).shown


def test_memory_forgets_what_left_the_window():
    memory = Memory()
    for n in range(100):
        memory.note(tapped(n, n + 1, monotonic_ms=1_000_000 - n * 1000))
    memory.forget(MOMENT, 30)
    assert len(memory) == 30
