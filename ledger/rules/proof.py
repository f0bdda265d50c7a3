"""What a proof finds and how it reports."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FaultKind(Enum):
    """What is wrong with a row that `prove` names."""

    LINE_CHANGED = "line changed after sealing"
    LINE_MISSING = "line deleted after sealing"
    LINE_ADDED = "line added after sealing"
    LINE_BROKEN = "line is not whole"
    CHUNK = "seal chunk"
    SEAL = "seal"
    SEAL_CHAIN = "chain of seals"
    SIGNATURE = "signature of a seal"
    SEAL_KEY = "key of a seal"
    BALANCE = "balance"
    PENDING = "held amount"
    ROLLUP = "roll-up"
    CONTROL = "control sum"
    CLOSING = "closing"
    ACCOUNT = "account"
    REGISTER = "register of derived ids"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Fault:
    """One row that is wrong: what, which (its key), what it should be and what is there."""

    kind: FaultKind
    where: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.where}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True, slots=True)
class Step:
    """One finished part of a proof: its name, how many rows it looked at, what it found, how far all is."""

    name: str
    rows: int
    faults: tuple[Fault, ...]
    done: int
    total: int
