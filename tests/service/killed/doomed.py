"""Runs `lienthong …`, each time in a process forked from this one, which did the imports; some die of SIGKILL.

Reads lines of JSON: a list of runs that start together, each {"words", "environment", "out", "err", "die"}; answers
each line with the list of their exit codes. `die` is [n, "before" or "after"]: at the n-th commit; [0, seconds]: from
outside, after so long; null: not at all.
"""

import contextlib
import importlib
import json
import os
import signal
import sys
import time
import traceback

from service import cli
from service.commands import context
from service.database import Database
from service.jobs import invoices

COMMANDS = ("settle", "payout", "payback", "till", "passes", "mandate", "invoice")


class Doomed(Database):
    """Dies before or after the n-th commit."""

    left = 0
    when = ""

    @contextlib.contextmanager
    def begin(self):
        Doomed.left -= 1
        with super().begin() as tx:
            yield tx
            if self.left == 0 and self.when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def run(order: dict) -> int:
    """Be the command, with its own environment and output, and return how it ended."""
    for number, path in ((1, order["out"]), (2, order["err"])):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ.update(order["environment"])
    if order["die"] and order["die"][0]:
        Doomed.left, Doomed.when = order["die"]
        context.Database = Doomed
    # Small, so that a small day has commits to die between.
    invoices.BATCH = 1
    try:
        cli.main(order["words"], prog_name="lienthong")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001  (whatever it was is told and ends this process)
        traceback.print_exc()
    return 70


def start(order: dict) -> int:
    """Fork a run; return its process id."""
    child = os.fork()
    if child:
        return child
    code = run(order)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Serve orders until the input ends."""
    for name in COMMANDS:
        importlib.import_module(cli.COMMANDS[name][0])
    for line in sys.stdin:
        orders = json.loads(line)
        children = [start(order) for order in orders]
        for order, child in zip(orders, children, strict=True):
            if order["die"] and not order["die"][0]:
                time.sleep(order["die"][1])
                os.kill(child, signal.SIGKILL)
        print(
            json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]), flush=True
        )


if __name__ == "__main__":
    main()
