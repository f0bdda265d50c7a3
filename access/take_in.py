"""Take an upload in: every authentic record becomes evidence, once, with a verdict (DESIGN §8.4, READERS.md 1–7).

Never for lack of money, a pricing fault or one bad record is an upload refused; only who may not sign is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from access import deny, enrol
from access.intake.acted import end_actions, end_torn_actions
from access.intake.batch import Batch, report
from access.intake.examine import examine, store, tap_day
from access.intake.held import keep_held
from access.intake.relate import Examined, relate
from access.keyring import Keyring
from access.rules.chain import Place, advance, place_of
from access.rules.device import DeviceState
from access.rules.judge import Limits
from access.rules.segment import Sent, read_segment
from access.rules.tap import Tap
from access.rules.verdict import Reason
from access.store import devices, evidence, heads
from access.store.devices import Device
from access.store.evidence import Stored
from kernel.errors import DomainError
from kernel.ids import DeviceId, FareAccountId
from kernel.wire.upload import RecordVerdict, Upload, Verdict

_NEVER_PLACED: Final = (Reason.NOT_COVERED.value, Reason.OTHER_CONTENT.value)


class DeviceNotActiveError(DomainError):
    """The device is unknown, not approved, suspended or retired, or the named key is not its own. It keeps its journal."""

    detail = "Device {device_id} may not deliver records now."


class HeadSignatureError(DomainError):
    """The signature does not vouch for the last record of this journal by the named key."""

    detail = "The signature over the journal's head is not valid."


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What an upload came to.

    `taps` are newly stored and may be billed; `touched` are the instants, by fare account, whose bills may change:
    theirs, and those of earlier taps that these prove or displace. `suspended` says that the device just was.
    """

    verdicts: tuple[RecordVerdict, ...]
    chained_up_to: int
    taps: tuple[Tap, ...]
    touched: frozenset[tuple[FareAccountId, datetime]]
    suspended: bool


def take_in(
    tx: Connection,
    upload: Upload,
    *,
    keyring: Keyring,
    now: datetime,
    tariff_versions: AbstractSet[str] | None = None,
    share_days: Callable[[Connection, Iterable[datetime]], object] | None = None,
) -> TakenIn:
    """Return a verdict per record, in order, and the sequence up to which the journal is stored without a gap.

    Locks the journal's head, the book days (shared), then the fare accounts by id (§8.5). The same upload again gets the same answer, all
    duplicates. DeviceNotActiveError and HeadSignatureError refuse the whole upload and store nothing.
    `tariff_versions` are the published ones; None accepts any. `share_days`, given the taps' instants, holds the
    ledger's book days open before any account is locked; access itself knows no ledger.
    """
    device, sent = _authenticate(tx, upload)
    head = heads.lock_head(tx, upload.device_id, upload.journal_id, now=now)
    if not _is_active(devices.find_device(tx, upload.device_id)):
        raise DeviceNotActiveError(device_id=str(upload.device_id))
    waiting = heads.list_waiting(tx, upload.device_id, upload.journal_id)
    first, last = sent[0].link.sequence, sent[-1].link.sequence
    stored: dict[int, list[Stored]] = {}
    if first <= head.sequence or not waiting.keys().isdisjoint(range(first, last + 1)):
        days = {tap_day(each.record) for each in sent if each.record}
        stored = evidence.list_stored(
            tx,
            device.device_id,
            upload.journal_id,
            first=first,
            last=last,
            days=days,
            never_placed=_NEVER_PLACED,
        )

    batch = Batch(device=device, journal_id=upload.journal_id, now=now)
    verdicts: list[RecordVerdict | None] = []
    fresh: list[Sent] = []
    for each in sent:
        sequence = each.link.sequence
        kept = {one.hash: one.reason for one in stored.get(sequence, ())}
        if each.fault is Reason.NOT_COVERED:
            batch.set_aside(each, Reason.NOT_COVERED)
            verdicts.append(RecordVerdict(sequence, Verdict.EXCEPTION, Reason.NOT_COVERED))
            continue
        match place_of(each.link, head=head, waiting=waiting, stored=each.link.hash in kept):
            case Place.SAME:
                reason = kept.get(each.link.hash, "")
                verdicts.append(RecordVerdict(sequence, Verdict.DUPLICATE, reason))
            case Place.OTHER:
                batch.set_aside(each, Reason.OTHER_CONTENT)
                verdicts.append(RecordVerdict(sequence, Verdict.CONFLICT, Reason.OTHER_CONTENT))
            case Place.FREE if each.fault is not None:
                batch.set_aside(each, each.fault)
                verdicts.append(RecordVerdict(sequence, Verdict.EXCEPTION, each.fault))
                fresh.append(each)
            case Place.FREE:
                verdicts.append(None)
                fresh.append(each)

    limits = Limits(now=now, deny_version=deny.version(tx), tariff_versions=tariff_versions)
    seen = examine(tx, batch, fresh, keyring=keyring, limits=limits)
    if share_days is not None:
        share_days(tx, {one.record.tapped_at for one in seen})
    claims, counting = store(tx, batch, seen, keyring=keyring)
    examined = relate(tx, batch, seen, claims, counting)
    keep_held(tx, batch, seen, examined.proven)
    end_actions(tx, seen, examined.reasons, now=now)
    end_torn_actions(tx, seen, claims, keyring=keyring, now=now)
    added = {each.link.sequence: each.link for each in fresh}
    moved = advance(head, waiting | added)
    if moved.head != head:
        heads.move_head(tx, upload.device_id, upload.journal_id, moved.head, now=now)
    passed = set(moved.passed)
    heads.replace_waiting(
        tx,
        upload.device_id,
        upload.journal_id,
        passed=passed & waiting.keys(),
        added={sequence: link for sequence, link in added.items() if sequence not in passed},
    )
    suspended = False
    if moved.broken is not None:
        batch.chain_broke(moved.broken)
    if batch.must_suspend:
        reason = "the journal holds other content than was signed before"
        suspended = enrol.suspend(tx, DeviceId(device.device_id), reason=reason, actor="take_in", now=now)
    report(tx, batch, examined.known)
    return TakenIn(
        _complete(verdicts, examined, sent),
        moved.head.sequence,
        examined.taps,
        examined.touched,
        suspended,
    )


def _authenticate(tx: Connection, upload: Upload) -> tuple[Device, tuple[Sent, ...]]:
    device = devices.find_device(tx, upload.device_id)
    keys = devices.list_keys(tx, upload.device_id)
    key = enrol.live_key(keys, upload.key_id)
    if device is None or not _is_active(device) or key is None:
        raise DeviceNotActiveError(device_id=str(upload.device_id))
    sent = read_segment(upload, key)
    if sent is None:
        raise HeadSignatureError
    return device, sent


def _is_active(device: Device | None) -> bool:
    return device is not None and device.state is DeviceState.ACTIVE


def _complete(
    verdicts: list[RecordVerdict | None], examined: Examined, sent: tuple[Sent, ...]
) -> tuple[RecordVerdict, ...]:
    complete = []
    for verdict, each in zip(verdicts, sent, strict=True):
        sequence = each.link.sequence
        if verdict is not None:
            complete.append(verdict)
        elif reason := examined.reasons.get(sequence):
            complete.append(RecordVerdict(sequence, Verdict.EXCEPTION, reason))
        else:
            complete.append(RecordVerdict(sequence, Verdict.ACCEPTED))
    return tuple(complete)
