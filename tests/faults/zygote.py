"""One reader that is started and killed again and again, each time forked from a process that did the imports.

Reads lines of JSON {"config", "die", "after"} and answers with lines: "idle" once that start serves, then its exit
status. `die` is where it dies of SIGKILL, at the `after`th time it comes there; "" serves until a line "stop".
HEARD is COMMIT once the card has answered: committed, and nothing of it on the reader's disk.
"""

import json
import os
import select
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import readers.tap
from readers.config import load_config
from readers.daemon import MAINTENANCE_FILE, Daemon
from readers.frontend import FieldLostError, open_frontend
from readers.states import State


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def serve(order: dict) -> None:
    config, place, left = load_config(Path(order["config"])), order["die"], [order["after"]]
    refused = [place == "OUT_OF_SERVICE"]
    if place == "BOOT":
        die()
    if place == "DEGRADED":
        config = replace(config, journal=replace(config.journal, disk_low_mb=1_000_000_000))

    def here(name: str) -> None:
        if name == place:
            left[0] -= 1
            if left[0] <= 0:
                die()

    def open_field(path: str):
        if refused[0]:
            raise FieldLostError("no such device")
        return open_frontend(path)

    daemon = Daemon(config, open_field=open_field)
    before, told = daemon.machine._watch, []

    def watch(was, event, state) -> None:
        before(was, event, state)
        if state in {State.IDLE, State.DEGRADED} and not told:
            told.append(True)
            print("idle", flush=True)
            if place == "MAINTENANCE":
                (config.state_dir / MAINTENANCE_FILE).touch()
        here(state.value)

    daemon.machine._watch = watch
    commit = readers.tap.card.commit

    def heard(prepared, **more):
        committed = commit(prepared, **more)
        here("HEARD")
        return committed

    readers.tap.card.commit = heard
    (config.state_dir / MAINTENANCE_FILE).unlink(missing_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: daemon.stop())
    daemon.run()


def main() -> None:
    while line := sys.stdin.readline():
        order = json.loads(line)
        if order == "stop":
            continue
        child = os.fork()
        if child == 0:
            serve(order)
            os._exit(0)
        while True:
            gone, status = os.waitpid(child, os.WNOHANG)
            if gone:
                break
            if select.select([sys.stdin], [], [], 0.002)[0]:
                # "stop", or the end of whoever gave the orders.
                sys.stdin.readline()
                os.kill(child, signal.SIGTERM)
                _, status = os.waitpid(child, 0)
                break
            time.sleep(0.002)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
