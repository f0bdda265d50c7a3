"""Cash in the field: the till's account says what should lie in it, and a closed shift leaves nothing unexplained."""

import itertools
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.ids import EntryId, FareAccountId, uuid7
from kernel.money import VND, Money
from ledger import cash_office
from ledger import till as verbs
from ledger.accounts import open_accounts
from ledger.post import post
from ledger.rules import chart
from ledger.rules.entry import Entry, Line
from ledger.rules.errors import IdReusedError
from ledger.rules.till import (
    TRANSITIONS,
    CountedBySameError,
    NoOpenShiftError,
    Till,
    TillDiffersError,
    TillEvent,
    TillFullError,
    TillKind,
    TillMovedError,
    TillShift,
    TillShiftOpenError,
    TillShiftState,
    TillShiftStateError,
    TillShortError,
    UnknownTillError,
    step,
)
from ledger.rules.topup import TopupAmountError
from tests.ledger.topup.conftest import Desk
from tests.ledger.topup.test_notify import owe

NAME, AGENT = "bus-12", "lan"


def vnd(minor: int) -> Money:
    return Money(minor, VND)


class Kiosk:
    """One till, opened with a float that was drawn from the bank."""

    def __init__(self, desk: Desk, float_: int = 100_000) -> None:
        self.desk = desk
        verbs.add_till(desk.tx, Till(NAME, TillKind.CONDUCTOR, vnd(1_000_000)), actor="anna", now=desk.now)
        if float_:
            cash_office.carry(desk.tx, uuid4(), vnd(-float_), reference="SLIP1", now=desk.now)
        self.open(float_)

    def open(self, float_: int = 0, shift_id: UUID | None = None) -> TillShift:
        return verbs.open_shift(
            self.desk.tx, shift_id or uuid4(), till=NAME, agent=AGENT, float_=vnd(float_), actor="anna",
            now=self.desk.now,
        )  # fmt: skip

    def top_up(self, minor: int, topup_id: UUID | None = None) -> verbs.ToppedUp:
        return verbs.top_up(
            self.desk.tx, topup_id or uuid4(), till=NAME, rider=self.desk.rider, amount=vnd(minor), actor=AGENT,
            now=self.desk.now,
        )  # fmt: skip

    def remit(self, minor: int, event_id: UUID | None = None) -> TillShift:
        return verbs.remit(
            self.desk.tx, event_id or uuid4(), till=NAME, amount=vnd(minor), actor=AGENT, now=self.desk.now
        )

    def count(self, minor: int, actor: str = AGENT) -> TillShift:
        return verbs.count(
            self.desk.tx, uuid4(), till=NAME, amount=vnd(minor), actor=actor, now=self.desk.now
        )

    def close(self, actor: str = "binh", event_id: UUID | None = None) -> TillShift:
        return verbs.close(self.desk.tx, event_id or uuid4(), till=NAME, actor=actor, now=self.desk.now)

    @property
    def cash(self) -> int:
        return verbs.read_cash(self.desk.tx, NAME, VND, self.desk.now).minor

    @property
    def office(self) -> int:
        return cash_office.read_office(self.desk.tx, VND, self.desk.now).minor

    @property
    def lacking(self) -> int:
        return self.desk.minor(chart.agent_shortage(AGENT))


@pytest.fixture
def kiosk(desk: Desk) -> Kiosk:
    return Kiosk(desk)


@pytest.mark.parametrize(("state", "event"), list(itertools.product(TillShiftState, TillEvent)))
def test_only_what_the_table_has(kiosk: Kiosk, state: TillShiftState, event: TillEvent) -> None:
    shift = replace(verbs.get_shift(kiosk.desk.tx, NAME), state=state)
    if event in TRANSITIONS[state]:
        assert step(shift, event) is TRANSITIONS[state][event]
    else:
        with pytest.raises(TillShiftStateError):
            step(shift, event)


def test_a_shift_that_counts_right(kiosk: Kiosk) -> None:
    desk = kiosk.desk
    kiosk.top_up(50_000)
    kiosk.top_up(20_000)
    kiosk.remit(60_000)
    assert (desk.loaded(), kiosk.cash, kiosk.office) == (70_000, 110_000, 60_000)
    assert kiosk.count(110_000).short == vnd(0)
    with pytest.raises(CountedBySameError):
        kiosk.close(AGENT)
    shift = kiosk.close()
    assert (shift.state, shift.topped_up, shift.remitted) == (TillShiftState.CLOSED, vnd(70_000), vnd(60_000))
    assert (kiosk.cash, kiosk.office, kiosk.lacking) == (0, 170_000, 0)
    cash_office.carry(desk.tx, uuid4(), vnd(170_000), reference="SLIP2", now=desk.now)
    assert kiosk.office == 0


def test_what_lacks_is_the_agents(kiosk: Kiosk) -> None:
    kiosk.top_up(50_000)
    assert kiosk.count(140_000).short == vnd(10_000)
    kiosk.close()
    assert (kiosk.cash, kiosk.office, kiosk.lacking) == (0, 140_000, 10_000)
    event = uuid4()
    for _ in range(2):
        left = cash_office.make_good(kiosk.desk.tx, event, agent=AGENT, amount=vnd(4_000), now=kiosk.desk.now)
        assert left == vnd(6_000)
    with pytest.raises(TillShortError):
        cash_office.make_good(kiosk.desk.tx, uuid4(), agent=AGENT, amount=vnd(6_001), now=kiosk.desk.now)
    assert (kiosk.office, kiosk.lacking) == (144_000, 6_000)


def test_what_is_too_much_waits_in_suspense(kiosk: Kiosk) -> None:
    kiosk.count(100_500)
    kiosk.close()
    assert (kiosk.cash, kiosk.office, kiosk.desk.suspended(verbs.SURPLUS)) == (0, 100_500, 500)


def test_a_debt_is_cleared_first(kiosk: Kiosk) -> None:
    owe(kiosk.desk, 7_000)
    done = kiosk.top_up(5_000)
    assert (done.owed, kiosk.desk.loaded()) == (vnd(2_000), 0)
    assert kiosk.top_up(5_000).owed == vnd(0)
    assert kiosk.desk.loaded() == 3_000


def test_every_event_happens_once(kiosk: Kiosk) -> None:
    topup, hand_in, end = uuid4(), uuid4(), uuid4()
    for again in (False, True):
        assert kiosk.top_up(50_000, topup).again is again
        kiosk.remit(10_000, hand_in)
    assert (kiosk.cash, kiosk.office, kiosk.desk.loaded()) == (140_000, 10_000, 50_000)
    for wrong in (lambda: kiosk.top_up(50_001, topup), lambda: kiosk.remit(50_000, topup)):
        with pytest.raises(IdReusedError):
            wrong()
    with pytest.raises(IdReusedError):  # another rider's card
        verbs.top_up(
            kiosk.desk.tx, topup, till=NAME, rider=FareAccountId(uuid4()), amount=vnd(50_000), actor=AGENT,
            now=kiosk.desk.now,
        )  # fmt: skip
    kiosk.count(140_000)
    entries = kiosk.close(event_id=end) and kiosk.desk.entries()
    kiosk.close(event_id=end)
    assert kiosk.top_up(50_000, topup).again, "an answer that was lost is given after the close as well"
    assert kiosk.desk.entries() == entries


def test_refusals(desk: Desk) -> None:
    with pytest.raises(UnknownTillError):
        verbs.get_shift(desk.tx, NAME)
    verbs.add_till(desk.tx, Till(NAME, TillKind.KIOSK, vnd(1_000)), actor="anna", now=desk.now)
    with pytest.raises(NoOpenShiftError):
        verbs.get_shift(desk.tx, NAME)
    with pytest.raises(TillDiffersError):
        verbs.add_till(desk.tx, Till(NAME, TillKind.KIOSK, vnd(2_000)), actor="anna", now=desk.now)


def test_cash_has_bounds(kiosk: Kiosk) -> None:
    with pytest.raises(TillFullError):
        kiosk.top_up(900_001)
    kiosk.top_up(900_000)
    for minor in (1_000_001, 0):
        with pytest.raises(TillShortError):
            kiosk.remit(minor)
    with pytest.raises(TopupAmountError):
        kiosk.top_up(999)
    with pytest.raises(TillShortError):
        cash_office.carry(kiosk.desk.tx, uuid4(), vnd(1), reference="SLIP3", now=kiosk.desk.now)


def test_a_counted_till_takes_no_cash(kiosk: Kiosk) -> None:
    kiosk.count(100_000)
    with pytest.raises(TillShiftStateError):
        kiosk.top_up(50_000)
    with pytest.raises(TillShiftOpenError):
        kiosk.open()
    kiosk.count(99_000)
    assert kiosk.close().short == vnd(1_000)
    with pytest.raises(TillShiftStateError):
        kiosk.top_up(50_000)
    kiosk.open()
    kiosk.top_up(50_000)


def test_a_pass_sold_after_the_count_makes_it_count_again(kiosk: Kiosk) -> None:
    kiosk.count(100_000)
    sell(kiosk.desk, 30_000)
    with pytest.raises(TillMovedError):
        kiosk.close()
    kiosk.count(130_000)
    kiosk.close()
    assert (kiosk.cash, kiosk.lacking) == (0, 0)


def sell(desk: Desk, minor: int) -> None:
    """Take cash as selling a pass does: Dr till."""
    till, sold = chart.till(NAME), chart.deferred_pass("day")
    open_accounts(desk.tx, (till, sold), desk.now)
    line = Line(till.account_id, sold.account_id, vnd(minor))
    post(
        desk.tx,
        (Entry(EntryId(uuid7(desk.now)), "sale", (line,), till.owner_id, desk.now.date(), desk.now),),
        desk.now,
    )


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(("top_up", "remit")), st.integers(1_000, 200_000)), max_size=8),
    st.integers(0, 600_000),
)
def test_no_cash_is_ever_lost(desk: Desk, acts: list[tuple[str, int]], counted: int) -> None:
    """Whatever happens in a shift: what came in is in the office, or somebody owes it."""
    inner = desk.tx.begin_nested()
    try:
        kiosk, came_in = Kiosk(desk), 100_000
        for act, minor in acts:
            try:
                getattr(kiosk, act)(minor)
            except (TillFullError, TillShortError):
                continue
            came_in += minor if act == "top_up" else 0
        kiosk.count(counted)
        kiosk.close()
        assert kiosk.cash == 0
        assert kiosk.office + kiosk.lacking - desk.suspended(verbs.SURPLUS) == came_in
        assert desk.loaded() == came_in - 100_000
    finally:
        inner.rollback()
