"""A tap as the businesses read it: accepted evidence, without the holder's identifiers."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from access.rules.medium import MediumKind
from kernel.clock import micros
from kernel.ids import CardId, DeviceId, FareAccountId, JournalId, TapId, uuid8
from kernel.wire.cardinfo import Concession
from kernel.wire.tap import ClockState, Phase, Purpose


class Tap(NamedTuple):
    """One stored tap of a known medium; a named tuple, because an upload makes thousands.

    `counter` is the card's own, 0 for media without one. `mac_valid`: the card itself proved it, or a code's signature
    or our voucher stands behind it; nothing else is ever charged (§8.13). `proven_torn`: the rider saw no
    green, and the card's next tap anywhere proves that the card had committed: evidence at 0 (§8.14).
    """

    tap_id: TapId
    card_id: CardId
    fare_account_id: FareAccountId
    device_id: DeviceId
    journal_id: JournalId
    sequence: int
    counter: int
    tapped_at: datetime
    received_at: datetime
    clock_state: ClockState
    purpose: Purpose
    phase: Phase
    operator_id: str
    place: str
    stop_id: str
    route_id: str
    trip_id: str
    direction: int
    vehicle_class: str
    concession: Concession
    tariff_version: str
    mac_valid: bool
    proven_torn: bool
    kind: MediumKind

    @property
    def order(self) -> tuple[int, bytes, bytes, int]:
        """Return the key by which one medium's taps sort: a card's by its counter, the others by their time (§8.3)."""
        return (
            self.counter or micros(self.tapped_at),
            self.device_id.bytes,
            self.journal_id.bytes,
            self.sequence,
        )


def tap_id(device_id: UUID, journal_id: UUID, sequence: int) -> TapId:
    """Return the id of the record at this place of this journal: a re-send computes the same one."""
    return TapId(uuid8(device_id, journal_id, sequence))
