"""`python -m readers`: run a reader, enrol it, look at it."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from kernel.clock import clock_from
from kernel.errors import DomainError
from readers import kept
from readers.config import Config, load_config
from readers.errors import FieldLostError, ReaderError
from readers.identity import locked
from readers.server import Server
from readers.states import diagram
from readers.validator import is_word

_ABOUT = """A validator, a metro gate or a car-park gate: reads cards, decides offline, keeps evidence, sends it.

A reader's first day:
  1. write reader.toml                     (docs/readers.md shows one for each kind)
  2. lienthong device code …               (on the server: prints a one-time code)
  3. python -m readers enrol --config reader.toml --code 4F7K-9QXD-2M0A
  4. python -m readers run --config reader.toml
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m readers", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str, example: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=text,
            description=text,
            epilog=f"example: python -m readers {name} {example}",
        )
        if name not in {"states", "vectors"}:
            added.add_argument("--config", type=Path, required=True, metavar="FILE", help="reader.toml")
        return added

    command(
        "run", "Serve cards until SIGTERM; the journal's unsent records are sent first.", "--config bus.toml"
    )
    enrol = command(
        "enrol",
        "Make this reader's keys and join with a one-time code.",
        "--config bus.toml --code 4F7K-9QXD-2M0A",
    )
    enrol.add_argument("--code", required=True, help="the one-time code that the server printed")
    enrol.add_argument("--replace", action="store_true", help="give an enrolled reader a new identity")
    status = command(
        "status", "Show state, versions, unsent records and latencies.", "--config bus.toml --json"
    )
    status.add_argument("--json", action="store_true", help="one JSON object for programs")
    journal = command(
        "journal", "List the records kept on this device.", "--config bus.toml --last 20 --verify"
    )
    journal.add_argument("--last", type=int, default=20, metavar="N", help="how many (20)")
    journal.add_argument("--json", action="store_true", help="one JSON object a record")
    journal.add_argument("--verify", action="store_true", help="check the hash chain of all kept records")
    journal.add_argument("--journal", type=Path, metavar="FILE", help="another file, e.g. one set aside")
    replay = command(
        "replay",
        "Send every kept record once more; the server recognises what it has.",
        "--config bus.toml --journal state/journal-20261118T093000000000.sqlite",
    )
    replay.add_argument("--journal", type=Path, metavar="FILE", help="another file, e.g. one set aside")
    personalise = command(
        "personalise",
        "Put keys and CardInfo onto fresh cards, in whatever order they are laid on.",
        "--config desk.toml --cards cards.json",
    )
    personalise.add_argument("--cards", type=Path, required=True, help="what `lienthong card issue` wrote")
    personalise.add_argument(
        "--wait", type=int, default=60, metavar="S", help="end after so long without a card"
    )
    stop = command(
        "stop",
        "Say where the vehicle is, as its driver: a line in the position file (device.position).",
        "--config bus.toml --stop-id 26-05 --trip-id 26-07",
    )
    stop.add_argument("--stop-id", required=True)
    for name in ("route-id", "trip-id"):
        stop.add_argument(f"--{name}", default=None)
    shown = command(
        "scan",
        "Hold a code before the scanner, where its port (scanner.path) is a named pipe; - reads it.",
        "--config bus.toml LTQ1.…",
    )
    shown.add_argument("text", help="what the scanner would send, without the line's end")
    command("view", "Show what the driver sees, until interrupted (needs lamp.events).", "--config bus.toml")
    vectors = command(
        "vectors",
        "Recompute card vectors of a file: every session key, MAC, SUN and signature.",
        "cases.json",
    )
    vectors.add_argument("file", type=Path, help='{"vectors": [{"id", "inputs", "expected"}]}')
    vectors.add_argument("--json", action="store_true", help="one JSON object a vector, with our answers")
    command("states", "Print the daemon's state diagram (Mermaid).", "> states.mmd")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Exit code 0 when done, 1 when it could not be, 2 for wrong arguments."""
    options = _parser().parse_args(argv)
    os.umask(0o077)
    try:
        if options.command == "states":
            print(diagram())
            return 0
        if options.command == "vectors":
            return _vectors(options.file, as_json=options.json)
        config = load_config(options.config)
        match options.command:
            case "run":
                return _run(config)
            case "enrol":
                return _enrol(config, options.code, replace=options.replace)
            case "status":
                return kept.status(config, as_json=options.json)
            case "journal":
                path = options.journal or config.journal.path
                return kept.journal(path, options.last, as_json=options.json, verify=options.verify)
            case "stop":
                said = {"stop_id": options.stop_id, "route_id": options.route_id, "trip_id": options.trip_id}
                return _stop(config, {name: value for name, value in said.items() if value is not None})
            case "scan":
                return _scan(config, options.text)
            case "view":
                from readers.view import watch

                return watch(config)
            case "personalise":
                return _personalise(config, options.cards, options.wait)
            case _:
                return kept.resend(config, options.journal or config.journal.path)
    except BrokenPipeError:
        return 0
    except (ReaderError, DomainError) as error:
        print(f"readers: {error}", file=sys.stderr)
        return 1


def _vectors(path: Path, *, as_json: bool) -> int:
    from readers.vectors import check, read_vectors, report

    rows = read_vectors(path)
    found = check(rows)
    print("\n".join(report(found, rows, as_json=as_json)))
    good = sum(each.word == "ok" for each in found)
    print(f"{good} of {len(found)} vectors agree", file=sys.stderr)
    return 0 if good == len(found) else 1


def _run(config: Config) -> int:
    from readers.daemon import Daemon  # the other commands work without nfcpy

    daemon = Daemon(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: daemon.stop())
    daemon.run()
    return 0


def _enrol(config: Config, code: str, *, replace: bool) -> int:
    from readers.enrolment import enrol

    server = Server(config.server.url, timeout_s=config.server.timeout_s, clock=clock_from(config.clock))
    # A running reader would write its old keys back when it is told to rotate them.
    held = locked(config.state_dir)
    try:
        identity = enrol(
            server, state_dir=config.state_dir, code=code, name=config.device.name, replace=replace
        )
    finally:
        os.close(held)
        server.close()
    print(f"enrolled as device {identity.device_id}; now: python -m readers run --config {config.file}")
    return 0


def _personalise(config: Config, cards: Path, wait_s: int) -> int:
    from readers.antenna import open_field
    from readers.issuing import make_cards, read_orders

    orders = read_orders(cards)
    try:
        left = make_cards(lambda: open_field(config.field.path), orders, tell=print, looks=wait_s)
    except FieldLostError as error:
        raise ReaderError(f"the reader device is gone: {error}") from error
    print(f"{len(orders) - left} of {len(orders)} cards made")
    return 1 if left else 0


def _stop(config: Config, said: dict[str, str]) -> int:
    path = config.device.position
    if path is None:
        raise ReaderError(f"{config.file}: device.position names no file to write to")
    for name, value in said.items():
        if not is_word(value):
            raise ReaderError(f"--{name.replace('_', '-')}: must be a text of at most 64 bytes")
    line = {"at": clock_from(config.clock).now().isoformat(), **said}
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    except OSError as error:
        raise ReaderError(f"{path}: cannot be written ({error.strerror})") from error
    return 0


def _scan(config: Config, text: str) -> int:
    path = config.scanner.path
    if path is None or not path.is_fifo():
        raise ReaderError("scanner.path is no named pipe; make one with mkfifo")
    line = (sys.stdin.read() if text == "-" else text).strip()
    try:
        # Whoever writes into a pipe that nobody reads would wait for ever.
        port = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        raise ReaderError(f"{path}: {error.strerror}: is the reader running?") from error
    with os.fdopen(port, "wb", buffering=0) as pipe:
        pipe.write(line.encode() + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
