"""What guests pay for parking: cash at a till, VietQR at the exit or ahead, and what is given back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from kernel.money import Money
from ledger import topup
from ledger.rules.intent import IntentId, IntentState
from ledger.topup import Asked
from parking import pay as verbs
from parking.pay import Paid
from parking.rules.payment import Method
from parking.sessions import operator_of
from service import audit
from service.api import parking_documents as shown
from service.api.bodies import again
from service.api.topups import Amount, Topup
from service.api.topups import shown as shown_topup
from service.auth import principal, require_operator, requires
from service.jobs.topups import merchant_of
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint(
    "parking_payments", __name__, tag="Parking", url_prefix="/v1/parking/sessions/<uuid:session_id>"
)
OPERATOR: Final = Role.PARKING_OPERATOR
Till = Annotated[str, Field(min_length=1, max_length=80, description="Whose cash box")]


class GivenBack(BaseModel):
    """Money out of a till. The caller mints `payment_id` (a UUID) and saves it before sending."""

    model_config = ConfigDict(extra="forbid")

    payment_id: UUID
    method: Literal["cash", "cash_by_proxy"]
    amount: Amount
    till: Till


class PaidIn(GivenBack):
    """Money into a till; with `until` it pays a running stay ahead."""

    until: AwareDatetime | None = None


class QrAsked(BaseModel):
    """A VietQR for what is due; with `until` it pays a running stay ahead."""

    model_config = ConfigDict(extra="forbid")

    topup_id: UUID
    until: AwareDatetime | None = None


@blueprint.get("/payments")
@requires(OPERATOR, Role.AUDITOR)
@blueprint.output(shown.StayPaymentsBody)
def list_payments(session_id: UUID) -> dict[str, Any]:
    """Return what a guest's session costs by now, what was paid, when and by what, and what is due or to give back."""
    running = services()
    with running.database.read() as tx:
        require_operator(operator_of(tx, session_id))
        return _shown(verbs.find_paid(tx, session_id, now=running.clock.now()))


@blueprint.post("/payments")
@requires(OPERATOR)
@blueprint.input(PaidIn, location="json")
@blueprint.output(shown.StayPaymentsBody, status_code=201)
@blueprint.doc(responses=again(shown.StayPaymentsBody))
def create_payment(session_id: UUID, json_data: PaidIn) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Take cash for a session that has ended, or ahead for a running one; a part of what is due is taken."""

    def work(tx: Connection, actor: str, now: datetime) -> Paid:
        return verbs.pay(
            tx,
            session_id,
            payment_id=json_data.payment_id,
            method=Method(json_data.method),
            amount=Money.from_json(json_data.amount.model_dump()),
            till=json_data.till,
            until=json_data.until,
            actor=actor,
            now=now,
        )

    return _moved(session_id, json_data.payment_id, "parking.pay", work)


@blueprint.post("/refunds")
@requires(OPERATOR)
@blueprint.input(GivenBack, location="json")
@blueprint.output(shown.StayPaymentsBody, status_code=201)
@blueprint.doc(responses=again(shown.StayPaymentsBody))
def create_refund(session_id: UUID, json_data: GivenBack) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Give back from a till what was paid beyond the price of an ended session."""

    def work(tx: Connection, actor: str, now: datetime) -> Paid:
        return verbs.pay_back(
            tx,
            session_id,
            payment_id=json_data.payment_id,
            method=Method(json_data.method),
            amount=Money.from_json(json_data.amount.model_dump()),
            till=json_data.till,
            actor=actor,
            now=now,
        )

    return _moved(session_id, json_data.payment_id, "parking.pay_back", work)


@blueprint.post("/payment-intents")
@requires(OPERATOR)
@blueprint.input(QrAsked, location="json")
@blueprint.output(Topup, status_code=201)
@blueprint.doc(responses=again(Topup))
def create_intent(session_id: UUID, json_data: QrAsked) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Make a single-use VietQR for what is due; the bank's notification pays the session.

    The same id gets the first answer again while the same amount is due.
    """
    running = services()
    settings, now = running.settings, running.clock.now()
    with running.database.begin() as tx:
        require_operator(operator_of(tx, session_id))
        account, due = verbs.ask(tx, session_id, intent_id=json_data.topup_id, until=json_data.until, now=now)
        asked = Asked(
            intent_id=IntentId(json_data.topup_id),
            fare_account_id=account,
            amount=due,
            provider=settings.topup_provider,
        )
        made = topup.create_intent(
            tx,
            asked,
            merchant=merchant_of(settings),
            lifetime=timedelta(minutes=settings.topup_minutes),
            now=now,
        )
        if not made.hit:
            _record(tx, session_id, "parking.payment_asked", {"topup_id": str(json_data.topup_id)}, now)
    first = replace(made.intent, state=IntentState.OPEN)
    body = shown_topup(first, first.created_at).model_dump(mode="json")
    return (body, 200, {"Idempotency-Hit": "true"}) if made.hit else (body, 201, {})


def _moved(
    session_id: UUID, payment_id: UUID, action: str, work: Callable[[Connection, str, datetime], Paid]
) -> tuple[dict[str, Any], int, dict[str, str]]:
    running = services()
    now, caller = running.clock.now(), principal().actor
    with running.database.begin() as tx:
        require_operator(operator_of(tx, session_id))
        done = work(tx, f"{caller.kind.value}:{caller.actor_id}", now)
        if not done.again:
            _record(tx, session_id, action, {"payment_id": str(payment_id)}, now)
    body = _shown(done)
    return (body, 200, {"Idempotency-Hit": "true"}) if done.again else (body, 201, {})


def _record(tx: Connection, session_id: UUID, action: str, detail: dict[str, object], now: datetime) -> None:
    audit.record(
        tx,
        actor=principal().actor,
        action=action,
        subject_kind="parking_session",
        subject_id=str(session_id),
        now=now,
        detail=detail,
    )


def _shown(paid: Paid) -> dict[str, Any]:
    return {
        "session_id": str(paid.session.row.stay_id),
        "state": paid.session.row.state,
        "price": paid.dues.price.to_json(),
        "paid": paid.dues.paid.to_json(),
        "due": paid.dues.due.to_json(),
        "to_give_back": paid.dues.credit.to_json() if not paid.session.row.running else None,
        "payments": [
            {
                "payment_id": str(each.payment_id),
                "method": each.method,
                "amount": {"minor": each.amount_minor, "currency": each.currency},
                "till": each.till or None,
                "paid_until": each.until_at.isoformat() if each.until_at else None,
                "paid_at": each.paid_at.isoformat(),
            }
            for each in paid.payments
        ],
    }
