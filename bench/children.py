"""Ledgers from PyPI, each in a virtual environment and a process of its own: never among the product's packages.

A child says `ready`, then answers each line `run N` on its standard input with N when N postings are durable.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.measure import Work

INSTALL_TIMEOUT_S = 300
STOP_TIMEOUT_S = 30


class AbsentError(Exception):
    """What is to be measured cannot be had here; says why."""


@contextlib.contextmanager
def child(
    home: Path, packages: Sequence[str], script: str, environment: Mapping[str, str], number: int
) -> Iterator[Work]:
    """Yield work of `number` postings by a script of this folder; AbsentError when its packages are not to be had."""
    python = _venv(home, packages)
    with subprocess.Popen(
        [python, str(Path(__file__).with_name(script))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        cwd=home,
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        sink, source = running.stdin, running.stdout

        def work() -> int:
            print(f"run {number}", file=sink, flush=True)
            return int(source.readline())

        try:
            if source.readline().strip() != "ready":
                said = running.stderr.read().strip().splitlines()
                raise AbsentError(f"{packages[0]} did not start: {said[-1] if said else 'it says nothing'}")
            yield work
        finally:
            sink.close()
            try:
                running.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                running.kill()


def _venv(home: Path, packages: Sequence[str]) -> str:
    print(f"installing {packages[0]} into a venv of its own …", file=sys.stderr)
    python = home / "bin" / "python"
    uv = [sys.executable, "-m", "uv", "--quiet"]
    for command in (
        [*uv, "venv", "--python", sys.executable, str(home)],
        [*uv, "pip", "install", "--python", str(python), *packages],
    ):
        try:
            ran = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT_S
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AbsentError(f"{packages[0]} cannot be installed: {error}") from error
        if ran.returncode:
            raise AbsentError(f"{packages[0]} cannot be installed: {ran.stderr.strip()[-300:]}")
    return str(python)
