"""Software cards brought to antennas after a plan, one thread to an antenna, until each presentation is done."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto

from kernel.clock import Clock, stopwatch
from readers.frontend import Emulation, Ended
from readers.softcard.card import CardLeftError, Eeprom, Fault, SoftCard
from readers.softcard.felica import SoftToken
from readers.softcard.isodep import ATS, HOSTILE_ATS, IsoDepTarget

_LISTEN_S = 0.5
# How long a rider holds the card there: after a commit, and after the last command when there was none.
_LINGER_S = 0.02
_STAY_S = 1.0
_HOSTILE_STAY_S = 0.5
# A card that a reader read and let go uncommitted (refused, recovered, inspected) is shown twice, a moment apart as
# a rider would: once can be a reader that lost patience.
_LET_GO = 2
_AWAY_S = 0.4
# How long a FeliCa token is held there once it was polled: until its rider has seen the light.
_HELD_S = 1.0


@dataclass(frozen=True, slots=True)
class Presentation:
    """One card held to one antenna at a world time, with what it does wrong there."""

    at: datetime
    port: int
    serial: int
    fault: Fault | None = None


class Outcome(Enum):
    """How a presentation ended. READ_ONLY: the reader wanted no transaction (refused, recovered, inspected)."""

    COMMITTED = auto()
    READ_ONLY = auto()
    FAULTED = auto()
    UNSERVED = auto()


@dataclass(slots=True)
class Tally:
    """What happened so far; `torn` counts transactions whose answer was lost or whose command was."""

    presented: int = 0
    committed: int = 0
    read_only: int = 0
    torn: int = 0
    unserved: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, outcome: Outcome, fault: Fault | None) -> None:
        """Add one finished presentation."""
        with self._lock:
            self.presented += 1
            self.committed += outcome is Outcome.COMMITTED
            self.read_only += outcome is Outcome.READ_ONLY
            self.unserved += outcome is Outcome.UNSERVED
            self.torn += outcome is Outcome.FAULTED and fault in (Fault.TEAR_BEFORE, Fault.TEAR_AFTER)


class Antenna:
    """One udp port, and the way a card stays in its field until it is done."""

    def __init__(self, emulation: Emulation, *, patience_s: float = 30.0) -> None:
        self._emulation = emulation
        self._patience_s = patience_s

    def present(self, card: SoftCard | SoftToken, fault: Fault | None) -> Outcome:
        """Hold the card to the reader and return how it ended.

        Without a fault: until the card has committed, or was read and let go twice; a FeliCa token for a second since it
        was polled. With one: until it struck. UNSERVED when the reader did not come that far in the antenna's patience.
        """
        if isinstance(card, SoftToken):
            return self._hold(card, fault)
        with card.lock:
            before = card.eeprom.tmc
            card.fault = fault
            self._emulation.drain()
            try:
                return self._stay(card, before)
            finally:
                card.power_off()
                card.fault = None

    def _hold(self, token: SoftToken, fault: Fault | None) -> Outcome:
        with token.lock:
            token.power_off()
            token.fault = fault
            self._emulation.drain()
            start, look_s = stopwatch(), min(_LISTEN_S, self._patience_s)
            try:
                while not token.answered and stopwatch() - start < self._patience_s:
                    self._emulation.answer_felica(token.answer, look_s)
                if not token.answered:
                    return Outcome.UNSERVED
                self._emulation.answer_felica(token.answer, _HELD_S)
                return Outcome.READ_ONLY if fault is None else Outcome.FAULTED
            finally:
                token.power_off()
                token.fault = None

    def _stay(self, card: SoftCard, before: int) -> Outcome:
        start = stopwatch()
        let_go = 0
        while stopwatch() - start < self._patience_s:
            hostile = card.fault in (Fault.HOSTILE_ATS, Fault.GARBAGE)
            if hostile and stopwatch() - start > _HOSTILE_STAY_S:
                return Outcome.FAULTED
            rats = self._emulation.activated(card.shown_uid, _LISTEN_S)
            if rats is None:
                continue
            card.power_off()
            struck, dismissed = self._serve(card, rats, before)
            if struck:
                return Outcome.FAULTED
            if card.eeprom.tmc > before:
                return Outcome.COMMITTED
            if dismissed and card.finished_reading and not card.asked_to_commit:
                let_go += 1
                if let_go == _LET_GO:
                    return Outcome.READ_ONLY
                threading.Event().wait(_AWAY_S)
                self._emulation.drain()
        return Outcome.UNSERVED

    def _serve(self, card: SoftCard, rats: bytes, before: int) -> tuple[bool, bool]:
        """Return whether the fault struck, and whether the exchange is over.

        A reader that waits for the card to leave keeps its field on: then the rider's own leaving ends it.
        """
        leaves_at = stopwatch() + _STAY_S

        def answer(apdu: bytes) -> bytes:
            nonlocal leaves_at
            reply = card.answer(apdu)
            leaves_at = stopwatch() + (_LINGER_S if card.eeprom.tmc > before else _STAY_S)
            return reply

        target = IsoDepTarget(
            answer,
            ats=HOSTILE_ATS if card.fault is Fault.HOSTILE_ATS else ATS,
            waits=1 if card.fault is Fault.SLOW else 0,
        )
        try:
            ended = self._emulation.serve(target, rats, silence_s=lambda: leaves_at - stopwatch())
        except CardLeftError:
            return True, False
        return card.fault in (
            Fault.WRONG_MAC,
            Fault.STALE,
        ), ended is not Ended.ASKED_ANEW or target.deselected

    def close(self) -> None:
        """Release the port."""
        self._emulation.close()


class FieldServer:
    """All antennas of a place, the cards that go from one to another, and the plan they follow.

    A card's presentations happen in the plan's order, wherever they are; so do an antenna's.
    """

    def __init__(
        self,
        cards: Mapping[int, SoftCard | SoftToken],
        antennas: Mapping[int, Antenna],
        plan: Iterable[Presentation],
        clock: Clock,
        *,
        on_done: Callable[[Presentation, Outcome], None] | None = None,
    ) -> None:
        self.tally = Tally()
        self._cards = cards
        self._antennas = antennas
        self._clock = clock
        self._on_done = on_done
        self._queues: dict[int, list[Presentation]] = {port: [] for port in antennas}
        self._turns: dict[int, deque[Presentation]] = {serial: deque() for serial in cards}
        self._turn = threading.Condition()
        for presentation in plan:
            self._queues[presentation.port].append(presentation)
            self._turns[presentation.serial].append(presentation)

    def start(self) -> tuple[threading.Thread, ...]:
        """Return the running threads, one to an antenna; they end with their part of the plan."""
        threads = tuple(
            threading.Thread(target=self._run, args=(port,), name=f"antenna-{port}", daemon=True)
            for port in self._antennas
        )
        for thread in threads:
            thread.start()
        return threads

    def _run(self, port: int) -> None:
        for presentation in self._queues[port]:
            turns = self._turns[presentation.serial]
            with self._turn:
                self._turn.wait_for(lambda turns=turns, mine=presentation: turns[0] is mine)  # type: ignore[misc]
            self._clock.sleep_until(presentation.at)
            outcome = self._antennas[port].present(self._cards[presentation.serial], presentation.fault)
            self.tally.count(outcome, presentation.fault)
            if self._on_done is not None:
                self._on_done(presentation, outcome)
            with self._turn:
                turns.popleft()
                self._turn.notify_all()

    def eeproms(self) -> dict[int, Eeprom]:
        """Return each card's committed state by serial; FeliCa tokens keep none."""
        return {serial: card.eeprom for serial, card in self._cards.items() if isinstance(card, SoftCard)}
