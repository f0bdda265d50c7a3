"""What the rider sees and hears: a light, a line in Vietnamese and English, beeps. Never waited for.

Sinks run behind one queue in their own thread: a stuck terminal or a full disk under the event file costs no tap.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Final, Protocol, TextIO

from access.rules.actionlist import ActionKind
from kernel.clock import stopwatch
from kernel.wire.tap import Purpose
from readers.config import Config
from readers.decide import Reason
from readers.errors import ConfigError

_WAITING_MAX: Final = 1_000
_REST_S: Final = 1.0


class Light(Enum):
    """The three lamps, and dark while nobody is served."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


@dataclass(frozen=True, slots=True)
class Message:
    """One light with its words; `beeps` short tones: one go on, two once more, three no."""

    light: Light
    vi: str
    en: str
    beeps: int


def _green(vi: str, en: str) -> Message:
    return Message(Light.GREEN, vi, en, 1)


def _amber(vi: str, en: str) -> Message:
    return Message(Light.AMBER, vi, en, 2)


def _red(vi: str, en: str) -> Message:
    return Message(Light.RED, vi, en, 3)


WELCOME: Final[dict[Purpose, Message]] = {
    Purpose.BOARD: _green("Mời lên xe", "Welcome aboard"),
    Purpose.ALIGHT: _green("Tạm biệt quý khách", "Goodbye"),
    Purpose.AUTO: _green("Đã ghi nhận", "Tap recorded"),
    Purpose.PARK_IN: _green("Mời vào bãi", "Please drive in"),
    Purpose.PARK_OUT: _green("Mời ra, chúc thượng lộ bình an", "Please drive out, safe journey"),
    Purpose.INSPECT: _green("Đã kiểm tra", "Checked"),
}
RECOVERED: Final = _green(
    "Lần trước đã ghi nhận, không tính thêm", "Recorded the first time, nothing more charged"
)
ACTED: Final[dict[ActionKind, Message]] = {
    ActionKind.LOAD_PASS: _green("Vé đã được nạp vào thẻ", "Your pass is on your card"),
    ActionKind.UNBLOCK: _green("Thẻ đã được mở khóa", "Your card works again"),
    ActionKind.RE_KEY: _green(
        "Mời quý khách đến quầy để làm mới thẻ", "Please have this card renewed at a desk"
    ),
    ActionKind.LOAD_PURSE: _green("Đã nạp tiền vào thẻ", "Your card was topped up"),
}
assert ACTED.keys() == set(ActionKind), "every action has its words"
TRY_AGAIN: Final = _amber("Xin quét lại thẻ", "Please tap again")
NOT_READABLE: Final = _red("Thẻ này không dùng được ở đây", "This card cannot be used here")
OUT_OF_SERVICE: Final = _red("Máy tạm ngừng phục vụ", "Out of service")
REFUSALS: Final[dict[Reason, Message]] = {
    Reason.NO_BUNDLE: OUT_OF_SERVICE,
    Reason.BUNDLE_STALE: OUT_OF_SERVICE,
    Reason.CLOCK_UNSYNCED: OUT_OF_SERVICE,
    Reason.EXPOSURE: OUT_OF_SERVICE,
    Reason.CARD_EXPOSURE: _red(
        "Thẻ đã quét nhiều lượt chờ ghi nhận, xin dùng cách khác",
        "Too many taps of this card wait to be sent, please pay otherwise",
    ),
    Reason.GENERATION_UNKNOWN: _red("Thẻ cần được đổi mới", "This card must be renewed"),
    Reason.DENIED: _red("Thẻ đang bị khóa, xin liên hệ tổng đài", "Card blocked, please call the help line"),
    Reason.EXPIRED: _red("Thẻ đã hết hạn", "This card has expired"),
    Reason.COUNTER_EXHAUSTED: _red("Thẻ cần được đổi mới", "This card must be renewed"),
    Reason.PASSBACK: _amber("Thẻ vừa được quét", "Already tapped"),
    Reason.PURSE_UNSAFE: _red(
        "Máy chưa nhận thẻ trả trước lúc này", "Stored-value cards cannot pay here just now"
    ),
    Reason.PURSE_UNPRICED: _red("Thẻ trả trước không dùng được ở đây", "Stored-value cards cannot pay here"),
    Reason.PURSE_SHORT: _red("Số dư trên thẻ không đủ", "Not enough on this card"),
    Reason.PURSE_NO_ENTRY: _red(
        "Thẻ không có lượt vào ở đây, xin gọi nhân viên", "No entry here on this card, please ask the staff"
    ),
}
assert WELCOME.keys() == set(Purpose), "every purpose greets"
assert REFUSALS.keys() == set(Reason), "every refusal has its words"


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """What a ride cost and what is left, in whole đồng, as far as it is known for certain; `as_of` is when.

    `held` was taken ahead for a ride whose fare its end decides. Only a stored-value card knows by itself, and only an
    answer of the back office that came in time knows for others.
    """

    fare: int | None
    balance: int
    as_of: str
    held: int = 0

    def words(self) -> tuple[str, str]:
        """Return both languages' lines."""
        vi, en = (
            f"Số dư {_dong(self.balance, '.')} đ (lúc {self.as_of})",
            (f"Balance {_dong(self.balance, ',')} VND (as of {self.as_of})"),
        )
        if self.held:
            return f"Tạm giữ {_dong(self.held, '.')} đ · {vi}", f"Held {_dong(self.held, ',')} VND · {en}"
        if self.fare is None:
            return vi, en
        return f"Giá vé {_dong(self.fare, '.')} đ · {vi}", f"Fare {_dong(self.fare, ',')} VND · {en}"


def _dong(amount: int, mark: str) -> str:
    return f"{amount:,}".replace(",", mark)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One light as it was shown. `card` is the serial and goes to the demo's event file only, never to a log."""

    at: datetime
    message: Message
    phase: str = ""
    reason: str = ""
    sequence: int = 0
    card: int = 0
    money: Money | None = None
    timing_ms: Mapping[str, float] = field(default_factory=dict)


class Sink(Protocol):
    """Where lights and other events go."""

    def show(self, shown: Shown) -> None:
        """Show one light."""
        ...

    def note(self, at: datetime, event: str, fields: Mapping[str, object]) -> None:
        """Take note of something that is no light: a state, a passage, a heartbeat."""
        ...

    def close(self) -> None:
        """Let go of whatever it writes to."""
        ...


class TerminalLamp:
    """A line a tap, coloured where a person looks at it."""

    _COLOURS: Final = {Light.GREEN: "42;30", Light.AMBER: "43;30", Light.RED: "41;97"}

    def __init__(self, name: str, out: TextIO | None = None) -> None:
        self._name, self._out = name, out if out is not None else sys.stdout

    def show(self, shown: Shown) -> None:
        """Print the light, both languages and the reason, if any."""
        light = f" {shown.message.light.value.upper():5} "
        if self._out.isatty():
            light = f"\x1b[{self._COLOURS[shown.message.light]}m{light}\x1b[0m"
        reason = f" [{shown.reason}]" if shown.reason else ""
        beeps = "♪" * shown.message.beeps
        words = f"{shown.message.vi} / {shown.message.en}"
        if shown.money is not None:
            words += f" | {' / '.join(shown.money.words())}"
        line = f"{shown.at:%H:%M:%S} {self._name} {light} {words}{reason} {beeps}"
        print(line, file=self._out, flush=True)

    def note(self, at: datetime, event: str, fields: Mapping[str, object]) -> None:
        """Print the event and its fields."""
        words = " ".join(f"{name}={value}" for name, value in fields.items())
        print(f"{at:%H:%M:%S} {self._name}  {event} {words}".rstrip(), file=self._out, flush=True)

    def close(self) -> None:
        """Leave the terminal as it is."""


class EventFile:
    """JSON lines: {"at", "reader", "event": "light" or another, …}; for the demo and the tests."""

    def __init__(self, path: Path, name: str) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise ConfigError(f"lamp.events: {path} cannot be written ({error.strerror})") from error
        self._name = name

    def show(self, shown: Shown) -> None:
        """Append the light."""
        words = asdict(shown.message) | {"light": shown.message.light.value}
        timing = {phase: round(ms, 3) for phase, ms in shown.timing_ms.items()}
        self.note(
            shown.at,
            "light",
            words
            | {"phase": shown.phase, "reason": shown.reason, "sequence": shown.sequence, "card": shown.card}
            | ({"money": shown.money.words()} if shown.money else {})
            | {"timing_ms": timing},
        )

    def note(self, at: datetime, event: str, fields: Mapping[str, object]) -> None:
        """Append the event."""
        line = {"at": at.isoformat(), "reader": self._name, "event": event, **fields}
        self._file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Lamp:
    """All sinks behind one queue. `show` and `note` return at once; a sink that fails rests a second, never fatal."""

    def __init__(self, sinks: tuple[Sink, ...]) -> None:
        self._sinks = sinks
        self._rests_until = [0.0] * len(sinks)
        self._queue: queue.Queue[Shown | tuple[datetime, str, Mapping[str, object]] | None] = queue.Queue(
            _WAITING_MAX
        )
        self._thread = threading.Thread(target=self._run, name="lamp", daemon=True)
        self._thread.start()

    def show(self, shown: Shown) -> None:
        """Show a light; where a thousand already wait for a stuck display, this one is not waited for."""
        self._put(shown)

    def note(self, at: datetime, event: str, /, **fields: object) -> None:
        """Take note of an event."""
        self._put((at, event, fields))

    def _put(self, item: Shown | tuple[datetime, str, Mapping[str, object]]) -> None:
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            return

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            for place, sink in enumerate(self._sinks):
                if stopwatch() < self._rests_until[place]:
                    continue
                try:
                    if isinstance(item, Shown):
                        sink.show(item)
                    else:
                        sink.note(*item)
                except (OSError, ValueError):
                    # A full disk or an unplugged display may come right, and a lamp that stays dark serves nobody.
                    self._rests_until[place] = stopwatch() + _REST_S

    def close(self) -> None:
        """Show what still waits, for at most two seconds."""
        try:
            self._queue.put(None, timeout=1)
        except queue.Full:
            return
        self._thread.join(timeout=2)
        if not self._thread.is_alive():
            for sink in self._sinks:
                with suppress(OSError, ValueError):
                    sink.close()


def sinks_of(config: Config) -> tuple[Sink, ...]:
    """Return the sinks that reader.toml asks for."""
    sinks: list[Sink] = []
    if config.lamp.terminal:
        sinks.append(TerminalLamp(config.device.name))
    if config.lamp.events is not None:
        sinks.append(EventFile(config.lamp.events, config.device.name))
    return tuple(sinks)
