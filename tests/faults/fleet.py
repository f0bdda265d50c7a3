"""Four bus readers of a running town, each killed in every state, while software cards are held to them."""

import itertools
import json
import subprocess
import sys
import threading
from collections import Counter

from demo.plan import Reader, at
from demo.processes import Child
from demo.world import enrol_readers, scaled, write_reader
from tests.walk.town import OPENS, Card, Town

ROUTES = {"fault-1": "26", "fault-2": "93", "fault-3": "26", "fault-4": "93"}
# Where a tap passes, in order, and where a reader stands otherwise.
IN_A_TAP = (
    "ACTIVATE",
    "AUTH",
    "READ",
    "DECIDE",
    "INTENT",
    "COMMIT",
    "HEARD",
    "DONE",
    "FEEDBACK",
    "WAIT_REMOVAL",
)
NEVER_IDLE = ("BOOT", "SELFTEST", "OUT_OF_SERVICE")
ELSEWHERE = ("IDLE", "DEGRADED", "MAINTENANCE")
PLACES = (*IN_A_TAP, *ELSEWHERE, *NEVER_IDLE)


def open_fleet(town: Town) -> None:
    """Enrol the four readers; nothing runs yet."""
    readers = [
        Reader(
            name,
            "bus",
            "transerco",
            f"29B-{number}.{route}",
            (
                {
                    "from": at(4).isoformat(),
                    "route_id": route,
                    "stop_id": f"{route}-01",
                    "trip_id": f"{route}-05",
                    "direction": 0,
                    "purpose": "BOARD",
                },
            ),
        )
        for number, (name, route) in enumerate(ROUTES.items(), 301)
    ]
    clock = scaled(OPENS, 1)
    enrol_readers(town.city, clock, readers)
    for reader in readers:
        write_reader(town.city, reader, url=town.city.url, clock=clock)


def many_cards(town: Town, count: int, *, money: int, stored_value: bool = False) -> list[Card]:
    """Issue many cards and top them up, a hundred at a time: the bank's desk has patience for two minutes."""
    return [
        card
        for first in range(0, count, 100)
        for card in town.cards(min(100, count - first), money=money, stored_value=stored_value)
    ]


class Zygote:
    """One reader's starts, one after another."""

    def __init__(self, town: Town, name: str) -> None:
        self.name = name
        self._config = str(town.city.config(name))
        log = (town.city.home / "logs" / f"zygote-{name}.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [
                    "setpriv",
                    "--pdeathsig",
                    "KILL",
                    sys.executable,
                    "-W",
                    "error",
                    "-m",
                    "tests.faults.zygote",
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                bufsize=1,
            )

    def start(self, die: str = "", after: int = 1) -> None:
        self._send({"config": self._config, "die": die, "after": after})

    def stop(self) -> None:
        """Ask the running start to end politely; nothing happens where it just died."""
        self._send("stop")

    def said(self) -> str:
        """The next line: "idle", or the exit status of the start."""
        line = self._process.stdout.readline()
        assert line, f"{self.name}'s zygote is gone"
        return line.strip()

    def _send(self, order: object) -> None:
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


class Killer(threading.Thread):
    """Kills one reader at one place after another, a few taps apart, until its share is done; then lets it serve."""

    def __init__(self, zygote: Zygote, *, kills: int, first: int, taps_between: int) -> None:
        super().__init__(daemon=True)
        self._zygote, self._kills, self._taps_between = zygote, kills, taps_between
        self._places = itertools.cycle(PLACES[first:] + PLACES[:first])
        self.killed: Counter[str] = Counter()
        self.idle_between = 0
        self.wrong: list[str] = []
        self.done = threading.Event()

    def run(self) -> None:
        try:
            for place in itertools.islice(self._places, self._kills):
                if place in NEVER_IDLE:
                    self._zygote.start()
                    self._expect("idle", place)
                    self.idle_between += 1
                    self._zygote.stop()
                    self._expect("0", place)
                after = self._taps_between if place in IN_A_TAP else 1
                self._zygote.start(place, after)
                if place not in NEVER_IDLE:
                    self._expect("idle", place)
                    self.idle_between += 1
                self._expect("-9", place)
                self.killed[place] += 1
            self._zygote.start()
            self._expect("idle", "the last start")
        finally:
            self.done.set()

    def _expect(self, line: str, place: str) -> None:
        said = self._zygote.said()
        if said != line:
            self.wrong.append(f"{self._zygote.name} at {place}: {said}, not {line}")

    def end(self, cards: Child | None = None) -> None:
        """Wait for the last start, and end it politely."""
        assert self.done.wait(600), f"{self._zygote.name} has kills left and no cards: {self.killed}"
        self._zygote.stop()
        self._expect("0", "the end")
