"""What the web benches need of a city: a published tariff, riders with money, and buses with journals.

Cards speak the kernel's wire formats, so the service checks every MAC, hash and signature that it checks in service.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import Engine, create_engine

from access.enrol import create_code, enrol
from access.issue import IssuedCard, NewCard, issue_cards
from access.keyring import Keyring, load_kek
from access.rules.device import DeviceKind
from bench.measure import Stage
from fare.publish import publish
from kernel.crypto.card_keys import Role
from kernel.crypto.ed25519 import SigningKey
from kernel.crypto.sealing import box_public, new_box_key
from kernel.crypto.tmac import TmacKey, abt_tmi, enc_tmri, tmv
from kernel.ids import EntryId, uuid7
from kernel.money import VND, Money
from kernel.wire.cardinfo import Concession
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
from kernel.wire.upload import Upload
from ledger import post
from ledger.accounts import open_accounts
from ledger.rules import chart
from ledger.rules.entry import Entry, Line, Posted
from service.commands.serve import private_keys

TARIFF: Final = Path(__file__).parents[1] / "fare" / "tariffs" / "hanoi"
NOW: Final = datetime(2026, 11, 18, 14, 30, tzinfo=UTC)
EXPIRY: Final = date(2030, 12, 31)
LOADED: Final = 1_000_000
_uids = count(1)


@dataclass(slots=True)
class Rider:
    """One card's memory, as far as taps change it."""

    issued: IssuedCard
    key: TmacKey
    counter: int = 0
    last_tmv: bytes = NO_TMV
    last_reader: bytes = bytes(16)


@dataclass(slots=True)
class Bus:
    """A validator and its journal."""

    device_id: UUID
    key: SigningKey
    route_id: str
    tariff_version: str
    journal_id: UUID = field(default_factory=uuid4)
    sequence: int = 0
    last_hash: bytes = NO_HASH

    def tap(self, rider: Rider, at: datetime, stop: int, **changes: object) -> bytes:
        """Return the encoded record of one presentation; `changes` are what another device would write."""
        uid, reader_id, counter = rider.issued.uid, self.device_id.bytes, rider.counter + 1
        sealed = enc_tmri(rider.key, uid=uid, tmc=counter, previous_reader=rider.last_reader)
        value = tmv(rider.key, uid=uid, tmc=counter, tmi=abt_tmi(rider.issued.info, reader_id, sealed))
        self.sequence += 1
        record = TapRecord(
            device_id=self.device_id,
            key_id=self.key.public.key_id,
            journal_id=self.journal_id,
            sequence=self.sequence,
            previous_hash=self.last_hash,
            tapped_at=at,
            monotonic_ms=1_000 * self.sequence,
            clock_state=ClockState.SYNCED,
            purpose=Purpose.AUTO,
            phase=Phase.DONE,
            decision=Decision.ACCEPT,
            reason="",
            place="29B-101.26",
            stop_id=f"{self.route_id}-{stop:02d}",
            route_id=self.route_id,
            trip_id=f"{self.route_id}-05",
            direction=0,
            vehicle_class="",
            tariff_version=self.tariff_version,
            deny_version=0,
            uid=uid,
            card_serial=rider.issued.serial,
            key_generation=rider.issued.key_generation,
            tmc=counter,
            tmv=value,
            enc_tmri=sealed,
            reader_id=reader_id,
            data_read=rider.issued.info,
            prior_tmc=rider.counter,
            prior_tmv=rider.last_tmv,
            latency_ms=120,
        )
        raw = encode_tap(replace(record, **changes) if changes else record)  # type: ignore[arg-type]
        self.last_hash = record_hash(raw)
        rider.counter, rider.last_tmv, rider.last_reader = counter, value, reader_id
        return raw

    def ride(self, riders: Sequence[Rider], start: datetime) -> bytes:
        """Return the body of one upload: everyone boards, then everyone alights."""
        step = timedelta(seconds=1)
        records = [self.tap(rider, start + n * step, 1) for n, rider in enumerate(riders)]
        later = start + timedelta(minutes=30)
        records += [self.tap(rider, later + n * step, 9) for n, rider in enumerate(riders)]
        return json.dumps(self.upload(records).to_json()).encode()

    def upload(self, records: Sequence[bytes]) -> Upload:
        """Return the journal's newest records, signed."""
        message = head_message(self.device_id, self.journal_id, self.sequence, self.last_hash)
        return Upload(
            device_id=self.device_id,
            key_id=self.key.public.key_id,
            journal_id=self.journal_id,
            records=tuple(records),
            signature=self.key.sign(HEAD_CONTEXT, message),
        )


class City:
    """A city in the stage's database. `environment` are the settings under which the service runs for it."""

    def __init__(self, stage: Stage, name: str) -> None:
        home = Path(stage.folder) / name
        self.environment = {
            **stage.servers.environment(),
            **private_keys(home),
            "LIENTHONG_CLOCK": f"fixed:{NOW.isoformat()}",
        }
        self.keyring = Keyring.load(home / "keyring.json", load_kek(home / "kek"))
        self.engine: Engine = create_engine(stage.servers.database_url)

    def publish(self, now: datetime = NOW) -> str:
        """Publish Hanoi's tariff and return its version."""
        with self.engine.begin() as tx:
            done = publish(
                tx,
                TARIFF,
                prepared_by="bench maker",
                approved_by="bench checker",
                key=self.keyring.bundle_key,
                now=now,
            )
        return done.version

    def riders(self, number: int, now: datetime = NOW, *, loaded: int = LOADED) -> tuple[Rider, ...]:
        """Issue cards, open their accounts as the service does, and load them."""
        asked = [
            NewCard(
                uid=b"\x04" + next(_uids).to_bytes(6, "big"), concession=Concession.NORMAL, expires_on=EXPIRY
            )
            for _ in range(number)
        ]
        bank = chart.bank_guarantee()
        with self.engine.begin() as tx:
            issued = issue_cards(tx, keyring=self.keyring, asked=asked, now=now)
            purses = [chart.rider_stored_value(one.fare_account_id) for one in issued]
            debts = [chart.rider_receivable(one.fare_account_id) for one in issued]
            open_accounts(tx, [*purses, *debts, bank], now)
            loads = [
                Entry(
                    EntryId(uuid7(now)),
                    "topup",
                    (Line(bank.account_id, purse.account_id, Money(loaded, VND)),),
                    one.fare_account_id,
                    now.date(),
                    now,
                )
                for one, purse in zip(issued, purses, strict=True)
            ]
            outcomes = post.post(tx, loads, now)
        assert all(isinstance(outcome, Posted) for outcome in outcomes), "the bench's riders are loaded"
        return tuple(
            Rider(one, TmacKey(self.keyring.card_keys(one.uid, one.key_generation)[Role.TMAC]))
            for one in issued
        )

    def bus(self, name: str, route_id: str, tariff_version: str) -> Bus:
        """Enrol a bus's validator."""
        return self.device(name, DeviceKind.BUS, "transerco", route_id, tariff_version)

    def device(
        self,
        name: str,
        kind: DeviceKind,
        operator_id: str,
        route_id: str,
        tariff_version: str,
        now: datetime = NOW,
    ) -> Bus:
        """Enrol a device of an operator."""
        key = SigningKey.generate()
        with self.engine.begin() as tx:
            code = create_code(
                tx,
                keyring=self.keyring,
                name=name,
                kind=kind,
                operator_id=operator_id,
                place="",
                actor="bench",
                now=now,
            )
            enrolled = enrol(
                tx,
                keyring=self.keyring,
                code=code,
                public_key=key.public.raw,
                box_key=box_public(new_box_key()),
                now=now,
            )
        return Bus(enrolled.device_id, key, route_id, tariff_version)

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()
