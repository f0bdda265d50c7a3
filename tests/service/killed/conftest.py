"""The command line in processes of its own, on the test's database, killed with -9 wherever it commits."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from access.kek import create_kek, load_kek
from access.keyring import Keyring
from ledger import prove
from service.services import EXTENSION
from tests.service.sellers import Shop

ROOT = Path(__file__).parents[3]
FULL = os.environ.get("LIENTHONG_TEST_FAULTS") == "full"
MOST = 20
# How often a command is killed at any moment, and the longest that it may run before.
MOMENTS, LONGEST_S = 12, 0.4


@dataclass(frozen=True)
class Ended:
    """How a run ended, and what it said."""

    code: int
    out: bytes
    err: str

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


class Office:
    """Runs `lienthong`; `when` says on which side of a commit it dies, "moment" that it dies anywhere."""

    def __init__(self, program: subprocess.Popen, folder: Path, environment: dict[str, str]) -> None:
        self.program, self.folder, self.environment = program, folder, environment
        self.when = "before"
        self.died = 0
        self.dice = Random(26)

    def together(self, *runs: tuple[tuple[str, ...], object], by: str = "anna") -> list[Ended]:
        """Start commands side by side, each with how it dies, and wait until all have ended."""
        places = [
            (self.folder / f"{number}.out", self.folder / f"{number}.err") for number in range(len(runs))
        ]
        orders = [
            {
                "words": words,
                "die": die,
                "environment": {**self.environment, "SUDO_USER": by},
                "out": str(out),
                "err": str(err),
            }
            for (words, die), (out, err) in zip(runs, places, strict=True)
        ]
        print(json.dumps(orders), file=self.program.stdin, flush=True)
        codes = json.loads(self.program.stdout.readline())
        return [
            Ended(code, out.read_bytes(), err.read_text())
            for code, (out, err) in zip(codes, places, strict=True)
        ]

    def run(self, *words: str, by: str = "anna") -> Ended:
        """Run one command to its end, which must be a good one."""
        (ended,) = self.together((words, None), by=by)
        assert ended.code == 0, ended.err
        return ended

    def insist(self, *words: str, by: str = "anna") -> Ended:
        """Run a command that dies at its first commit, then at its second, and so on, until one run lives to its end.

        Where it told the id of what it was about to do, that id is given to the runs after it.
        """
        for number in range(1, MOST):
            (ended,) = self.together((words, self._death(number)), by=by)
            if not ended.killed:
                assert ended.code == 0, ended.err
                if self.when != "moment" or number > MOMENTS:
                    return ended
            self.died += ended.killed
            told, whole, _ = ended.err.partition("\n")
            if whole and told.startswith("id ") and "--id" not in words:
                words = (*words, "--id", told.removeprefix("id "))
        raise AssertionError("it never came to its end")

    def _death(self, number: int) -> list[object] | None:
        if self.when != "moment":
            return [number, self.when]
        return [0, self.dice.uniform(0, LONGEST_S)] if number <= MOMENTS else None


@pytest.fixture(scope="session")
def killed_keys(tmp_path_factory) -> dict[str, str]:
    """The files of a keyring, as settings."""
    folder = tmp_path_factory.mktemp("keys")
    Keyring.create(folder / "keyring", create_kek(folder / "kek"))
    return {"LIENTHONG_KEYRING_FILE": str(folder / "keyring"), "LIENTHONG_KEK_FILE": str(folder / "kek")}


@pytest.fixture(scope="session")
def keyring(killed_keys) -> Keyring:
    """The keyring that the commands read from its files."""
    kek = load_kek(Path(killed_keys["LIENTHONG_KEK_FILE"]))
    return Keyring.load(Path(killed_keys["LIENTHONG_KEYRING_FILE"]), kek)


@pytest.fixture(scope="session")
def program() -> Iterator[subprocess.Popen]:
    """The process that the commands are forked from."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.service.killed.doomed"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        yield running
        running.stdin.close()


@pytest.fixture(params=["before", "after", *(["moment"] if FULL else [])])
def when(request) -> str:
    """Where the commands die."""
    return request.param


@pytest.fixture
def shop(app, client) -> Shop:
    return Shop(app.extensions[EXTENSION], client)


@pytest.fixture
def office(program, app, killed_keys, tmp_path) -> Office:
    """The command line on this test's database and clock."""
    settings = app.extensions[EXTENSION].settings
    environment = killed_keys | {
        "LIENTHONG_DATABASE_URL": settings.database_url,
        "LIENTHONG_CLOCK": settings.clock,
        "LIENTHONG_INVOICE_DIR": str(tmp_path / "invoices"),
    }
    return Office(program, tmp_path, environment)


@pytest.fixture
def insist(office, when):
    """Insist on a command that is killed; afterwards see that it was, and that the books prove."""
    office.when = when
    return office.insist


@pytest.fixture
def proven(shop):
    """Says that nothing is wrong with the books: hashes, sums, balances, roll-ups, seals."""

    def check() -> None:
        assert not [fault for step in prove.prove(shop.running.database.begin) for fault in step.faults]

    return check
