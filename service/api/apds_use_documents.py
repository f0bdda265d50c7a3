"""Rights, sessions, observations, quotes, changes and webhooks after APDS as the API's description shows them."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from parking.rules.check import Verdict
from parking.rules.proposal import ProposalState
from parking.rules.session import Case, State
from service.api.apds_documents import (
    Absent,
    ApdsBody,
    ClassedBody,
    LanguageBody,
    Number,
    OursBody,
    PageMetaBody,
    PriceBody,
    VersionedBody,
)
from service.api.bodies import Instant
from service.api.parking_documents import ParkingQuoteBody, SettledStayBody


class CredentialBody(ApdsBody):
    """What parks, by its pseudonym."""

    identifier: ClassedBody
    issuer: list[LanguageBody]
    type: Literal["electronicID"]


class SegmentBody(ApdsBody):
    """A session's one part."""

    id: UUID
    version: int
    actual_start: Instant
    actual_end: Instant | Absent = None
    assigned_right: VersionedBody
    validation_type: list[Literal["electronicID"]]
    credential_id: ClassedBody


class OurSessionBody(OursBody):
    """Where a session and its money stand."""

    state: State
    cases: list[Case]
    vehicle_class: str | None
    right_specification: str | None
    paid_until: Instant | None
    total: PriceBody
    charged: PriceBody
    settlement: SettledStayBody


class ApdsSessionBody(ApdsBody):
    """A session; it has an end once it has ended. `hierachyElement` is so spelt in the published document."""

    id: UUID
    version: int
    actual_start: Instant
    actual_end: Instant | Absent = None
    initiator: VersionedBody
    identified_credentials: list[CredentialBody]
    segments: list[SegmentBody]
    hierachy_element: VersionedBody
    lienthong: OurSessionBody


class ApdsSessionsBody(ApdsBody):
    """A page of sessions."""

    meta: PageMetaBody
    data: list[ApdsSessionBody]


class PlannedUseBody(ApdsBody):
    """When a right is used; a session that was not paid ahead has no end yet."""

    start_time: Instant
    end_time: Instant | Absent = None


class HolderBody(ApdsBody):
    """Who holds a right."""

    credentials: list[CredentialBody]


class ValueBody(ApdsBody):
    """A price, and who serves for it."""

    tax_included: Literal[True]
    service_provider: VersionedBody
    value: PriceBody


class OurRightBody(OursBody):
    """Where a right holds, and the pool that it is of."""

    place_id: str
    pool_id: UUID | None


class ApdsRightBody(ApdsBody):
    """A right that somebody holds. The casual right that a session itself is has no expiry, value or `lienthong`."""

    id: UUID
    version: int
    right_holder: HolderBody
    right_specification: VersionedBody
    expiry: Instant | Absent = None
    issuance_time: Instant
    assigned_right_issuer: ClassedBody
    issue_method: Literal["electronic"]
    planned_uses: list[PlannedUseBody]
    total_right_value: PriceBody
    monetary_value: ValueBody | Absent = None
    lienthong: OurRightBody | Absent = None


class ApdsRightsBody(ApdsBody):
    """A page of assigned rights."""

    meta: PageMetaBody
    data: list[ApdsRightBody]


class PointBody(ApdsBody):
    """Longitude and latitude; 0, 0 where they are not known."""

    type: Literal["Point"]
    coordinates: list[Number]


class LocationBody(ApdsBody):
    """Where the observer stood."""

    observer_location: PointBody


class OurObservationBody(OursBody):
    """What the check said then, and how sure the camera was."""

    verdict: Verdict
    may_notify: bool
    session_id: UUID | None
    confidence_pct: int
    image_ref: str | None


class ApdsObservationBody(ApdsBody):
    """What was seen; described where somebody wrote a note."""

    id: UUID
    version: Literal[1]
    method: Literal["visual", "anpr"]
    observer: str
    type: Literal["electronicID"]
    observed_credential_id: UUID
    observation_start_time: Instant
    creation_date_time: Instant
    location: LocationBody
    element_ids: VersionedBody
    observer_organisation: VersionedBody
    description: list[LanguageBody] | Absent = None
    lienthong: OurObservationBody


class ApdsObservationsBody(ApdsBody):
    """A page of observations."""

    meta: PageMetaBody
    data: list[ApdsObservationBody]


class ExpirationBody(ApdsBody):
    """Until when a price binds."""

    expires_date_time: Instant
    first_come_first_served: Literal[False]


class IdentifiersBody(ApdsBody):
    """What a price follows from."""

    rate_table_id: VersionedBody
    right_specification_id: VersionedBody


class OptionBody(ApdsBody):
    """A price that binds."""

    id: UUID
    version: Literal[1]
    element_id: VersionedBody
    quote_expiration: ExpirationBody
    identifiers: list[IdentifiersBody]
    financial_quote: ValueBody


class OurQuoteBody(OursBody):
    """The proof of a price."""

    proof: ParkingQuoteBody


class ApdsQuoteBody(ApdsBody):
    """A quote as it was answered."""

    id: UUID
    version: Literal[1]
    start: Instant
    end: Instant
    request_time: Instant
    response_time: Instant
    quote_request_id: VersionedBody
    options: list[OptionBody]
    lienthong: OurQuoteBody


class ApdsQuotesBody(ApdsBody):
    """A page of quotes."""

    meta: PageMetaBody
    data: list[ApdsQuoteBody]


class ApdsDoneBody(ApdsBody):
    """What a change left, and that it was made now or before."""

    status: Literal["ok"]
    code: Literal[200, 201]
    message: str
    reference: VersionedBody


class OurProposalBody(OursBody):
    """The proposal that another person approves."""

    proposal_id: UUID
    state: ProposalState


class ApdsProposedBody(ApdsBody):
    """A change that was proposed; `reference` is what it will be once it is published."""

    status: Literal["ok"]
    code: Literal[202]
    message: str
    reference: VersionedBody
    lienthong: OurProposalBody


class ApdsToldBody(ApdsBody):
    """What was done to a subscription or message."""

    status: Literal["ok"]
    code: Literal[200]
    message: str


class WebhookBody(ApdsBody):
    """What is told, and where; without `hierarchyElements`, of all the operator's places."""

    id: UUID
    endpoint: str
    topics: list[str]
    include_children_events: bool
    hierarchy_elements: list[ClassedBody]


class WebhookMadeBody(WebhookBody):
    """A subscription, and the secret that signs; it is shown when it is made."""

    secret: str


class WebhooksBody(ApdsBody):
    """The caller's subscriptions."""

    data: list[WebhookBody]


class WebhookSecretBody(ApdsBody):
    """The new secret; the one before signs beside it until then."""

    id: UUID
    secret: str
    previous_until: Instant


class WebhookEventBody(OursBody):
    """A message and what became of it: when it is due, while it is; when it was sent, once it was."""

    event_id: UUID
    topic: str
    state: Literal["due", "sent", "dead"]
    made_at: Instant
    due_at: Instant | None
    sent_at: Instant | None
    tries: int
    last_error: str | None


class WebhookEventsBody(OursBody):
    """Messages, the newest first."""

    data: list[WebhookEventBody]
