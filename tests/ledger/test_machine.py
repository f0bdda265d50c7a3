"""Thousands of random steps: the ledger answers and stands exactly as the naive one in memory."""
# longer than a room: one machine, whose rules share its books and its oracle

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg.pq import TransactionStatus
from sqlalchemy import Engine

from kernel.crypto.ed25519 import SigningKey
from kernel.ids import EntryId, uuid7, uuid8
from kernel.service_day import local_date
from ledger import accounts, close_period, post, reserve, reverse, statement
from ledger.rules import chart
from ledger.rules.account import AccountState
from ledger.rules.book_day import ZONE, carries_time
from ledger.rules.entry import Duplicate, Entry, Line, Posted, Reason, Refused
from ledger.rules.errors import (
    AccountNotEmptyError,
    AccountStateError,
    AlreadyReversedError,
    HoldEndedError,
    IdReusedError,
    UnknownAccountError,
)
from ledger.rules.hold import AlreadyHeld, Held, Hold

from .conftest import NOW, Books, faults_within, vnd
from .oracle import NaiveHold, NaiveLedger

SIGNER = SigningKey.generate()
AMOUNTS = st.integers(1, 60)
# Of those whose accounts are open so far, the first four from the beginning.
RIDERS = st.integers(0, 7)


def word(outcome: object) -> str:
    match outcome:
        case Posted():
            return "posted"
        case Duplicate():
            return "duplicate"
        case Refused(reason=Reason.FLOOR):
            return "floor"
        case Refused(reason=Reason.FROZEN):
            return "frozen"
        case Refused(reason=Reason.CLOSED):
            return "closed"
        case Refused(reason=Reason.IN_SET):
            return "in set"
        case _:
            raise AssertionError(outcome)


class LedgerMachine(RuleBasedStateMachine):
    engine: Engine

    def __init__(self) -> None:
        super().__init__()
        self.connection = self.engine.connect()
        self.transaction = self.connection.begin()
        self.books = Books()
        self.books.open(self.connection)
        self.now = NOW
        self.naive = NaiveLedger({self.books.purse(rider) for rider in range(4)})
        self.past: list[Entry] = []
        self.numbers = 0

    def teardown(self) -> None:
        try:
            # What failed in a step has ended its transaction, and says so itself.
            faults = faults_within(self.connection, SIGNER.public) if self.intact() else []
        finally:
            # A transaction left open would hold its locks against the next example.
            self.transaction.rollback()
            self.connection.close()
        assert not faults

    def intact(self) -> bool:
        status = self.connection.connection.driver_connection.info.transaction_status
        return bool(status == TransactionStatus.INTRANS)

    def rider(self, drawn: int) -> int:
        return drawn % len(self.books.riders)

    def draw_entry(self, rider: int, parts: list[tuple[str, int]], derived: bool, back: int) -> Entry:
        self.numbers += 1
        rider = self.rider(rider)
        at = self.now - timedelta(days=back)
        made = EntryId(uuid8("machine", str(id(self)), self.numbers)) if derived else self.books.new_id(at)
        lines = [Line(*self.sides(rider)[way], vnd(minor)) for way, minor in parts]
        about = local_date(at, ZONE)
        return self.books.entry(rider, *lines, entry_id=made, service_day=about, effective_at=at)

    def sides(self, rider: int):
        return {
            "topup": (self.books.provider, self.books.purse(rider)),
            "fare": (self.books.purse(rider), self.books.alpha),
            "refund": (self.books.beta, self.books.purse(rider)),
        }

    def home(self, entry: Entry):
        if carries_time(entry.entry_id):
            return local_date(NOW.fromtimestamp((entry.entry_id.int >> 80) / 1000, tz=NOW.tzinfo), ZONE)
        return min(entry.service_day, local_date(self.now, ZONE))

    def expect(self, entries: list[Entry]) -> list[str]:
        expected = []
        for entry in entries:
            day = self.naive.day_for(self.home(entry))
            expected.append(self.naive.post(entry, day, self.now))
        return expected

    ENTRIES = st.lists(
        st.tuples(
            RIDERS,
            st.lists(
                st.tuples(st.sampled_from(["topup", "fare", "refund"]), AMOUNTS), min_size=1, max_size=3
            ),
            st.booleans(),
            st.integers(0, 2),
        ),
        min_size=1,
        max_size=5,
    )

    @rule(drawn=ENTRIES, repeats=st.lists(st.integers(0, 200), max_size=2))
    def post(self, drawn, repeats) -> None:
        entries = [self.draw_entry(*each) for each in drawn]
        entries += [self.past[n % len(self.past)] for n in repeats if self.past]
        outcomes = post.post(self.connection, entries, self.now)
        assert [word(outcome) for outcome in outcomes] == self.expect(entries)
        for entry, outcome in zip(entries, outcomes, strict=True):
            if not isinstance(outcome, Refused):
                assert outcome.book_day == self.naive.entries[entry.entry_id][1]
        self.past += entries

    @rule(drawn=ENTRIES)
    def post_together(self, drawn) -> None:
        entries = [self.draw_entry(*each) for each in drawn]
        outcomes = post.post_together(self.connection, entries, self.now)
        before = dict(self.naive.entries)
        expected = self.expect(entries)
        if set(expected) <= {"posted", "duplicate"}:
            assert [word(outcome) for outcome in outcomes] == expected
        else:
            self.naive.entries = before
            words = [word(outcome) for outcome in outcomes]
            first = next(n for n, each in enumerate(expected) if each not in {"posted", "duplicate"})
            assert words[first] == expected[first]
            assert {each for n, each in enumerate(words) if n != first} <= {"in set"}

    @precondition(lambda self: self.naive.entries)
    @rule(n=st.integers(0, 500), field=st.sampled_from(["cause", "lines", "service_day"]))
    def reuse_an_id(self, n: int, field: str) -> None:
        entry = list(self.naive.entries.values())[n % len(self.naive.entries)][0]
        other = {
            "cause": entry.cause + "x",
            "lines": (*entry.lines, entry.lines[0]),
            "service_day": entry.service_day + timedelta(days=1),
        }[field]
        with pytest.raises(IdReusedError) as refused:
            post.post(self.connection, [replace(entry, **{field: other})], self.now)
        assert refused.value.fields["field"] == field

    @precondition(lambda self: self.naive.entries)
    @rule(n=st.integers(0, 500), cause=st.sampled_from(["case:1", "case:2"]))
    def take_back(self, n: int, cause: str) -> None:
        entry = list(self.naive.entries.values())[n % len(self.naive.entries)][0]
        made = reverse.reversal_id(entry.owner_id, entry.entry_id)
        lines = tuple(Line(line.credit, line.debit, line.amount) for line in entry.lines)
        mirror = replace(
            entry,
            entry_id=made,
            kind="reversal",
            lines=lines,
            cause=cause,
            narrative="",
            corrects=entry.entry_id,
            metadata={},
        )
        if made in self.naive.entries and self.naive.entries[made][0].cause != cause:
            with pytest.raises(AlreadyReversedError):
                reverse.reverse(self.connection, entry.owner_id, entry.entry_id, self.now, cause=cause)
            return
        outcome = reverse.reverse(self.connection, entry.owner_id, entry.entry_id, self.now, cause=cause)
        assert [word(outcome)] == self.expect([mirror])

    @rule(rider=RIDERS, minor=AMOUNTS, minutes=st.integers(1, 90))
    def hold(self, rider: int, minor: int, minutes: int) -> None:
        rider = self.rider(rider)
        expires = self.now + timedelta(minutes=minutes)
        wanted = Hold(
            uuid7(self.now),
            self.books.riders[rider],
            self.books.purse(rider),
            self.books.alpha,
            vnd(minor),
            expires,
            "hold",
            local_date(self.now, ZONE),
        )
        outcome = reserve.hold(self.connection, wanted, self.now)
        free = self.naive.balance(wanted.debit) - self.naive.held(wanted.debit, self.now)
        if {wanted.debit, wanted.credit} & self.naive.frozen:
            assert word(outcome) == "frozen"
        elif {wanted.debit, wanted.credit} & self.naive.closed:
            assert word(outcome) == "closed"
        elif free < minor:
            assert word(outcome) == "floor"
        else:
            assert isinstance(outcome, Held)
            self.naive.holds[wanted.hold_id] = NaiveHold(wanted)
            assert isinstance(reserve.hold(self.connection, wanted, self.now), AlreadyHeld)

    @precondition(lambda self: self.naive.holds)
    @rule(n=st.integers(0, 100), part=st.integers(1, 60))
    def post_hold(self, n: int, part: int) -> None:
        each = list(self.naive.holds.values())[n % len(self.naive.holds)]
        amount = min(part, each.hold.amount.minor)
        state = self.naive.state_of(each.hold.hold_id, self.now)
        key = (each.hold.owner_id, each.hold.hold_id)
        if state == "posted" and each.posted == amount:
            again = reserve.post(self.connection, *key, self.now, amount=vnd(amount))
            assert isinstance(again, Duplicate)
        elif state != "open":
            with pytest.raises(HoldEndedError):
                reserve.post(self.connection, *key, self.now, amount=vnd(amount))
        else:
            outcome = reserve.post(self.connection, *key, self.now, amount=vnd(amount))
            each.state = "ending"
            expected = self.expect([reserve.hold_entry(each.hold, vnd(amount), self.now)])
            assert [word(outcome)] == expected
            if expected == ["posted"]:
                each.state, each.posted = "posted", amount
            else:
                each.state = "open"

    @precondition(lambda self: self.naive.holds)
    @rule(n=st.integers(0, 100))
    def void_hold(self, n: int) -> None:
        each = list(self.naive.holds.values())[n % len(self.naive.holds)]
        state = self.naive.state_of(each.hold.hold_id, self.now)
        if state in {"open", "voided"}:
            reserve.void(self.connection, each.hold.owner_id, each.hold.hold_id, self.now)
            each.state = "voided"
        else:
            with pytest.raises(HoldEndedError):
                reserve.void(self.connection, each.hold.owner_id, each.hold.hold_id, self.now)

    @rule()
    def sweep(self) -> None:
        reserve.expire_due(self.connection, self.now)
        for hold_id, each in self.naive.holds.items():
            each.state = self.naive.state_of(hold_id, self.now)

    @rule(minutes=st.sampled_from([1, 20, 60, 24 * 60]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(back=st.integers(0, 3))
    def close_day(self, back: int) -> None:
        day = local_date(self.now, ZONE) - timedelta(days=back)
        close_period.close(self.connection, day, self.now, signer=SIGNER)
        self.naive.closed_through = max(self.naive.closed_through, day)

    @precondition(lambda self: self.naive.entries)
    @rule(
        n=st.integers(0, 500),
        way=st.sampled_from(["topup", "fare", "refund"]),
        minor=AMOUNTS,
        cause=st.sampled_from(["case:1", "case:2"]),
    )
    def adjust(self, n: int, way: str, minor: int, cause: str) -> None:
        """A linked adjustment is booked once a cause; another under the same cause names what differs."""
        entry = list(self.naive.entries.values())[n % len(self.naive.entries)][0]
        rider = self.books.riders.index(entry.owner_id)
        line = Line(*self.sides(rider)[way], vnd(minor))
        made = EntryId(uuid8(reverse.ADJUSTMENT, entry.owner_id, entry.entry_id, cause))
        linked = Entry(
            made,
            "adjustment",
            (line,),
            entry.owner_id,
            entry.service_day,
            entry.effective_at,
            cause,
            "",
            entry.entry_id,
        )
        known = self.naive.entries.get(made)
        if known is not None and known[0] != linked:
            with pytest.raises(IdReusedError) as refused:
                reverse.adjust(self.connection, entry.owner_id, entry.entry_id, [line], self.now, cause=cause)
            assert refused.value.fields["field"] == "lines"
            return
        outcome = reverse.adjust(
            self.connection, entry.owner_id, entry.entry_id, [line], self.now, cause=cause
        )
        assert [word(outcome)] == self.expect([linked])

    @rule(rider=RIDERS)
    def freeze_or_thaw(self, rider: int) -> None:
        account = self.books.purse(self.rider(rider))
        if account in self.naive.closed:
            for step in (accounts.freeze, accounts.thaw):
                with pytest.raises(AccountStateError):
                    step(self.connection, account, self.now)
            return
        if account in self.naive.frozen:
            accounts.thaw(self.connection, account, self.now)
        else:
            accounts.freeze(self.connection, account, self.now)
        self.naive.frozen ^= {account}

    @precondition(lambda self: len(self.books.riders) < 7)
    @rule(minor=AMOUNTS)
    def open_account(self, minor: int) -> None:
        """Until it is opened an account takes nothing, and nothing of the call is written; then it does."""
        rider = uuid7(self.now)
        self.books.riders.append(rider)
        number = len(self.books.riders) - 1
        first = self.draw_entry(number, [("topup", minor)], False, 0)
        with pytest.raises(UnknownAccountError):
            post.post(self.connection, [self.draw_entry(0, [("topup", minor)], False, 0), first], self.now)
        spec = chart.rider_stored_value(rider)
        for _ in range(2):
            (opened,) = accounts.open_accounts(self.connection, [spec], self.now)
            assert opened.state is AccountState.OPEN
        self.naive.guarded.add(spec.account_id)
        assert [word(each) for each in post.post(self.connection, [first], self.now)] == self.expect([first])

    @rule(rider=RIDERS, empty=st.booleans())
    def close_account(self, rider: int, empty: bool) -> None:
        """At zero with nothing held, and then for good; opening it again says that it is closed."""
        rider = self.rider(rider)
        account = self.books.purse(rider)
        free = self.naive.balance(account) - self.naive.held(account, self.now)
        if empty and free:
            rest = self.draw_entry(rider, [("fare", free)], False, 0)
            (outcome,) = post.post(self.connection, [rest], self.now)
            assert [word(outcome)] == self.expect([rest])
        if account in self.naive.closed:
            with pytest.raises(AccountStateError):
                accounts.close_account(self.connection, account, self.now)
        elif self.naive.balance(account) or self.naive.held(account, self.now):
            with pytest.raises(AccountNotEmptyError):
                accounts.close_account(self.connection, account, self.now)
        else:
            accounts.close_account(self.connection, account, self.now)
            self.naive.closed.add(account)
            self.naive.frozen.discard(account)
        (stored,) = accounts.open_accounts(
            self.connection, [chart.rider_stored_value(self.books.riders[rider])], self.now
        )
        assert (stored.state is AccountState.CLOSED) == (account in self.naive.closed)

    @invariant()
    def balances_agree(self) -> None:
        purses = [self.books.purse(rider) for rider in range(len(self.books.riders))]
        named = [*purses, self.books.alpha, self.books.beta, self.books.provider]
        found = accounts.read_balances(self.connection, named, self.now)
        for account in named:
            sign = -1 if account == self.books.provider else 1
            assert found[account].posted.minor == sign * self.naive.balance(account)
            if account in self.naive.guarded:
                assert found[account].pending.minor == self.naive.held(account, self.now)
        assert sum(line.net.minor for line in statement.trial_balance(self.connection)) == 0


@pytest.mark.faults
def test_the_ledger_equals_the_naive_one(database) -> None:
    class Machine(LedgerMachine):
        engine = database.engine

    run_state_machine_as_test(
        Machine,
        settings=settings(
            # 500 steps; `make faults` asks for more.
            max_examples=250 if os.environ.get("LIENTHONG_TEST_FAULTS") == "full" else 12,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
