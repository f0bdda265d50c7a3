"""Riders' own pages as the API's description shows them."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import RootModel

from parking.rules.session import State
from service.api.bodies import Body, Instant
from service.api.ledger_documents import MoneyBody
from service.notice_texts import NoticeKind


class RiderCodeBody(Body):
    """A one-time code; it is shown this once."""

    fare_account_id: UUID
    code: str
    valid_days: int


class SignedInBody(Body):
    """A bearer token for the rider's own account."""

    fare_account_id: UUID
    token: str
    valid_days: int


class SignedOutBody(Body):
    """How many sign-ins were ended."""

    ended: int


class LookBody(Body):
    """A look at the rider's data by another: `by` is `kind:id`."""

    at: Instant
    by: str
    what: str
    purpose: str


class DataAccessBody(Body):
    """Looks at the rider's data by others, the newest first."""

    data_access: list[LookBody]


class NoticeTextBody(Body):
    """A notice in one language."""

    title: str
    text: str


class NoticeBody(Body):
    """A notice to the rider; `facts` are what its texts are made of."""

    notice_id: UUID
    fare_account_id: UUID
    kind: NoticeKind
    made_at: Instant
    facts: dict[str, str | int]
    vi: NoticeTextBody
    en: NoticeTextBody


class NoticesBody(Body):
    """Notices to the rider, the newest first."""

    notices: list[NoticeBody]


class OwnAccountBody(Body):
    """The account that the caller is signed in for."""

    fare_account_id: UUID


class IncompleteRideBody(Body):
    """A ride without a tap-off that may be mended until an instant, and what it cost."""

    tap_id: UUID
    route_id: str
    from_stop_id: str
    started_at: Instant
    charged: MoneyBody
    until: Instant
    rule_status: str


class IncompleteRidesBody(Body):
    """Rides without a tap-off that may still be mended."""

    rides: list[IncompleteRideBody]


class MendedBody(Body):
    """A ride as the rider said that it ended, what it cost before and what it costs."""

    correction_id: UUID
    tap_id: UUID
    stop_id: str
    left_at: Instant
    charged_before: MoneyBody
    charged: MoneyBody


class MendPreviewBody(MendedBody):
    """What mending the ride would cost; nothing was kept."""

    preview: Literal[True]


class MendedOrPreviewBody(RootModel[MendedBody | MendPreviewBody]):
    """A mended ride, or what mending it would cost."""


class OwnStayBody(Body):
    """One of the rider's parking sessions."""

    session_id: UUID
    place_id: str
    state: State
    entered_at: Instant | None
    left_at: Instant | None
    paid_until: Instant | None
    charged: MoneyBody


class OwnStaysBody(Body):
    """The rider's parking sessions, the newest first."""

    sessions: list[OwnStayBody]
