"""A daemon in the test's own process, with a field into which the test puts cards."""

import json
import queue
import threading
import time
from contextlib import contextmanager

from kernel.wire.tap import decode_tap
from readers.daemon import Daemon
from readers.frontend import FieldLostError
from readers.records import JournalReader, verify_chain
from readers.softcard.direct import DirectChannel
from readers.states import State
from tests.readers.kit import (
    wait_until,
)


class CardField:
    """A field into which a test puts cards; `broken` makes the device fail as a pulled cable does."""

    def __init__(self):
        self.cards = queue.Queue()
        self.broken = False
        self.opened = 0

    def open(self, _path):
        if self.broken:
            raise FieldLostError("no such device")
        self.opened += 1
        return self

    def wait_for_card(self, timeout_s):
        if self.broken:
            raise FieldLostError("usb gone")
        try:
            card = self.cards.get(timeout=timeout_s)
        except queue.Empty:
            return None
        return LeavingChannel(card)

    def close(self):
        pass


class LeavingChannel(DirectChannel):
    """A card that is taken away once the reader asks whether it is still there."""

    def present(self):
        return False


class SlowField(CardField):
    """A field whose cards take `pause_s` over each answer."""

    pause_s = 0.0

    def wait_for_card(self, timeout_s):
        channel = super().wait_for_card(timeout_s)
        return channel and SlowChannel(channel._card, self.pause_s)


class SlowChannel(LeavingChannel):
    def __init__(self, card, pause_s):
        super().__init__(card)
        self._pause_s = pause_s

    def transceive(self, apdu, timeout_s):
        time.sleep(self._pause_s)
        return super().transceive(apdu, timeout_s)


@contextmanager
def running(config, field=None):
    field = field or CardField()
    daemon = Daemon(config, open_field=field.open)
    daemon.field = field
    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        yield daemon
    finally:
        daemon.stop()
        thread.join(timeout=10)
        assert not thread.is_alive()


def events(config, name=None):
    # What follows the last line's end is still being written.
    *whole, _ = config.lamp.events.read_text().split("\n")
    lines = [json.loads(line) for line in whole]
    return [line for line in lines if name in {None, line["event"]}]


def lights(config):
    return [(line["light"], line["phase"]) for line in events(config, "light")]


def in_service(daemon):
    return daemon.machine.state in {State.IDLE, State.DEGRADED}


def present(daemon, card):
    before = len(lights(daemon.config))
    daemon.field.cards.put(card)
    wait_until(lambda: len(lights(daemon.config)) > before)
    return lights(daemon.config)[-1]


def taps(config):
    reader = JournalReader(config.journal.path)
    bodies = list(reader.bodies())
    reader.close()
    verify_chain(bodies)
    return [decode_tap(body) for body in bodies]
