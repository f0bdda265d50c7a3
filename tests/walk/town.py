"""A town for the walks: the demo's city of real processes, on a clone of the tests' database.

Its service runs at 15:00 of the demo's day, in step with our own time; every reader has a clock of its own, set to
the hour at which its taps shall happen, so that a stay of hours needs no waiting.
"""

import json
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from uuid import UUID

from sqlalchemy import text

from access import enrol
from access.keyring import Keyring, load_kek
from access.taps import list_taps
from demo.plan import DAY, Reader, at
from demo.processes import Child, wait_for_http, wait_until
from demo.world import World, enrol_readers, issue_cards, scaled, write_reader
from fare.bill import fare_tap, is_fare_tap
from fare.publish import Shelf
from fare.rules.difference import wanted_lines
from fare.rules.facts import DayFacts
from fare.rules.price import price_day
from fare.store import bills
from kernel.clock import clock_from
from kernel.ids import FareAccountId, LedgerAccountId
from kernel.service_day import day_window
from kernel.wire.cardinfo import Concession
from ledger.rules import chart
from readers.identity import load_identity
from readers.records import JournalReader
from service.database import Database
from service.launcher import free_port

OPENS = at(15)


@dataclass(frozen=True, eq=False)
class Card:
    """An issued card: its serial, its account, and what a software card is made of."""

    serial: int
    account: FareAccountId
    row: dict[str, Any]


class Show(NamedTuple):
    """One card held to one reader, and what it does wrong there."""

    reader: str
    card: Card
    fault: str | None = None


class Purse(NamedTuple):
    """What the ledger says of a rider, in đồng."""

    stored: int
    owed: int


@dataclass
class Town:
    """The running town and what a test asks of it; everything goes through doors that anyone has, except `fold`."""

    city: World
    database: Database
    cards_issued: int = 0
    runs: int = 0
    _tokens: dict[str, str] = field(default_factory=dict)
    _bank: str = ""

    @cached_property
    def keyring(self) -> Keyring:
        return Keyring.load(self.city.home / "keyring.json", load_kek(self.city.home / "kek"))

    @cached_property
    def shelf(self) -> Shelf:
        return Shelf(self.keyring.bundle_key.public)

    @property
    def now(self) -> datetime:
        return clock_from(self.city.environment["LIENTHONG_CLOCK"]).now()

    def ask(self, method: str, path: str, body: object = None, *, role: str = "auditor") -> Any:
        """One request with a credential of that role."""
        if role not in self._tokens:
            printed = self.city.lienthong("credential", "add", f"walk {role}", "--role", role)
            self._tokens[role] = printed.strip()
        return self.city.ask(method, path, self._tokens[role], body)

    # Readers

    def open_readers(self, readers: Sequence[tuple[Reader, datetime]]) -> None:
        """Enrol readers and start their daemons, each at its own hour. Cards wait until they serve."""
        enrol_readers(self.city, scaled(OPENS, 1), [reader for reader, _ in readers])
        for reader, begins in readers:
            write_reader(self.city, reader, url=self.city.url, clock=scaled(begins, 1))
            self.city.start_reader(reader.name)

    def journal(self, name: str) -> JournalReader:
        return JournalReader(self.state(name) / "journal.sqlite")

    def state(self, name: str) -> Path:
        return self.city.config(name).parent / "state"

    def lights(self, name: str, event: str = "light") -> list[dict[str, Any]]:
        """What a reader's lamp showed, oldest first."""
        told = self.city.config(name).parent / "lamp.jsonl"
        # What follows the last line's end is still being written.
        *lines, _ = told.read_text("utf-8").split("\n") if told.exists() else [""]
        return [line for line in map(json.loads, lines) if line["event"] == event]

    def delivered(self, *names: str) -> None:
        """Wait until the service has every finished record of these readers, each after the one before it."""
        for name in names:
            journal = self.journal(name)
            try:
                wait_until(f"{name}'s journal to arrive", lambda: self._arrived(name, journal))  # noqa: B023
            finally:
                journal.close()

    def _arrived(self, name: str, journal: JournalReader) -> bool:
        device = load_identity(self.state(name)).device_id
        return self.heads(device).get(journal.journal_id, 0) == journal.last()

    def heads(self, device: UUID) -> dict[UUID, int]:
        """Up to which record the service holds each journal of a device without a gap."""
        with self.database.read() as tx:
            return {one.journal_id: one.sequence for one in enrol.list_journals(tx, [device]).get(device, ())}

    # Cards

    def cards(self, count: int, *, money: int = 0, stored_value: bool = False) -> list[Card]:
        """Issue cards and, with `money`, have each topped up at the bank; a purse on the card stays empty."""
        rows = issue_cards(
            self.city,
            [Concession.NORMAL] * count,
            first=self.cards_issued + 1,
            file=f"cards-{self.cards_issued}.json",
            more=("--stored-value",) if stored_value else (),
        )
        self.cards_issued += count
        made = [Card(row["serial"], FareAccountId(UUID(row["fare_account_id"])), row) for row in rows]
        if money:
            asked = [self.topup(card, money) for card in made]
            self.pay({"payments": [{"qr": one["qr"]["payload"]} for one in asked]})
        return made

    def present(
        self,
        shows: Sequence[Show],
        *,
        meanwhile: Callable[[Child], None] | None = None,
        patience_s: float = 60,
    ) -> dict[int, int]:
        """Hold software cards to readers, each card's presentations in this order; return their counters by serial.

        The cards are a process of their own; `meanwhile` runs while it does.
        """
        self.runs += 1
        folder = self.city.home / "shows" / str(self.runs)
        folder.mkdir(parents=True)
        cards = {show.card.serial: show.card.row for show in shows}
        (folder / "cards.json").write_text(json.dumps(list(cards.values())))
        ports = {show.reader: self.city.ports[show.reader] for show in shows}
        plan = [
            {
                "at": OPENS.isoformat(),
                "port": ports[show.reader],
                "card": show.card.serial,
                "fault": show.fault,
            }
            for show in shows
        ]
        (folder / "plan.jsonl").write_text("".join(json.dumps(line) + "\n" for line in plan))
        child = self.city.crew.start(
            f"cards-{self.runs}",
            "-m", "readers.softcard", "--plan", str(folder / "plan.jsonl"),
            "--cards", str(folder / "cards.json"), "--ports", ",".join(map(str, ports.values())),
            "--state", str(self.city.home / "eeproms.jsonl"), "--report", str(folder / "report.json"),
        )  # fmt: skip
        if meanwhile is not None:
            meanwhile(child)
        wait_until("the cards to be served", lambda: not child.running(), patience_s)
        assert child.popen.returncode == 0, child.tail()
        report = json.loads((folder / "report.json").read_text())
        return {card["serial"]: card["tmc"] for card in report["cards"]}

    # Money

    def topup(self, card: Card, minor: int) -> dict[str, Any]:
        """A rider asks for a top-up; what the service answers, with the VietQR."""
        body = {
            "topup_id": str(uuid.uuid4()),
            "fare_account_id": str(card.account),
            "amount": {"minor": minor, "currency": "VND"},
        }
        made: dict[str, Any] = self.ask("POST", "/v1/topups", body, role="rider")
        return made

    @property
    def bank(self) -> str:
        """Where the bank answers; it opens when it is first needed."""
        if not self._bank:
            url = f"http://127.0.0.1:{free_port()}"
            child = self.city.crew.start(
                "bank",
                "-m", "demo.bank", "--port", url.rpartition(":")[2],
                "--notify-url", f"{self.city.url}/v1/notifications/payos",
                "--secret-file", str(self.city.home / "provider_key"),
                "--clock", self.city.environment["LIENTHONG_CLOCK"],
            )  # fmt: skip
            wait_for_http(f"{url}/health", child)
            self._bank = url
        return self._bank

    def pay(self, order: dict[str, Any]) -> None:
        """Pay at the bank, and wait until it has notified the service of everything."""
        bank_asked(self.bank, "/pay", order)
        bank_asked(self.bank, "/flush", {"timeout_s": 120})

    def purse(self, account: FareAccountId) -> Purse:
        """What the rider has stored and owes, as auditors read it; accounts that were never opened hold nothing."""
        specs = (chart.rider_stored_value(account), chart.rider_receivable(account))
        return Purse(*(self.posted(spec.account_id) for spec in specs))

    def posted(self, account_id: LedgerAccountId) -> int:
        """What an account's posted balance is, in đồng; 0 for one that was never opened."""
        try:
            found = self.ask("GET", f"/v1/ledger/accounts/{account_id}")
        except HTTPError as error:
            error.close()
            if error.code != 404:
                raise
            return 0
        posted: int = found["balance"]["posted"]["minor"]
        return posted

    # What must agree

    def evidence(self) -> dict[str, int]:
        """The day's tap records as the service counts them."""
        total: dict[str, int] = self.ask("GET", f"/v1/evidence/{DAY}")["total"]
        return total

    def evidence_since(self, before: dict[str, int]) -> dict[str, int]:
        """What came to the day's evidence since, without the zeros."""
        return {name: n - before[name] for name, n in self.evidence().items() if n != before[name]}

    def bill(self, account: FareAccountId) -> dict[object, tuple[int, int]]:
        """The booked fare lines of the day: amount and trips, without those that came to nothing."""
        with self.database.read() as tx:
            booked = bills.list_booked_lines(tx, {account: DAY}).get((account, DAY), {})
        return _plain(booked)

    def fold(self, account: FareAccountId) -> dict[object, tuple[int, int]]:
        """The same lines, priced from the stored evidence from scratch."""
        with self.database.read() as tx:
            book = self.shelf.books(tx).current()
            window = day_window(DAY, book.day_starts, book.zone)
            found = list_taps(tx, [account], since=window.start, until=window.end)
        mine = tuple(fare_tap(tap) for tap in found if is_fare_tap(tap))
        return _plain(wanted_lines(price_day(DayFacts(account, DAY, mine, as_of=self.now), book)))

    def records(self, device: UUID) -> int:
        """How many tap records of a device are stored, each counted."""
        with self.database.read() as tx:
            found = tx.execute(text("SELECT count(*) FROM tap WHERE device_id = :device"), {"device": device})
            return int(found.scalar_one())

    def proven(self) -> None:
        """The ledger proves itself; DemoError shows what it printed where it does not."""
        self.city.lienthong("ledger", "prove")

    def complaints(self) -> list[str]:
        """Errors, tracebacks and Python's warnings in the logs of all processes; gunicorn's own of kills excepted."""
        words = ('"level": "error"', "Traceback", "Warning")
        return [
            f"{log.name}: {line}"
            for log in sorted((self.city.home / "logs").glob("*.log"))
            for line in log.read_text("utf-8", "replace").splitlines()
            if any(word in line for word in words) and "was sent SIGKILL" not in line
        ]


def bank_asked(bank: str, path: str, body: object = None) -> Any:
    """One request to the bank's desk."""
    raw = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{bank}{path}", data=raw), timeout=150) as answer:
        return json.load(answer)


def _plain(lines: Any) -> dict[object, tuple[int, int]]:
    return {
        key: (line.amount_minor, line.trips) for key, line in lines.items() if line.amount_minor or line.trips
    }
