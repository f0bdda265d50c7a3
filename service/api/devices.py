"""Devices: they join with a one-time code; staff see what each of them has delivered."""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from access import enrol, health
from access.enrol import DeviceKeyRefusedError, Enrolled
from access.health import Health
from access.rules.alarm import Alarm, Said
from access.rules.device import DeviceKind, DeviceState
from service import audit, auth
from service.audit import Actor, ActorKind
from service.auth import one_time_code, requires
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("devices", __name__, tag="Devices")
_MAX_BODY: Final = 4_096
Key = Annotated[str, Field(min_length=40, max_length=48, description="32 bytes, base64")]


class Enrolment(BaseModel):
    """The code a person was shown, and the public halves of two keys that the device made itself."""

    model_config = ConfigDict(extra="forbid", strict=True)

    code: Annotated[str, Field(max_length=64)]
    public_key: Key
    box_key: Key
    name: Annotated[
        str, Field(max_length=64, description="What the device calls itself; the code's name counts")
    ] = ""


class EnrolledBody(BaseModel):
    """Who the device is from now on, and the server's bundle key (base64), which it pins."""

    device_id: UUID
    key_id: str
    name: str
    kind: DeviceKind
    operator_id: str
    place: str
    state: DeviceState
    bundle_key: str


class JournalBody(BaseModel):
    """One journal: stored up to `chained_up_to` without a gap; `waiting` records lie beyond one.

    The gap goes from the sequence after `chained_up_to` to `missing_to`; 0 where there is none.
    """

    journal_id: UUID
    chained_up_to: int
    waiting: int
    missing_to: int
    changed_at: datetime


class HeartbeatBody(BaseModel):
    """What a device last said. Latencies are in milliseconds, None before its first green light."""

    received_at: datetime
    state: str
    why: list[str]
    software: str
    sequence: int
    unsent: int
    oldest_unsent_at: datetime | None
    bundle_version: int
    tariff_version: str
    deny_version: int
    clock_state: str
    clock_offset_ms: int | None
    taps: int
    torn: int
    own_p99_ms: int | None
    total_p99_ms: int | None
    disk_mb: int


class DeviceBody(BaseModel):
    """One device, its journals, its latest word, and what is wrong with it."""

    device_id: UUID
    name: str
    kind: DeviceKind
    operator_id: str
    place: str
    state: DeviceState
    enrolled_at: datetime
    journals: list[JournalBody]
    heartbeat: HeartbeatBody | None
    alarms: list[Alarm]


class DevicesBody(BaseModel):
    """All devices that the caller may see, by name."""

    devices: list[DeviceBody]


class AlarmsBody(BaseModel):
    """How many devices each alarm stands for, and those devices."""

    counts: dict[Alarm, int]
    devices: list[DeviceBody]


@blueprint.before_request
def _small() -> None:
    request.max_content_length = _MAX_BODY


@blueprint.post("/v1/devices/enrol")
@one_time_code
@blueprint.input(Enrolment, location="json")
@blueprint.output(EnrolledBody, status_code=201)
def enrol_device(json_data: Enrolment) -> Response:
    """Enrol the device that holds a valid one-time code. The same code and keys get the same answer again."""
    running = services()
    public_key, box_key = _key("signing key", json_data.public_key), _key("box key", json_data.box_key)
    now = running.clock.now()

    def work(tx: Connection) -> Enrolled:
        joined = enrol.enrol(
            tx,
            keyring=running.keyring,
            code=json_data.code,
            public_key=public_key,
            box_key=box_key,
            now=now,
        )
        audit.record(
            tx,
            actor=Actor(ActorKind.DEVICE, str(joined.device_id)),
            action="access.enrol",
            subject_kind="device",
            subject_id=str(joined.device_id),
            now=now,
            detail={"name": joined.name, "says": json_data.name},
        )
        return joined

    joined = running.database.run(work)
    body = EnrolledBody(
        device_id=joined.device_id,
        key_id=joined.key_id.hex(),
        name=joined.name,
        kind=joined.kind,
        operator_id=joined.operator_id,
        place=joined.place,
        state=joined.state,
        bundle_key=b64encode(joined.bundle_key).decode(),
    )
    answer = jsonify(body.model_dump(mode="json"))
    answer.status_code = 201
    return answer


@blueprint.get("/v1/devices")
@requires(Role.ADMINISTRATOR, Role.AUDITOR, Role.INSPECTOR, Role.PARKING_OPERATOR)
@blueprint.output(DevicesBody)
def list_devices() -> Response:
    """Return the devices with what they last said and how far each journal is stored; a parking operator sees its own."""
    body = DevicesBody(devices=[_device(each) for each in _seen()])
    return jsonify(body.model_dump(mode="json"))


@blueprint.get("/v1/devices/alarms")
@requires(Role.ADMINISTRATOR, Role.AUDITOR, Role.INSPECTOR, Role.PARKING_OPERATOR)
@blueprint.output(AlarmsBody)
def list_alarms() -> Response:
    """Return the devices that need a person, and how many each alarm stands for (docs/readers.md says when)."""
    found = tuple(each for each in _seen() if each.alarms)
    body = AlarmsBody(counts=dict(health.count_alarms(found)), devices=[_device(each) for each in found])
    return jsonify(body.model_dump(mode="json"))


def _seen() -> tuple[Health, ...]:
    running, limited = services(), auth.scope()
    with running.database.read() as tx:
        tariffs = tuple(running.shelf.books(tx).by_version)
        found = health.list_health(tx, now=running.clock.now(), tariff_version=tariffs[-1] if tariffs else "")
    return tuple(each for each in found if limited is None or each.device.operator_id in limited)


def _device(found: Health) -> DeviceBody:
    device = found.device
    return DeviceBody(
        device_id=device.device_id,
        name=device.name,
        kind=device.kind,
        operator_id=device.operator_id,
        place=device.place,
        state=device.state,
        enrolled_at=device.enrolled_at,
        journals=[
            JournalBody(
                journal_id=head.journal_id,
                chained_up_to=head.sequence,
                waiting=head.waiting,
                missing_to=head.missing_to,
                changed_at=head.changed_at,
            )
            for head in found.journals
        ],
        heartbeat=_heartbeat(found.said) if found.said else None,
        alarms=list(found.alarms),
    )


def _heartbeat(said: Said) -> HeartbeatBody:
    return HeartbeatBody(
        received_at=said.received_at,
        state=said.state,
        why=list(said.why),
        software=said.software,
        sequence=said.sequence,
        unsent=said.unsent,
        oldest_unsent_at=said.oldest_unsent_at,
        bundle_version=said.bundle_version,
        tariff_version=said.tariff_version,
        deny_version=said.deny_version,
        clock_state=said.clock_state,
        clock_offset_ms=_milliseconds(said.clock_offset),
        taps=said.taps,
        torn=said.torn,
        own_p99_ms=_milliseconds(said.own_p99),
        total_p99_ms=_milliseconds(said.total_p99),
        disk_mb=said.disk_mb,
    )


def _milliseconds(span: timedelta | None) -> int | None:
    return None if span is None else span // timedelta(milliseconds=1)


def _key(name: str, text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise DeviceKeyRefusedError(key=name, why="it is not base64") from None
