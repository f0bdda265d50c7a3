"""Concessions: proven by a signed attestation, listed, ended. What they change in bills is billed anew at once."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from fare import entitlement
from fare.entitlement import Proven
from fare.rules.attestation import MAX_BYTES, OfflineAttestations, keys_of
from kernel.ids import FareAccountId
from kernel.wire.cardinfo import Concession
from service import cards_cache, looks
from service.api import account_documents as shown
from service.api.bodies import again
from service.auth import principal, require_own, requires
from service.jobs import concessions
from service.jobs.concessions import Asked
from service.problems import request_id
from service.services import Services, services
from service.staff import Role

blueprint: Final = APIBlueprint("entitlements", __name__, tag="Accounts", url_prefix="/v1/accounts")
DESK: Final = (Role.AGENT, Role.ADMINISTRATOR)


class ProofBody(BaseModel):
    """A proof as the authority signed it: the attestation file's text."""

    model_config = ConfigDict(extra="forbid")

    entitlement_id: UUID
    proof: Annotated[str, Field(min_length=2, max_length=MAX_BYTES)]


class EndBody(BaseModel):
    """The entitlement's last day; a day before its first one says that it never was."""

    model_config = ConfigDict(extra="forbid")

    last_day: date
    reason: Annotated[str, Field(min_length=1, max_length=200)]


@blueprint.post("/<uuid:fare_account_id>/entitlements")
@requires(*DESK)
@blueprint.input(ProofBody, location="json")
@blueprint.output(shown.EntitlementProvenBody, status_code=201)
@blueprint.doc(responses=again(shown.EntitlementProvenBody))
def post_entitlement(fare_account_id: UUID, json_data: ProofBody) -> tuple[dict[str, Any], int]:
    """Record what a proof says; rides since its first day are billed anew. The same id and proof again: no change."""
    running, account = services(), FareAccountId(fare_account_id)
    now = running.clock.now()
    port = OfflineAttestations(keys_of(running.settings.identity_verifiers))

    asked = _asked(running, account, json_data.entitlement_id, now)

    def work(tx: Connection) -> tuple[Proven, int]:
        return concessions.prove(tx, asked, json_data.proof, service=port, keyring=running.keyring)

    made, entries = running.database.run(work)
    cards_cache.refresh(running.database, running.cache, (account,), now)
    body = {
        "entitlement_id": str(made.entitlement_id),
        "concession": Concession(made.entitlement.concession).name.lower(),
        "valid_from": made.entitlement.valid_from.isoformat(),
        "valid_to": _day(made.entitlement.valid_to),
        "verifier": made.verifier,
        "entries": entries,
    }
    return body, 200 if made.again else 201


@blueprint.get("/<uuid:fare_account_id>/entitlements")
@requires(Role.RIDER, *DESK)
@blueprint.output(shown.EntitlementsBody)
def list_entitlements(fare_account_id: UUID) -> dict[str, Any]:
    """Return the account's entitlements: which, from when to when, on whose word; never whose they are."""
    account = require_own(fare_account_id)
    with services().database.begin() as tx:
        rows = entitlement.list_proven(tx, account)
        looks.by_another(tx, account, what="entitlements", purpose="service desk")
    return {
        "entitlements": [
            {
                "entitlement_id": str(row.entitlement_id),
                "concession": Concession(row.concession).name.lower(),
                "valid_from": row.valid_from.isoformat(),
                "valid_to": _day(row.valid_to),
                "ended_on": _day(row.last_day),
                "verifier": row.verifier,
                "reference": row.reference,
            }
            for row in rows
        ]
    }


@blueprint.post("/<uuid:fare_account_id>/entitlements/<uuid:entitlement_id>/end")
@requires(*DESK)
@blueprint.input(EndBody, location="json")
@blueprint.output(shown.EntitlementEndedBody)
def end_entitlement(fare_account_id: UUID, entitlement_id: UUID, json_data: EndBody) -> dict[str, Any]:
    """Record an entitlement's last day; rides after it are billed anew. The same day again: no change."""
    running, account = services(), FareAccountId(fare_account_id)
    now = running.clock.now()

    asked = _asked(running, account, entitlement_id, now)

    def work(tx: Connection) -> tuple[bool, int]:
        return concessions.end(tx, asked, last_day=json_data.last_day, reason=json_data.reason)

    made, entries = running.database.run(work)
    cards_cache.refresh(running.database, running.cache, (account,), now)
    return {"entitlement_id": str(entitlement_id), "again": not made, "entries": entries}


def _asked(running: Services, account: FareAccountId, entitlement_id: UUID, now: datetime) -> Asked:
    return Asked(
        account=account,
        entitlement_id=entitlement_id,
        by=principal().actor,
        now=now,
        shelf=running.shelf,
        late_days=running.settings.late_days,
        request_id=request_id(),
    )


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
