"""What stored-value cards held is written down, and compared with what the taps around it say (§8.13)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from access.cases import CaseKind
from access.intake.batch import Batch
from access.intake.examine import CLAIMING, Seen
from access.rules.held import held_of
from access.store import evidence, held
from access.store.evidence import HeldRow, Proven


def keep_held(tx: Connection, batch: Batch, seen: Sequence[Seen], proven: Sequence[Proven]) -> None:
    """Store what these records' cards held, and note a case for each that another tap of the card contradicts.

    A purse or a file 05 that is not what the card's tap before left there, where every tap between is known: one that
    is missing may have changed it, and is judged when it comes. `proven` are the torn taps that these records prove.
    """
    rows = [row for one in seen if one.finding.reason in CLAIMING and (row := _row(one)) is not None]
    evidence.copy_in(tx, rows)
    changed = {(row.card_id, row.counter) for row in rows if row.torn_tmv is None}
    changed |= {(each.card_id, each.counter) for each in proven}
    if not changed:
        return
    for kind, found in (
        (CaseKind.PURSE_CHAIN, held.list_purse_breaks(tx, changed)),
        (CaseKind.TRIPS_CHAIN, held.list_trips_breaks(tx, changed)),
    ):
        for each in found:
            subject = f"card:{each.card_id}:{each.counter}"
            batch.suspect(kind, subject, str(each.tap_id), each.card_id, device_id=each.device_id)
    for load in held.list_odd_loads(tx, changed):
        subject = f"card:{load.card_id}:{load.action_id or load.counter}"
        batch.suspect(
            CaseKind.LOAD_MISMATCH, subject, str(load.tap_id), load.card_id, device_id=load.device_id
        )


def _row(seen: Seen) -> HeldRow | None:
    if seen.proof is None and seen.torn is None:
        return None
    found = held_of(seen.record)
    if found is None:
        return None
    return HeldRow(
        seen.card_id,
        seen.record.tmc,
        seen.tap_id,
        seen.record.device_id,
        None if seen.proof else seen.torn,
        found.purse[0] if found.purse else None,
        found.purse[1] if found.purse else None,
        found.trips[0] if found.trips else None,
        found.trips[1] if found.trips else None,
        found.loaded,
        found.action,
    )
