"""Receipts of stays, rides and top-ups, signed JSON or PDF: a rider's own, and an operator's of its places."""

from __future__ import annotations

from typing import Any, Final, Literal
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response
from pydantic import BaseModel, ConfigDict

from parking.sessions import UnknownSessionError, find_session, operator_of
from service import receipts
from service.api import receipt_documents as shown
from service.api.bodies import files
from service.api.explanations import STAFF, look_up
from service.auth import acting_for, principal, public, require_operator, require_own, requires
from service.problems import request_id
from service.receipt_pdf import receipt_pdf
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("receipts", __name__, tag="Receipts")
_PDF: Final = files("application/pdf")


class Wanted(BaseModel):
    """As what."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["json", "pdf"] = "json"


@blueprint.get("/v1/parking/sessions/<uuid:session_id>/receipt")
@requires(Role.PARKING_OPERATOR, Role.AUDITOR)
@blueprint.input(Wanted, location="query", arg_name="wanted")
@blueprint.output(shown.SignedStayReceiptBody)
@blueprint.doc(responses=_PDF)
def get_session_receipt(session_id: UUID, wanted: Wanted) -> Response:
    """Return the receipt of a stay that has ended; its e-invoice numbers are in it."""
    running = services()
    with running.database.read() as tx:
        require_operator(operator_of(tx, session_id))
        found = receipts.stay_receipt(tx, session_id, now=running.clock.now())
    return _answer(found, wanted)


@blueprint.get("/v1/riders/<uuid:fare_account_id>/parking/<uuid:session_id>/receipt")
@requires(Role.RIDER)
@blueprint.input(Wanted, location="query", arg_name="wanted")
@blueprint.output(shown.SignedStayReceiptBody)
@blueprint.doc(responses=_PDF)
def get_own_receipt(fare_account_id: UUID, session_id: UUID, wanted: Wanted) -> Response:
    """Return the receipt of one of the rider's own stays; 404 for anybody else's."""
    running = services()
    account = require_own(fare_account_id)
    now = running.clock.now()
    with running.database.read() as tx:
        if find_session(tx, session_id, now=now).row.fare_account_id != account:
            raise UnknownSessionError(session_id=str(session_id))
        found = receipts.stay_receipt(tx, session_id, now=now)
    return _answer(found, wanted)


@blueprint.get("/v1/taps/<uuid:tap_id>/receipt")
@requires(Role.RIDER, *STAFF)
@blueprint.input(Wanted, location="query", arg_name="wanted")
@blueprint.output(shown.SignedRideReceiptBody)
@blueprint.doc(responses=_PDF)
def get_ride_receipt(tap_id: UUID, wanted: Wanted) -> Response:
    """Return the receipt of the ride that this tap began or ended, with why it cost what it did.

    A rider's own; another's taps are 404. Each look by anybody else is written down for the rider.
    """
    running = services()
    with running.database.begin() as tx:
        story = look_up(
            tx,
            tap_id,
            shelf=running.shelf,
            owner=acting_for(),
            by=principal().actor,
            purpose="receipt",
            now=running.clock.now(),
            request_id=request_id(),
        )
        found = receipts.ride_receipt(tx, story)
    return _answer(found, wanted)


@blueprint.get("/v1/topups/<uuid:topup_id>/receipt")
@requires(Role.RIDER, Role.FINANCE_MAKER, Role.FINANCE_CHECKER, Role.AUDITOR)
@blueprint.input(Wanted, location="query", arg_name="wanted")
@blueprint.output(shown.SignedTopupReceiptBody)
@blueprint.doc(responses=_PDF)
def get_topup_receipt(topup_id: UUID, wanted: Wanted) -> Response:
    """Return the receipt of a top-up that was credited; a rider's own only."""
    with services().database.read() as tx:
        require_own(receipts.owner_of_topup(tx, topup_id))
        found = receipts.topup_receipt(tx, topup_id)
    return _answer(found, wanted)


@blueprint.get("/v1/receipts/keys")
@public("whoever holds a receipt may check it")
@blueprint.output(shown.ReceiptKeysBody)
def list_keys() -> dict[str, Any]:
    """Return the public keys that receipts are and were signed with, oldest first."""
    keys = [each.public for each in services().keyring.seal_keys]
    return {"keys": [{"key_id": each.key_id.hex(), "ed25519": each.raw.hex()} for each in keys]}


def _answer(found: receipts.Receipt, wanted: Wanted) -> Response:
    document = receipts.signed(found, services().keyring)
    if wanted.format == "json":
        return Response(receipts.canonical(document), mimetype="application/json")
    name = f"receipt-{found['receipt_id']}.pdf"
    return Response(
        receipt_pdf(document),
        mimetype="application/pdf",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
