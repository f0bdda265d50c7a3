"""One tap's money: the purse is read, what it pays or gets back is decided, and the transaction is made ready."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from access.rules.mac import purse_of
from kernel.wire.purse import encode_purse
from kernel.wire.tap import Purpose, TapRecord
from kernel.wire.trips import decode_trips, encode_trips
from readers import pay, purse
from readers.card import CardRead, Prepared
from readers.decide import Reason, Refused
from readers.desk import Desk
from readers.lamp import Money
from readers.pay import ByTrips, Move, Pay
from readers.purse import Load, PurseRead
from readers.validator import Situation


def make_ready(
    desk: Desk, read: CardRead, priced: Pay | ByTrips, *, here: Situation, at: datetime, load: Load | None
) -> tuple[Prepared, bytes] | Refused:
    """Return the payment made ready and what the record tells of it, or why the purse does not pay; CardError."""
    assert desk.bundle is not None, "a bundle was decided by"
    held = purse.begin(read, desk.bundle.debit_keys)
    if isinstance(priced, Pay):
        paid, returned, trips = priced.amount, 0, b""
    else:
        held = purse.read_trips(held)
        move = pay.settle(
            read.info, decode_trips(held.trips), here=here, at=at, terms=desk.bundle.purse_terms
        )
        if isinstance(move, Refused):
            return move
        paid, returned, trips = move.paid, _returned(held, move), encode_trips(move.trips)
    after = held.before + (load.amount if load else 0) - paid + returned
    if after < 0:
        return Refused(Reason.PURSE_SHORT)
    reader_id = desk.identity.device_id.bytes
    log = purse.log_record(at, paid, after, reader_id)
    prepared, moved = purse.prepare(
        held, reader_id, amount=paid, record=log, load=load, returned=returned, trips=trips
    )
    return prepared, encode_purse(moved)


def _returned(held: PurseRead, move: Move) -> int:
    # Another payment since then has ended what the card gives back: the rest stays the account's.
    return min(move.returned, purse.read_limit(held)) if move.returned else 0


def is_paid(read: CardRead, torn: TapRecord) -> bool:
    """Return whether the newest payment in the card's log is this torn tap's: its device, second and sums; CardError."""
    move = purse_of(torn)
    return move is not None and purse.read_last_record(read) == move.record


def money_of(tap: TapRecord, zone: ZoneInfo) -> Money | None:
    """Return what the light tells of a tap's money; None where no purse was asked."""
    move = purse_of(tap)
    if move is None:
        return None
    told = Money(fare=move.paid, balance=move.after, as_of=f"{tap.tapped_at.astimezone(zone):%H:%M}")
    if not move.trips_read:
        return told
    before = decode_trips(move.trips_read)
    after = decode_trips(move.trips_written or move.trips_read)
    if after.ride is not None and after.ride != before.ride:
        return replace(told, held=after.ride.held)
    if before.ride is not None and after.ride is None:
        return replace(told, fare=before.ride.held - move.returned if before.ride.held else None)
    return told if move.paid or tap.purpose is Purpose.PARK_OUT else replace(told, fare=None)
