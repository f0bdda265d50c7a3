"""One presentation of one card, from the field to the light: INTENT on disk before the card commits, DONE before green.

Nothing a card does comes out of here as an exception: it ends in an amber or a red light. What does come out is
the reader's own trouble (JournalError, FieldLostError): then the light is red and the reader out of service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, assert_never
from uuid import UUID

from access.rules.actionlist import REASON, Action, ActionKind
from access.rules.qr import ReplayWindow
from kernel.clock import Clock
from kernel.wire.shown import NO_UID
from kernel.wire.tap import NO_HASH, NO_TMV, Decision, Phase, TapRecord
from readers import card, lamp
from readers.bundle import Bundle
from readers.card import CardChannel, CardError, CardLostError, CardRead, Prepared
from readers.config import Config
from readers.decide import Accept, Moment, Reason, Recover, Refused, Repeat, decide
from readers.errors import FieldLostError, JournalError
from readers.gate import Gate
from readers.identity import Identity
from readers.journal import Journal
from readers.lamp import Lamp, Message, Shown
from readers.laps import Laps, TimedChannel
from readers.memory import Memory
from readers.states import Event, Machine
from readers.timekeeping import Timekeeper
from readers.validator import DutyBook

_NO_KEYS: Final[Mapping[int, bytes]] = {}
_LATENCY_MAX: Final = 0xFFFFFFFF


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
    acted: set[UUID] = field(default_factory=set)
    """Actions carried out by this run; the server hears of one twice without harm."""
    codes: ReplayWindow = field(default_factory=ReplayWindow)
    """QR codes and vouchers that were taken here: each once."""

    def moment(self) -> Moment:
        """Return when, and in what condition, the reader decides."""
        return Moment(
            now=self.time.now(),
            monotonic_ms=self.clock.monotonic_ms(),
            clock_state=self.time.state(),
            zone=self.config.device.zone,
            unsent=self.unsent,
        )


def tap(desk: Desk, channel: CardChannel) -> Shown:
    """Return the light that was shown for the card in the channel; the machine stands at WAIT_REMOVAL.

    JournalError and FieldLostError mean that the reader itself broke: the light was red, the machine stands at
    OUT_OF_SERVICE.
    """
    timed = TimedChannel(channel)
    visit = _Visit(desk, timed)
    desk.machine.on(Event.CARD_SEEN)
    desk.machine.on(Event.ACTIVATED)
    try:
        return visit.run()
    except (JournalError, FieldLostError) as error:
        visit.show(lamp.OUT_OF_SERVICE, reason=type(error).__name__)
        desk.machine.on(Event.BROKEN)
        raise


class _Visit:
    def __init__(self, desk: Desk, channel: TimedChannel) -> None:
        self._desk, self._channel, self._on = desk, channel, desk.machine.on
        self._laps = Laps(channel)

    def run(self) -> Shown:
        read = self._read()
        if not isinstance(read, CardRead):
            return read
        desk = self._desk
        verdict = decide(
            info=read.info,
            prior_tmc=read.prior_tmc,
            bundle=desk.bundle,
            seen=desk.memory.find(read.info.serial),
            moment=desk.moment(),
        )
        self._laps.lap("decide")
        match verdict:
            case Refused(reason):
                return self._refuse(read, reason)
            case Repeat(done):
                self._on(Event.REPEATED)
                shown = self.show(lamp.RECOVERED, tap=done)
                desk.memory.shown(done)
                desk.gate.open_for(done)
                return self._end(shown)
            case Recover(torn):
                return self._recover(read, torn)
            case Accept():
                return self._accept(read)
            case _:
                assert_never(verdict)

    def _read(self) -> CardRead | Shown:
        bundle = self._desk.bundle
        try:
            read = card.begin(self._channel, bundle.auth_keys if bundle else _NO_KEYS)
        except FieldLostError:
            raise
        except Exception as error:  # noqa: BLE001 - a hostile card must never end the daemon
            return self._bad_card(error)
        self._laps.lap("read")
        self._on(Event.AUTHENTICATED)
        self._on(Event.CARD_READ)
        return read

    def _accept(self, read: CardRead) -> Shown:
        desk = self._desk
        try:
            prepared = card.prepare(read, desk.identity.device_id.bytes)
        except FieldLostError:
            raise
        except Exception as error:  # noqa: BLE001 - a hostile card must never end the daemon
            return self._bad_card(error)
        self._laps.lap("prepare")
        self._on(Event.ACCEPTED)
        action = self._action(read.info.serial)
        # For an account-based card the pass and the block are the account's: to carry one out is to prove the card here.
        reason = f"{REASON}{action.action_id}" if action and action.kind is not ActionKind.RE_KEY else ""
        intent = desk.journal.begin(self._draft(read, prepared, reason=reason))
        self._laps.lap("intent")
        self._on(Event.INTENT_SAVED)
        try:
            committed = card.commit(prepared)
        except FieldLostError:
            desk.memory.note(desk.journal.tear(intent))
            raise
        except Exception as error:  # noqa: BLE001 - whatever came instead of an answer, the answer is lost
            self._laps.lap("commit")
            torn = desk.journal.tear(intent)
            desk.memory.note(torn)
            self._on(Event.TORN)
            return self._end(self.show(lamp.TRY_AGAIN, tap=torn, reason=_words(error)))
        self._laps.lap("commit")
        self._on(Event.COMMITTED)
        done = desk.journal.finish(
            intent, tmc=committed.tmc, tmv=committed.tmv, latency_ms=self._latency_ms()
        )
        self._laps.lap("done")
        if action is not None:
            desk.acted.add(action.action_id)
        return self._proven(done, lamp.ACTED[action.kind] if action else lamp.WELCOME[done.purpose])

    def _action(self, serial: int) -> Action | None:
        desk = self._desk
        waiting = desk.bundle.actions.get(serial, ()) if desk.bundle is not None else ()
        now = desk.time.now()
        return next((one for one in waiting if now < one.until_at and one.action_id not in desk.acted), None)

    def _recover(self, read: CardRead, torn: TapRecord) -> Shown:
        desk = self._desk
        self._on(Event.RECOVERED)
        moment = desk.moment()
        record = replace(
            torn,
            phase=Phase.RECOVERED,
            decision=Decision.ACCEPT,
            tmv=read.prior_tmv,
            tapped_at=moment.now,
            monotonic_ms=moment.monotonic_ms,
            clock_state=moment.clock_state,
            key_id=desk.identity.key_id,
            latency_ms=self._latency_ms(),
        )
        recovered = desk.journal.append(record)
        self._laps.lap("done")
        return self._proven(recovered, lamp.RECOVERED)

    def _proven(self, record: TapRecord, message: Message) -> Shown:
        desk = self._desk
        self._on(Event.DONE_SAVED)
        shown = self.show(message, tap=record)
        desk.gate.open_for(record)
        desk.memory.note(record)
        return self._end(shown)

    def _refuse(self, read: CardRead, reason: Reason) -> Shown:
        desk = self._desk
        record = desk.journal.append(self._draft(read, None, reason=reason))
        self._laps.lap("done")
        self._on(Event.REFUSED)
        return self._end(self.show(lamp.REFUSALS[reason], tap=record, reason=reason.value))

    def _bad_card(self, error: Exception) -> Shown:
        # There is no CardInfo to put on record; the light and the heartbeat's count are all there is to say.
        self._on(Event.CARD_BAD)
        message = lamp.TRY_AGAIN if isinstance(error, CardLostError) else lamp.NOT_READABLE
        return self._end(self.show(message, reason=_words(error)))

    def show(self, message: Message, *, tap: TapRecord | None = None, reason: str = "") -> Shown:
        shown = Shown(
            at=self._desk.clock.now(),
            message=message,
            phase=tap.phase.name if tap else "",
            reason=reason,
            sequence=tap.sequence if tap else 0,
            card=tap.card_serial if tap else 0,
            timing_ms=self._laps.timing(),
        )
        self._desk.lamp.show(shown)
        return shown

    def _end(self, shown: Shown) -> Shown:
        self._on(Event.SHOWN)
        return shown

    def _latency_ms(self) -> int:
        return min(round(self._laps.total_ms()), _LATENCY_MAX)

    def _draft(self, read: CardRead, prepared: Prepared | None, *, reason: str = "") -> TapRecord:
        return replace(
            blank(self._desk, self._desk.moment(), latency_ms=self._latency_ms()),
            phase=Phase.TORN if prepared else Phase.REFUSED,
            uid=read.uid,
            card_serial=read.info.serial,
            key_generation=read.info.key_generation,
            tmc=prepared.expected_tmc if prepared else 0,
            enc_tmri=prepared.enc_tmri if prepared else bytes(16),
            prior_tmc=read.prior_tmc,
            prior_tmv=read.prior_tmv,
            reason=str(reason),
            data_read=read.data_read,
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


def _words(error: Exception) -> str:
    return error.reason if isinstance(error, CardError) else type(error).__name__
