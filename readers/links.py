"""The reader's threads towards the server: evidence out, bundles in, and tokens asked about."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from readers.asking import Asker, Vouching
from readers.bundle import Bundle
from readers.config import Config
from readers.errands import Errands
from readers.identity import Identity
from readers.scanner import Scanner
from readers.server import Server
from readers.timekeeping import Timekeeper
from readers.uplink import Uplink

_FLUSH_S = 5.0
_ASK_S = 2.0


class Links:
    """Uplink, errands, scanner and asker, each on a connection of its own, so that none waits for another."""

    def __init__(
        self,
        config: Config,
        *,
        identity: Identity,
        time: Timekeeper,
        held: Bundle | None,
        report: Callable[[], Mapping[str, object]],
        noted: Callable[[str, Mapping[str, object]], None],
    ) -> None:
        settings = config.server

        def server() -> Server:
            key = identity.keys.signing
            return Server(
                settings.url, timeout_s=settings.timeout_s, clock=time, key=key, heard=time.server_said
            )

        self._rotated: Identity | None = None
        self._signing = identity.keys.signing
        self.errands = Errands(
            identity=identity,
            server=server(),
            settings=settings,
            state_dir=config.state_dir,
            held=held,
            report=report,
            noted=noted,
            rotated=self._use,
        )
        self.uplink = Uplink(
            identity=identity,
            server=server(),
            settings=settings,
            noted=lambda words: noted("uplink", {"problem": words}),
        )

        def vouching() -> Vouching:
            # Nobody stands before a scanner for as long as an upload may take.
            asks = Server(settings.url, timeout_s=min(_ASK_S, settings.timeout_s), clock=time)
            return Vouching(asks, lambda: self._signing)

        self.scanner = Scanner(config.scanner, vouching=vouching(), noted=noted)
        self.asker = Asker(vouching())
        self._flush_s = min(_FLUSH_S, settings.timeout_s)

    def _use(self, identity: Identity) -> None:
        self.uplink.sign_as(identity)
        self._signing = identity.keys.signing
        self._rotated = identity

    def take_identity(self) -> Identity | None:
        """Return the identity under a key that was rotated since the last call, else None."""
        fresh, self._rotated = self._rotated, None
        return fresh

    def start(self) -> None:
        """Start the threads."""
        self.errands.start()
        self.uplink.start()
        self.scanner.start()
        self.asker.start()

    def alive(self) -> bool:
        """Return whether the threads run; one that died by a fault of ours takes the process with it."""
        threads = (self.errands, self.uplink, self.scanner, self.asker)
        return all(thread.is_alive() for thread in threads)

    def stop(self) -> None:
        """Send what is left, for a few seconds at most, and end the threads."""
        self.asker.stop()
        self.scanner.stop()
        self.uplink.stop(flush_s=self._flush_s)
        self.errands.stop()
