"""What an APDS client sends and gets: request bodies, list filters, and JSON whose amounts are exact numbers."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Final, Literal
from uuid import UUID

from flask import Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy import Connection

from kernel.exact_json import exact_json
from parking.apds.shapes import PAGE, Json
from parking.elements import UnknownElementError
from parking.rules.plate import PlateMatch
from service import audit, parks
from service.auth import principal
from service.services import services

PLATES: Final = frozenset({"licensePlate", "vehicleplate"})
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
Name = Annotated[str, Field(min_length=1, max_length=200)]
Seconds = Annotated[int, Field(ge=0, le=32_503_680_000)]


class Body(BaseModel):
    """An APDS object: properties that we do not read are let through, as its document says."""

    model_config = ConfigDict(extra="ignore", alias_generator=to_camel)


class Reference(Body):
    """A reference to one version of something."""

    id: Name
    version: Annotated[int, Field(ge=0)] = 1


class NamedReference(Body):
    """What identifies a credential: its class and itself."""

    class_name: Name
    id: Name


class Credential(Body):
    """A number plate or a ticket; `Account` as class name is a fare account by its id."""

    identifier: NamedReference
    type: (
        Literal["licensePlate", "vehicleplate", "ticket", "ticketcoupon", "barcode", "qrCode", "eticket"]
        | None
    ) = None


class Filter(BaseModel):
    """Which elements to list, in pages of 100, the latest change first."""

    model_config = ConfigDict(extra="forbid")

    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    modified_since: Seconds = 0
    place: Annotated[str, Field(max_length=4_000)] = ""

    def since(self) -> datetime:
        """Return the instant from which changes are listed."""
        return instant(self.modified_since) or EPOCH

    def places(self) -> list[str] | None:
        """Return the places asked for; None is any."""
        return [each.strip() for each in self.place.split(",")] if self.place else None


class TimedFilter(Filter):
    """Which sessions to list: begun or ended between two instants (seconds since 1970, UTC)."""

    start_after: Seconds = 0
    start_before: Seconds = 0
    end_after: Seconds = 0
    end_before: Seconds = 0


class Version(BaseModel):
    """Which version is meant; the newest without it. A change names the one that was read."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=1)] | None = None


class NamedVersion(BaseModel):
    """The version that was read."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=1)]


def instant(seconds: int) -> datetime | None:
    """Return an instant of seconds since 1970; 0 is none."""
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _one(found: list[Credential]) -> list[Credential]:
    if len(found) != 1:
        raise ValueError("name one credential")
    return found


OneCredential = Annotated[list[Credential], AfterValidator(_one)]


def subject_of(one: Credential) -> UUID:
    """Return what a plate or ticket is called in stays; PlateInvalidError."""
    plate = one.type in PLATES or (
        one.type is None and one.identifier.class_name.lower() in {"licenseplate", "vehicleplate", "plate"}
    )
    kind: Literal["plate", "ticket"] = "plate" if plate else "ticket"
    return parks.subject(services().keyring, parks.Medium(kind=kind, value=one.identifier.id))


def subjects_like(kind: str, value: str) -> dict[UUID, PlateMatch]:
    """Return the subject of what was seen, and those of plates with one small difference; PlateInvalidError."""
    keyring = services().keyring
    if kind in PLATES:
        return dict(parks.subjects_like(keyring, parks.Medium(kind="plate", value=value)))
    return dict(parks.subjects_like(keyring, parks.Medium(kind="ticket", value=value)))


def note(tx: Connection, action: str, kind: str, subject: UUID, detail: dict[str, object]) -> None:
    """Write a change into the audit trail."""
    audit.record(
        tx,
        actor=principal().actor,
        action=action,
        subject_kind=kind,
        subject_id=str(subject),
        now=services().clock.now(),
        detail=detail,
    )


def account_of(one: Credential) -> UUID | None:
    """Return the fare account that a credential names; None for a plate or ticket."""
    return UUID(one.identifier.id) if one.identifier.class_name == "Account" else None


def answer(body: Json, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Response:
    """Return a response with amounts as exact JSON numbers."""
    return Response(exact_json(body), status, headers, mimetype="application/json")


def done(class_name: str, element_id: object, version: int, *, created: bool, again: bool) -> Response:
    """Return the answer to a change, with the reference to what there is now."""
    status = HTTPStatus.CREATED if created and not again else HTTPStatus.OK
    body = {
        "status": "ok",
        "code": int(status),
        "message": "Known already" if again else "Created" if created else "Updated",
        "reference": {"id": str(element_id), "version": version, "className": class_name},
    }
    return answer(body, status, {"Idempotency-Hit": "true"} if again else None)


def check_known(kind: str, element_id: object, version: int, asked: int | None) -> None:
    """Refuse a version that is not the one in force with UnknownElementError: older ones are not kept."""
    if asked is not None and asked != version:
        raise UnknownElementError(kind=kind, id=f"{element_id}, version {asked}")


def sliced(found: list[Json], asked: Filter) -> list[Json]:
    """Return the page asked for of a list that is short enough to hold."""
    return found[asked.offset : asked.offset + PAGE]


class Session(Body):
    """A session. `id` is a UUID that the caller mints and saves before sending; it names the entry, not the session."""

    id: Name
    version: Annotated[int, Field(ge=0)] = 1
    actual_start: AwareDatetime
    actual_end: AwareDatetime | None = None
    identified_credentials: OneCredential
    hierachy_element: Reference
    segments: list[Segment] = Field(default_factory=list)


class Segment(Body):
    """A part of a session; the first one names the right specification that the vehicle parks by."""

    assigned_right: SegmentRight | None = None


class SegmentRight(Body):
    """The right a segment uses."""

    id: Name | None = None
    right_specification: Reference | None = None


class SessionChange(Body):
    """A session as it should be. `actualEnd` now or before ends it, later extends it until then."""

    id: Name
    version: Annotated[int, Field(ge=1)]
    actual_end: AwareDatetime


class PlannedUse(Body):
    """When a right is to be used."""

    start_time: AwareDatetime
    end_time: AwareDatetime


class RightHolder(Body):
    """Who holds a right: a plate, a ticket or a fare account."""

    credentials: OneCredential


def _one_use(found: list[PlannedUse]) -> list[PlannedUse]:
    if len(found) != 1:
        raise ValueError("name one planned use: from when to when it holds")
    return found


class AssignedRight(Body):
    """A right to sell or give. `id` is a UUID that the caller mints; `till` is where cash was taken (ours)."""

    id: UUID
    version: Annotated[int, Field(ge=0)] = 1
    right_holder: RightHolder
    right_specification: Reference
    planned_uses: Annotated[list[PlannedUse], AfterValidator(_one_use)]
    place: Reference | None = None
    till: Annotated[str, Field(max_length=80)] = ""


class RightChange(Body):
    """A right as it should be: `expiry` now or before ends it."""

    version: Annotated[int, Field(ge=1)]
    expiry: AwareDatetime


class Point(Body):
    """Where an observer stood; not kept."""


class Observation(Body):
    """What an officer or a camera saw. `id` is a UUID that the caller mints; `confidencePct` is ours."""

    id: UUID
    version: Annotated[int, Field(ge=0)] = 1
    method: Literal["anpr", "chalk", "rfTransponder", "scanner", "visual"]
    type: Literal["licensePlate", "vehicleplate", "ticket", "ticketcoupon", "barcode", "qrCode", "eticket"]
    observed_credential_id: Name
    observation_start_time: AwareDatetime
    element_ids: Reference
    images: list[Image] = Field(default_factory=list)
    description: list[Text] = Field(default_factory=list)
    confidence_pct: Annotated[int, Field(ge=0, le=100)] | None = None


class Image(Body):
    """Where a picture is kept; never the picture."""

    id: Name
    image_link: Annotated[str, Field(max_length=200)] = ""


class Text(Body):
    """A text in one language."""

    language: Annotated[str, Field(pattern="^[a-z]{2}$")]
    string: Annotated[str, Field(max_length=200)]


class ReferencedRight(Body):
    """Which right specification, in which place."""

    element_id: Reference
    right_specification_id: Reference


def _one_right(found: list[ReferencedRight]) -> list[ReferencedRight]:
    if len(found) != 1:
        raise ValueError("name one place and right specification")
    return found


class QuoteRequest(Body):
    """A stay to price by a right specification of casual parking."""

    id: Name
    version: Annotated[int, Field(ge=0)] = 1
    referenced_right_specifications: Annotated[list[ReferencedRight], AfterValidator(_one_right)]
    period_start: AwareDatetime
    period_end: AwareDatetime
    request_time: AwareDatetime


for _late in (Session, Segment, Observation):
    _late.model_rebuild()
