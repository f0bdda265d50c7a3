"""Disputes: raised by riders about any charge, seen with the evidence, answered by staff by a date."""

from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Connection

from access import issue
from kernel.ids import FareAccountId
from kernel.money import Money
from ledger import dispute
from ledger.dispute import Dispute
from ledger.post import book_day
from ledger.rules.row import Row
from ledger.store.disputes import DisputeRow
from service import audit, cards_cache, purses, riders
from service.api import dispute_documents as shown
from service.api.bodies import again
from service.api.topups import Amount
from service.auth import principal, require_own, requires
from service.problems import request_id
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("disputes", __name__, tag="Disputes", url_prefix="/v1")
OFFICE: Final = (Role.FINANCE_MAKER, Role.FINANCE_CHECKER)
Text = Annotated[str, Field(min_length=1, max_length=1_000)]


class DisputeAsked(BaseModel):
    """A charge, by the tap, the parking session or the ledger entry, and what is wrong with it.

    The caller mints `dispute_id` (a UUID) and saves it before sending.
    """

    model_config = ConfigDict(extra="forbid")

    dispute_id: UUID
    tap_id: UUID | None = None
    session_id: UUID | None = None
    entry_id: UUID | None = None
    reason: Text

    @model_validator(mode="after")
    def _one(self) -> "DisputeAsked":
        if [self.tap_id, self.session_id, self.entry_id].count(None) != 2:
            raise ValueError("name one of tap_id, session_id and entry_id")
        return self

    @property
    def cause(self) -> str:
        """Return how the houses name what caused the charge; empty where the entry itself is named."""
        return f"tap:{self.tap_id}" if self.tap_id else f"stay:{self.session_id}" if self.session_id else ""


class AnswerAsked(BaseModel):
    """An answer: with `refund` so much is given back, without it the charge stands. `note` is for the rider."""

    model_config = ConfigDict(extra="forbid")

    refund: Amount | None = None
    note: Text


class OpenAsked(BaseModel):
    """Which disputes."""

    model_config = ConfigDict(extra="forbid")

    overdue: bool = False


@blueprint.post("/riders/<uuid:fare_account_id>/disputes")
@requires(Role.RIDER)
@blueprint.input(DisputeAsked, location="json")
@blueprint.output(shown.DisputeFileBody, status_code=201)
@blueprint.doc(responses=again(shown.DisputeFileBody))
def create_dispute(
    fare_account_id: UUID, json_data: DisputeAsked
) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Raise a dispute; one charge has at most one that is unanswered."""
    account = require_own(fare_account_id)
    running = services()
    now = running.clock.now()

    def work(tx: Connection) -> Dispute:
        issue.lock_accounts(tx, (account,))
        made = dispute.raise_dispute(
            tx,
            account,
            dispute_id=json_data.dispute_id,
            entry_id=json_data.entry_id,
            cause=json_data.cause,
            reason=json_data.reason,
            by=_actor(),
            now=now,
        )
        if not made.again:
            _audit(tx, "dispute.raised", made)
        return made

    made = running.database.run(work)
    return (_document(made), 200, {"Idempotency-Hit": "true"}) if made.again else (_document(made), 201, {})


@blueprint.get("/riders/<uuid:fare_account_id>/disputes")
@requires(Role.RIDER)
@blueprint.output(shown.DisputesBody)
def list_disputes(fare_account_id: UUID) -> dict[str, Any]:
    """Return the rider's disputes, the newest first."""
    account = require_own(fare_account_id)
    with services().database.read() as tx:
        return {"disputes": [_row(row) for row in dispute.list_disputes(tx, account)]}


@blueprint.get("/riders/<uuid:fare_account_id>/disputes/<uuid:dispute_id>")
@requires(Role.RIDER, *OFFICE, Role.AUDITOR)
@blueprint.output(shown.DisputeFileBody)
def get_dispute(fare_account_id: UUID, dispute_id: UUID) -> dict[str, Any]:
    """Return a dispute with its evidence and steps. That staff looked stands in the rider's access log."""
    account = require_own(fare_account_id)
    running = services()
    with running.database.begin() as tx:
        found = dispute.get_dispute(tx, account, dispute_id)
        if not principal().holds(frozenset({Role.RIDER})):
            riders.looked_at(
                tx,
                account,
                by=principal().actor,
                what="charge",
                purpose=f"dispute {dispute_id}",
                now=running.clock.now(),
                request_id=request_id(),
            )
    return _document(found)


@blueprint.post("/riders/<uuid:fare_account_id>/disputes/<uuid:dispute_id>/withdraw")
@requires(Role.RIDER)
@blueprint.output(shown.DisputeFileBody)
def withdraw_dispute(fare_account_id: UUID, dispute_id: UUID) -> dict[str, Any]:
    """Take an unanswered dispute back."""
    account = require_own(fare_account_id)
    running = services()
    with running.database.begin() as tx:
        done = dispute.withdraw(tx, account, dispute_id, by=_actor(), now=running.clock.now())
        _audit(tx, "dispute.withdrawn", done)
    return _document(done)


@blueprint.post("/riders/<uuid:fare_account_id>/disputes/<uuid:dispute_id>/take")
@requires(*OFFICE)
@blueprint.output(shown.DisputeFileBody)
def take_dispute(fare_account_id: UUID, dispute_id: UUID) -> dict[str, Any]:
    """Say that a person has begun to look."""
    running = services()
    with running.database.begin() as tx:
        account = FareAccountId(fare_account_id)
        done = dispute.take(tx, account, dispute_id, by=_actor(), now=running.clock.now())
        _audit(tx, "dispute.taken", done)
    return _document(done)


@blueprint.post("/riders/<uuid:fare_account_id>/disputes/<uuid:dispute_id>/answer")
@requires(*OFFICE)
@blueprint.input(AnswerAsked, location="json")
@blueprint.output(shown.DisputeFileBody)
def answer_dispute(
    fare_account_id: UUID, dispute_id: UUID, json_data: AnswerAsked
) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Answer a dispute; a refund is booked as an entry linked to the charge, in the same transaction."""
    running = services()
    now = running.clock.now()
    account = FareAccountId(fare_account_id)
    refund = None if json_data.refund is None else Money.from_json(json_data.refund.model_dump())

    def work(tx: Connection) -> Dispute:
        dispute.get_dispute(tx, account, dispute_id)
        book_day(tx, now.date(), now)
        issue.lock_accounts(tx, (account,))
        done = dispute.answer(
            tx, account, dispute_id, refund=refund, note=json_data.note, by=_actor(), now=now
        )
        if not done.again:
            purses.changed(tx, (account,), cause=f"dispute:{dispute_id}", now=now)
            _audit(tx, "dispute.answered", done)
        return done

    done = running.database.run(work)
    cards_cache.refresh(running.database, running.cache, {account}, now)
    return _document(done), 200, {"Idempotency-Hit": "true"} if done.again else {}


@blueprint.get("/disputes")
@requires(*OFFICE, Role.AUDITOR)
@blueprint.input(OpenAsked, location="query", arg_name="asked")
@blueprint.output(shown.OpenDisputesBody)
def list_open_disputes(asked: OpenAsked) -> dict[str, Any]:
    """Return up to a thousand unanswered disputes, the most urgent first; with `overdue`, only those."""
    running = services()
    now = running.clock.now()
    with running.database.read() as tx:
        found = dispute.list_open(tx, due_by=now if asked.overdue else None)
    return {"disputes": [{**_row(row), "overdue": now > row.answer_by} for row in found]}


def _row(row: DisputeRow) -> dict[str, Any]:
    return {
        "dispute_id": str(row.dispute_id),
        "fare_account_id": str(row.owner_id),
        "entry_id": str(row.entry_id),
        "disputed": {"minor": row.disputed_minor, "currency": row.currency},
        "reason": row.reason,
        "state": row.state,
        "raised_at": row.raised_at.isoformat(),
        "answer_by": row.answer_by.isoformat(),
    }


def _document(found: Dispute) -> dict[str, Any]:
    charge = found.charge
    return {
        **_row(found.row),
        "evidence": {
            "cause": charge.cause,
            "charge": [_line(row) for row in charge.lines],
            "corrections": [_line(row) for row in charge.corrections],
            "left": charge.left.to_json(),
            "explanation": _explanation(charge.cause),
        },
        "steps": [
            {
                "event": one.event,
                "state": one.state,
                "at": one.at.isoformat(),
                "note": one.note,
                "refund": None
                if one.refunded_minor is None
                else {"minor": one.refunded_minor, "currency": found.row.currency},
                "entry_id": None if one.entry_id is None else str(one.entry_id),
            }
            for one in found.steps
        ],
    }


def _line(row: Row) -> dict[str, Any]:
    return {
        "entry_id": str(row.entry_id),
        "kind": row.kind,
        "amount": {"minor": row.amount, "currency": row.currency},
        "service_day": row.service_day.isoformat(),
        "posted_at": row.posted_at.isoformat(),
        "metadata": row.metadata,
    }


def _explanation(cause: str) -> str:
    """Return where the charge is explained, by what caused it."""
    kind, _, name = cause.partition(":")
    where = {"tap": "/v1/taps/{}/explanation", "stay": "/v1/parking/sessions/{}"}.get(kind, "")
    return where.format(name)


def _actor() -> str:
    actor = principal().actor
    return f"{actor.kind.value}:{actor.actor_id}"


def _audit(tx: Connection, action: str, about: Dispute) -> None:
    last = about.steps[-1] if about.steps else None
    audit.record(
        tx,
        actor=principal().actor,
        action=action,
        subject_kind="dispute",
        subject_id=str(about.row.dispute_id),
        now=services().clock.now(),
        request_id=request_id(),
        detail={"state": about.row.state, "refund": last.refunded_minor if last else None},
    )
