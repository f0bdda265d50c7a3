"""Matching by key as one statement and by a slow second way in Python; in one run and in several; with undone matches."""

from collections import defaultdict
from datetime import date, datetime, timedelta
from random import Random
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from ledger import reconcile
from ledger.store import recon_match as match
from ledger.store.recon_open import Fresh
from tests.conftest import CloneDatabase

DAY = date(2026, 11, 18)
SIDES = ("ledger", "bank")
Movement = tuple[str, str, int, int, str]  # side, reference, amount, day, qr_reference
movements = st.lists(
    st.tuples(
        st.sampled_from(("ledger", "bank")),
        st.sampled_from(("", "FT1", "FT2", "FT3")),
        st.sampled_from((100, 101, 200)),
        st.integers(0, 3),
        st.sampled_from(("", "LT1", "LT2")),
    ),
    max_size=24,
)


def plant(tx: Connection, rows: list[Movement], now: datetime) -> None:
    tx.execute(
        text(
            "INSERT INTO ledger_recon_item (item_id, side, pool, source_id, account, amount, fee, currency, "
            "occurred_on, identity, reference, end_to_end, qr_reference, payout, folded, reversal, recorded_at) "
            "VALUES (:id, :side, '', :id, '', :amount, 0, 'VND', :day, '', :reference, '', :qr, '', '', false, :now)"
        ),
        [
            {
                "id": uuid4(), "side": side, "amount": amount, "day": DAY + timedelta(days=day),
                "reference": reference, "qr": qr, "now": now,
            }
            for side, reference, amount, day, qr in rows
        ],
    )  # fmt: skip


def run(tx: Connection, now: datetime, *, minor: int) -> None:
    """Match everything that no match holds, as when all of it has just arrived."""
    fresh = Fresh(1, tx.execute(text("SELECT coalesce(max(item_no), 0) FROM ledger_recon_item")).scalar_one())
    list(match.match_relation(tx, match.LEDGER_BANK, fresh, now, minor=minor))


def matched(tx: Connection, now: datetime, *, minor: int) -> set[tuple[str, int, int]]:
    """Match in a savepoint that is undone, and return the pairs by their numbers from 0."""
    inner = tx.begin_nested()
    run(tx, now, minor=minor)
    rows = tx.execute(
        text(
            "SELECT rule, left_no - first_no AS l, right_no - first_no AS r FROM ledger_recon_edge, "
            "(SELECT min(item_no) AS first_no FROM ledger_recon_item) k WHERE live AND made_at = :now"
        ),
        {"now": now},
    ).all()
    left_open = set(tx.execute(text("SELECT item_no FROM pg_temp.recon_open")).scalars())
    by_edges = set(
        tx.execute(
            text(
                "SELECT item_no FROM ledger_recon_item i WHERE NOT EXISTS (SELECT FROM ledger_recon_edge e "
                "WHERE e.live AND i.item_no IN (e.left_no, e.right_no))"
            )
        ).scalars()
    )
    inner.rollback()
    assert left_open == by_edges, "what is set aside is what no match holds"
    return {(row.rule, row.l, row.r) for row in rows}


def slowly(rows: list[Movement]) -> set[tuple[str, int, int]]:
    """Pair twins first with first, by date and then as they came, one key after the other."""
    found, taken = set(), set[int]()
    for rule, column in (("bank_reference", 1), ("qr_reference", 4)):
        places: dict[tuple[str, int], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for number in sorted(range(len(rows)), key=lambda n: (rows[n][3], n)):
            row = rows[number]
            if row[column] and number not in taken:
                places[str(row[column]), row[2]][row[0]].append(number)
        for sides in places.values():
            for pair in zip(sides["ledger"], sides["bank"], strict=False):
                found.add((rule, *pair))
                taken.update(pair)
    return found


def planted(tx: Connection, rows: list[Movement], now: datetime) -> None:
    if rows:
        plant(tx, rows, now)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=movements)
def test_one_statement_matches_what_a_slow_way_matches(
    tx: Connection, now: datetime, rows: list[Movement]
) -> None:
    inner = tx.begin_nested()
    planted(tx, rows, now)
    expected = slowly(rows)
    assert matched(tx, now, minor=0) == expected
    inner.rollback()


def test_several_processes_match_what_a_slow_way_matches(tx: Connection, now: datetime) -> None:
    """As where there is much: each groups the keys of its own half."""
    chance = Random(1)
    rows: list[Movement] = [
        (side, f"FT{n // 3}" if n % 7 else "", 100 + n % 2, n % 3, f"LT{n // 2}" if n % 5 else "")
        for n in range(900)
        for side in chance.sample(SIDES, chance.choice((1, 2, 2, 2)))
    ]
    chance.shuffle(rows)
    plant(tx, rows, now)
    for cost in ("parallel_setup_cost", "parallel_tuple_cost"):
        tx.execute(text(f"SET LOCAL {cost} = 0"))
    expected = slowly(rows)
    assert len(expected) > 500
    assert matched(tx, now, minor=0) == expected


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=movements)
def test_no_movement_is_matched_twice_where_amounts_may_differ(
    tx: Connection, now: datetime, rows: list[Movement]
) -> None:
    inner = tx.begin_nested()
    planted(tx, rows, now)
    pairs = matched(tx, now, minor=1)
    for end in (1, 2):
        assert len({pair[end] for pair in pairs}) == len(pairs)
    assert all(abs(rows[left][2] - rows[right][2]) <= 1 for _, left, right in pairs)
    inner.rollback()


def test_what_a_person_took_apart_stays_apart_and_its_twin_does_not(tx: Connection, now: datetime) -> None:
    plant(tx, [("ledger", "FT1", 100, 0, ""), ("bank", "FT1", 100, 0, ""), ("bank", "FT2", 200, 1, "")], now)
    plant(tx, [("ledger", "FT2", 200, 1, "")], now)
    run(tx, now, minor=0)
    tx.execute(
        text(
            "UPDATE ledger_recon_edge SET live = false WHERE left_no IN "
            "(SELECT item_no FROM ledger_recon_item WHERE reference = 'FT1')"
        )
    )
    later = now + timedelta(hours=1)
    assert matched(tx, later, minor=0) == set()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(movements, min_size=2, max_size=4), shuffled=st.randoms())
def test_runs_over_parts_leave_nothing_that_one_run_would_match(
    tx: Connection, now: datetime, parts: list[list[Movement]], shuffled: Random
) -> None:
    inner = tx.begin_nested()
    try:
        check_parts(tx, now, parts, shuffled)
    finally:
        inner.rollback()


def check_parts(tx: Connection, now: datetime, parts: list[list[Movement]], shuffled: Random) -> None:
    for rows in parts:
        shuffled.shuffle(rows)
        planted(tx, rows, now)
        for work in reconcile.steps()[:-1]:
            work(tx, now, lambda _: None)
    for end in ("left_no", "right_no"):
        twice = (
            f"SELECT count(*) - count(DISTINCT {end}) FROM ledger_recon_edge WHERE live AND rule <> 'split'"
        )
        assert tx.execute(text(twice)).scalar_one() == 0, "a movement is matched once"
    free = "SELECT item_no, side, reference, amount FROM ledger_recon_item i WHERE NOT EXISTS (SELECT FROM "
    free += "ledger_recon_edge e WHERE e.live AND i.item_no IN (e.left_no, e.right_no))"
    rows_left = tx.execute(text(free)).all()
    listed = set(
        tx.execute(text("SELECT item_no FROM ledger_recon_open WHERE relation = 'ledger-bank'")).scalars()
    )
    assert listed == {row.item_no for row in rows_left}, "what is on the list is what no match holds"
    keys = [{(r.reference, r.amount) for r in rows_left if r.side == side and r.reference} for side in SIDES]
    assert not keys[0] & keys[1], "no pair is left lying"
    assert tx.execute(text("SELECT count(*) FROM ledger_recon_arrival")).scalar_one() == 0
    found = reconcile.read_figures(tx)
    assert (found.movements, found.unexplained) == (sum(map(len, parts)), 0)


def test_a_movement_that_commits_late_is_not_passed_by(database: CloneDatabase, now: datetime) -> None:
    """It took its number before others that were looked at meanwhile."""
    begin = database.engine.begin

    def reconciled() -> int:
        for work in reconcile.steps()[:-1]:
            with begin() as tx:
                work(tx, now, lambda _: None)
        with begin() as tx:
            return reconcile.read_figures(tx).queued

    with begin() as slow:
        plant(slow, [("bank", "FT1", 100, 0, "")], now)
        with begin() as tx:
            plant(tx, [("ledger", "FT1", 100, 0, ""), ("ledger", "FT2", 100, 0, "")], now)
        assert reconciled() == 2
    assert reconciled() == 1, "FT1 is matched, FT2 still waits"
