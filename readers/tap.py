"""One presentation of one card, from the field to the light: INTENT on disk before the card commits, DONE before green.

Nothing a card does comes out of here as an exception: it ends in an amber or a red light. What does come out is
the reader's own trouble (JournalError, FieldLostError): then the light is red and the reader out of service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, assert_never

from access.rules.actionlist import REASON, Action, ActionKind
from kernel.ids import uuid7_time
from kernel.wire.tap import Decision, Phase, TapRecord
from readers import card, lamp, pay, till
from readers.card import CardChannel, CardError, CardLostError, CardRead, Prepared
from readers.decide import Accept, Reason, Recover, Refused, Repeat, decide
from readers.desk import Desk, blank
from readers.errors import FieldLostError, JournalError
from readers.health import HARMLESS
from readers.lamp import Light, Message, Shown
from readers.laps import Laps, TimedChannel
from readers.pay import FromAccount
from readers.purse import Load
from readers.states import Event

_NO_KEYS: Final[Mapping[int, bytes]] = {}
_LATENCY_MAX: Final = 0xFFFFFFFF


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
            moment=(moment := desk.moment()),
            own_unsent=desk.exposure.of_card(read.info.serial, desk.duty.at(moment.now).purpose),
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
        desk, draft = self._desk, self._draft(read)
        assert desk.bundle is not None, "a bundle was decided by"
        here = desk.duty.at(draft.tapped_at)
        priced = pay.price(
            read.info, here=here, terms=desk.bundle.purse_terms, ailing=bool(set(desk.ailing) - HARMLESS)
        )
        if isinstance(priced, Refused):
            return self._refuse(read, priced.reason)
        action = self._action(read, pays=not isinstance(priced, FromAccount))
        try:
            if isinstance(priced, FromAccount):
                ready: tuple[Prepared, bytes] | Refused = (
                    card.prepare(read, desk.identity.device_id.bytes),
                    b"",
                )
            else:
                load = self._load(read, action)
                ready = till.make_ready(desk, read, priced, here=here, at=draft.tapped_at, load=load)
        except FieldLostError:
            raise
        except Exception as error:  # noqa: BLE001 - a hostile card must never end the daemon
            return self._bad_card(error)
        if isinstance(ready, Refused):
            return self._refuse(read, ready.reason)
        prepared, purse = ready
        self._laps.lap("prepare")
        self._on(Event.ACCEPTED)
        # For an account-based card the pass and the block are the account's: to carry one out is to prove the card here.
        reason = f"{REASON}{action.action_id}" if action and action.kind is not ActionKind.RE_KEY else ""
        draft = self._torn(draft, prepared, purse, reason)
        if action is not None:
            desk.acted[action.action_id] = draft.tmc
        intent = desk.journal.begin(draft)
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
        return self._proven(done, lamp.ACTED[action.kind] if action else lamp.WELCOME[done.purpose])

    def _load(self, read: CardRead, action: Action | None) -> Load | None:
        if action is None or action.kind is not ActionKind.LOAD_PURSE:
            return None
        assert self._desk.bundle is not None, "a bundle was decided by"
        return Load(int(action.detail["amount"]), self._desk.bundle.load_keys[read.info.serial])

    def _action(self, read: CardRead, *, pays: bool) -> Action | None:
        desk, serial = self._desk, read.info.serial
        assert desk.bundle is not None, "a bundle was decided by"
        now = desk.time.now()
        return next(
            (
                one
                for one in desk.bundle.actions.get(serial, ())
                if now < one.until_at
                and (
                    self._may_load(one, read, pays=pays)
                    if one.kind is ActionKind.LOAD_PURSE
                    else pay.may_begin(read.prior_tmc, desk.acted.get(one.action_id))
                )
            ),
            None,
        )

    def _may_load(self, action: Action, read: CardRead, *, pays: bool) -> bool:
        desk = self._desk
        assert desk.bundle is not None, "a bundle was decided by"
        return (
            pays
            and read.info.serial in desk.bundle.load_keys
            and pay.may_load(
                action,
                device_id=desk.identity.device_id,
                began_at=uuid7_time(desk.journal.journal_id),
                prior_tmc=read.prior_tmc,
                done_at=desk.acted.get(action.action_id),
            )
        )

    def _recover(self, read: CardRead, torn: TapRecord) -> Shown:
        desk = self._desk
        try:
            paid_here = not torn.purse or till.is_paid(read, torn)
        except FieldLostError:
            raise
        except Exception as error:  # noqa: BLE001 - a hostile card must never end the daemon
            return self._bad_card(error)
        if not paid_here:
            # Another reader's tap has the counter, and the read is spent: the next presentation begins anew.
            desk.memory.drop(torn)
            self._on(Event.CARD_BAD)
            return self._end(self.show(lamp.TRY_AGAIN, reason="another_tap"))
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
        desk.exposure.note(record)
        return self._end(shown)

    def _refuse(self, read: CardRead, reason: Reason) -> Shown:
        desk = self._desk
        record = desk.journal.append(self._draft(read, reason))
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
            money=till.money_of(tap, self._desk.config.device.zone)
            if tap and message.light is Light.GREEN
            else None,
            timing_ms=self._laps.timing(),
        )
        self._desk.lamp.show(shown)
        return shown

    def _end(self, shown: Shown) -> Shown:
        self._on(Event.SHOWN)
        return shown

    def _latency_ms(self) -> int:
        return min(round(self._laps.total_ms()), _LATENCY_MAX)

    def _draft(self, read: CardRead, reason: str = "") -> TapRecord:
        return replace(
            blank(self._desk, self._desk.moment(), latency_ms=self._latency_ms()),
            uid=read.uid,
            card_serial=read.info.serial,
            key_generation=read.info.key_generation,
            prior_tmc=read.prior_tmc,
            prior_tmv=read.prior_tmv,
            reason=str(reason),
            data_read=read.data_read,
        )

    def _torn(self, draft: TapRecord, prepared: Prepared, purse: bytes, reason: str) -> TapRecord:
        return replace(
            draft,
            phase=Phase.TORN,
            tmc=prepared.expected_tmc,
            enc_tmri=prepared.enc_tmri,
            latency_ms=self._latency_ms(),
            reason=reason,
            purse=purse,
        )


def _words(error: Exception) -> str:
    return error.reason if isinstance(error, CardError) else type(error).__name__
