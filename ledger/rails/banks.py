"""Bank identification numbers of Vietnam, from a dated data file beside this module.

`banks.csv` lists the numbers issued until 2023-12-31 (State Bank letter 1589/NHNN-TT of 2024-03-05). A bank it does
not know may simply be newer: an unknown number is a warning, never a refusal. One published BIC (970414) is of
another country and is left out.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from ledger.rails.fold import squeeze


@dataclass(frozen=True, slots=True)
class Bank:
    """One bank: its six-digit number, the short name on QR posters, its registered name, and its BIC if known."""

    bin: str
    short_name: str
    name: str
    bic: str
    listed_until: date
    source: str


@cache
def banks() -> Mapping[str, Bank]:
    """Return the list by bank number, read once."""
    text = files("ledger.rails").joinpath("banks.csv").read_text("utf-8")
    listed = {
        row["bin"]: Bank(
            bin=row["bin"],
            short_name=row["short_name"],
            name=row["name"],
            bic=row["bic"],
            listed_until=date.fromisoformat(row["listed_until"]),
            source=row["source"],
        )
        for row in csv.DictReader(text.splitlines())
    }
    return MappingProxyType(listed)


def find_bank(number: str) -> Bank | None:
    """Return the bank of a six-digit number, or None when the list does not have it."""
    return banks().get(number)


def list_banks_named(words: str) -> tuple[Bank, ...]:
    """Return the banks whose short or registered name contains `words`, marks, case and spaces aside."""
    wanted = squeeze(words)
    if not wanted:
        return ()
    return tuple(
        bank for bank in banks().values() if wanted in squeeze(bank.short_name) + " " + squeeze(bank.name)
    )
