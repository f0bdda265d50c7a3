"""Readers that are killed at one step of a tap, each a process of its own, forked from one that did the imports.

Reads lines of JSON [folder, serial, step, seconds] and answers each with one line: [exit status, light, phase].
Step "" taps and lives; `seconds` is when, after the tests' NOW. The card's memory is a file, so that it outlives
the reader as a card does.
"""

import json
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from kernel.clock import FixedClock
from readers.config import load_config
from readers.softcard.direct import DirectChannel
from readers.softcard.files import StateFile
from readers.tap import tap
from tests.readers.kit import NOW, make_bench, soft_card


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def present(folder: Path, serial: int, step: str, seconds: int) -> tuple[str, str]:
    def watch(_before, _event, after) -> None:
        if after.value == step:
            die()

    def committed(eeprom) -> None:
        state.keep(serial, eeprom)
        if step == "CARD":
            die()

    state = StateFile(folder / "cards.jsonl")
    card = soft_card(serial, on_commit=committed)
    card.eeprom = state.last(serial, card.eeprom)
    clock = FixedClock(NOW + timedelta(seconds=seconds))
    bench = make_bench(load_config(folder / "reader.toml"), watch=watch, clock=clock)
    shown = tap(bench.desk, DirectChannel(card))
    bench.close()
    state.close()
    return shown.message.light.value, shown.phase


def main() -> None:
    for line in sys.stdin:
        folder, serial, step, seconds = json.loads(line)
        taking, telling = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(telling, json.dumps(present(Path(folder), serial, step, seconds)).encode())
            os._exit(0)
        os.close(telling)
        _, status = os.waitpid(child, 0)
        said = json.loads(os.read(taking, 1000) or '["", ""]')
        os.close(taking)
        print(json.dumps([os.waitstatus_to_exitcode(status), *said]), flush=True)


if __name__ == "__main__":
    main()
