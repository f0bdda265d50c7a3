"""Settlement: totals and nets from dimensioned lines, stored once, agreeing with the ledger's own accounts."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from kernel.crypto.ed25519 import SigningKey
from kernel.ids import OperatorId
from kernel.money import Money, currency
from ledger import accounts, close_period, settle
from ledger.rules import chart
from ledger.rules import settlement as rules
from ledger.rules.entry import Line
from ledger.rules.errors import BadSettleLineError, DayNotClosedError, SettlementDiffersError
from ledger.rules.settlement import Claim, HouseDay, OperatorSums, SettleLine, blank_line

from .conftest import NOW, TODAY, Books, vnd

SIGNER = SigningKey.generate()


def a_line(operator: str = "alpha", route: str = "01", **amounts: int) -> SettleLine:
    names = ("waived", "discounted", "pass_covered", "cap_covered", "collected", "refunded")
    parts = {name: vnd(amounts.get(name, 0)) for name in names}
    face = sum(amounts.get(name, 0) for name in names[:-1]) - amounts.get("refunded", 0)
    zero = vnd(0)
    line = blank_line("fare", OperatorId(operator), "bus", route, TODAY, zero.currency)
    return replace(line, trips=amounts.get("trips", 1), face_value=vnd(face), **parts)


@pytest.fixture
def closed(tx: Connection, books: Books) -> list[SettleLine]:
    """A closed day on which alpha collected 7,000 and gave 1,000 back, and the city waived 3,000 to beta."""
    city, subsidy = chart.funder_receivable("city"), chart.operator_subsidy("beta")
    accounts.open_accounts(tx, [city, subsidy], NOW)
    books.posted(
        tx,
        books.topup(0, 10_000),
        books.fare(0, 7_000),
        books.entry(0, Line(books.alpha, books.purse(0), vnd(1_000))),
        books.entry(0, Line(city.account_id, subsidy.account_id, vnd(3_000))),
    )
    close_period.close(tx, TODAY, NOW, signer=SIGNER)
    return [
        a_line("alpha", "01", collected=4_000, trips=2),
        a_line("alpha", "02", collected=3_000, refunded=1_000),
        a_line("beta", "03", waived=3_000),
    ]


def test_settle_totals_and_agrees_with_the_accounts(tx: Connection, closed: list[SettleLine]) -> None:
    settled = settle.settle(tx, TODAY, HouseDay(tuple(closed)), NOW)
    alpha, beta = settled.settlements
    assert (alpha.operator_id, alpha.trips, alpha.face_value) == ("alpha", 3, vnd(6_000))
    assert (alpha.net, alpha.subsidy, alpha.reconciled) == (vnd(6_000), vnd(0), True)
    assert (beta.net, beta.subsidy, beta.reconciled) == (vnd(0), vnd(3_000), True)
    coverage = settled.coverage
    assert (coverage.stored_value, coverage.clearing, coverage.surplus) == (
        vnd(4_000),
        vnd(10_000),
        vnd(6_000),
    )
    assert coverage.covered
    assert settled.first_time


def test_settle_again_in_any_order_answers_what_is_stored(tx: Connection, closed: list[SettleLine]) -> None:
    first = settle.settle(tx, TODAY, HouseDay(tuple(closed)), NOW)
    again = settle.settle(tx, TODAY, HouseDay(tuple(closed[::-1])), NOW)
    assert not again.first_time
    assert replace(again, first_time=True) == first


def test_settle_again_with_other_lines_is_refused(tx: Connection, closed: list[SettleLine]) -> None:
    settle.settle(tx, TODAY, HouseDay(tuple(closed)), NOW)
    for other in (closed[:-1], [replace(closed[0], trips=3), *closed[1:]]):
        with pytest.raises(SettlementDiffersError):
            settle.settle(tx, TODAY, HouseDay(tuple(other)), NOW)
    claim = Claim(
        house="fare",
        operator_id=OperatorId("beta"),
        route_id="03",
        service_day=TODAY,
        funder="city",
        component="waived",
        rule="waivers:tet",
        rides=1,
        amount=vnd(3_000),
    )
    with pytest.raises(SettlementDiffersError):
        settle.settle(tx, TODAY, HouseDay(tuple(closed), (claim,)), NOW)
    with pytest.raises(BadSettleLineError):
        settle.settle(tx, TODAY, HouseDay((*closed, closed[0])), NOW)


def test_settle_an_open_day_is_refused(tx: Connection, books: Books) -> None:
    with pytest.raises(DayNotClosedError):
        settle.settle(tx, TODAY, HouseDay(), NOW)


def test_settle_shows_where_lines_and_ledger_part(tx: Connection, closed: list[SettleLine]) -> None:
    settled = settle.settle(tx, TODAY, HouseDay(tuple(closed[1:])), NOW)
    alpha = settled.settlements[0]
    assert not alpha.reconciled
    assert (alpha.net, alpha.ledger_net) == (vnd(2_000), vnd(6_000))


def test_settle_names_an_operator_that_only_the_ledger_knows(
    tx: Connection, closed: list[SettleLine]
) -> None:
    settled = settle.settle(tx, TODAY, HouseDay(tuple(closed[:2])), NOW)
    beta = settled.settlements[1]
    assert (beta.operator_id, beta.subsidy, beta.ledger_subsidy) == ("beta", vnd(0), vnd(3_000))


def test_coverage_shortfall_is_told(tx: Connection, books: Books) -> None:
    reverse = Line(books.purse(0), books.provider, vnd(1))
    books.posted(tx, books.topup(0, 10), books.entry(0, reverse))
    assert settle.coverage(tx, TODAY).surplus == vnd(0)
    other = books.entry(0, Line(books.alpha, books.purse(0), vnd(2)))
    books.posted(tx, other)
    assert not settle.coverage(tx, TODAY).covered


def test_settlements_are_immutable(tx: Connection, closed: list[SettleLine]) -> None:
    settle.settle(tx, TODAY, HouseDay(tuple(closed)), NOW)
    for table in ("ledger_settlement", "ledger_settlement_line", "ledger_settlement_day"):
        for statement in (f"UPDATE {table} SET currency = 'EUR'", f"DELETE FROM {table}"):
            with pytest.raises(Exception, match="permission denied"), tx.begin_nested():
                tx.execute(text(statement))


def test_two_settles_at_once_give_one(database) -> None:
    books = Books()
    with database.engine.begin() as tx:
        books.open(tx)
        books.posted(tx, books.topup(0, 10), books.fare(0, 7))
        close_period.close(tx, TODAY, NOW, signer=SIGNER)
    together = Barrier(4)

    def run(_: int) -> bool:
        with database.engine.begin() as tx:
            together.wait()
            return settle.settle(tx, TODAY, HouseDay((a_line(collected=7),)), NOW).first_time

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(run, range(4))) == [False, False, False, True]
    with database.engine.begin() as tx:
        assert tx.execute(text("SELECT count(*) FROM ledger_settlement")).scalar_one() == 1


@pytest.mark.parametrize("changed", [{"collected": -1}, {"refunded": -1}])
def test_line_counts_charges_and_refunds_apart(changed: dict[str, int]) -> None:
    with pytest.raises(BadSettleLineError):
        a_line(**changed)


def test_line_parts_make_the_face_value() -> None:
    with pytest.raises(BadSettleLineError):
        replace(a_line(collected=5), face_value=vnd(6))


LINES = st.lists(
    st.builds(
        a_line,
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["01", "02"]),
        waived=st.integers(-100, 100),
        discounted=st.integers(-100, 100),
        pass_covered=st.integers(-100, 100),
        cap_covered=st.integers(-100, 100),
        collected=st.integers(0, 100),
        refunded=st.integers(0, 100),
        trips=st.integers(-3, 3),
    ),
    max_size=8,
)


@given(LINES, st.randoms())
def test_totals_are_the_sums_whatever_the_order(lines: list[SettleLine], chance) -> None:
    unit = currency("VND")
    whole = rules.settle_lines(TODAY, lines, {}, unit=unit, now=NOW)
    shuffled = lines.copy()
    chance.shuffle(shuffled)
    assert rules.settle_lines(TODAY, shuffled, {}, unit=unit, now=NOW) == whole
    assert rules.digest(HouseDay(tuple(shuffled))) == rules.digest(HouseDay(tuple(lines)))
    for name in rules.AMOUNTS:
        total = sum((getattr(one, name) for one in whole), Money.zero(unit))
        assert total == sum((getattr(line, name) for line in lines), Money.zero(unit))
    for one in whole:
        covered = one.subsidy + one.pass_covered + one.cap_covered
        assert covered + one.collected - one.refunded == one.face_value
    moved = {OperatorId(one.operator_id): OperatorSums(one.net.minor, one.subsidy.minor) for one in whole}
    assert all(one.reconciled for one in rules.settle_lines(TODAY, lines, moved, unit=unit, now=NOW))
