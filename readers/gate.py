"""Barriers: one pulse a green light, and whether the one who paid then passed.

The hardware is two files, which a GPIO bridge (or the demo) reads and writes: a line in the barrier file is a
pulse, a line in the passage file is one vehicle or person through. Fail-safe is the hardware's: a metro gate
without power stands open, a car-park barrier stays where it is and the attendant lifts it.
"""

from __future__ import annotations

import json
import queue
import threading
from collections import deque
from pathlib import Path
from typing import Final

from kernel.clock import Clock, stopwatch
from kernel.wire.tap import TapRecord
from readers.config import GateConfig
from readers.lamp import Lamp

_POLL_S: Final = 0.02


class Gate:
    """Pulses and passages in a thread of their own: the light never waits for a barrier.

    Without a barrier file (a bus) it does nothing. `paid_not_passed` and `passed_unpaid` count what the sensor
    contradicts; both are noted on the lamp's event sinks too. `broken` says that the last pulse could not be given.
    """

    def __init__(self, config: GateConfig, *, clock: Clock, lamp: Lamp) -> None:
        self._config, self._clock, self._lamp = config, clock, lamp
        self.paid_not_passed = 0
        self.passed_unpaid = 0
        self.broken = False
        self._pulses: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._waiting: deque[tuple[int, float]] = deque()
        self._read_to = _size(config.passage)
        self._thread: threading.Thread | None = None
        if config.barrier is not None:
            self._thread = threading.Thread(target=self._run, name="gate", daemon=True)
            self._thread.start()

    def counts(self) -> dict[str, int]:
        """Return what the sensor contradicted since the start."""
        return {"paid_not_passed": self.paid_not_passed, "passed_unpaid": self.passed_unpaid}

    def open_for(self, tap: TapRecord) -> None:
        """Have the barrier opened for this tap; returns at once."""
        if self._thread is not None:
            self._pulses.put(tap.sequence)

    def close(self) -> None:
        """Stop watching; passages still awaited are left uncounted."""
        if self._thread is not None:
            self._pulses.put(None)
            self._thread.join(timeout=2)

    def _run(self) -> None:
        while True:
            try:
                sequence = self._pulses.get(timeout=_POLL_S if self._config.passage else None)
                if sequence is None:
                    return
                self._pulse(sequence)
            except queue.Empty:
                pass
            self._watch_passages()

    def _pulse(self, sequence: int) -> None:
        assert self._config.barrier is not None, "only a gate with a barrier runs this thread"
        line = json.dumps({"at": self._clock.now().isoformat(), "pulse": sequence})
        try:
            with self._config.barrier.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            self.broken = True
            self._note("barrier-broken", sequence=sequence, why=str(error.strerror))
            return
        self.broken = False
        if self._config.passage is not None:
            self._waiting.append((sequence, stopwatch() + self._config.passage_s))

    def _watch_passages(self) -> None:
        for _ in range(self._new_passages()):
            if self._waiting:
                self._note("passed", sequence=self._waiting.popleft()[0])
            else:
                self.passed_unpaid += 1
                self._note("passed-unpaid")
        while self._waiting and self._waiting[0][1] < stopwatch():
            self.paid_not_passed += 1
            self._note("paid-not-passed", sequence=self._waiting.popleft()[0])

    def _new_passages(self) -> int:
        path = self._config.passage
        size = _size(path)
        if path is None or size == self._read_to:
            return 0
        # A sensor file that shrank was rotated: it is read from its start.
        start = self._read_to if size > self._read_to else 0
        try:
            with path.open("rb") as file:
                file.seek(start)
                new = file.read()
        except OSError:
            return 0
        whole = new[: new.rfind(b"\n") + 1]
        self._read_to = start + len(whole)
        return whole.count(b"\n")

    def _note(self, event: str, **fields: object) -> None:
        self._lamp.note(self._clock.now(), event, **fields)


def _size(path: Path | None) -> int:
    try:
        return path.stat().st_size if path is not None else 0
    except OSError:
        return 0
