"""Riders' mandates to top up by itself: give one, see them, take one back."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from access import issue
from kernel.ids import FareAccountId
from kernel.money import Money
from ledger import mandate as verbs
from ledger.rules.mandate import Mandate, MandateId, MandateState
from service import audit
from service.api.bodies import Body, Instant, again
from service.api.ledger_documents import MoneyBody
from service.api.topups import Amount
from service.auth import principal, require_own, requires
from service.problems import request_id
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("mandates", __name__, tag="Top-up", url_prefix="/v1/accounts")


class MandateGiven(BaseModel):
    """A mandate. The caller mints `mandate_id` (a UUID) and saves it before sending."""

    model_config = ConfigDict(extra="forbid")

    mandate_id: UUID
    token: Annotated[str, Field(min_length=1, max_length=200)]
    below: Amount
    amount: Amount
    a_month: Amount


class MandateBody(Body):
    """A mandate as it stands; `failures` are those in a row."""

    mandate_id: UUID
    state: MandateState
    below: MoneyBody
    amount: MoneyBody
    a_month: MoneyBody
    failures: int
    given_at: Instant


class MandatesBody(Body):
    """An account's mandates, oldest first."""

    mandates: list[MandateBody]


@blueprint.post("/<uuid:fare_account_id>/mandates")
@requires(Role.RIDER)
@blueprint.input(MandateGiven, location="json")
@blueprint.output(MandateBody, status_code=201)
@blueprint.doc(responses=again(MandateBody))
def give_mandate(
    fare_account_id: UUID, json_data: MandateGiven
) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Permit top-ups of `amount` whenever the balance is below `below`, at most `a_month` in a month.

    The same id and body get the first answer again, with `Idempotency-Hit: true`; another body, 409 id-reused.
    """
    running = services()
    rider, now = require_own(fare_account_id), running.clock.now()
    asked = Mandate(
        mandate_id=MandateId(json_data.mandate_id),
        fare_account_id=rider,
        provider=running.settings.topup_provider,
        token=json_data.token,
        below=Money.from_json(json_data.below.model_dump()),
        amount=Money.from_json(json_data.amount.model_dump()),
        a_month=Money.from_json(json_data.a_month.model_dump()),
        given_at=now,
    )
    with running.database.begin() as tx:
        issue.lock_accounts(tx, (rider,))
        given, hit = verbs.give(tx, asked)
        if not hit:
            _record(tx, "give", json_data.mandate_id)
    return (_shown(given), 200, {"Idempotency-Hit": "true"}) if hit else (_shown(given), 201, {})


@blueprint.get("/<uuid:fare_account_id>/mandates")
@requires(Role.RIDER)
@blueprint.output(MandatesBody)
def list_mandates(fare_account_id: UUID) -> dict[str, Any]:
    """Return the account's mandates, oldest first."""
    running = services()
    with running.database.read() as tx:
        found = verbs.list_of(tx, require_own(fare_account_id))
    return {"mandates": [_shown(one) for one in found]}


@blueprint.post("/<uuid:fare_account_id>/mandates/<uuid:mandate_id>/revoke")
@requires(Role.RIDER)
@blueprint.output(MandateBody)
def revoke_mandate(fare_account_id: UUID, mandate_id: UUID) -> dict[str, Any]:
    """End a mandate for good; again changes nothing."""
    return _change(require_own(fare_account_id), mandate_id, "revoke")


@blueprint.post("/<uuid:fare_account_id>/mandates/<uuid:mandate_id>/resume")
@requires(Role.RIDER)
@blueprint.output(MandateBody)
def resume_mandate(fare_account_id: UUID, mandate_id: UUID) -> dict[str, Any]:
    """Let a mandate go on that failures have paused; 409 for one that was revoked."""
    return _change(require_own(fare_account_id), mandate_id, "resume")


def _change(rider: FareAccountId, mandate_id: UUID, verb: str) -> dict[str, Any]:
    running = services()
    change = verbs.revoke if verb == "revoke" else verbs.resume
    with running.database.begin() as tx:
        issue.lock_accounts(tx, (rider,))
        change(tx, rider, mandate_id, now=running.clock.now())
        _record(tx, verb, mandate_id)
        (found,) = (one for one in verbs.list_of(tx, rider) if one.mandate_id == mandate_id)
    return _shown(found)


def _shown(mandate: Mandate) -> dict[str, Any]:
    return {
        "mandate_id": str(mandate.mandate_id),
        "state": mandate.state.value,
        "below": mandate.below.to_json(),
        "amount": mandate.amount.to_json(),
        "a_month": mandate.a_month.to_json(),
        "failures": mandate.failures,
        "given_at": mandate.given_at.isoformat(),
    }


def _record(tx: Connection, verb: str, mandate_id: UUID) -> None:
    audit.record(
        tx,
        actor=principal().actor,
        action=f"mandate.{verb}",
        subject_kind="mandate",
        subject_id=str(mandate_id),
        now=services().clock.now(),
        request_id=request_id(),
    )
