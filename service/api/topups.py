"""Top-ups: ask for one, see what became of it, and what waits in suspense."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

import segno
from apiflask import APIBlueprint
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from access import issue
from kernel.money import Money
from ledger import suspense, topup
from ledger.rules.intent import Intent, IntentId, IntentState
from ledger.topup import Asked
from service import audit
from service.api.bodies import again
from service.auth import principal, require_own, requires
from service.jobs.topups import merchant_of
from service.problems import request_id
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("topups", __name__, tag="Top-up")
FINANCE: Final = (Role.FINANCE_MAKER, Role.FINANCE_CHECKER, Role.AUDITOR)
ANYBODY: Final = "anybody may put money on anybody's card"


class Amount(BaseModel):
    """An amount in minor units; VND has none, so 50000 is fifty thousand đồng."""

    model_config = ConfigDict(extra="forbid", strict=True)

    minor: int
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]


class TopupAsked(BaseModel):
    """A rider's wish. The caller mints `topup_id` (a UUID) and saves it before sending."""

    model_config = ConfigDict(extra="forbid")

    topup_id: UUID
    fare_account_id: UUID
    amount: Amount


class Qr(BaseModel):
    """What the rider scans: the VietQR text and the same as an SVG document."""

    payload: str
    svg: str


class Topup(BaseModel):
    """One top-up as it was first made; `state` is what it was made in."""

    topup_id: UUID
    fare_account_id: UUID
    amount: Amount
    provider: str
    reference: str
    state: IntentState
    created_at: AwareDatetime
    expires_at: AwareDatetime
    qr: Qr


class Waiting(BaseModel):
    """One open row of the suspense queue; `booked` says that the books hold the amount."""

    suspense_id: UUID
    reason: str
    amount: Amount | None
    booked: bool
    topup_id: UUID | None
    payment_id: UUID | None
    opened_at: AwareDatetime
    age_s: int
    assigned_to: str


class Suspense(BaseModel):
    """The queue, oldest first."""

    suspense: list[Waiting]


@blueprint.post("/v1/topups")
@requires(Role.RIDER, app_server=ANYBODY)
@blueprint.input(TopupAsked, location="json")
@blueprint.output(Topup, status_code=201)
@blueprint.doc(responses=again(Topup))
def create_topup(json_data: TopupAsked) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Make a payment intent and return its single-use VietQR.

    The same id with the same body gets the first answer again, with `Idempotency-Hit: true` and 200; with
    another body, 409 id-reused.
    """
    running = services()
    asked = Asked(
        intent_id=IntentId(json_data.topup_id),
        fare_account_id=require_own(json_data.fare_account_id),
        amount=Money.from_json(json_data.amount.model_dump()),
        provider=running.settings.topup_provider,
    )
    now = running.clock.now()
    with running.database.begin() as tx:
        made = topup.find_created(tx, asked)
        if made is None:
            issue.lock_accounts(tx, (asked.fare_account_id,))
            made = topup.create_intent(
                tx,
                asked,
                merchant=merchant_of(running.settings),
                lifetime=timedelta(minutes=running.settings.topup_minutes),
                now=now,
            )
            if not made.hit:
                audit.record(
                    tx,
                    actor=principal().actor,
                    action="topup.asked",
                    subject_kind="topup",
                    subject_id=str(asked.intent_id),
                    now=now,
                    request_id=request_id(),
                )
    first = replace(made.intent, state=IntentState.OPEN)
    body = shown(first, first.created_at).model_dump(mode="json")
    return (body, 200, {"Idempotency-Hit": "true"}) if made.hit else (body, 201, {})


@blueprint.get("/v1/topups/<uuid:topup_id>")
@requires(Role.RIDER, *FINANCE, app_server=ANYBODY)
@blueprint.output(Topup)
def get_topup(topup_id: UUID) -> dict[str, Any]:
    """Return a top-up as it stands now."""
    running = services()
    with running.database.read() as tx:
        intent = topup.get_intent(tx, topup_id)
    require_own(intent.fare_account_id)
    return shown(intent, running.clock.now()).model_dump(mode="json")


@blueprint.get("/v1/suspense")
@requires(*FINANCE)
@blueprint.output(Suspense)
def list_suspense() -> dict[str, Any]:
    """Return up to a thousand payments that wait for a person, oldest first, each with its reason and age."""
    running = services()
    with running.database.read() as tx:
        rows = suspense.list_suspense(tx, now=running.clock.now(), limit=1_000)
    return Suspense(
        suspense=[
            Waiting(
                suspense_id=row.suspense_id,
                reason=row.reason,
                amount=None if row.amount is None else _amount(row.amount),
                booked=row.booked,
                topup_id=row.intent_id,
                payment_id=row.payment_id,
                opened_at=row.opened_at,
                age_s=int(row.age.total_seconds()),
                assigned_to=row.assigned_to,
            )
            for row in rows
        ]
    ).model_dump(mode="json")


def shown(intent: Intent, at: datetime) -> Topup:
    """Return a payment intent as the API shows it at an instant."""
    return Topup(
        topup_id=intent.intent_id,
        fare_account_id=intent.fare_account_id,
        amount=_amount(intent.amount),
        provider=intent.provider,
        reference=intent.reference,
        state=intent.shown_state(at),
        created_at=intent.created_at,
        expires_at=intent.expires_at,
        qr=Qr(payload=intent.qr, svg=svg_of(intent.qr)),
    )


def svg_of(payload: str) -> str:
    """Return a QR text as an SVG document; quartile correction, since riders scan worn screens."""
    drawn: str = segno.make(payload, error="q", micro=False).svg_inline(scale=4, border=4)
    return drawn


def _amount(amount: Money) -> Amount:
    return Amount(minor=amount.minor, currency=amount.currency.code)
