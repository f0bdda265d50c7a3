"""The files of the field process: cards in, plan in, state kept, report out. All are JSON or lines of JSON."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final, TextIO

from kernel.crypto.card_keys import Role
from kernel.wire.trips import NO_TRIPS
from readers.softcard.card import Eeprom, Fault, Secrets, SoftCard
from readers.softcard.felica import SoftToken
from readers.softcard.field import Presentation, Tally

_FAULTS: Final = {"tear": Fault.TEAR_AFTER} | {fault.value: fault for fault in Fault}


class FileFormatError(Exception):
    """A file of the field process is not what it should be; the text says which and where."""


class StateFile:
    """Commits of all cards, appended as they happen; the last line of a card counts."""

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._kept: dict[int, Eeprom] = {}
        self._out: TextIO | None = None
        if path is None:
            return
        whole, _, cut = (path.read_text() if path.exists() else "").rpartition("\n")
        if cut:
            # A kill cut the last line short; its commit is lost as a whole, as in a card.
            os.truncate(path, len(f"{whole}\n".encode()) if whole else 0)
        for line in whole.splitlines():
            row = json.loads(line)
            self._kept[row["serial"]] = Eeprom(
                bytes.fromhex(row["info"]),
                row["tmc"],
                bytes.fromhex(row["tmv"]),
                bytes.fromhex(row["reader"]),
                purse=row.get("purse"),
                log=tuple(map(bytes.fromhex, row.get("log", ()))),
                trips=bytes.fromhex(row["trips"]) if "trips" in row else NO_TRIPS,
                credit_limit=row.get("credit_limit", 0),
            )
        self._out = path.open("a")

    def last(self, serial: int, fresh: Eeprom) -> Eeprom:
        """Return the kept state of a card, or `fresh` for one never seen; CardInfo is always the given one."""
        kept = self._kept.get(serial)
        return fresh if kept is None else replace(kept, card_info=fresh.card_info)

    def keep(self, serial: int, state: Eeprom) -> None:
        """Append one commit."""
        if self._out is None:
            return
        row = {
            "serial": serial,
            "info": state.card_info.hex(),
            "tmc": state.tmc,
            "tmv": state.tmv.hex(),
            "reader": state.last_reader.hex(),
        }
        if state.purse is not None:
            row |= {"purse": state.purse, "log": [record.hex() for record in state.log]}
            row |= {"trips": state.trips.hex(), "credit_limit": state.credit_limit}
        with self._lock:
            self._out.write(json.dumps(row) + "\n")
            self._out.flush()

    def close(self) -> None:
        """Close the file."""
        if self._out is not None:
            self._out.close()


def read_cards(path: Path, state: StateFile) -> dict[int, SoftCard | SoftToken]:
    """Return the cards of a list `[{"serial", "uid", "keys": {"AUTH", "TMAC"}, "generation", "info"}]` by serial.

    All byte strings are hexadecimal; the keys are the card's own, already diversified. `{"serial", "idm", "system"}` is
    a FeliCa token.
    """
    try:
        rows = json.loads(path.read_text())
        return {int(row["serial"]): _token(row) if "idm" in row else _card(row, state) for row in rows}
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise FileFormatError(f"{path}: {error!r}") from error


def _token(row: Mapping[str, object]) -> SoftToken:
    return SoftToken(bytes.fromhex(str(row["idm"])), bytes.fromhex(str(row["system"])))


def _card(row: Mapping[str, object], state: StateFile) -> SoftCard:
    serial, keys = int(str(row["serial"])), row["keys"]
    if not isinstance(keys, dict):
        raise TypeError("keys is an object")
    purse = int(str(row["purse"])) if "purse" in row else None
    own = {role: bytes.fromhex(keys[role.value]) for role in Role if role.value in keys}
    secrets = (
        Secrets.of(auth=own[Role.AUTH], tmac_key=own[Role.TMAC]) if purse is None else Secrets.all_of(own)
    )
    return SoftCard(
        bytes.fromhex(str(row["uid"])),
        secrets,
        state.last(serial, Eeprom(bytes.fromhex(str(row["info"])), purse=purse)),
        on_commit=lambda eeprom: state.keep(serial, eeprom),
    )


def read_plan(path: Path, ports: Iterable[int], serials: Iterable[int]) -> tuple[Presentation, ...]:
    """Return the plan of lines `{"at": ISO, "port": n, "card": serial, "fault": null | "tear" | …}`, in order."""
    known_ports, known_cards = set(ports), set(serials)
    plan = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            at = datetime.fromisoformat(row["at"])
            fault = row.get("fault")
            presentation = Presentation(
                at, row["port"], row["card"], None if fault is None else _FAULTS[fault]
            )
        except (ValueError, KeyError, TypeError) as error:
            raise FileFormatError(f"{path}:{number}: {error!r}") from error
        if (
            presentation.port not in known_ports
            or presentation.serial not in known_cards
            or at.tzinfo is None
        ):
            raise FileFormatError(f"{path}:{number}: unknown port or card, or a time without zone")
        plan.append(presentation)
    return tuple(plan)


def write_report(path: Path, cards: Mapping[int, SoftCard | SoftToken], tally: Tally) -> None:
    """Write what the cards themselves know, for a comparison with the books, in one rename."""
    report = {
        "cards": [
            {"serial": serial, "uid": card.uid.hex(), "tmc": card.eeprom.tmc}
            for serial, card in sorted(cards.items())
            if isinstance(card, SoftCard)
        ],
        "presented": tally.presented,
        "committed": tally.committed,
        "torn": tally.torn,
        "read_only": tally.read_only,
        "unserved": tally.unserved,
    }
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps(report, indent=1) + "\n")
    os.replace(partial, path)  # noqa: PTH105 - says that it is the atomic one
