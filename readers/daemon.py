"""The reader's loop: self-test, wait for a card, one tap, wait for its removal, tidy up while nobody is there."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Final

from access.rules.qr import LIVES
from kernel.clock import clock_from, stopwatch
from kernel.errors import DomainError
from readers import lamp as lights
from readers.antenna import Antenna, Field
from readers.bundle import Bundle, load_bundle
from readers.config import Config
from readers.desk import Desk
from readers.errors import BundleError, ConfigError, FieldLostError, JournalError
from readers.gate import Gate
from readers.health import Tally, describe_bundle, describe_journal, examine, free_mb
from readers.identity import load_identity, locked, write_private
from readers.keeper import Keeper
from readers.lamp import Lamp, Shown, sinks_of
from readers.links import Links
from readers.notify import tell_systemd
from readers.pace import Pace
from readers.scan import remember, scan
from readers.served import served
from readers.states import Event, Machine, State
from readers.timekeeping import Timekeeper
from readers.validator import DutyBook

STATUS_FILE: Final = "status.json"
MAINTENANCE_FILE: Final = "maintenance"
_TOLD: Final = frozenset({State.IDLE, State.DEGRADED, State.OUT_OF_SERVICE, State.MAINTENANCE})
_TIDY_EVERY_S: Final = 1.0
_TIDY_EVERY_TAPS: Final = 100
_REPAIR_MIN_S: Final = 0.2
_REPAIR_MAX_S: Final = 30.0


class Daemon:
    """One reader. `run` returns when `stop` was called; whatever breaks meanwhile is waited out."""

    def __init__(self, config: Config, *, open_field: Callable[[str], Field] | None = None) -> None:
        self.config = config
        self._over = threading.Event()
        self.identity = load_identity(config.state_dir)
        try:
            self.clock = clock_from(config.clock)
        except DomainError as error:
            raise ConfigError(f"{config.file}: clock.text: {error}") from error
        self.time = Timekeeper(self.clock, simulated=config.clock != "system")
        self._duty = DutyBook(config.device)
        self._antenna = Antenna(config.field, open_field)
        self._lock = locked(config.state_dir)
        self.lamp = Lamp(sinks_of(config))
        self.machine = Machine(self._watch)
        self._pace = Pace(warn_ms=config.field.tap_warn_ms)
        self.tally = Tally(self._pace)
        self._gate = Gate(config.gate, clock=self.clock, lamp=self.lamp)
        self._bundle = self._kept_bundle()
        links = Links(
            config,
            identity=self.identity,
            time=self.time,
            held=self._bundle,
            report=self._report,
            noted=self._note,
        )
        self._links, self._errands, self._uplink = links, links.errands, links.uplink
        self._keeper = Keeper(config, device_id=self.identity.device_id, clock=self.time)
        self.desk: Desk | None = None
        self._told = State.BOOT
        self._why: tuple[str, ...] = ()
        self._taps_untidied, self._tidied_at = 0, 0.0
        self._repair_s = _REPAIR_MIN_S

    def _kept_bundle(self) -> Bundle | None:
        try:
            return load_bundle(self.config.state_dir, self.identity)
        except BundleError as error:
            self._note("bundle-refused", {"why": str(error)})
            return None

    def stop(self) -> None:
        """Have `run` return after the tap under way; safe in a signal handler."""
        self._over.set()

    def run(self) -> None:
        """Serve cards until stopped, then close everything in order."""
        # Another thread's Python must not hold up a tap for the interpreter's usual 5 ms.
        sys.setswitchinterval(0.0005)
        self._links.start()
        try:
            while not self._over.is_set():
                self._turn()
        finally:
            self._close()

    def _turn(self) -> None:
        match self.machine.state:
            case State.BOOT:
                self.machine.on(Event.STARTED)
            case State.SELFTEST:
                self._selftest()
            case State.IDLE | State.DEGRADED:
                self._serve()
            case State.WAIT_REMOVAL:
                self.machine.on(Event.REMOVED)
            case State.OUT_OF_SERVICE:
                self._repair()
            case State.MAINTENANCE:
                # Nobody asks the device meanwhile: it is the operator's word that keeps the watchdog quiet.
                tell_systemd("WATCHDOG=1")
                self._over.wait(_REPAIR_MIN_S)
                if not self._asked_for_maintenance():
                    self.machine.on(Event.MAINTENANCE_OVER)
            case state:
                raise AssertionError(f"a tap ends elsewhere than in {state.value}")

    def _selftest(self) -> None:
        try:
            self._bundle = self._errands.take_bundle() or self._bundle
            desk = self.desk or self._open_journal()
            desk.bundle = self._bundle
            self._keeper.acknowledge(desk.journal, self._uplink.chained_up_to, passback=self._passback())
            self._pace.probed(desk.journal.probe())
            if self._bundle is None:
                self._break("no bundle yet: without the card keys in it no card can be read")
                return
            self.time.not_before(self._bundle.made_at, by_server=True)
            self._antenna.open()
        except (FieldLostError, JournalError) as error:
            if isinstance(error, JournalError):
                self._close_journal()
            self._break(str(error))
            return
        self._repair_s = _REPAIR_MIN_S
        self._why = examine(desk, self._pace)
        self.machine.on(Event.TEST_POOR if self._why else Event.TEST_GOOD)
        self._report()
        tell_systemd("READY=1")

    def _open_journal(self) -> Desk:
        kept = self._keeper.open(ahead=self._uplink.server_ahead, passback=self._passback(), note=self._note)
        if kept.latest is not None:
            self.time.not_before(kept.latest)
        self.desk = Desk(
            config=self.config,
            identity=self.identity,
            clock=self.clock,
            time=self.time,
            duty=self._duty,
            lamp=self.lamp,
            gate=self._gate,
            machine=self.machine,
            journal=kept.journal,
            memory=kept.memory,
            exposure=kept.exposure,
            bundle=self._bundle,
            acted=kept.begun,
        )
        remember(self.desk.codes, kept.journal.recent(self.time.now() - LIVES), self.desk)
        self._uplink.follow(
            self.config.journal.path, journal_id=kept.journal.journal_id, chained_up_to=kept.acknowledged
        )
        return self.desk

    def _passback(self) -> timedelta:
        return timedelta(seconds=self._bundle.passback_s if self._bundle else 0)

    def _serve(self) -> None:
        assert self.desk is not None, "the self-test opened the journal"
        try:
            desk = self._housekeeping(self.desk)
            if self.machine.state not in {State.IDLE, State.DEGRADED}:
                return
            desk.acknowledge(self._uplink.chained_up_to)
            scanned = self._links.scanner.take()
            if scanned is not None:
                self._served(scan(desk, scanned))
            elif (channel := self._antenna.next_card(self._over)) is not None:
                shown = served(desk, channel, asker=self._links.asker, over=self._over)
                self._served(shown)
                self._antenna.wait_removal(channel, self._over, again=shown.message is lights.TRY_AGAIN)
            else:
                return
            self.machine.on(Event.REMOVED)
            if self._why:
                self.machine.on(Event.TEST_POOR)
        except FieldLostError as error:
            self._antenna.close()
            self._break(str(error))
        except JournalError as error:
            self._close_journal()
            self._break(str(error))

    def _served(self, shown: Shown) -> None:
        self.tally.count(shown)
        self._keeper.shown = shown.sequence or self._keeper.shown
        self._taps_untidied += 1
        self._uplink.nudge()

    def _break(self, why: str) -> None:
        before, self._why = self._why, (why,)
        if self.machine.state is not State.OUT_OF_SERVICE:
            self.machine.on(Event.BROKEN)
        elif self._why != before:
            self._tell_state("other reasons")
        if self._why != before:
            self.lamp.show(Shown(at=self.clock.now(), message=lights.OUT_OF_SERVICE, reason=why))

    def _repair(self) -> None:
        if self._bundle is None:
            # The one trouble whose end announces itself.
            self._errands.arrived.wait(_REPAIR_MIN_S)
        else:
            self._over.wait(self._repair_s)
            self._repair_s = min(_REPAIR_MAX_S, self._repair_s * 2)
        if self._asked_for_maintenance():
            self.machine.on(Event.MAINTENANCE_ASKED)
        elif self._bundle is not None or self._errands.arrived.is_set():
            self.machine.on(Event.REPAIRED)

    def _asked_for_maintenance(self) -> bool:
        return (self.config.state_dir / MAINTENANCE_FILE).exists()

    def _housekeeping(self, desk: Desk) -> Desk:
        """Do what may wait for a moment without a card, and must not take long there; return the desk to use."""
        fresh = self._errands.take_bundle()
        if fresh is not None:
            self._bundle = desk.bundle = fresh
        due = stopwatch() - self._tidied_at >= _TIDY_EVERY_S or self._taps_untidied >= _TIDY_EVERY_TAPS
        if not due:
            return desk
        self._tidied_at = stopwatch()
        rotated = self._links.take_identity()
        if rotated is not None:
            self.identity = desk.identity = rotated
        assert self._links.alive(), "a reader that no longer sends must be started again, not go on"
        if self._asked_for_maintenance():
            self.machine.on(Event.MAINTENANCE_ASKED)
            return desk
        try:
            self._duty.reload()
        except ConfigError as error:
            self._note("duty-refused", {"why": str(error)})
        if self._uplink.server_ahead:
            self._close_journal()
            desk = self._open_journal()
        moment = desk.moment()
        desk.memory.forget(moment, int(self._passback().total_seconds()))
        self._keeper.acknowledge(desk.journal, self._uplink.chained_up_to, passback=self._passback())
        if self._taps_untidied:
            desk.journal.tidy()
            self._taps_untidied = 0
        before, self._why = self._why, examine(desk, self._pace)
        if bool(self._why) != (self.machine.state is State.DEGRADED):
            self.machine.on(Event.TEST_POOR if self._why else Event.TEST_GOOD)
        elif self._why != before:
            self._tell_state("other reasons")
        return desk

    def _report(self) -> Mapping[str, object]:
        journal = desk.journal if (desk := self.desk) else None
        report: Mapping[str, object] = {
            "at": self.time.now().isoformat(),
            "state": self._told.value,
            "why": list(self._why),
            **describe_journal(self.config, journal, self._uplink.chained_up_to),
            "uplink": self._uplink.problem or self._errands.problem,
            "bundle": describe_bundle(self._bundle),
            "clock_state": self.time.worth.name,
            "clock_offset_s": self.time.offset_s(),
            "fsync_ms": round(self._pace.write_ms(), 2),
            "disk_mb": free_mb(self.config.journal.path.parent),
            **self._gate.counts(),
            **self.tally.report(),
        }
        with suppress(OSError):
            write_private(self.config.state_dir / STATUS_FILE, json.dumps(report).encode())
        return report

    def _watch(self, _before: State, event: Event, after: State) -> None:
        # Passing through IDLE on the way from one card to the next is no news.
        if after in _TOLD and after is not self._told and event is not Event.REMOVED:
            self._told = after
            self._tell_state(event.value)

    def _tell_state(self, because: str) -> None:
        self._note("state", {"state": self._told.value, "because": because, "why": list(self._why)})
        self._errands.beat_soon()

    def _note(self, event: str, fields: Mapping[str, object]) -> None:
        self.lamp.note(self.clock.now(), event, **fields)

    def _close_journal(self) -> None:
        desk, self.desk = self.desk, None
        if desk is not None:
            with suppress(JournalError):
                desk.journal.close()

    def _close(self) -> None:
        tell_systemd("STOPPING=1")
        self._antenna.close()
        self._links.stop()
        self._gate.close()
        if (desk := self.desk) is not None:
            with suppress(JournalError):
                self._keeper.leave(desk.journal, self._uplink.chained_up_to)
        self._report()
        self._close_journal()
        self._note("stopped", {})
        self.lamp.close()
        os.close(self._lock)
