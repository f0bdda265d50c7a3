"""gunicorn as production runs it, and a client that costs little: requests built before, one thread, no parsing."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.launcher import free_port

ROOT: Final = Path(__file__).parents[1]
WORKERS: Final = 2
THREADS: Final = 4
PATIENCE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    def connect(self) -> socket.socket:
        """Return a connection that sends at once."""
        made = socket.create_connection((self.host, self.port), timeout=60)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made


@contextlib.contextmanager
def gunicorn(app: str, environment: Mapping[str, str]) -> Iterator[Address]:
    """Yield the address of `app` under gunicorn with the service's own configuration; it ends with the block."""
    address = Address("127.0.0.1", free_port())
    settings = {
        **os.environ,
        **environment,
        "LIENTHONG_BIND": f"{address.host}:{address.port}",
        "LIENTHONG_WORKERS": str(WORKERS),
        "LIENTHONG_THREADS": str(THREADS),
        "LIENTHONG_LOG_LEVEL": "error",
    }
    config = ROOT / "service" / "gunicorn_conf.py"
    command = [sys.executable, "-m", "gunicorn", "--config", str(config), app]
    # It would outlive a bench that was killed.
    child = subprocess.Popen(["setpriv", "--pdeathsig=TERM", *command], env=settings, cwd=ROOT)
    try:
        _wait(address, child)
        yield address
    finally:
        child.terminate()
        child.wait()


def _wait(address: Address, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            address.connect().close()
        except OSError:
            if child.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("gunicorn did not start") from None
            time.sleep(0.05)
        else:
            return


def post(path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """Return a whole POST request, as a client with a kept connection sends it."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def load(connections: Sequence[socket.socket], requests: Sequence[bytes]) -> list[bytes]:
    """Send every request, each connection one at a time and the next as soon as it is free; return the answers.

    An answer is whole: status line, headers and body. AssertionError for any but 200.
    """
    waiting = deque(requests)
    answers: list[bytes] = []
    with selectors.DefaultSelector() as selector:
        for each in connections:
            if waiting:
                each.sendall(waiting.popleft())
                selector.register(each, selectors.EVENT_READ, bytearray())
        while len(answers) < len(requests):
            for key, _ in selector.select(PATIENCE_S):
                assert isinstance(key.fileobj, socket.socket), "registered above"
                connection, received = key.fileobj, key.data
                more = connection.recv(262_144)
                assert more, "the server hung up"
                received += more
                if not is_whole(received):
                    continue
                assert received.startswith(b"HTTP/1.1 200"), bytes(received)
                answers.append(bytes(received))
                received.clear()
                if waiting:
                    connection.sendall(waiting.popleft())
    return answers


def is_whole(received: bytearray) -> bool:
    """Return whether an answer is all there."""
    head = received.find(b"\r\n\r\n")
    if head < 0:
        return False
    at = received.lower().find(b"\r\ncontent-length:", 0, head + 2)
    assert at >= 0, "every answer says how long it is"
    return len(received) >= head + 4 + int(received[at + 17 : received.index(b"\r\n", at + 2)])
