"""What is held before the scanner: lines of text from a serial port, a named pipe or a terminal, in a thread of its own.

    LTQ1.…   a phone's QR code: it vouches for itself, also offline (`access.rules.qr`)
    LTC1.…   a chip citizen ID: the token that a chip terminal made of it, in hexadecimal digits
    LTB1.…   a bank card: the reference that the acquirer's terminal gave

A token is asked about at the back office at once, here, so that a slow network holds up no card. Nothing of it is kept:
what goes on is the back office's voucher.
"""

from __future__ import annotations

import os
import select
import stat
import termios
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from access.rules.qr import PREFIX as CODE_PREFIX
from kernel.clock import stopwatch
from kernel.wire.shown import ShownKind
from readers.asking import Unreadable, Vouching, Word
from readers.config import ScannerConfig

TOKEN_PREFIXES: Final = {"LTC1.": ShownKind.CITIZEN, "LTB1.": ShownKind.BANK}
_LONGEST: Final = 1_024
_FRESH_S: Final = 3.0
"""What was shown longer ago is dropped: its rider has gone on, or shows it again."""
_WAITING: Final = 4
_POLL_S: Final = 0.2
_RETRY_S: Final = 2.0
_BAUDS: Final = {9600: termios.B9600, 19200: termios.B19200, 38400: termios.B38400, 115200: termios.B115200}


@dataclass(frozen=True, slots=True)
class CodeSeen:
    """A QR code's text, not looked at yet."""

    text: str


Scanned = CodeSeen | Word


class Scanner(threading.Thread):
    """Reads the port, asks about tokens, and hands over what was shown; `take` is the tap thread's side.

    A port that is not there, or went away, is opened again every two seconds; both are noted once.
    """

    def __init__(
        self,
        config: ScannerConfig,
        *,
        vouching: Vouching,
        noted: Callable[[str, Mapping[str, object]], None],
    ) -> None:
        super().__init__(name="scanner", daemon=True)
        self._config, self._vouching, self._noted = config, vouching, noted
        self._seen: deque[tuple[float, Scanned]] = deque(maxlen=_WAITING)
        self._over = threading.Event()
        self._problem = ""

    def take(self) -> Scanned | None:
        """Return what was shown since the last call, the oldest first, or None."""
        while self._seen:
            at, scanned = self._seen.popleft()
            if stopwatch() - at <= _FRESH_S:
                return scanned
        return None

    def stop(self) -> None:
        """End the thread; a question under way is not waited for."""
        self._over.set()
        if self.is_alive():
            self.join(timeout=0.5)

    def run(self) -> None:
        """Read until stopped."""
        path = self._config.path
        if path is None:
            self._over.wait()
            return
        while not self._over.is_set():
            try:
                port = open_port(path, self._config.baud)
            except OSError as error:
                self._trouble(f"{path}: {error.strerror}")
                self._over.wait(_RETRY_S)
                continue
            try:
                self._trouble("")
                for line in lines_of(port, self._over):
                    self._seen.append((stopwatch(), self._look(line)))
                self._trouble(f"{path}: went away")
            finally:
                os.close(port)
            self._over.wait(_RETRY_S)
        self._vouching.close()

    def _trouble(self, words: str) -> None:
        if words != self._problem:
            self._problem = words
            self._noted("scanner", {"problem": words})

    def _look(self, line: str) -> Scanned:
        if line.startswith(CODE_PREFIX):
            return CodeSeen(line)
        kind = TOKEN_PREFIXES.get(line[:5])
        return self._vouching.ask(kind, line[5:]) if kind is not None else Unreadable()


def open_port(path: Path, baud: int) -> int:
    """Return a descriptor of the port, raw and unbuffered where it is a terminal; OSError."""
    # A pipe opened for writing too has always a writer, so that it does not end with each who writes.
    is_pipe = stat.S_ISFIFO(path.stat().st_mode)
    port = os.open(path, (os.O_RDWR if is_pipe else os.O_RDONLY) | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if os.isatty(port):
            told = termios.tcgetattr(port)
            # Eight bits, no echo, nothing translated: what the scanner sends is what is read.
            told[0] = told[1] = told[3] = 0
            told[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
            told[4] = told[5] = _BAUDS[baud]
            termios.tcsetattr(port, termios.TCSANOW, told)
    except termios.error as error:
        os.close(port)
        raise OSError(error.args[0], str(error.args[-1])) from error
    return port


def lines_of(port: int, over: threading.Event) -> Iterator[str]:
    """Yield each line that comes, without its end, until `over` is set or the port goes away.

    A line ends with CR or LF. One that is too long is cut where it passes the limit and then is nothing we read.
    """
    tail = b""
    while not over.is_set():
        if not select.select([port], [], [], _POLL_S)[0]:
            continue
        try:
            new = os.read(port, 4_096)
        except BlockingIOError:
            continue
        except OSError:
            return
        if not new:
            return
        *whole, tail = (tail + new).replace(b"\r", b"\n").split(b"\n")
        tail = tail[: _LONGEST + 1]
        for line in whole:
            if line:
                yield line[: _LONGEST + 1].decode("ascii", "replace")
