"""Settling a day: killed with -9 at every transaction, run four times at once, run again: one settlement."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import text

from ledger import prove, reconcile, settle
from ledger.rules.settlement import Settled
from service.jobs.settle_day import settle_day
from service.services import EXTENSION
from tests.played import DAY, ride_a_day, sign_terms

ROOT = Path(__file__).parents[2]
MOST = 12


@pytest.fixture
def office(app, keyring, now):
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


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_every_transaction_and_run_again(office, keyring, when):
    """One run dies at its first commit, the next one at its second, and so on, until one lives to the end."""
    url = office.database.engine.url.render_as_string(hide_password=False)
    key, now = keyring.bundle_key.to_bytes().hex(), office.clock.now().isoformat()
    died = 0
    for number in count(1):
        child = [sys.executable, "-m", "tests.service.settle_child", url, key, now]
        ended = subprocess.run(
            [*child, DAY.isoformat(), str(number), when], cwd=ROOT, capture_output=True, check=False
        )
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
        died += 1
        assert number < MOST, "it never came to its end"
    assert died >= 3, "rides, close and settle each commit"
    assert not settled_once(office, keyring).first_time


def test_four_settlings_at_once_give_one(office, keyring):
    together = Barrier(4)

    def run(_: int) -> bool:
        together.wait()
        steps = list(settle_day(office.database, DAY, signer=keyring.bundle_key, now=office.clock.now))
        settled = steps[-1].settled
        assert settled is not None
        return settled.first_time

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(run, range(4))) == [False, False, False, True]
    assert not settled_once(office, keyring).first_time


def test_steps_are_written_down_as_they_commit(office, keyring, client):
    settled_once(office, keyring)
    with office.database.read() as tx:
        steps = settle.list_steps(tx, DAY)
    assert [one.step for one in steps] == ["rides", "close", "settle"]
    assert "2 operators" in steps[-1].detail
