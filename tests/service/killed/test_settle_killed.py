"""Settling a day: killed with -9 at every transaction, run four times at once, run again: one settlement."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import text

from ledger import prove, reconcile, settle
from ledger.rules.settlement import Settled
from service.jobs.settle_day import settle_day
from service.services import EXTENSION
from tests.played import DAY, ride_a_day, sign_terms

SETTLE = ("settle", DAY.isoformat(), "--early")


@pytest.fixture
def played(app, keyring, now):
    """A day that was ridden, on terms with a fee and a share, not settled yet."""
    ride_a_day(app, keyring, now)
    shares = [{"house": "fare", "route": "*", "to": "depot", "per_mille": 100}]
    sign_terms(app, "transerco", now, fee_basis_points=100, shares=shares)
    return app.extensions[EXTENSION]


def settled_once(office, keyring) -> Settled:
    """Settle; check that everything stands once, agrees and proves; return the settlement."""
    found = [
        step.settled
        for step in settle_day(office.database, DAY, signer=keyring.bundle_key, now=office.clock.now)
    ][-1]
    assert found is not None
    nets = {one.operator_id: one.net.minor for one in found.settlements}
    assert nets == {"transerco": 20_000 - 2_000 - 200, "depot": 2_000}
    assert all(one.reconciled for one in found.settlements)
    with office.database.read() as tx:
        assert settle.find_settled(tx, DAY) is not None
        for table, rows in {
            "ledger_settlement_day": 1,
            "ledger_settlement": 2,
            "ledger_settlement_line": 2,
            "ledger_seal": 1,
        }.items():
            assert tx.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == rows, table
        for kind, rows in {"settle.fee": 1, "settle.share": 1}.items():
            lines = tx.execute(text("SELECT count(*) FROM ledger_line WHERE kind = :kind"), {"kind": kind})
            assert lines.scalar_one() == rows, kind
    figures = office.database.run(reconcile.read_figures)
    assert {name: net.minor for name, net, _ in figures.operators} == nets
    assert figures.coverage == found.coverage
    assert not [fault for step in prove.prove(office.database.begin) for fault in step.faults]
    return found


def test_killed_at_every_transaction_and_run_again(played, keyring, office, insist):
    """One run dies at its first commit, the next one at its second, and so on, until one lives to the end."""
    insist(*SETTLE)
    assert office.died >= 3, "rides, close and settle each commit"
    assert not settled_once(played, keyring).first_time


@pytest.mark.parametrize("side", ["before", "after"])
def test_two_commands_at_once_and_one_that_dies_in_the_close(played, keyring, office, side):
    """Three processes start together; the doomed one waits for the day as they do, and dies of its second commit."""
    *lived, doomed = office.together((SETTLE, None), (SETTLE, None), (SETTLE, [2, side]))
    assert [one.code for one in lived] == [0, 0], [one.err for one in lived]
    assert doomed.killed or doomed.code == 0, "it lives where the day was settled before it began"
    again = office.run(*SETTLE)
    assert b"was settled before" in again.out
    table = again.out[again.out.index(b"Settlement of") :]
    assert all(one.out.endswith(table) for one in lived), "everybody is told the same"
    assert not settled_once(played, keyring).first_time


def test_a_close_cut_off_holds_up_nobody(played, keyring, office):
    """The crash is in the middle of the close: nothing of it stays, and two that come after settle once."""
    (dead,) = office.together((SETTLE, [2, "before"]))
    assert dead.killed
    with played.database.read() as tx:
        assert [one.step for one in settle.list_steps(tx, DAY)] == ["rides"]
    two = office.together((SETTLE, None), (SETTLE, None))
    assert [one.code for one in two] == [0, 0], [one.err for one in two]
    assert not settled_once(played, keyring).first_time


def test_four_settlings_at_once_give_one(played, keyring):
    together = Barrier(4)

    def run(_: int) -> bool:
        together.wait()
        steps = list(settle_day(played.database, DAY, signer=keyring.bundle_key, now=played.clock.now))
        settled = steps[-1].settled
        assert settled is not None
        return settled.first_time

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(run, range(4))) == [False, False, False, True]
    assert not settled_once(played, keyring).first_time


def test_steps_are_written_down_as_they_commit(played, keyring, client):
    settled_once(played, keyring)
    with played.database.read() as tx:
        steps = settle.list_steps(tx, DAY)
    assert [one.step for one in steps] == ["rides", "close", "settle"]
    assert "2 operators" in steps[-1].detail
