"""`GET /v1/bundles`: what one reader needs to decide alone. Asked for by RFC 9421, made for that device only."""

from __future__ import annotations

from typing import Annotated, Final

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from access import actions, deny, enrol
from access.bundle import bundle_version, make_bundle
from access.delivery import delta_for
from service.auth import device_signed, signing_device
from service.services import services

blueprint: Final = APIBlueprint("bundles", __name__, tag="Devices")


class EnvelopeBody(BaseModel):
    """The signed bundle (docs/evidence.md says what is in it)."""

    bundle: str = Field(description="A JSON document, base64")
    signature: str = Field(description="Ed25519 by the key pinned at enrolment, base64")


class BundleQuery(BaseModel):
    """Which deny list the reader holds: it then gets what changed since, where that is less."""

    deny: Annotated[int, Field(ge=0, le=2**62)] = 0


@blueprint.get("/v1/bundles")
@device_signed
@blueprint.input(BundleQuery, location="query")
@blueprint.output(EnvelopeBody)
def get_bundle(query_data: BundleQuery) -> Response:
    """Return the newest bundle for the device that signed the request; 304 when it holds that version.

    The deny list's changes so far are published by this, so a reader never waits for a job. The ETag is the
    bundle's version in quotes.
    """
    running = services()
    device_id = signing_device().device_id
    held = request.headers.get("If-None-Match")

    def work(tx: Connection) -> tuple[int, bytes]:
        now = running.clock.now()
        denied, tariffs = deny.publish(tx), tuple(running.shelf.books(tx).by_version)
        wanted = actions.publish(tx, now=now)
        version = bundle_version(
            action_version=wanted.version,
            now=now,
            deny_version=denied,
            tariff_versions=tariffs,
            generations=running.keyring.generations,
        )
        # Thousands of readers ask each minute and mostly hold it already: the list is read only for the others.
        if held == f'"{version}"':
            return version, b""
        made = make_bundle(
            enrol.get_device(tx, device_id),
            version=version,
            keyring=running.keyring,
            denied=running.deny_shelf.at(tx, denied),
            actions=wanted,
            delta=delta_for(tx, held=query_data.deny, newest=denied),
            tariff_versions=tariffs,
            passback_s=running.settings.passback_s,
            now=now,
        )
        return version, made

    version, envelope = running.database.run(work)
    answer = Response(envelope, content_type="application/json") if envelope else Response(status=304)
    answer.headers["ETag"] = f'"{version}"'
    answer.headers["Cache-Control"] = "no-store"
    return answer
