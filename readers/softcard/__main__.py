"""`python -m readers.softcard`: software cards presented to readers on nfcpy's udp ports, after a plan.

Ends when the plan is done or on SIGTERM, and always leaves a report. Exit code 1 when a presentation was never
served, 2 when a file or a port is not usable.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from kernel.clock import clock_from
from kernel.errors import DomainError
from readers.frontend import Emulation
from readers.softcard.field import Antenna, FieldServer, Outcome, Presentation
from readers.softcard.files import FileFormatError, StateFile, read_cards, read_plan, write_report


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m readers.softcard",
        description="Present software cards to readers on nfcpy's udp ports, after a plan.",
        epilog="example: python -m readers.softcard --plan plan.jsonl --ports 54401,54402 --cards cards.json "
        '--clock "scaled;2026-11-18T04:30:00+07:00;1763000000;600" --report report.json',
    )
    parser.add_argument("--plan", type=Path, required=True, help='lines of {"at", "port", "card", "fault"}')
    parser.add_argument("--ports", required=True, help="udp ports on loopback, one per antenna, by comma")
    parser.add_argument(
        "--cards",
        type=Path,
        required=True,
        help='list of {"serial", "uid", "keys", "generation", "info"}; {"serial", "idm", "system"} is a FeliCa token',
    )
    parser.add_argument(
        "--clock", default="system", help="system, fixed:INSTANT or scaled;INSTANT;EPOCH;RATE"
    )
    parser.add_argument("--report", type=Path, required=True, help="where to write what happened, as JSON")
    parser.add_argument("--state", type=Path, help="file that keeps the cards' memory from run to run")
    parser.add_argument("--patience", type=float, default=30.0, help="real seconds to wait for a reader (30)")
    parser.add_argument("--verbose", action="store_true", help="a line of JSON on stdout per presentation")
    return parser.parse_args(argv)


def _tell(presentation: Presentation, outcome: Outcome) -> None:
    line = {
        "at": presentation.at.isoformat(),
        "port": presentation.port,
        "card": presentation.serial,
        "outcome": outcome.name.lower(),
    }
    # One write, since every antenna's thread tells.
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main(argv: list[str] | None = None) -> int:
    """Run the field process and return its exit code."""
    options = _arguments(argv)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        clock = clock_from(options.clock)
        ports = [int(port) for port in options.ports.split(",")]
        state = StateFile(options.state)
        cards = read_cards(options.cards, state)
        plan = read_plan(options.plan, ports, cards)
        antennas = {port: Antenna(Emulation(port), patience_s=options.patience) for port in ports}
    except (DomainError, FileFormatError, OSError, ValueError) as error:
        print(f"softcard: {error}", file=sys.stderr)
        return 2
    server = FieldServer(cards, antennas, plan, clock, on_done=_tell if options.verbose else None)
    for thread in server.start():
        while thread.is_alive() and not stop.is_set():
            thread.join(0.1)
    write_report(options.report, cards, server.tally)
    if not stop.is_set():
        for antenna in antennas.values():
            antenna.close()
        state.close()
    return 1 if server.tally.unserved else 0


if __name__ == "__main__":
    sys.exit(main())
