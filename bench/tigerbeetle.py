"""TigerBeetle beside ours, when TIGERBEETLE names its server's binary; its Python client comes from PyPI."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench.children import AbsentError, child
from bench.measure import Work
from service.launcher import free_port


@contextlib.contextmanager
def running(folder: Path, number: int) -> Iterator[Work]:
    """Yield work of `number` postings in batches of 1,000 on one durable replica; AbsentError without a binary."""
    binary = os.environ.get("TIGERBEETLE", "")
    if not Path(binary).is_file():
        raise AbsentError("TIGERBEETLE names no server binary")
    file = folder / "0_0.tigerbeetle"
    version = _run(binary, "version").split()[1].partition("+")[0]
    _run(binary, "format", "--cluster=0", "--replica=0", "--replica-count=1", str(file))
    address = f"127.0.0.1:{free_port()}"
    server = subprocess.Popen(
        ["setpriv", "--pdeathsig=TERM", binary, "start", f"--addresses={address}", str(file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with child(
            folder / "tigerbeetle",
            (f"tigerbeetle=={version}",),
            "tigerbeetle_child.py",
            {"TIGERBEETLE_ADDRESS": address},
            number,
        ) as work:
            yield work
    finally:
        server.terminate()
        server.wait(30)


def _run(binary: str, *words: str) -> str:
    try:
        return subprocess.run(
            [binary, *words], capture_output=True, text=True, check=True, timeout=120
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise AbsentError(f"TIGERBEETLE does not run: {error}") from error
