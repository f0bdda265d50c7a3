"""One upload on its way in, and what it leaves for people to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access import cases, deny, exceptions
from access.cases import CaseKind, Suspicion
from access.deny import DenyReason
from access.exceptions import House, Raised
from access.rules.chain import Link
from access.rules.segment import Sent
from access.rules.verdict import Reason
from access.store.cards import KnownCard
from access.store.devices import Device
from kernel.ids import FareAccountId

CASE_OF: Final[dict[Reason, CaseKind]] = {
    Reason.MAC_INVALID: CaseKind.MAC_INVALID,
    Reason.READER_NOT_SIGNER: CaseKind.READER_NOT_SIGNER,
    Reason.CARD_MISMATCH: CaseKind.CARD_MISMATCH,
    Reason.CODE_INVALID: CaseKind.CODE_INVALID,
    Reason.OTHER_CONTENT: CaseKind.OTHER_CONTENT,
    Reason.NOT_COVERED: CaseKind.NOT_COVERED,
    Reason.FOREIGN_RECORD: CaseKind.FOREIGN_RECORD,
    Reason.OUT_OF_PLACE: CaseKind.FOREIGN_RECORD,
}


@dataclass(slots=True)
class Batch:
    """One upload on its way in: whose it is, what is set aside, and what people should look at."""

    device: Device
    journal_id: UUID
    now: datetime
    aside: list[tuple[Sent, Reason]] = field(default_factory=list)
    suspicions: list[Suspicion] = field(default_factory=list)
    raised: list[Raised] = field(default_factory=list)
    must_suspend: bool = False

    def set_aside(self, sent: Sent, reason: Reason) -> None:
        """Keep the bytes outside the taps, and tell people why."""
        self.aside.append((sent, reason))
        place = f"device:{self.device.device_id}:{self.journal_id}:{sent.link.sequence}"
        if reason in CASE_OF:
            self.suspect(CASE_OF[reason], place, sent.link.hash.hex())
        if reason is Reason.OTHER_CONTENT:
            self.must_suspend = True
        else:
            self.queue(reason, f"{place}:{sent.link.hash.hex()[:16]}", None)

    def chain_broke(self, link: Link) -> None:
        """The journal has forked: this link hangs on a record that we do not hold at its place."""
        place = f"device:{self.device.device_id}:{self.journal_id}:{link.sequence}"
        self.suspect(CaseKind.CHAIN_BROKEN, place, link.hash.hex())
        self.must_suspend = True

    def suspect(
        self,
        kind: CaseKind,
        subject: str,
        piece: str,
        card_id: UUID | None = None,
        *,
        device_id: UUID | None = None,
    ) -> None:
        """Note one piece of evidence for a case; it comes from this device unless another is named."""
        self.suspicions.append(
            Suspicion(
                kind=kind,
                subject=subject,
                evidence=piece,
                device_id=device_id or self.device.device_id,
                card_id=card_id,
            )
        )

    def queue(self, reason: Reason, ref: str, account: UUID | None) -> None:
        """Note one thing that cannot be priced."""
        self.raised.append(
            Raised(
                house=House.ACCESS,
                reason=reason.value,
                ref=ref,
                fare_account_id=FareAccountId(account) if account else None,
                detail={"device": self.device.name},
            )
        )


def report(tx: Connection, batch: Batch, known: Mapping[UUID, KnownCard]) -> None:
    """Open the cases and queue the exceptions; restrict a card whose bad MACs come from independent devices.

    `known` are the issued cards of the upload by id.
    """
    counts = cases.suspect(tx, batch.suspicions, now=batch.now)
    exceptions.raise_many(tx, batch.raised, now=batch.now)
    suspected = {
        each.card_id
        for each in batch.suspicions
        if each.kind is CaseKind.MAC_INVALID
        and counts[each.kind.value, each.subject] >= cases.INDEPENDENT_DEVICES
    }
    forged = [card.serial for card_id, card in known.items() if card_id in suspected]
    if forged:
        deny.deny(tx, forged, reason=DenyReason.FORGED, cause="two independent devices", now=batch.now)
