"""What is done with places and rights, as APDS v4 objects: assigned rights, sessions, observations, quotes. Pure.

Who parks is a pseudonym: the keyed hash of a plate or ticket, or a card's id. No plate leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from kernel.money import Money, currency
from parking.apds.editions import Edition, ElementKind, Key
from parking.apds.encode import refer
from parking.apds.shapes import Json, amount, organisation, reference, text, versioned
from parking.rules.place import Place
from parking.rules.quote import Quote
from parking.store.observations import Observation
from parking.store.rights import RightRow
from parking.store.stays import StayRow

_ISSUER: Final = text("Liên Thông")


def credential(subject: UUID) -> Json:
    """Return what parks, by its pseudonym."""
    return {"identifier": reference("Credential", subject), "issuer": _ISSUER, "type": "electronicID"}


def session(row: StayRow, known: Mapping[Key, Edition], spec_id: str, settled: Json) -> Json:
    """Return a session with its one segment; its version is the revision of its bill and state.

    `spec_id` is the right it began with. A session whose entry nobody saw starts with the first that is known of it.
    """
    started = (row.entered_at or row.first_at).isoformat()
    place = refer(ElementKind.PLACE, row.place_id, known)
    segment: Json = {
        "id": str(row.stay_id),
        "version": row.revision,
        "actualStart": started,
        "assignedRight": versioned("AssignedRight", row.stay_id, row.revision),
        "validationType": ["electronicID"],
        "credentialId": reference("Credential", row.subject),
    }
    found: Json = {
        "id": str(row.stay_id),
        "version": row.revision,
        "actualStart": started,
        "initiator": organisation(row.operator_id),
        "identifiedCredentials": [credential(row.subject)],
        "segments": [segment],
        "hierachyElement": place,  # so spelt in the published document
        "lienthong": {
            "state": row.state,
            "cases": row.cases.split(),
            "vehicle_class": row.vehicle_class or None,
            "right_specification": spec_id or None,
            "paid_until": row.paid_until.isoformat() if row.paid_until else None,
            "total": amount(Money(row.total_minor, currency(row.currency))),
            "charged": amount(Money(row.charged_minor, currency(row.currency))),
            **settled,
        },
    }
    if row.left_at is not None:
        ended = max(row.left_at, row.entered_at or row.first_at).isoformat()
        found["actualEnd"] = segment["actualEnd"] = ended
    return found


def casual_right(row: StayRow, known: Mapping[Key, Edition], spec_id: str) -> Json:
    """Return the right that a session itself is: to stand there for what it costs."""
    place = refer(ElementKind.PLACE, row.place_id, known)
    use: Json = {"startTime": row.first_at.isoformat()}
    if row.paid_until is not None:
        use["endTime"] = row.paid_until.isoformat()
    return {
        "id": str(row.stay_id),
        "version": row.revision,
        "rightHolder": {"credentials": [credential(row.subject)]},
        "rightSpecification": versioned("RightSpecification", spec_id, place["version"]),
        "issuanceTime": row.first_at.isoformat(),
        "assignedRightIssuer": reference("Organisation", row.operator_id or "city"),
        "issueMethod": "electronic",
        "plannedUses": [use],
        "totalRightValue": amount(Money(row.total_minor, currency(row.currency))),
    }


@dataclass(frozen=True, slots=True)
class HeldRight:
    """An assigned right and when it was ended early."""

    row: RightRow
    ended_at: datetime | None

    @property
    def version(self) -> int:
        """Return 1 as assigned, 2 once ended."""
        return 1 if self.ended_at is None else 2


def assigned_right(held: HeldRight, known: Mapping[Key, Edition]) -> Json:
    """Return a right that somebody holds."""
    row = held.row
    price = amount(Money(row.price_minor, currency(row.currency)))
    until = min(row.valid_to, held.ended_at or row.valid_to).isoformat()
    return {
        "id": str(row.right_id),
        "version": held.version,
        "rightHolder": {"credentials": [credential(row.subject or row.stay_id or row.fare_account_id)]},
        "rightSpecification": refer(ElementKind.RIGHT_SPECIFICATION, row.spec_id, known),
        "expiry": until,
        "issuanceTime": row.assigned_at.isoformat(),
        "assignedRightIssuer": reference("Organisation", row.operator_id or "city"),
        "issueMethod": "electronic",
        "plannedUses": [{"startTime": row.valid_from.isoformat(), "endTime": until}],
        "totalRightValue": price,
        "monetaryValue": {
            "taxIncluded": True,
            "serviceProvider": organisation(row.operator_id),
            "value": price,
        },
        "lienthong": {"place_id": row.place_id, "pool_id": str(row.pool_id) if row.pool_id else None},
    }


def observation(one: Observation, place: Place | None, known: Mapping[Key, Edition]) -> Json:
    """Return what was seen; an observation is evidence and has one version. Without a known point it is 0, 0."""
    point = place.position if place is not None else None
    coordinates = [0, 0] if point is None else [point.longitude, point.latitude]
    location = {"type": "Point", "coordinates": [_degrees(each) for each in coordinates]}
    found: Json = {
        "id": str(one.observation_id),
        "version": 1,
        "method": "visual" if one.confidence_pct == _CERTAIN else "anpr",
        "observer": one.observed_by,
        "type": "electronicID",
        "observedCredentialId": str(one.subject),
        "observationStartTime": one.observed_at.isoformat(),
        "creationDateTime": one.recorded_at.isoformat(),
        "location": {"observerLocation": location},
        "elementIds": refer(ElementKind.PLACE, one.place_id, known),
        "observerOrganisation": organisation(one.operator_id),
        "lienthong": {
            "verdict": one.verdict,
            "may_notify": one.may_notify,
            "session_id": str(one.session_id) if one.session_id else None,
            "confidence_pct": one.confidence_pct,
            "image_ref": one.image_ref or None,
        },
    }
    if one.note:
        found["description"] = text(one.note)
    return found


_CERTAIN: Final = 100


def _degrees(millionths: int) -> Decimal:
    return Decimal(millionths).scaleb(-6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """A quote as it is kept: what was asked, and what was answered."""

    quote_id: UUID
    request_id: str
    request_version: int
    spec_id: str
    place_id: str
    operator_id: str
    requested_at: datetime
    answered_at: datetime


def quote_response(asked: Priced, found: Quote, known: Mapping[Key, Edition]) -> Json:
    """Return a quote of one option: its price binds until it expires, and carries its proof."""
    assert found.expires_at is not None, "it was asked for at an instant"
    place = refer(ElementKind.PLACE, asked.place_id, known)
    option: Json = {
        "id": str(asked.quote_id),
        "version": 1,
        "elementId": place,
        "quoteExpiration": {"expiresDateTime": found.expires_at.isoformat(), "firstComeFirstServed": False},
        "identifiers": [
            {
                "rateTableId": refer(ElementKind.RATE_TABLE, found.table.table_id, known),
                "rightSpecificationId": versioned("RightSpecification", asked.spec_id, place["version"]),
            }
        ],
        "financialQuote": {
            "taxIncluded": True,
            "serviceProvider": organisation(asked.operator_id),
            "value": amount(found.total),
        },
    }
    return {
        "id": str(asked.quote_id),
        "version": 1,
        "start": found.entered_at.isoformat(),
        "end": found.left_at.isoformat(),
        "requestTime": asked.requested_at.isoformat(),
        "responseTime": asked.answered_at.isoformat(),
        "quoteRequestId": versioned("QuoteRightRequest", asked.request_id, asked.request_version),
        "options": [option],
    }
