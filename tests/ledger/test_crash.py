"""PostgreSQL killed with -9 in the middle of batches, fsync on: every acknowledged entry is there once, none half."""

import os
import signal
import threading
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ledger import post, prove
from ledger.rules.entry import Duplicate, Entry, Line, Posted, Refused
from service import launcher, migrate
from service.database import Database

from .conftest import NOW, Books, vnd

KILLS = 25 if os.environ.get("LIENTHONG_TEST_FAULTS") == "full" else 2
PER_BATCH = 40


class Sender(threading.Thread):
    """Posts batches of new entries, with one in twenty sent again, until the server is gone."""

    def __init__(self, database: Database, books: Books, number: int) -> None:
        super().__init__(daemon=True)
        self.database, self.books, self.number = database, books, number
        self.acknowledged: dict[object, Entry] = {}
        self.sent: list[Entry] = []
        self.wrong: list[object] = []
        self.started_well = threading.Event()

    def run(self) -> None:
        earlier: list[Entry] = []
        try:
            while True:
                fresh = [
                    self.books.topup(self.number, 3)
                    if n % 2
                    else self.books.entry(
                        self.number,
                        Line(self.books.provider, self.books.purse(self.number), vnd(2)),
                        Line(self.books.purse(self.number), self.books.alpha, vnd(1)),
                    )
                    for n in range(PER_BATCH)
                ]
                self.sent += fresh
                with self.database.begin() as tx:
                    outcomes = post.post(tx, [*fresh, *earlier], NOW)
                for entry, outcome in zip([*fresh, *earlier], outcomes, strict=True):
                    if isinstance(outcome, Refused):
                        self.wrong.append(outcome)
                    self.acknowledged[entry.entry_id] = entry
                earlier = fresh[:2]
                self.started_well.set()
        except (DBAPIError, psycopg.Error):
            return


@pytest.mark.faults
def test_kill_9_mid_batch_loses_and_doubles_nothing(tmp_path: Path) -> None:
    books = Books()
    acknowledged: dict[object, Entry] = {}
    sent: list[Entry] = []
    for kill in range(KILLS + 1):
        with launcher.servers(tmp_path / "servers", durable=True, environ={}) as running:
            if kill == 0:
                migrate.migrate(running.owner_url)
            database = Database(running.database_url, pool_size=5, retries=0)
            with database.begin() as tx:
                if kill == 0:
                    books.open(tx)
                stored = dict(
                    tx.execute(text("SELECT entry_id, count(*) FROM ledger_line GROUP BY entry_id")).all()
                )
            by_id = {entry.entry_id: entry for entry in sent}
            assert stored.keys() <= by_id.keys()
            assert all(count == len(by_id[entry_id].lines) for entry_id, count in stored.items())
            assert acknowledged.keys() <= stored.keys()
            assert not [fault for step in prove.prove(database.begin) for fault in step.faults]
            if kill == KILLS:
                # What was never answered is sent again: booked now, or answered as booked then.
                with database.begin() as tx:
                    outcomes = [
                        o
                        for start in range(0, len(sent), 5_000)
                        for o in post.post(tx, sent[start : start + 5_000], NOW)
                    ]
                    assert {type(outcome) for outcome in outcomes} <= {Posted, Duplicate}
                    assert books.balance(tx, books.provider) == sum(
                        line.amount.minor for e in sent for line in e.lines if line.debit == books.provider
                    )
                database.dispose()
                break
            senders = [Sender(database, books, number) for number in range(4)]
            for sender in senders:
                sender.start()
            assert all(sender.started_well.wait(20) for sender in senders)
            kill_server(tmp_path)
            for sender in senders:
                sender.join(20)
                assert not sender.is_alive()
                assert not sender.wrong
                acknowledged |= sender.acknowledged
                sent += sender.sent
            database.dispose()
    assert len(acknowledged) > 4 * PER_BATCH


def kill_server(folder: Path) -> None:
    """Kill the postmaster and all its children at once, as a power cut would end them."""
    processes = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    mine = []
    for process in processes:
        try:
            where = os.readlink(f"/proc/{process}/cwd")
        except OSError:
            continue
        if where.startswith(str(folder.resolve())):
            name = Path(f"/proc/{process}/comm").read_text().strip()
            if name.startswith("postgres"):
                mine.append(process)
    assert mine, "the server's processes work in its data directory"
    for process in mine:
        os.kill(process, signal.SIGKILL)
