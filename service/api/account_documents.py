"""Fare accounts, their links, families and concessions, as the API's description shows them."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from service.api.bodies import Body, ConcessionName, Instant
from service.api.ledger_documents import MoneyBody


class LinkedBody(Body):
    """What linking came to: taps that count elsewhere now, entries of the ledger, and accounts that owe money."""

    link_id: UUID
    effective_from: Instant
    again: bool
    taps: int
    entries: int
    owing: list[UUID]


class RecordedLinkBody(Body):
    """What was recorded of an account: since when it counts to another, or to itself again."""

    link_id: UUID
    into: UUID
    effective_from: Instant
    reason: str
    by: str
    recorded_at: Instant


class LinksBody(Body):
    """What an account counts to now, and what was recorded about it, in that order."""

    counts_to: UUID
    links: list[RecordedLinkBody]


class PayerSetBody(Body):
    """A payer that was recorded; `again`: it was before."""

    wallet_id: UUID
    again: bool


class FamilyMemberBody(Body):
    """For whom an account pays: how much in the month, and how much at most."""

    fare_account_id: UUID
    paid: MoneyBody
    month_limit: MoneyBody


class FamilyBody(Body):
    """For whom an account pays; `month` is the month's first day."""

    month: date
    members: list[FamilyMemberBody]


class ErasedBody(Body):
    """How many data keys were destroyed; none for a repeat."""

    fare_account_id: UUID
    keys_destroyed: int


class EntitlementProvenBody(Body):
    """What a proof says, on whose word, and how many entries the rides that were billed anew came to."""

    entitlement_id: UUID
    concession: ConcessionName
    valid_from: date
    valid_to: date | None
    verifier: str
    entries: int


class EntitlementBody(Body):
    """A concession of an account; `ended_on` is its last day where it was ended."""

    entitlement_id: UUID
    concession: ConcessionName
    valid_from: date
    valid_to: date | None
    ended_on: date | None
    verifier: str
    reference: str


class EntitlementsBody(Body):
    """An account's concessions."""

    entitlements: list[EntitlementBody]


class EntitlementEndedBody(Body):
    """An entitlement that was ended; `again`: it was before."""

    entitlement_id: UUID
    again: bool
    entries: int
