"""Reconciliation as the API's description shows it."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from ledger.rules.reconcile import Rule, Why
from service.api.bodies import Body, Instant
from service.api.ledger_documents import MoneyBody
from service.api.settlement_documents import CoverageBody


class FileStatementBody(Body):
    """A statement of a file; `reason` says why it is not used."""

    number: int
    account: str
    status: str
    reason: str


class BankFileBody(Body):
    """A file that was taken in; `repeated`: its content was known."""

    file_id: UUID
    format: str
    version: str
    status: str
    reason: str
    statements: list[FileStatementBody]
    movements: int
    repeated: bool


class QueuedBody(Body):
    """The queue's movements of one reason."""

    reason: str
    count: int
    amount: MoneyBody


class SuspenseBody(Body):
    """Suspense of one reason."""

    reason: str
    amount: MoneyBody


class ClosingBody(Body):
    """An account's newest closing balance."""

    account: str
    amount: MoneyBody
    on: date | None


class DifferenceBody(Body):
    """By how much books and bank of a day differ in what is queued; `hint` says what that smells of."""

    on: date
    books: MoneyBody
    bank: MoneyBody
    amount: MoneyBody
    hint: str


class OperatorNetBody(Body):
    """An operator's part of the last settled day."""

    operator_id: str
    net: MoneyBody
    to_pay: MoneyBody


class FiguresBody(Body):
    """Where reconciliation stands; `unexplained` is to be 0."""

    movements: int
    moved: MoneyBody
    matched: int
    matched_amount: MoneyBody
    matched_permille: int
    queued: int
    queued_amount: MoneyBody
    unexplained: int
    unexplained_amount: MoneyBody
    oldest_exception_at: Instant | None
    exceptions: list[QueuedBody]
    suspense: list[SuspenseBody]
    quarantined_files: int
    chain_gaps: int
    bank_closing: list[ClosingBody]
    differences: list[DifferenceBody]
    coverage: CoverageBody | None
    operators: list[OperatorNetBody]


class ExceptionBody(Body):
    """A movement that nothing explains, why, and what to do about it."""

    exception_id: UUID
    item_id: UUID
    side: str
    reason: Why
    amount: MoneyBody
    occurred_on: date
    reference: str
    detail: str
    opened_at: Instant
    age_s: int
    assigned_to: str
    proposed: str
    suggestion: str
    hint: str


class ExceptionsBody(Body):
    """The queue, oldest first."""

    exceptions: list[ExceptionBody]


class ActBody(Body):
    """What a person did with a match."""

    act: str
    actor: str
    at: Instant
    note: str


class MatchBody(Body):
    """A match with the movement at its other end; `match_id` is what undoing takes."""

    match_id: UUID
    relation: str
    rule: Rule
    live: bool
    made_at: Instant
    item_id: UUID
    side: str
    amount: MoneyBody
    occurred_on: date
    reference: str
    acts: list[ActBody]


class MatchesBody(Body):
    """A movement's matches, newest first."""

    matches: list[MatchBody]


class ApprovedBody(Body):
    """The entry that each exception was ended with; null where it books nothing."""

    entries: list[UUID | None]
