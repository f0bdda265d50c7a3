"""What the reader does beside tapping and uploading: it fetches its bundle and tells how it is, each minute."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from kernel.clock import stopwatch
from readers.bundle import Bundle, adopt_bundle, fetch_bundle
from readers.config import ServerConfig
from readers.errors import BundleError, ServerError
from readers.identity import Identity
from readers.rotation import rotate
from readers.server import Reply, Server

HEARTBEAT_PATH: Final = "/v1/devices/heartbeats"
_FIRST_RETRY_S: Final = 0.25


class Errands(threading.Thread):
    """Bundle and heartbeat, in a thread of their own so that a stalled upload holds up neither.

    The tap thread takes a newly adopted bundle by `take_bundle` when no card is in the field.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        server: Server,
        settings: ServerConfig,
        state_dir: Path,
        held: Bundle | None,
        report: Callable[[], Mapping[str, object]],
        noted: Callable[[str, Mapping[str, object]], None],
        rotated: Callable[[Identity], None] = lambda _: None,
    ) -> None:
        super().__init__(name="errands", daemon=True)
        self._rotated = rotated
        self._identity, self._server, self._settings = identity, server, settings
        self._state_dir, self._held, self._report, self._noted = state_dir, held, report, noted
        self._fresh: Bundle | None = None
        self._over, self._due = threading.Event(), threading.Event()
        self.arrived = threading.Event()
        self._bundle_at = 0.0
        self._bundle_pause = _FIRST_RETRY_S
        self._heartbeat_at = stopwatch() + settings.heartbeat_every_s
        self._whole = False
        self.problem = ""

    def take_bundle(self) -> Bundle | None:
        """Return a bundle that arrived since the last call, else None."""
        # Cleared first: one that arrives meanwhile is announced, whether it is taken here or not.
        self.arrived.clear()
        fresh, self._fresh = self._fresh, None
        return fresh

    def beat_soon(self) -> None:
        """Have the next heartbeat told now; any thread may ask."""
        self._heartbeat_at = 0.0
        self._due.set()

    def stop(self) -> None:
        """End the thread; a request under way is not waited for."""
        self._over.set()
        self._due.set()
        if self.is_alive():
            self.join(timeout=0.5)

    def run(self) -> None:
        """Do what is due until stopped."""
        while not self._over.is_set():
            now = stopwatch()
            if now >= self._bundle_at:
                self._bundle_at = stopwatch() + self._sync()
            if now >= self._heartbeat_at:
                self._heartbeat_at = stopwatch() + self._settings.heartbeat_every_s
                self._beat()
            self._due.wait(max(0.01, min(self._bundle_at, self._heartbeat_at) - stopwatch()))
            self._due.clear()
        self._server.close()

    def _sync(self) -> float:
        """Return when to ask again, in seconds."""
        try:
            envelope = fetch_bundle(self._server, self._held, whole=self._whole)
            fresh = envelope and adopt_bundle(
                envelope, identity=self._identity, held=self._held, state_dir=self._state_dir
            )
        except (ServerError, BundleError, OSError) as error:
            # A change that does not lead on from what is held: the whole list does.
            self._whole = isinstance(error, BundleError) and self._held is not None
            if str(error) != self.problem:
                refused = isinstance(error, BundleError)
                self._noted("bundle-refused" if refused else "bundle-not-had", {"why": str(error)})
            self.problem = str(error)
            self._bundle_pause = min(self._settings.bundle_every_s, self._bundle_pause * 2)
            return self._bundle_pause
        self.problem, self._bundle_pause, self._whole = "", _FIRST_RETRY_S, False
        if fresh:
            self._held = self._fresh = fresh
            self.arrived.set()
            self._noted("bundle", {"version": fresh.version, "deny_version": fresh.denied.version})
        return self._settings.bundle_every_s

    def _beat(self) -> None:
        report = self._report()
        self._noted("heartbeat", report)
        try:
            reply = self._server.post(
                HEARTBEAT_PATH, json.dumps(report, default=_plain).encode(), signed=True
            )
        except ServerError:
            return
        if reply.status == 200:
            self._obey(reply)

    def _obey(self, reply: Reply) -> None:
        try:
            said = reply.json()
            if not isinstance(said, dict) or said.get("rotate_key") is not True:
                return
            self._identity = rotate(self._server, self._identity, self._state_dir)
        except (ServerError, OSError) as error:
            self._noted("key-not-rotated", {"why": str(error)})
            return
        self._server.sign_with(self._identity.keys.signing)
        self._rotated(self._identity)
        self._noted("key-rotated", {"key_id": self._identity.key_id.hex()})
        # The first word under the new key ends the old one: not a minute longer than needed.
        self._heartbeat_at = stopwatch()


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
