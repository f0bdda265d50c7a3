"""Child processes of the demo: started with their parent's death signal, ended by their own process id."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from kernel.clock import stopwatch

STOP_PATIENCE_S = 10.0


class DemoError(RuntimeError):
    """The demo cannot go on; the message says which process, why and where its log is."""


@dataclass(slots=True)
class Child:
    """One running process, its name in the story and the file that holds what it printed."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def running(self) -> bool:
        return self.popen.poll() is None

    def tail(self, lines: int = 15) -> str:
        text = self.log.read_text("utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def stop(self) -> int:
        """End the process politely, then firmly; return its exit code."""
        if self.running():
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(STOP_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        return self.popen.wait()


@dataclass(slots=True)
class Crew:
    """Everything the demo started, in starting order."""

    logs: Path
    environment: Mapping[str, str]
    children: list[Child] = field(default_factory=list)

    def start(self, name: str, *arguments: str, extra: Mapping[str, str] | None = None) -> Child:
        """Start `python ARGUMENTS…` as `name`; its output is added to a log file of that name."""
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"{name}.log"
        handle: IO[bytes]
        with log.open("ab") as handle:
            popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", sys.executable, *arguments],
                stdout=handle,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=self._environment(extra),
            )
        child = Child(name, popen, log)
        self.children.append(child)
        return child

    def call(self, *arguments: str, extra: Mapping[str, str] | None = None, timeout_s: float = 120) -> str:
        """Run `python ARGUMENTS…` to its end and return what it printed; raise DemoError when it fails."""
        done = subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            env=self._environment(extra),
        )
        if done.returncode != 0:
            raise DemoError(
                f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def _environment(self, extra: Mapping[str, str] | None) -> dict[str, str]:
        made = {**os.environ, **self.environment, **(extra or {})}
        if made.pop("PYTHONDONTWRITEBYTECODE", ""):
            # Where nothing may be written beside the sources, each of a dozen processes would compile them all anew.
            made.setdefault("PYTHONPYCACHEPREFIX", str(self.logs.with_name("bytecode").resolve()))
        return made

    def stop(self) -> None:
        for child in reversed(self.children):
            child.stop()


@contextlib.contextmanager
def crew(logs: Path, environment: Mapping[str, str]) -> Iterator[Crew]:
    """A crew that is sent home whatever happens."""
    hands = Crew(logs, environment)
    try:
        yield hands
    finally:
        hands.stop()


def wait_for_http(url: str, child: Child, patience_s: float = 120.0) -> None:
    """Return when `url` answers 200; raise DemoError when the process dies or patience ends."""
    until = stopwatch() + patience_s
    while stopwatch() < until:
        if not child.running():
            raise DemoError(f"{child.name} ended early:\n{child.tail()}")
        with (
            contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError),
            urllib.request.urlopen(url, timeout=2) as answer,
        ):
            if answer.status == 200:
                return
        time.sleep(0.05)
    raise DemoError(f"{child.name} does not answer at {url}:\n{child.tail()}")


def wait_until(what: str, condition: Callable[[], bool], patience_s: float = 60.0) -> None:
    """Poll `condition()` until it is true; raise DemoError naming `what` when patience ends."""
    until = stopwatch() + patience_s
    while not condition():
        if stopwatch() > until:
            raise DemoError(f"waited {patience_s:.0f} s in vain for {what}")
        time.sleep(0.1)
