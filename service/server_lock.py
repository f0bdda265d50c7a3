"""One launcher a data directory, and no start before the servers of a killed one are gone."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from time import sleep
from typing import Final

from kernel.clock import stopwatch
from service.server_binaries import LauncherError

PATIENCE_S: Final = 20.0


@contextlib.contextmanager
def locked(home: Path) -> Iterator[int]:
    """Hold `home` for this launcher; the servers inherit the lock, so a dying pair is waited for."""
    descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = stopwatch() + PATIENCE_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
                if (holder.isdigit() and _alive(int(holder))) or stopwatch() > deadline:
                    raise LauncherError(
                        f"{home} is in use by process {holder}: stop it first, or use another data directory"
                    ) from None
                sleep(0.1)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
