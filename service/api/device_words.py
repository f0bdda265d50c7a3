"""What devices say and offer, signed by RFC 9421: heartbeats, and a new signing key."""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, jsonify, request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from access import health, rotate
from access.enrol import DeviceKeyRefusedError
from access.health import Orders
from access.rules.alarm import Said
from kernel.crypto.ed25519 import VerifyKey
from service import audit
from service.audit import Actor, ActorKind
from service.auth import device_signed, signing_device
from service.services import services

blueprint: Final = APIBlueprint("device_words", __name__, tag="Devices")
_MAX_BODY: Final = 16_384
Count = Annotated[int, Field(ge=0, le=2**62)]
Word = Annotated[str, Field(max_length=64)]
Milliseconds = Annotated[float, Field(ge=0, le=10**9)]


class Bundle(BaseModel):
    """The versions a reader decides by; all absent while it has no bundle."""

    version: Count = 0
    made_at: AwareDatetime | None = None
    tariff_version: Word = ""
    deny_version: Count = 0
    action_version: Count = 0
    generations: Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(max_length=256)] = []


class Spread(BaseModel):
    """Milliseconds of the latest green taps; absent before the first."""

    p99: Milliseconds | None = None


class Heartbeat(BaseModel):
    """How a device is. What a later one says beyond this is passed over, so that readers may be newer than the server."""

    model_config = ConfigDict(extra="ignore")

    at: AwareDatetime
    state: Word
    why: Annotated[list[Annotated[str, Field(max_length=300)]], Field(max_length=20)] = []
    software: Word = ""
    journal_id: UUID | None = None
    sequence: Count
    unsent: Count
    oldest_unsent_at: AwareDatetime | None = None
    bundle: Bundle = Bundle()
    clock_state: Word = ""
    clock_offset_s: Annotated[float, Field(ge=-(10**10), le=10**10)] | None = None
    taps: Count = 0
    torn: Count = 0
    own_ms: Spread = Spread()
    total_ms: Spread = Spread()
    fsync_ms: Milliseconds = 0
    disk_mb: Count = 0
    paid_not_passed: Count = 0
    passed_unpaid: Count = 0


class OrdersBody(BaseModel):
    """What the device shall do: make itself a new signing key (docs/readers.md)."""

    rotate_key: bool


class Offer(BaseModel):
    """A new signing key: 32 bytes, and its own signature over the offer, both base64."""

    model_config = ConfigDict(extra="forbid", strict=True)

    public_key: Annotated[str, Field(max_length=64)]
    proof: Annotated[str, Field(max_length=128)]


class OfferedBody(BaseModel):
    """The key that is now good beside the one that signed the request."""

    key_id: str


@blueprint.before_request
def _small() -> None:
    request.max_content_length = _MAX_BODY


@blueprint.post("/v1/devices/heartbeats")
@device_signed
@blueprint.input(Heartbeat, location="json")
@blueprint.output(OrdersBody)
def post_heartbeat(json_data: Heartbeat) -> Response:
    """Take a device's word of how it is, in place of the one before, and return its orders."""
    running, device = services(), signing_device()
    now = running.clock.now()
    said = _said(json_data, device.key.key_id, now)

    def work(tx: Connection) -> Orders:
        return health.hear(tx, device.device_id, said, now=now)

    orders = running.database.run(work)
    return jsonify(OrdersBody(rotate_key=orders.rotate_key).model_dump())


@blueprint.post("/v1/devices/keys")
@device_signed
@blueprint.input(Offer, location="json")
@blueprint.output(OfferedBody, status_code=201)
def post_key(json_data: Offer) -> Response:
    """Make a device's new key good beside its old one. The same offer again gets the same answer."""
    running, device = services(), signing_device()
    now = running.clock.now()
    public_key, proof = _raw("signing key", json_data.public_key), _raw("proof", json_data.proof)

    def work(tx: Connection) -> VerifyKey:
        key = rotate.offer(tx, device.device_id, public_key=public_key, proof=proof, now=now)
        audit.record(
            tx,
            actor=Actor(ActorKind.DEVICE, str(device.device_id)),
            action="access.device.key_offered",
            subject_kind="device",
            subject_id=str(device.device_id),
            now=now,
            detail={"key_id": key.key_id.hex()},
        )
        return key

    key = running.database.run(work)
    answer = jsonify(OfferedBody(key_id=key.key_id.hex()).model_dump())
    answer.status_code = 201
    return answer


def _said(heartbeat: Heartbeat, key_id: bytes, now: datetime) -> Said:
    bundle = heartbeat.bundle
    return Said(
        received_at=now,
        said_at=heartbeat.at,
        key_id=key_id,
        state=heartbeat.state,
        why=tuple(heartbeat.why),
        software=heartbeat.software,
        journal_id=heartbeat.journal_id,
        sequence=heartbeat.sequence,
        unsent=heartbeat.unsent,
        oldest_unsent_at=heartbeat.oldest_unsent_at,
        bundle_version=bundle.version,
        bundle_made_at=bundle.made_at,
        tariff_version=bundle.tariff_version,
        deny_version=bundle.deny_version,
        action_version=bundle.action_version,
        generations=tuple(bundle.generations),
        clock_state=heartbeat.clock_state,
        clock_offset=None
        if heartbeat.clock_offset_s is None
        else timedelta(seconds=heartbeat.clock_offset_s),
        taps=heartbeat.taps,
        torn=heartbeat.torn,
        own_p99=_span(heartbeat.own_ms.p99),
        total_p99=_span(heartbeat.total_ms.p99),
        fsync=timedelta(milliseconds=heartbeat.fsync_ms),
        disk_mb=heartbeat.disk_mb,
        paid_not_passed=heartbeat.paid_not_passed,
        passed_unpaid=heartbeat.passed_unpaid,
    )


def _span(milliseconds: float | None) -> timedelta | None:
    return None if milliseconds is None else timedelta(milliseconds=milliseconds)


def _raw(name: str, text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise DeviceKeyRefusedError(key=name, why="it is not base64") from None
