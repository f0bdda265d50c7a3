"""What a driver or an attendant sees: one screen, the last light large, where we are, and whether we are heard.

Follows the event file (`lamp.events`), so that it runs beside the daemon and may be closed without harm.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from kernel.clock import clock_from
from readers.config import Config
from readers.errors import ReaderError
from readers.parsing import parse_json

_COLOURS: Final = {"green": "42;30", "amber": "43;30", "red": "41;97"}
_WIDTH: Final = 48
_FADES_AFTER: Final = timedelta(seconds=4)
_STATES: Final = {
    "IDLE": ("Xin mời quét thẻ", "Please tap your card"),
    "DEGRADED": ("Xin mời quét thẻ", "Please tap your card"),
    "MAINTENANCE": ("Đang bảo trì", "Under maintenance"),
    "OUT_OF_SERVICE": ("Máy tạm ngừng phục vụ", "Out of service"),
}


@dataclass(slots=True)
class Screen:
    """What was heard so far, as far as it shows."""

    name: str
    state: str = "BOOT"
    why: tuple[str, ...] = ()
    light: Mapping[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    unsent: int = 0
    problem: str = ""

    def hear(self, event: Mapping[str, Any]) -> None:
        """Take one event of the file; kinds that show nothing are passed over."""
        match event.get("event"):
            case "light":
                self.light = event
                self.counts[event["light"]] = self.counts.get(event["light"], 0) + 1
            case "state":
                self.state, self.why = event["state"], tuple(event.get("why", ()))
            case "heartbeat":
                self.state, self.unsent = event["state"], event["unsent"]
                self.why = tuple(event.get("why", ()))
                self.problem = event.get("uplink", "")
            case "uplink":
                self.problem = event.get("problem", "")

    def draw(self, now: datetime, *, place: str, colour: bool = True) -> str:
        """Return the screen's lines. A light fades after four seconds; cards are never named."""
        fresh = self.light and now - datetime.fromisoformat(self.light["at"]) <= _FADES_AFTER
        if fresh:
            words = (self.light["vi"], self.light["en"], *self.light.get("money", ()))
            tone = _COLOURS[self.light["light"]]
        else:
            words, tone = _STATES.get(self.state, (self.state, "")), "41;97" if self._broken() else "7"
        body = ["", *(line.center(_WIDTH) for line in words), ""]
        if colour:
            body = [f"\x1b[{tone}m{line.ljust(_WIDTH)}\x1b[0m" for line in body]
        counts = "  ".join(f"{light} {count}" for light, count in sorted(self.counts.items())) or "-"
        below = [f"{self.name}  {place}".strip(), f"{self.state}  {', '.join(self.why)}".strip(), counts]
        if self.unsent or self.problem:
            below.append(f"chưa gửi / unsent {self.unsent}  {self.problem}".rstrip()[:_WIDTH])
        return "\n".join([*body, *below])

    def _broken(self) -> bool:
        return self.state in {"OUT_OF_SERVICE", "MAINTENANCE", "BOOT", "SELFTEST"}


def follow(path: Path, *, rest: Callable[[], bool]) -> Iterator[Mapping[str, Any] | None]:
    """Yield the file's events from its last 200 on, and None whenever there is none for now, until `rest()` is false.

    A line that is none is passed over; a file that shrank is read from its start.
    """
    place, tail = 0, b""
    first = True
    while True:
        try:
            size = path.stat().st_size
            if size < place:
                place, tail = 0, b""
            with path.open("rb") as file:
                file.seek(place)
                new = file.read()
        except OSError:
            new = b""
        place += len(new)
        *lines, tail = (tail + new).split(b"\n")
        for line in lines[-200:] if first else lines:
            try:
                event = parse_json(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                yield event
        first = False
        yield None
        if not rest():
            return


def watch(config: Config) -> int:
    """Draw the screen until SIGTERM or SIGINT; ReaderError where reader.toml names no event file."""
    if config.lamp.events is None:
        raise ReaderError(f"{config.file}: lamp.events names no file to follow")
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    screen, clock = Screen(config.device.name), clock_from(config.clock)
    last = ""
    for event in follow(config.lamp.events, rest=lambda: not over.wait(0.1)):
        if event is not None:
            screen.hear(event)
        else:
            drawn = screen.draw(clock.now(), place=config.device.place, colour=sys.stdout.isatty())
            if drawn != last:
                print(f"\x1b[2J\x1b[H{drawn}" if sys.stdout.isatty() else drawn, flush=True)
            last = drawn
    return 0
