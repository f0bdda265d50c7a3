"""`GET /v1/bundles`: what one reader needs to decide alone. Asked for by RFC 9421, made for that device only."""

from __future__ import annotations

from typing import Final

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from access import deny, enrol
from access.bundle import Bundle, make_bundle
from service.auth import device_signed, signing_device
from service.services import services

blueprint: Final = APIBlueprint("bundles", __name__, tag="Devices")


class EnvelopeBody(BaseModel):
    """The signed bundle (docs/evidence.md says what is in it)."""

    bundle: str = Field(description="A JSON document, base64")
    signature: str = Field(description="Ed25519 by the key pinned at enrolment, base64")


@blueprint.get("/v1/bundles")
@device_signed
@blueprint.output(EnvelopeBody)
def get_bundle() -> Response:
    """Return the newest bundle for the device that signed the request; 304 when it holds that version.

    The deny list's changes so far are published by this, so a reader never waits for a job. The ETag is the
    bundle's version in quotes.
    """
    running = services()
    device_id = signing_device().device_id

    def work(tx: Connection) -> Bundle:
        version = deny.publish(tx)
        return make_bundle(
            enrol.get_device(tx, device_id),
            keyring=running.keyring,
            denied=deny.snapshot(tx, version),
            tariff_versions=tuple(running.shelf.books(tx).by_version),
            passback_s=running.settings.passback_s,
            now=running.clock.now(),
        )

    made = running.database.run(work)
    tag = f'"{made.version}"'
    if request.headers.get("If-None-Match") == tag:
        answer = Response(status=304)
    else:
        answer = Response(made.envelope, content_type="application/json")
    answer.headers["ETag"] = tag
    answer.headers["Cache-Control"] = "no-store"
    return answer
