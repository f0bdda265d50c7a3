"""Rides without a tap-off, and the rider's word on where they ended."""

from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from fare import correct
from fare.correct import Mended
from service import cards_cache
from service.api import rider_documents as shown
from service.api.bodies import answers
from service.auth import principal, require_own, requires
from service.jobs.mend_ride import PreviewError, Word, mend_ride
from service.problems import request_id
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint(
    "corrections", __name__, tag="Riders", url_prefix="/v1/riders/<uuid:fare_account_id>"
)
Name = Annotated[str, Field(min_length=1, max_length=80)]
_MENDED: Final = answers(201, "MendedOrPreviewBody.MendedBody", "Mended") | answers(
    200, "MendedOrPreviewBody", "A preview; or mended before, with `Idempotency-Hit: true`"
)


class CorrectionAsked(BaseModel):
    """Where and when a ride ended. The caller mints `correction_id` (a UUID) and saves it before sending.

    With `preview` nothing is kept: the answer says what the ride would cost.
    """

    model_config = ConfigDict(extra="forbid")

    correction_id: UUID
    tap_id: UUID
    stop_id: Name
    left_at: AwareDatetime
    preview: bool = False


@blueprint.get("/incomplete-rides")
@requires(Role.RIDER)
@blueprint.output(shown.IncompleteRidesBody)
def list_incomplete_rides(fare_account_id: UUID) -> dict[str, Any]:
    """Return rides without a tap-off that may still be mended, each with what it cost and until when.

    `rule_status` is `unknown` where the tariff's owner has yet to decide its limits.
    """
    account = require_own(fare_account_id)
    running = services()
    with running.database.begin() as tx:
        books = running.shelf.books(tx)
        found = correct.list_mendable(tx, account, books=books, now=running.clock.now())
    return {
        "rides": [
            {
                "tap_id": str(one.ride.tap_id),
                "route_id": one.ride.route_id,
                "from_stop_id": one.ride.from_stop_id,
                "started_at": one.ride.started_at.isoformat(),
                "charged": one.charged.to_json(),
                "until": one.until.isoformat(),
                "rule_status": one.rule_status,
            }
            for one in found
        ]
    }


@blueprint.post("/corrections")
@requires(Role.RIDER)
@blueprint.input(CorrectionAsked, location="json")
@blueprint.output(shown.MendedOrPreviewBody, status_code=201)
@blueprint.doc(responses=_MENDED)
def create_correction(
    fare_account_id: UUID, json_data: CorrectionAsked
) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Mend a ride, once, within the tariff's limit and window; its day is billed again and the difference booked."""
    account = require_own(fare_account_id)
    running = services()
    now = running.clock.now()

    word = Word(**json_data.model_dump(exclude={"preview"}))

    def work(tx: Connection) -> Mended:
        return mend_ride(
            tx,
            account,
            word,
            books=running.shelf.books(tx),
            by=principal().actor,
            now=now,
            preview=json_data.preview,
            request_id=request_id(),
        )

    try:
        mended = running.database.run(work)
    except PreviewError as seen:
        return {**_document(seen.mended), "preview": True}, 200, {}
    cards_cache.refresh(running.database, running.cache, {account}, now)
    if mended.again:
        return _document(mended), 200, {"Idempotency-Hit": "true"}
    return _document(mended), 201, {}


def _document(mended: Mended) -> dict[str, Any]:
    return {
        "correction_id": str(mended.said.correction_id),
        "tap_id": str(mended.said.tap_id),
        "stop_id": mended.said.stop_id,
        "left_at": mended.said.left_at.isoformat(),
        "charged_before": mended.before.to_json(),
        "charged": mended.after.to_json(),
    }
