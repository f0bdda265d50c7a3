"""What the readers' tests share: soft cards and an enrolled reader in a folder."""

import json
import time
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

from access.rules.denylist import DenyList
from access.rules.mac import check_mac
from kernel.clock import FixedClock
from kernel.crypto.card_keys import card_key
from kernel.crypto.ed25519 import SigningKey
from kernel.crypto.sealing import box_public, box_to
from kernel.crypto.tmac import TmacKey
from kernel.wire import cardinfo
from kernel.wire.cardinfo import CardInfo, Concession
from kernel.wire.tap import Phase, TapRecord, decode_tap
from readers.bundle import CONTEXT, FILE, Bundle, load_bundle, open_bundle
from readers.config import Config, load_config
from readers.desk import Desk
from readers.gate import Gate
from readers.identity import Identity, Keys, save_identity
from readers.journal import Journal
from readers.lamp import Lamp, Shown
from readers.memory import Memory
from readers.records import JournalReader
from readers.softcard.card import Eeprom, Secrets, SoftCard
from readers.softcard.direct import DirectChannel
from readers.states import Event, Machine
from readers.tap import tap
from readers.timekeeping import Timekeeper
from readers.validator import DutyBook

NOW = datetime(2026, 11, 18, 2, tzinfo=UTC)
DEVICE = UUID("019a9a60-0000-7000-8000-000000000001")
AUTH_MASTERS = {1: b"A" * 16, 2: b"a" * 16}
TMAC_MASTERS = {1: b"T" * 16, 2: b"t" * 16}
SERVER_KEY = SigningKey.from_bytes(b"\x07" * 32)
DEVICE_KEYS = Keys(SigningKey.from_bytes(b"\x01" * 32), b"\x02" * 32)
IDENTITY = Identity(DEVICE, DEVICE_KEYS, SERVER_KEY.public)


def uid_of(serial: int) -> bytes:
    return b"\x04" + serial.to_bytes(6, "big")


def info_of(serial: int, *, generation: int = 1, expires_on: date = date(2030, 12, 31)) -> CardInfo:
    return CardInfo(
        issuer=1,
        serial=serial,
        product=1,
        concession=Concession.NORMAL,
        expires_on=expires_on,
        key_generation=generation,
    )


def soft_card(
    serial: int,
    *,
    generation: int = 1,
    expires_on: date = date(2030, 12, 31),
    eeprom: Eeprom | None = None,
    **more,
) -> SoftCard:
    uid = uid_of(serial)
    secrets = Secrets.of(
        auth=card_key(AUTH_MASTERS[generation], uid, generation),
        tmac_key=card_key(TMAC_MASTERS[generation], uid, generation),
    )
    info = cardinfo.encode(info_of(serial, generation=generation, expires_on=expires_on))
    return SoftCard(uid, secrets, eeprom or Eeprom(info), **more)


def tmac_key(tap: TapRecord) -> TmacKey:
    generation = tap.key_generation
    return TmacKey(card_key(TMAC_MASTERS[generation], tap.uid, generation))


def proven(tap: TapRecord) -> bool:
    return check_mac(tap, tmac_key(tap)) is not None


def document(
    *, version: int = 1, denied: tuple[int, ...] = (), deny_version: int | None = None, **changes
) -> dict:
    keys = json.dumps({"AUTH": {str(g): key.hex() for g, key in AUTH_MASTERS.items()}}).encode()
    deny = DenyList.of(version if deny_version is None else deny_version, denied)
    return {
        "version": version,
        "made_at": NOW.isoformat(),
        "device_id": str(DEVICE),
        "tariff_version": "hanoi-1",
        "deny_version": deny.version,
        "deny": b64encode(deny.encode()).decode(),
        "risk": {},
        "passback_s": 30,
        "generations": [1, 2],
        "keys": b64encode(box_to(box_public(DEVICE_KEYS.box), keys)).decode(),
    } | changes


def envelope(key: SigningKey = SERVER_KEY, **changes) -> bytes:
    content = json.dumps(document(**changes)).encode()
    return json.dumps(
        {"bundle": b64encode(content).decode(), "signature": b64encode(key.sign(CONTEXT, content)).decode()}
    ).encode()


# How slow this machine is just now is no defect of the reader: tests of that set limits of their own.
TOML = """
[device]
name = "bus-01"
kind = "bus"
operator = "transerco"
place = "29B-101.26"
purpose = "AUTO"
stop_id = "26-01"
route_id = "26"
trip_id = "26-05"
[reader]
path = "udp:127.0.0.1:{port}"
wait_removal_ms = {removal}
poll_ms = 20
tap_warn_ms = 10000
[state]
dir = "state"
fsync_warn_ms = 10000
[server]
url = "{url}"
timeout_s = 2
linger_ms = 5
retry_min_ms = 5
retry_max_s = 0.05
bundle_every_s = 0.2
[clock]
text = "{clock}"
[lamp]
terminal = false
events = "events.jsonl"
"""


def write_config(
    folder: Path,
    *,
    url: str = "http://127.0.0.1:9",
    port: int = 54390,
    clock: str = f"fixed:{NOW.isoformat()}",
    removal: int = 0,
    more: str = "",
) -> Path:
    file = folder / "reader.toml"
    file.write_text(TOML.format(url=url, port=port, clock=clock, removal=removal) + more, encoding="utf-8")
    return file


def enrolled(folder: Path, **config) -> Config:
    """A reader's folder: configuration, identity and first bundle in place."""
    loaded = load_config(write_config(folder, **config))
    save_identity(loaded.state_dir, IDENTITY)
    (loaded.state_dir / FILE).write_bytes(envelope())
    return loaded


class ListSink:
    """Keeps what is shown."""

    def __init__(self) -> None:
        self.shown: list[Shown] = []
        self.notes: list[tuple[str, dict]] = []

    def show(self, shown: Shown) -> None:
        self.shown.append(shown)

    def note(self, at: datetime, event: str, fields) -> None:
        self.notes.append((event, dict(fields)))

    def close(self) -> None:
        pass


@dataclass
class Bench:
    """A reader without its loop: tests call `tap` on its desk."""

    desk: Desk
    clock: FixedClock
    walked: list[tuple[Event, str]] = field(default_factory=list)

    def records(self) -> list[TapRecord]:
        reader = JournalReader(self.desk.journal.path)
        try:
            return [decode_tap(body) for body in reader.bodies()]
        finally:
            reader.close()

    def close(self) -> None:
        self.desk.journal.close()
        self.desk.gate.close()
        self.desk.lamp.close()


def make_bench(config: Config, *, clock: FixedClock | None = None, max_pages: int = 0, watch=None) -> Bench:
    clock = clock or FixedClock(NOW)
    lamp = Lamp(())
    machine = Machine(watch)
    for event in (Event.STARTED, Event.TEST_GOOD):
        machine.on(event)
    journal = Journal.open(config.journal.path, device_id=DEVICE, now=clock.now(), max_pages=max_pages)
    bundle: Bundle | None = load_bundle(config.state_dir, IDENTITY)
    assert bundle is not None
    desk = Desk(
        config=config,
        identity=IDENTITY,
        clock=clock,
        time=Timekeeper(clock, simulated=True),
        duty=DutyBook(config.device),
        lamp=lamp,
        gate=Gate(config.gate, clock=clock, lamp=lamp),
        machine=machine,
        journal=journal,
        memory=Memory.of(journal.recent(clock.now() - timedelta(seconds=bundle.passback_s)), last_shown=0),
        bundle=bundle,
    )
    return Bench(desk, clock)


def draft(**changes) -> TapRecord:
    """A record as a reader drafts it, before the journal numbers it."""
    values = {
        "device_id": DEVICE, "key_id": IDENTITY.key_id, "journal_id": UUID(int=0), "sequence": 0,
        "previous_hash": bytes(32), "tapped_at": NOW, "monotonic_ms": 0, "clock_state": 1, "purpose": 3,
        "phase": Phase.REFUSED, "decision": 2, "direction": 0, "deny_version": 1, "uid": uid_of(1), "card_serial": 1,
        "key_generation": 1, "tmc": 1, "tmv": bytes(8), "enc_tmri": bytes(16), "reader_id": DEVICE.bytes,
        "prior_tmc": 0, "prior_tmv": bytes(8), "latency_ms": 3, "reason": "", "place": "p", "stop_id": "s",
        "route_id": "r", "trip_id": "t", "vehicle_class": "", "tariff_version": "hanoi-1",
        "data_read": cardinfo.encode(info_of(1)), "purse": b"",
    } | changes  # fmt: skip
    kinds = TapRecord.__annotations__
    assert values.keys() == kinds.keys()
    from kernel.wire.tap import ClockState, Decision, Purpose

    values["clock_state"] = ClockState(values["clock_state"])
    values["purpose"] = Purpose(values["purpose"])
    values["decision"] = Decision(values["decision"])
    return TapRecord(**values)


def wait_until(true, *, timeout_s: float = 8.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def present(bench, card, fault=None):
    card.fault = fault
    shown = tap(bench.desk, DirectChannel(card))
    card.fault = None
    bench.desk.machine.on(Event.REMOVED)
    return shown


def phases(bench):
    return [record.phase for record in bench.records()]


def adopt(bench, **changes):
    bench.desk.bundle = open_bundle(envelope(**changes), IDENTITY)


def open_journal(path, **more):
    return Journal.open(path, device_id=DEVICE, now=NOW, **more)


def bodies_of(path):
    reader = JournalReader(path)
    try:
        return list(reader.bodies())
    finally:
        reader.close()


def fill(journal, count, *, at=NOW):
    for n in range(count):
        journal.append(draft(tapped_at=at + timedelta(seconds=n)))


def fill_with_taps(journal):
    while True:
        journal.finish(journal.begin(draft()), tmc=1, tmv=bytes(8), latency_ms=0)
