"""A card and a reader as the world outside has them: they speak only the kernel's wire formats."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import Connection

from access.enrol import create_code, enrol
from access.issue import IssuedCard, NewCard, issue_cards
from access.keyring import Keyring
from access.rules.device import DeviceKind
from kernel.crypto.card_keys import Role
from kernel.crypto.ed25519 import SigningKey
from kernel.crypto.sealing import box_public, new_box_key
from kernel.crypto.tmac import TmacKey, abt_tmi, enc_tmri, sv_tmi, tmv
from kernel.wire.cardinfo import Concession
from kernel.wire.purse import RECORD_SIZE, PurseMove, encode_purse
from kernel.wire.shown import NO_UID, Shown, ShownKind, encode_shown
from kernel.wire.tap import (
    HEAD_CONTEXT,
    NO_HASH,
    NO_TMV,
    ClockState,
    Decision,
    Phase,
    Purpose,
    TapRecord,
    encode_tap,
    head_message,
    record_hash,
)
from kernel.wire.trips import NO_TRIPS
from kernel.wire.upload import Upload


@dataclass
class SimCard:
    """A card's memory, as far as taps change it."""

    uid: bytes
    key: TmacKey
    generation: int
    serial: int
    info: bytes
    issued: IssuedCard | None = None
    tmc: int = 0
    last_tmv: bytes = NO_TMV
    last_reader: bytes = bytes(16)
    purse: int = 0
    trips: bytes = NO_TRIPS

    def move(
        self,
        *,
        paid: int = 0,
        loaded: int = 0,
        returned: int = 0,
        trips: bytes | None = None,
        look: bool = False,
    ) -> PurseMove:
        """What a tap does to the purse; it looks at file 05 where it writes it, gives something back, or is told to."""
        looks = look or trips is not None or returned > 0
        return PurseMove(
            before=self.purse,
            loaded=loaded,
            paid=paid,
            record=bytes(RECORD_SIZE),
            returned=returned,
            trips_read=self.trips if looks else b"",
            trips_written=trips if trips is not None and trips != self.trips else b"",
        )


@dataclass
class SimReader:
    """A device's journal."""

    device_id: UUID
    key: SigningKey
    clock: datetime
    journal_id: UUID = field(default_factory=uuid4)
    records: list[bytes] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)

    def tap(
        self,
        card: SimCard,
        *,
        phase: Phase = Phase.DONE,
        committed: bool = True,
        at: datetime | None = None,
        move: PurseMove | None = None,
        **changes: object,
    ) -> TapRecord:
        """One presentation, written to the journal; `changes` falsify the record after the card had its say."""
        self.clock += timedelta(seconds=1)
        blank = {"prior_tmc": card.tmc, "prior_tmv": card.last_tmv}
        tmc, reader_id = card.tmc + 1, self.device_id.bytes
        sealed = enc_tmri(card.key, uid=card.uid, tmc=tmc, previous_reader=card.last_reader)
        value = tmv(card.key, uid=card.uid, tmc=tmc, tmi=_tmi(card.info, reader_id, sealed, move))
        if phase is Phase.REFUSED:
            tmc, sealed, committed = card.tmc, bytes(16), False
        if committed:
            card.tmc, card.last_tmv, card.last_reader = tmc, value, reader_id
            if move is not None:
                card.purse, card.trips = move.after, move.trips_written or card.trips
        record = TapRecord(
            device_id=self.device_id,
            key_id=self.key.public.key_id,
            journal_id=self.journal_id,
            sequence=len(self.records) + 1,
            previous_hash=record_hash(self.records[-1]) if self.records else NO_HASH,
            tapped_at=at or self.clock,
            monotonic_ms=1_000 * len(self.records),
            clock_state=ClockState.SYNCED,
            purpose=Purpose.AUTO,
            phase=phase,
            decision=Decision.REFUSE if phase is Phase.REFUSED else Decision.ACCEPT,
            direction=0,
            deny_version=0,
            uid=card.uid,
            card_serial=card.serial,
            key_generation=card.generation,
            tmc=tmc,
            tmv=value if phase is Phase.DONE else NO_TMV,
            enc_tmri=sealed,
            reader_id=reader_id,
            latency_ms=120,
            reason="denied" if phase is Phase.REFUSED else "",
            place="29B-101.26",
            stop_id="26-01",
            route_id="26",
            trip_id="26-05",
            vehicle_class="",
            tariff_version="hanoi-1",
            data_read=card.info,
            purse=encode_purse(move) if move is not None else b"",
            **blank,
        )
        record = replace(record, **{**self.facts, **changes})
        self.records.append(encode_tap(record))
        return record

    def show(
        self, serial: int, kind: ShownKind, proof: bytes, *, at: datetime | None = None, **changes: object
    ) -> TapRecord:
        """Something shown instead of a card: a QR's text, or a voucher."""
        self.clock = at or self.clock + timedelta(seconds=1)
        nobody = SimCard(NO_UID, TmacKey(bytes(16)), 0, serial, encode_shown(Shown(kind, proof)))
        blank = {"tmc": 0, "tmv": NO_TMV, "enc_tmri": bytes(16), "prior_tmc": 0, "prior_tmv": NO_TMV}
        return self.tap(nobody, at=self.clock, **{**blank, **changes})

    def recover(self, torn: TapRecord, card: SimCard) -> TapRecord:
        """The same card again: its file 0F shows that the torn tap committed."""
        return self.write(replace(torn, phase=Phase.RECOVERED, tmv=card.last_tmv))

    def write(self, record: TapRecord) -> TapRecord:
        """Append a record at the journal's end, whatever it says."""
        previous = record_hash(self.records[-1]) if self.records else NO_HASH
        record = replace(record, sequence=len(self.records) + 1, previous_hash=previous)
        self.records.append(encode_tap(record))
        return record

    def upload(self, first: int = 1, last: int | None = None) -> Upload:
        """Sequences first to last, signed."""
        return self.sign(self.records[first - 1 : last], last or len(self.records))

    def sign(self, records: Sequence[bytes], last: int, *, key: SigningKey | None = None) -> Upload:
        """Any bytes, signed as the journal up to `last`."""
        message = head_message(self.device_id, self.journal_id, last, record_hash(records[-1]))
        return Upload(
            device_id=self.device_id,
            key_id=self.key.public.key_id,
            journal_id=self.journal_id,
            records=tuple(records),
            signature=(key or self.key).sign(HEAD_CONTEXT, message),
        )


def _tmi(info: bytes, reader_id: bytes, sealed: bytes, move: PurseMove | None) -> bytes:
    if move is None:
        return abt_tmi(info, reader_id, sealed)
    return sv_tmi(
        info,
        before=move.before,
        amount=move.paid,
        record=move.record,
        reader_id=reader_id,
        enc_reader_id=sealed,
        loaded=move.loaded,
        returned=move.returned,
        trips_read=move.trips_read,
        trips_written=move.trips_written,
    )


def sim_card(
    keyring: Keyring,
    uid: bytes,
    *,
    serial: int,
    info: bytes,
    generation: int = 1,
    issued: IssuedCard | None = None,
) -> SimCard:
    key = TmacKey(keyring.card_keys(uid, generation)[Role.TMAC])
    return SimCard(uid, key, generation, serial, info, issued)


@dataclass
class World:
    """One city for a test: devices and cards that the back office knows."""

    tx: Connection
    keyring: Keyring
    now: datetime

    def reader(
        self, name: str = "bus-01", *, kind: DeviceKind = DeviceKind.BUS, approved: bool = True
    ) -> SimReader:
        code = create_code(
            self.tx,
            keyring=self.keyring,
            name=name,
            kind=kind,
            operator_id="transerco",
            place="",
            actor="test",
            now=self.now,
            approved=approved,
        )
        key = SigningKey.generate()
        enrolled = enrol(
            self.tx,
            keyring=self.keyring,
            code=code,
            public_key=key.public.raw,
            box_key=box_public(new_box_key()),
            now=self.now,
        )
        return SimReader(enrolled.device_id, key, self.now - timedelta(hours=1))

    def card(
        self, number: int = 1, concession: Concession = Concession.NORMAL, *, stored_value: bool = False
    ) -> SimCard:
        uid = b"\x04" + number.to_bytes(6, "big")
        asked = NewCard(
            uid=uid, concession=concession, expires_on=date(2030, 12, 31), stored_value=stored_value
        )
        (issued,) = issue_cards(self.tx, keyring=self.keyring, asked=(asked,), now=self.now)
        return sim_card(self.keyring, uid, serial=issued.serial, info=issued.info, issued=issued)
