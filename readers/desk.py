"""What a presentation needs at hand, and the record that every one of them begins with."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from access.rules.qr import ReplayWindow
from kernel.clock import Clock
from kernel.wire.shown import NO_UID
from kernel.wire.tap import NO_HASH, NO_TMV, Decision, Phase, TapRecord
from readers.bundle import Bundle
from readers.config import Config
from readers.decide import Moment
from readers.exposure import Exposure
from readers.gate import Gate
from readers.identity import Identity
from readers.journal import Journal
from readers.lamp import Lamp
from readers.memory import Memory
from readers.states import Machine
from readers.timekeeping import Timekeeper
from readers.validator import DutyBook


@dataclass(slots=True, kw_only=True)
class Desk:
    """What a tap needs at hand. The daemon replaces `journal`, `memory` and `bundle` between taps."""

    config: Config
    identity: Identity
    clock: Clock
    time: Timekeeper
    duty: DutyBook
    lamp: Lamp
    gate: Gate
    machine: Machine
    journal: Journal
    memory: Memory
    bundle: Bundle | None = None
    unsent: int = 0
    exposure: Exposure = field(default_factory=Exposure)
    ailing: tuple[str, ...] = ()
    """Why the reader is DEGRADED; then no purse pays here, unless it is only slow."""
    acted: dict[UUID, int] = field(default_factory=dict)
    """Actions begun here, by the card's counter of that transaction."""
    codes: ReplayWindow = field(default_factory=ReplayWindow)
    """QR codes and vouchers that were taken here: each once."""

    def acknowledge(self, chained_up_to: int) -> None:
        """Know that the server has the journal's records up to this sequence."""
        self.unsent = max(0, self.journal.head.sequence - chained_up_to)
        self.exposure.acknowledge(chained_up_to)

    def moment(self) -> Moment:
        """Return when, and in what condition, the reader decides."""
        return Moment(
            now=self.time.now(),
            monotonic_ms=self.clock.monotonic_ms(),
            clock_state=self.time.state(),
            zone=self.config.device.zone,
            unsent=self.unsent,
        )


def blank(desk: Desk, moment: Moment, *, latency_ms: int) -> TapRecord:
    """Return a record of this reader, place and moment that names nobody yet; the journal numbers and chains it."""
    assert desk.bundle is not None, "without a bundle there is no key to authenticate a card with"
    here = desk.duty.at(moment.now)
    return TapRecord(
        device_id=desk.identity.device_id,
        key_id=desk.identity.key_id,
        journal_id=desk.journal.journal_id,
        sequence=0,
        previous_hash=NO_HASH,
        tapped_at=moment.now,
        monotonic_ms=moment.monotonic_ms,
        clock_state=moment.clock_state,
        purpose=here.purpose,
        phase=Phase.REFUSED,
        decision=Decision.REFUSE,
        direction=here.direction,
        deny_version=desk.bundle.denied.version,
        uid=NO_UID,
        card_serial=0,
        key_generation=0,
        tmc=0,
        tmv=NO_TMV,
        enc_tmri=bytes(16),
        reader_id=desk.identity.device_id.bytes,
        prior_tmc=0,
        prior_tmv=NO_TMV,
        latency_ms=latency_ms,
        reason="",
        place=here.place,
        stop_id=here.stop_id,
        route_id=here.route_id,
        trip_id=here.trip_id,
        vehicle_class=here.vehicle_class,
        tariff_version=desk.bundle.tariff_version,
        data_read=b"",
    )
