"""One showing of a QR code, a chip, a bank card or a FeliCa token: what vouches for it is looked at, proof on disk before green.

There is no card to commit, so there is no INTENT: the record is written whole, or there is no green.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from access.rules.coded import check_coded
from access.rules.copyable import CopyRefusal
from access.rules.qr import QrRefusal, QrRefused, ReplayWindow, verify_code
from access.rules.voucher import read_voucher
from kernel.wire.shown import Shown as Proof
from kernel.wire.shown import ShownKind, encode_shown, is_shown
from kernel.wire.tap import ClockState, Decision, Phase, TapRecord
from readers import lamp
from readers.asking import TakenAway, TokenRefused, TokenSeen, Unheard
from readers.decide import Reason, reader_refuses, within_passback
from readers.desk import Desk, blank
from readers.errors import JournalError
from readers.lamp import Light, Message, Shown
from readers.laps import Laps
from readers.scanner import CodeSeen, Scanned
from readers.states import Event

NEW_CODE: Final = Message(
    Light.AMBER, "Mã đã hết hạn, xin hiện mã mới", "Code expired, please show a new one", 2
)
OPEN_APP: Final = Message(
    Light.RED, "Xin mở ứng dụng khi có mạng để làm mới mã", "Please open the app online to renew your code", 3
)
NOT_OURS: Final = Message(Light.RED, "Mã này không dùng được ở đây", "This code cannot be used here", 3)
NO_NETWORK: Final = Message(
    Light.AMBER, "Mất kết nối, xin dùng thẻ hoặc mã QR", "No network, please use a card or a QR code", 2
)
NOT_LET: Final = Message(
    Light.RED, "Không được chấp nhận, xin liên hệ tổng đài", "Not accepted, please call the help line", 3
)
TOKEN_SAYS: Final[dict[str, Message]] = {
    CopyRefusal.NOT_HERE: Message(
        Light.RED, "Thẻ FeliCa không dùng được ở đây", "FeliCa cards cannot be used here", 3
    ),
    CopyRefusal.TOO_OFTEN: Message(
        Light.RED, "Hôm nay thẻ này đã hết lượt", "This card was used too often today", 3
    ),
    CopyRefusal.BALANCE: Message(
        Light.RED, "Số dư tài khoản không đủ", "Not enough in this card's account", 3
    ),
}
"""Words of the back office that a rider can do something about; for all others there is the help line."""
CODE_SAYS: Final[dict[QrRefusal, Message]] = {
    QrRefusal.MALFORMED: NOT_OURS,
    QrRefusal.CERTIFICATE: NOT_OURS,
    QrRefusal.SIGNATURE: NOT_OURS,
    QrRefusal.NOT_CERTIFIED: OPEN_APP,
    QrRefusal.TOO_OLD: NEW_CODE,
    QrRefusal.TOO_NEW: NEW_CODE,
    QrRefusal.DENIED: lamp.REFUSALS[Reason.DENIED],
    QrRefusal.REPLAYED: NEW_CODE,
}
assert CODE_SAYS.keys() == set(QrRefusal), "every refusal has its words"


@dataclass(frozen=True, slots=True)
class _Good:
    """Something that is vouched for: whose it is, when that was said, and the proof for the record."""

    serial: int
    made_at: datetime
    proof: Proof


@dataclass(frozen=True, slots=True)
class _Bad:
    """Something that is not; the light says so, and nothing is put on record."""

    message: Message
    reason: str


def scan(desk: Desk, scanned: Scanned) -> Shown:
    """Return the light that was shown for what was held before the scanner; the machine stands at WAIT_REMOVAL.

    JournalError means that the reader itself broke: the light was red, the machine stands at OUT_OF_SERVICE.
    """
    showing = _Showing(desk)
    desk.machine.on(Event.CARD_SEEN)
    desk.machine.on(Event.ACTIVATED)
    try:
        return showing.run(scanned)
    except JournalError as error:
        showing.show(lamp.OUT_OF_SERVICE, reason=type(error).__name__)
        desk.machine.on(Event.BROKEN)
        raise


def remember(window: ReplayWindow, taps: Iterable[TapRecord], desk: Desk) -> None:
    """Have the window know the codes of these records, after a restart."""
    for tap in taps:
        coded = check_coded(tap, desk.identity.bundle_key) if is_shown(tap) else None
        if coded is not None:
            window.takes(coded.serial, coded.made_at, tap.tapped_at)


class _Showing:
    def __init__(self, desk: Desk) -> None:
        self._desk, self._on, self._laps = desk, desk.machine.on, Laps()
        self._moment = desk.moment()

    def run(self, scanned: Scanned) -> Shown:
        desk, moment = self._desk, self._moment
        assert desk.bundle is not None, "without a bundle the reader is out of service"
        found = self._look(scanned)
        self._laps.lap("read")
        if isinstance(found, _Bad):
            self._on(Event.CARD_BAD)
            return self._end(self.show(found.message, reason=found.reason))
        self._on(Event.AUTHENTICATED)
        self._on(Event.CARD_READ)
        seen = desk.memory.find(found.serial)
        inside = seen is not None and within_passback(seen, moment, desk.bundle.passback_s)
        if seen is not None and inside and not seen.shown:
            # On disk already, killed before the light: it is shown, and nothing more is written.
            self._on(Event.REPEATED)
            shown = self.show(lamp.RECOVERED, tap=seen.tap)
            desk.memory.shown(seen.tap)
            desk.gate.open_for(seen.tap)
            return self._end(shown)
        reason = reader_refuses(desk.bundle, moment)
        # A code is as good as the clock that judges its minute.
        if reason is None and moment.clock_state is ClockState.UNSYNCED:
            reason = Reason.CLOCK_UNSYNCED
        if reason is None and desk.bundle.denied.denies(found.serial):
            reason = Reason.DENIED
        if reason is None and inside:
            reason = Reason.PASSBACK
        if reason is not None:
            record = desk.journal.append(self._record(found, reason=reason))
            self._laps.lap("done")
            self._on(Event.REFUSED)
            return self._end(self.show(lamp.REFUSALS[reason], tap=record, reason=reason.value))
        if not desk.codes.takes(found.serial, found.made_at, moment.now):
            self._on(Event.CARD_BAD)
            return self._end(self.show(NEW_CODE, reason=QrRefusal.REPLAYED.value))
        return self._accept(found)

    def _accept(self, found: _Good) -> Shown:
        desk = self._desk
        self._on(Event.VOUCHED)
        done = desk.journal.append(self._record(found))
        self._laps.lap("done")
        self._on(Event.DONE_SAVED)
        shown = self.show(lamp.WELCOME[done.purpose], tap=done)
        desk.gate.open_for(done)
        desk.memory.note(done)
        return self._end(shown)

    def _look(self, scanned: Scanned) -> _Good | _Bad:
        issuer, now = self._desk.identity.bundle_key, self._moment.now
        match scanned:
            case CodeSeen(text):
                code = verify_code(text, issuer=issuer, now=now)
                if isinstance(code, QrRefused):
                    return _Bad(CODE_SAYS[code.reason], code.reason.value)
                return _Good(code.serial, code.made_at, Proof(ShownKind.QR, text.encode()))
            case TokenSeen(kind, serial, raw):
                voucher = read_voucher(raw, issuer)
                said = voucher and (voucher.kind, voucher.serial, voucher.device_id)
                if voucher is None or said != (kind, serial, self._desk.identity.device_id):
                    return _Bad(NOT_LET, "voucher")
                if not voucher.holds_at(now):
                    return _Bad(lamp.OUT_OF_SERVICE, Reason.CLOCK_UNSYNCED.value)
                return _Good(serial, voucher.made_at, Proof(kind, raw))
            case TokenRefused(reason):
                return _Bad(TOKEN_SAYS.get(reason, NOT_LET), reason)
            case TakenAway():
                return _Bad(lamp.TRY_AGAIN, "taken-away")
            case Unheard():
                return _Bad(NO_NETWORK, "offline")
            case _:
                return _Bad(NOT_OURS, QrRefusal.MALFORMED.value)

    def _record(self, found: _Good, *, reason: Reason | None = None) -> TapRecord:
        return replace(
            blank(self._desk, self._moment, latency_ms=round(self._laps.total_ms())),
            phase=Phase.REFUSED if reason else Phase.DONE,
            decision=Decision.REFUSE if reason else Decision.ACCEPT,
            card_serial=found.serial,
            reason=reason.value if reason else "",
            data_read=encode_shown(found.proof),
        )

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
