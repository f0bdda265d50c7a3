"""Matching by key in two ways, one plan for a day of millions and one for many twins, and by a slow third in Python."""

from collections import defaultdict
from datetime import date, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from ledger.store import recon_match as match

DAY = date(2026, 11, 18)
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


def matched(tx: Connection, now: datetime, *, minor: int, limit: int | None) -> set[tuple[str, int, int]]:
    """Match in a savepoint that is undone, and return the pairs by their numbers from 0."""
    inner = tx.begin_nested()
    list(match.match_relation(tx, match.LEDGER_BANK, now, minor=minor, limit=limit))
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
def test_both_plans_match_what_a_slow_one_matches(
    tx: Connection, now: datetime, rows: list[Movement]
) -> None:
    inner = tx.begin_nested()
    planted(tx, rows, now)
    expected = slowly(rows)
    assert matched(tx, now, minor=0, limit=None) == expected
    assert matched(tx, now, minor=0, limit=1) == expected, "twins numbered before they are joined"
    inner.rollback()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=movements)
def test_no_movement_is_matched_twice_where_amounts_may_differ(
    tx: Connection, now: datetime, rows: list[Movement]
) -> None:
    inner = tx.begin_nested()
    planted(tx, rows, now)
    for limit in (None, 1):
        pairs = matched(tx, now, minor=1, limit=limit)
        for end in (1, 2):
            assert len({pair[end] for pair in pairs}) == len(pairs)
        assert all(abs(rows[left][2] - rows[right][2]) <= 1 for _, left, right in pairs)
    inner.rollback()


@pytest.mark.parametrize("limit", [None, 1])
def test_what_a_person_took_apart_stays_apart_and_its_twin_does_not(
    tx: Connection, now: datetime, limit: int | None
) -> None:
    plant(tx, [("ledger", "FT1", 100, 0, ""), ("bank", "FT1", 100, 0, ""), ("bank", "FT2", 200, 1, "")], now)
    plant(tx, [("ledger", "FT2", 200, 1, "")], now)
    list(match.match_relation(tx, match.LEDGER_BANK, now, minor=0))
    tx.execute(
        text(
            "UPDATE ledger_recon_edge SET live = false WHERE left_no IN "
            "(SELECT item_no FROM ledger_recon_item WHERE reference = 'FT1')"
        )
    )
    later = now + timedelta(hours=1)
    assert matched(tx, later, minor=0, limit=limit) == set()
