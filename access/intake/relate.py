"""What stored records say of each other: one counter claimed twice, torn taps proven, a reader chain that breaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from access.cases import CaseKind
from access.intake.batch import CASE_OF, Batch
from access.intake.examine import Seen
from access.rules.coded import LAST_COUNTER
from access.rules.link import Counting
from access.rules.tap import Tap
from access.rules.verdict import Reason
from access.store import evidence
from access.store.cards import KnownCard
from access.store.evidence import ClaimRow, Proven
from kernel.ids import DeviceId, FareAccountId, JournalId
from kernel.wire.tap import Phase


@dataclass(frozen=True, slots=True)
class Examined:
    """What became of the fresh records: reasons by sequence, billable taps, and instants whose bills may change.

    `proven` are the torn taps, these or older ones, of which it is known now that the card had committed them.
    """

    reasons: Mapping[int, Reason]
    taps: tuple[Tap, ...]
    touched: frozenset[tuple[FareAccountId, datetime]]
    known: Mapping[UUID, KnownCard]
    proven: Sequence[Proven]


def relate(
    tx: Connection, batch: Batch, seen: Sequence[Seen], claims: Sequence[ClaimRow], counting: Counting
) -> Examined:
    """Return what became of the fresh records now that they stand beside those stored before them.

    `counting` says to which account each card's taps count.
    """
    known = {one.card.card_id: one.card for one in seen if one.card}
    touched: set[tuple[UUID, datetime]] = {
        (one.card_id, one.record.tapped_at)
        for one in seen
        if not one.finding.reason and one.record.phase is not Phase.REFUSED
    }
    losers = _misfits(tx, batch, claims, touched)
    torn_keys = {(claim.card_id, claim.counter - 1) for claim in claims}
    torn_keys |= {(one.card_id, one.record.tmc) for one in seen if one.torn}
    torn_keys |= {(one.card_id, one.record.prior_tmc) for one in seen if one.read_back}
    proven = evidence.list_proven(tx, torn_keys) if torn_keys else ()
    touched |= {(each.card_id, each.tapped_at) for each in proven}
    reasons: dict[int, Reason] = {}
    for one in seen:
        reason = one.finding.reason or (Reason.COUNTER_TAKEN if one.tap_id in losers else None)
        if reason is not None:
            reasons[one.record.sequence] = reason
            _tell(batch, one, reason)
    fresh = {one.tap_id for one in seen}
    for displaced, card_id in losers.items():
        if displaced not in fresh:
            account = known[card_id].fare_account_id if card_id in known else None
            batch.queue(Reason.COUNTER_TAKEN, str(displaced), account)
    proven_ids = {each.tap_id for each in proven}
    return Examined(
        reasons=reasons,
        taps=tuple(
            _tap(batch, one, one.card, counting, proven=one.tap_id in proven_ids)
            for one in seen
            if one.card and one.record.sequence not in reasons and one.record.phase is not Phase.REFUSED
        ),
        touched=frozenset(
            (counting.account(FareAccountId(known[card_id].fare_account_id), at), at)
            for card_id, at in touched
            if card_id in known
        ),
        known=known,
        proven=proven,
    )


def _misfits(
    tx: Connection, batch: Batch, claims: Sequence[ClaimRow], touched: set[tuple[UUID, datetime]]
) -> dict[UUID, UUID]:
    """Return which claims come second, of these and of those stored before them, with their cards.

    A rival of other content opens a case (READERS.md, check 4), and so does a card that remembers another reader
    than the one which delivered its tap before (check 7), and a code that two readers let through.
    """
    losers: dict[UUID, UUID] = {}
    own = {claim.tap_id: claim for claim in claims}
    for other in evidence.list_misfits(tx, claims) if claims else ():
        claim = own[other.of]
        if other.counter != claim.counter:
            later = max(
                (claim.counter, claim.tap_id, claim.device_id), (other.counter, other.tap_id, other.device_id)
            )
            counter, piece, device_id = later
            subject = f"card:{claim.card_id}:{counter}"
            batch.suspect(CaseKind.READER_CHAIN, subject, str(piece), claim.card_id, device_id=device_id)
            continue
        touched.add((other.card_id, other.tapped_at))
        comes_first = (other.tapped_at, other.tap_id) < (claim.tapped_at, claim.tap_id)
        losers[claim.tap_id if comes_first else other.tap_id] = claim.card_id
        if other.tmv != claim.tmv:
            kind, subject = CaseKind.COUNTER_TAKEN, f"card:{claim.card_id}:{claim.counter}"
        elif claim.counter > LAST_COUNTER and other.device_id != claim.device_id:
            # A case a medium, not a code: whether it was a picture taken once or a habit is what a reviewer must see.
            kind, subject = CaseKind.CODE_SHARED, f"card:{claim.card_id}"
        else:
            continue
        for one in (claim, other):
            batch.suspect(kind, subject, str(one.tap_id), one.card_id, device_id=one.device_id)
    return losers


def _tell(batch: Batch, seen: Seen, reason: Reason) -> None:
    batch.queue(reason, str(seen.tap_id), seen.card.fare_account_id if seen.card else None)
    if reason in CASE_OF:
        of_device = reason in {Reason.READER_NOT_SIGNER, Reason.CODE_INVALID}
        subject = f"device:{batch.device.device_id}" if of_device else f"card:{seen.card_id}"
        batch.suspect(CASE_OF[reason], subject, str(seen.tap_id), seen.card_id)


def _tap(batch: Batch, seen: Seen, card: KnownCard, counting: Counting, *, proven: bool) -> Tap:
    record = seen.record
    return Tap(
        tap_id=seen.tap_id,
        card_id=seen.card_id,
        fare_account_id=counting.account(FareAccountId(card.fare_account_id), record.tapped_at),
        device_id=DeviceId(record.device_id),
        journal_id=JournalId(record.journal_id),
        sequence=record.sequence,
        counter=record.tmc,
        tapped_at=record.tapped_at,
        received_at=batch.now,
        clock_state=record.clock_state,
        purpose=record.purpose,
        phase=record.phase,
        operator_id=batch.device.operator_id,
        place=record.place,
        stop_id=record.stop_id,
        route_id=record.route_id,
        trip_id=record.trip_id,
        direction=record.direction,
        vehicle_class=record.vehicle_class,
        concession=seen.finding.concession,
        tariff_version=record.tariff_version,
        mac_valid=seen.finding.mac_valid,
        proven_torn=proven,
        kind=card.kind,
    )
