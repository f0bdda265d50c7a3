"""What the commands show, and send once more, of what this device keeps: status, journal, replay."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from kernel.clock import clock_from, from_micros
from kernel.errors import DomainError
from kernel.wire.tap import TapRecord, decode_tap, record_hash
from readers.config import Config
from readers.errors import JournalError
from readers.identity import find_identity, load_identity
from readers.mark import acknowledged_of
from readers.parsing import parse_json
from readers.records import JournalReader, verify_chain
from readers.replay import replay
from readers.server import Server


def status(config: Config, *, as_json: bool) -> int:
    """Print who this is, how far its journal goes, and what its last heartbeat said."""
    identity = load_identity(config.state_dir)
    try:
        said = parse_json((config.state_dir / "status.json").read_bytes())
    except (OSError, ValueError):
        said = {}
    try:
        reader = JournalReader(config.journal.path)
    except JournalError as error:
        found: dict[str, object] = {"journal": str(error)}
    else:
        known = max(acknowledged_of(config.state_dir, reader.journal_id), reader.base())
        unsent, oldest = reader.count_after(known)
        found = {
            "journal_id": str(reader.journal_id),
            "sequence": reader.last(),
            "unsent": unsent,
            "oldest_unsent": from_micros(oldest).isoformat() if oldest is not None else None,
        }
        reader.close()
    report = {
        "device_id": str(identity.device_id),
        "name": config.device.name,
        **found,
        "last_heartbeat": said,
    }
    if as_json:
        print(json.dumps(report, ensure_ascii=False))
    else:
        for name, value in report.items():
            print(f"{name:15} {json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value}")
    return 0


def journal(path: Path, last: int, *, as_json: bool, verify: bool) -> int:
    """Print the last records, and with `verify` whether the chain of all of them is whole; JournalError.

    1 where one of them cannot be read.
    """
    reader, whole = JournalReader(path), True
    try:
        for sequence, body in reader.after(max(reader.base(), reader.last() - last), limit=last):
            try:
                row = _row(
                    decode_tap(body), record_hash(body).hex() if as_json else record_hash(body).hex()[:12]
                )
            except DomainError as error:
                row, whole = {"sequence": sequence, "error": f"cannot be read: {error}"}, False
            if as_json:
                print(json.dumps(row, ensure_ascii=False))
            else:
                print("  ".join(str(value) or "-" for value in row.values()))
        if verify:
            head = verify_chain(reader.bodies())
            print(
                f"chain whole from {reader.base() + 1} to {head.sequence}, head {head.hash.hex()}",
                file=sys.stderr,
            )
    finally:
        reader.close()
    return 0 if whole else 1


def _row(tap: TapRecord, digest: str) -> dict[str, object]:
    return {
        "sequence": tap.sequence,
        "tapped_at": tap.tapped_at.isoformat(timespec="seconds"),
        "phase": tap.phase.name,
        "purpose": tap.purpose.name,
        "card": tap.card_serial,
        "counter": tap.tmc,
        "place": tap.place,
        "stop": tap.stop_id,
        "route": tap.route_id,
        "reason": tap.reason,
        "key_id": tap.key_id.hex(),
        "hash": digest,
    }


def resend(config: Config, path: Path) -> int:
    """Send every kept record once more and print what the server said; 1 where one cannot be read or the file is damaged. ReaderError."""
    seen = sys.stderr.isatty()
    reader = JournalReader(path)
    identity = find_identity(config.state_dir, reader.device_id)
    reader.close()
    server = Server(config.server.url, timeout_s=config.server.timeout_s, clock=clock_from(config.clock))
    try:
        done = replay(
            path,
            identity=identity,
            server=server,
            batch=config.server.batch,
            progress=lambda sent: print(f"\r{sent} sent", end="", file=sys.stderr) if seen else None,
        )
    finally:
        server.close()
        if seen:
            print("\r\x1b[K", end="", file=sys.stderr)
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(done.verdicts.items())) or "none"
    damaged = f"; {done.damaged} cannot be read" if done.damaged else ""
    damaged += "" if done.whole else "; the file is damaged, there may have been more: keep it"
    print(
        f"{done.sent} records sent: {verdicts}; the server has the chain up to {done.chained_up_to}{damaged}"
    )
    return 1 if done.damaged or not done.whole else 0
