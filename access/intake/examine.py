"""Fresh records are judged against their cards and written down as evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, date
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access import link
from access.intake.batch import Batch
from access.intake.hidden import reveal
from access.issue import stray_id, uid_hash
from access.keyring import Keyring
from access.rules.coded import Coded, check_coded
from access.rules.hidden import is_random
from access.rules.judge import Finding, IssuedTo, Limits, judge, judge_coded
from access.rules.link import Counting
from access.rules.mac import NOBODY, Proof, check_mac, torn_value
from access.rules.segment import Sent
from access.rules.tap import tap_id
from access.rules.verdict import Reason
from access.store import cards, devices, evidence
from access.store.cards import KnownCard
from access.store.evidence import AsideRow, ClaimRow, PriorRow, TapRow, TornRow
from access.vault import Vault, open_vault, unwrapped
from kernel.ids import CardId, FareAccountId, TapId
from kernel.wire.shown import is_shown
from kernel.wire.tap import NO_TMV, Phase, TapRecord

CLAIMING: Final = frozenset({None, Reason.UNKNOWN_CARD, Reason.TIME_IMPLAUSIBLE, Reason.VERSION_IMPLAUSIBLE})
"""Findings under which a valid MAC occupies (card, counter): the reader is the signer, the card is its own."""
_SHOWN: Final = b"shown"


@dataclass(frozen=True, slots=True)
class Seen:
    """One fresh record, examined. `proof` is its transaction MAC, `torn` the MAC value that would prove it torn.

    `coded` is what vouches for a record of something shown instead of a card.
    """

    sent: Sent
    record: TapRecord
    tap_id: TapId
    card: KnownCard | None
    card_id: CardId
    stray: bytes
    proof: Proof | None
    torn: bytes | None
    finding: Finding
    coded: Coded | None = None

    @property
    def number(self) -> int:
        """Return what the record occupies: the card's counter, or a code's number; 0 for none."""
        return self.coded.number if self.coded else self.record.tmc

    @property
    def read_back(self) -> bool:
        """Return whether the record tells of the card's tap before and carries no claim of its own to say it by."""
        record = self.record
        unproven = self.coded is None and record.phase in {Phase.TORN, Phase.REFUSED}
        return unproven and record.prior_tmc > 0 and record.prior_tmv != NO_TMV

    @property
    def owner(self) -> UUID:
        """Return whose data key its body is sealed under."""
        return self.card.fare_account_id if self.card else self.card_id


def tap_day(record: TapRecord) -> date:
    """Return the partition a record belongs to: the UTC date of its own signed time, never of ours (§8.10)."""
    return record.tapped_at.astimezone(UTC).date()


def examine(
    tx: Connection, batch: Batch, fresh: Sequence[Sent], *, keyring: Keyring, limits: Limits
) -> tuple[Seen, ...]:
    """Return each fresh record with its card, its proof and the finding on it; nothing is stored yet."""
    found = [(each, each.record) for each in fresh if each.record is not None]
    records = [(sent, record) for sent, record in found if not is_shown(record)]
    hashes = {record.uid: uid_hash(keyring, record.uid) for _, record in records}
    by_hash = cards.find_known(tx, set(hashes.values())) if hashes else {}
    key_ids = {key.key_id for key in devices.list_keys(tx, batch.device.device_id)}
    revealed = reveal(tx, (record for _, record in records), keyring=keyring)
    seen = []
    for sent, record in records:
        hidden = revealed.get(record.card_serial) if is_random(record.uid) else None
        hashed = hidden.uid_hash if hidden else hashes[record.uid]
        card = hidden.card if hidden else by_hash.get(hashed)
        # The card's MACs are made under its own UID, whatever it showed.
        own = replace(record, uid=hidden.uid) if hidden else record
        key = keyring.tmac_key(own.uid, record.key_generation)
        proof = check_mac(own, key) if key else None
        torn = torn_value(own, key) if key else None
        issued = IssuedTo(card.serial, card.key_generation) if card else None
        finding = judge(record, card=issued, proof=proof, key_ids=key_ids, limits=limits)
        place = tap_id(record.device_id, record.journal_id, record.sequence)
        card_id = CardId(card.card_id) if card else stray_id(hashed)
        seen.append(Seen(sent, record, place, card, card_id, hashed, proof, torn, finding))
    coded = [(sent, record) for sent, record in found if is_shown(record)]
    if coded:
        seen += _examine_coded(tx, coded, keyring=keyring, key_ids=key_ids, limits=limits)
        seen.sort(key=lambda one: one.record.sequence)
    return tuple(seen)


def _examine_coded(
    tx: Connection,
    records: Sequence[tuple[Sent, TapRecord]],
    *,
    keyring: Keyring,
    key_ids: AbstractSet[bytes],
    limits: Limits,
) -> Iterator[Seen]:
    """Yield what was shown instead of a card: the medium is found by the serial that its proof names."""
    known = cards.find_tokens(tx, {record.card_serial for _, record in records})
    for sent, record in records:
        coded = check_coded(record, keyring.bundle_key.public)
        card = known.get(record.card_serial)
        issued = IssuedTo(card.serial, card.key_generation) if card else None
        finding = judge_coded(record, card=issued, coded=coded, key_ids=key_ids, limits=limits)
        stray = keyring.lookup(_SHOWN, record.card_serial.to_bytes(8))
        place = tap_id(record.device_id, record.journal_id, record.sequence)
        card_id = CardId(card.card_id) if card else stray_id(stray)
        yield Seen(sent, record, place, card, card_id, stray, None, None, finding, coded)


def store(
    tx: Connection, batch: Batch, seen: Sequence[Seen], *, keyring: Keyring
) -> tuple[tuple[ClaimRow, ...], Counting]:
    """Store the records and what was set aside; return their claims on card counters, and to whom they count.

    The records' fare accounts and those linked with them are locked in id order first: of two uploads that claim
    one counter of a card, one sees the other.
    """
    vault = unwrapped(keyring, {one.card.fare_account_id: one.card.wrapped for one in seen if one.card})
    others: set[UUID] = {stray_id(one.stray) for one in seen if not vault.holds(one.owner)}
    if batch.aside:
        others.add(batch.device.device_id)
    vault = vault.with_keys_of(open_vault(tx, keyring, others, now=batch.now))
    counting = link.lock_counted(tx, {FareAccountId(one.card.fare_account_id) for one in seen if one.card})
    evidence.copy_in(tx, [_tap_row(batch, one, vault) for one in seen])
    evidence.insert_aside(tx, [_aside_row(batch, sent, reason, vault) for sent, reason in batch.aside])
    claiming = [one for one in seen if one.finding.reason in CLAIMING]
    claims = (
        *(_claim(one, one.proof) for one in claiming if one.proof),
        *(_code_claim(one, one.coded) for one in claiming if one.coded),
    )
    evidence.copy_in(tx, claims)
    torn = [_torn(one, one.torn) for one in claiming if one.torn]
    evidence.copy_in(tx, torn)
    evidence.copy_in(tx, [_prior(one) for one in claiming if one.read_back])
    return claims, counting


def _tap_row(batch: Batch, seen: Seen, vault: Vault) -> TapRow:
    record = seen.record
    # A late tap of a forgotten person is sealed as if their card had never been issued.
    owner = seen.owner if vault.holds(seen.owner) else stray_id(seen.stray)
    digest = seen.sent.link.hash
    return TapRow(
        seen.card_id,
        tap_day(record),
        seen.tap_id,
        record.device_id,
        record.journal_id,
        record.sequence,
        digest,
        seen.number,
        record.tapped_at,
        batch.now,
        int(record.clock_state),
        int(record.purpose),
        int(record.phase),
        batch.device.operator_id,
        record.place,
        record.stop_id,
        record.route_id,
        record.trip_id,
        record.direction,
        record.vehicle_class,
        int(seen.finding.concession),
        record.tariff_version,
        seen.finding.mac_valid,
        seen.finding.reason.value if seen.finding.reason else "",
        owner,
        vault.seal(owner, seen.sent.raw, seen.tap_id.bytes + digest),
    )


def _aside_row(batch: Batch, sent: Sent, reason: Reason, vault: Vault) -> AsideRow:
    owner = batch.device.device_id
    link = sent.link
    return AsideRow(
        owner,
        batch.journal_id,
        link.sequence,
        link.hash,
        reason.value,
        batch.now,
        owner,
        vault.seal(owner, sent.raw, batch.journal_id.bytes + link.hash),
    )


def _claim(seen: Seen, proof: Proof) -> ClaimRow:
    record = seen.record
    # File 0F speaks of the transaction right before this one, or it says nothing here.
    prior = record.prior_tmv if record.prior_tmc == record.tmc - 1 else NO_TMV
    return ClaimRow(
        seen.card_id,
        record.tmc,
        seen.tap_id,
        record.tapped_at,
        record.device_id,
        record.tmv,
        prior,
        proof.previous_reader,
    )


def _code_claim(seen: Seen, coded: Coded) -> ClaimRow:
    record = seen.record
    return ClaimRow(
        seen.card_id,
        coded.number,
        seen.tap_id,
        record.tapped_at,
        record.device_id,
        coded.value,
        NO_TMV,
        NOBODY,
    )


def _prior(seen: Seen) -> PriorRow:
    record = seen.record
    return PriorRow(seen.card_id, record.prior_tmc, seen.tap_id, record.prior_tmv)


def _torn(seen: Seen, value: bytes) -> TornRow:
    record = seen.record
    return TornRow(seen.card_id, record.tmc, seen.tap_id, record.tapped_at, record.device_id, value)
