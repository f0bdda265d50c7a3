"""Rights to park: what is on sale, passes and permits, coupons for one session, and companies' pools."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from kernel.ids import FareAccountId
from kernel.service_day import local_date
from parking import pools
from parking import sell_pass as verbs
from parking.places import place_in_force
from parking.publish_rates import Rates
from parking.sell_pass import Held
from service import audit, parks
from service.api import parking_place_documents as shown
from service.api.bodies import again
from service.api.parking import actor_text
from service.auth import principal, public, require_operator, requires
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("parking_rights", __name__, tag="Parking", url_prefix="/v1/parking")
OPERATOR: Final = Role.PARKING_OPERATOR
Name = Annotated[str, Field(min_length=1, max_length=80)]


class PlaceAsked(BaseModel):
    """Where."""

    model_config = ConfigDict(extra="forbid")

    place_id: Name


class PoolOpened(BaseModel):
    """A company's pool. The caller mints `pool_id` (a UUID) and saves it before sending."""

    model_config = ConfigDict(extra="forbid")

    pool_id: UUID
    place_id: Name
    name: Name
    spaces: Annotated[int, Field(ge=1, le=100_000)]


class RightAsked(BaseModel):
    """A right for one holder: an account, a plate or ticket, or (a coupon) one session.

    The caller mints `right_id` (a UUID) and saves it before sending. Paid from the account, or with `till` in cash.
    """

    model_config = ConfigDict(extra="forbid")

    right_id: UUID
    spec_id: Name
    place_id: Name
    valid_from: AwareDatetime
    valid_to: AwareDatetime
    fare_account_id: UUID | None = None
    medium: parks.Medium | None = None
    session_id: UUID | None = None
    pool_id: UUID | None = None
    till: Annotated[str, Field(max_length=80)] = ""

    @model_validator(mode="after")
    def _one_holder(self) -> RightAsked:
        holders = (self.fare_account_id, self.medium, self.session_id)
        if sum(each is not None for each in holders) != 1:
            raise ValueError("name one of fare_account_id, medium and session_id")
        return self


class EndAsked(BaseModel):
    """Why a right ends."""

    model_config = ConfigDict(extra="forbid")

    note: Annotated[str, Field(min_length=1, max_length=500)]


@blueprint.get("/rights/specifications")
@public("what is on sale is public")
@blueprint.input(PlaceAsked, location="query")
@blueprint.output(shown.RightsOnSaleBody)
def list_specifications(query_data: PlaceAsked) -> dict[str, Any]:
    """Return the rights that are on sale today for a place, or for one above it."""
    running = services()
    now = running.clock.now()
    with running.database.read() as tx:
        place = place_in_force(tx, query_data.place_id, now=now)
        book = Rates(tx).at(now)
    assert book is not None, "the place is in force"
    on = local_date(now, place.zone)
    found = [each for spec_id in sorted(book.rights) if (each := book.right(spec_id, on)) is not None]
    return {
        "specifications": [
            {
                "spec_id": each.spec_id,
                "kind": each.kind.value,
                "name": each.name,
                "place_id": each.place_id,
                "vehicle_class": each.vehicle_class or None,
                "price": each.price.to_json(),
                "hours_from": each.hours_from.isoformat() if each.hours_from else None,
                "hours_to": each.hours_to.isoformat() if each.hours_to else None,
                "decision": each.decision or None,
            }
            for each in found
            if book.is_within(place.place_id, each.place_id)
        ]
    }


@blueprint.post("/pools")
@requires(OPERATOR)
@blueprint.input(PoolOpened, location="json")
@blueprint.output(shown.PoolBody, status_code=201)
@blueprint.doc(responses=again(shown.PoolBody))
def create_pool(json_data: PoolOpened) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Open a pool: more cards than spaces, and only so many of them covered at a time."""
    running = services()
    now = running.clock.now()
    with running.database.begin() as tx:
        require_operator(place_in_force(tx, json_data.place_id, now=now).operator_id)
        pool, again = pools.open_pool(
            tx,
            json_data.pool_id,
            place_id=json_data.place_id,
            name=json_data.name,
            spaces=json_data.spaces,
            actor=actor_text(),
            now=now,
        )
        if not again:
            audit.record(
                tx,
                actor=principal().actor,
                action="parking.pool_opened",
                subject_kind="parking_pool",
                subject_id=str(pool.pool_id),
                now=now,
                detail={"place_id": pool.place_id, "spaces": pool.spaces},
            )
    body = {
        "pool_id": str(pool.pool_id),
        "place_id": pool.place_id,
        "name": pool.name,
        "spaces": pool.spaces,
    }
    return (body, 200, {"Idempotency-Hit": "true"}) if again else (body, 201, {})


@blueprint.post("/rights")
@requires(OPERATOR)
@blueprint.input(RightAsked, location="json")
@blueprint.output(shown.ParkingRightBody, status_code=201)
@blueprint.doc(responses=again(shown.ParkingRightBody))
def create_right(json_data: RightAsked) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Sell or give a right; its price is booked at once, and a coupon's session is billed again."""
    running = services()
    now = running.clock.now()
    account, medium = json_data.fare_account_id, json_data.medium
    asked = verbs.Assigning(
        right_id=json_data.right_id,
        spec_id=json_data.spec_id,
        place_id=json_data.place_id,
        valid_from=json_data.valid_from,
        valid_to=json_data.valid_to,
        account=FareAccountId(account) if account else None,
        subject=parks.subject(running.keyring, medium) if medium else None,
        stay_id=json_data.session_id,
        pool_id=json_data.pool_id,
        till=json_data.till,
    )
    with running.database.begin() as tx:
        require_operator(place_in_force(tx, json_data.place_id, now=now).operator_id)
        held = verbs.assign(tx, asked, actor=actor_text(), now=now)
        if not held.again:
            audit.record(
                tx,
                actor=principal().actor,
                action="parking.right_assigned",
                subject_kind="parking_right",
                subject_id=str(held.row.right_id),
                now=now,
                detail={"product": held.row.spec_id, "place_id": held.row.place_id},
            )
    return (_shown(held), 200, {"Idempotency-Hit": "true"}) if held.again else (_shown(held), 201, {})


@blueprint.get("/rights/<uuid:right_id>")
@requires(OPERATOR, Role.AUDITOR)
@blueprint.output(shown.ParkingRightBody)
def get_right(right_id: UUID) -> dict[str, Any]:
    """Return a right as it stands."""
    with services().database.read() as tx:
        held = verbs.get_right(tx, right_id)
        require_operator(held.row.operator_id)
    return _shown(held)


@blueprint.post("/rights/<uuid:right_id>/end")
@requires(OPERATOR)
@blueprint.input(EndAsked, location="json")
@blueprint.output(shown.ParkingRightBody)
def end_right(right_id: UUID, json_data: EndAsked) -> tuple[dict[str, Any], int, dict[str, str]]:
    """End a right now and give back the price of the time that is left."""
    running = services()
    now = running.clock.now()
    with running.database.begin() as tx:
        require_operator(verbs.get_right(tx, right_id).row.operator_id)
        held = verbs.end(tx, right_id, note=json_data.note, actor=actor_text(), now=now)
        if not held.again:
            audit.record(
                tx,
                actor=principal().actor,
                action="parking.right_ended",
                subject_kind="parking_right",
                subject_id=str(right_id),
                now=now,
                detail={"note": json_data.note},
            )
    return (_shown(held), 200, {"Idempotency-Hit": "true"}) if held.again else (_shown(held), 200, {})


def _shown(held: Held) -> dict[str, Any]:
    row, ended = held.row, held.ended
    return {
        "right_id": str(row.right_id),
        "spec_id": row.spec_id,
        "place_id": row.place_id,
        "valid_from": row.valid_from.isoformat(),
        "valid_to": row.valid_to.isoformat(),
        "price": {"minor": row.price_minor, "currency": row.currency},
        "paid_with": ("till" if row.till else "account") if row.price_minor else None,
        "session_id": str(row.stay_id) if row.stay_id else None,
        "pool_id": str(row.pool_id) if row.pool_id else None,
        "ended": None
        if ended is None
        else {
            "ended_at": ended.ended_at.isoformat(),
            "refund": {"minor": ended.refund_minor, "currency": row.currency},
            "note": ended.note,
        },
    }
