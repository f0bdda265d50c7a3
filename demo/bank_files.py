"""What files the demo's bank writes of its movements, with faults on demand. Imports no house, as bank_wire.

format   camt.053.02, camt.053.04, camt.053.08, camt.054.08, mt940 or provider.csv
day      the bank's day, ISO; without it all movements as one statement
missing  a reference that the file leaves out; repeat with commas
twice    a reference that the file has twice
amount   REFERENCE:MINOR, the amount that the file says instead
fold     1: descriptions in capitals, glued and wrapped
closing  another closing balance than the movements come to: the file does not balance
contradict 1: the first movement 9,000 larger than another file of the day said, and balanced
"""

from datetime import date
from typing import Any

from demo.bank_statements import booked_on, camt, mt940, provider_csv
from demo.bank_wire import RefusedError, as_banks_write

FORMATS = ("camt.053.02", "camt.053.04", "camt.053.08", "camt.054.08", "mt940", "provider.csv")


def write_file(movements: list[dict[str, Any]], account: str, opening: int, asked: dict[str, str]) -> bytes:
    """The bytes of one file; RefusedError for a format that nobody writes."""
    kind = asked.get("format", "camt.053.08")
    if kind not in FORMATS:
        raise RefusedError(f"no format {kind}; there are {', '.join(FORMATS)}")
    day = date.fromisoformat(asked["day"]) if asked.get("day") else None
    begins = opening + sum(m["amount"] for m in movements if day is not None and booked_on(m) < day)
    told = _faulty([m for m in movements if day is None or booked_on(m) == day], asked)
    if kind == "provider.csv":
        listed = [one | {"id": f"{account}/{one['reference']}"} for one in told]
        return provider_csv(listed, payout=asked.get("payout", ""))
    days = sorted({booked_on(one) for one in told}) or ([day] if day else [])
    if not days:
        raise RefusedError("nothing was booked")
    statement: dict[str, Any] = {
        "id": f"STMT-{days[-1]:%Y%m%d}",
        "sequence": days[-1].toordinal(),
        "account": account,
        "opening": begins,
        "day": days[-1].isoformat(),
        "movements": told,
    }
    if asked.get("closing"):
        statement["closing"] = int(asked["closing"])
    if kind == "mt940":
        return mt940([statement], envelope=True)
    _, message, version = kind.split(".")
    return camt([statement], message=message, version=version, name=statement["id"])


def _faulty(movements: list[dict[str, Any]], asked: dict[str, str]) -> list[dict[str, Any]]:
    missing = set(asked.get("missing", "").split(","))
    twice = set(asked.get("twice", "").split(",")) - {""}
    reference, _, minor = asked.get("amount", "").partition(":")
    told: list[dict[str, Any]] = []
    for number, one in enumerate(movements):
        if one["reference"] in missing:
            continue
        said = dict(one)
        if one["reference"] == reference:
            said["amount"] = int(minor)
        if asked.get("contradict") and number == 0:
            said["amount"] += 9_000
        if asked.get("fold"):
            said["description"] = as_banks_write(said["description"], f"{number:06d}")
        told += [said, said] if one["reference"] in twice else [said]
    return told
