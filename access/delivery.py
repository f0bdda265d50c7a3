"""How the deny list reaches readers: a small delta where one leads from what they hold, else the whole list."""

from __future__ import annotations

import threading

from sqlalchemy import Connection

from access.rules.denydelta import MAX_CHANGES
from access.rules.denylist import Delta, DenyList
from access.store import denials


class DenyShelf:
    """The newest list this process has read, brought forward by what changed since: ten thousand readers ask for it.

    Threads may share it. A published version never changes, so what is on the shelf is right for ever.
    """

    def __init__(self) -> None:
        self._newest = DenyList(0)
        self._lock = threading.Lock()

    def at(self, tx: Connection, version: int) -> DenyList:
        """Return the list as of a published version."""
        with self._lock:
            held = self._newest
        if held.version == version:
            return held
        if 0 < held.version < version:
            made = held.with_delta(_between(tx, held.version, version))
        else:
            made = DenyList.of(version, denials.list_denied(tx, version))
        with self._lock:
            if made.version > self._newest.version:
                self._newest = made
        return made


def delta_for(tx: Connection, *, held: int, newest: int) -> Delta | None:
    """Return what leads from the version a reader holds to the newest; None where the whole list is better.

    A reader that holds nothing, a version that never was, or one long ago gets the whole list.
    """
    if not 0 < held < newest:
        return None
    found = _between(tx, held, newest)
    return None if len(found.denied) + len(found.cleared) > MAX_CHANGES else found


def _between(tx: Connection, start: int, end: int) -> Delta:
    changed = denials.list_changed(tx, start, end)
    return Delta(
        start,
        end,
        tuple(serial for serial, denied in changed if denied),
        tuple(serial for serial, denied in changed if not denied),
    )
