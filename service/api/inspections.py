"""Inspections: tapped or not, pass or not, on which vehicle. Each one is in the rider's list of who looked."""

from __future__ import annotations

from typing import Annotated, Any, Final

from apiflask import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from access import issue
from access.issue import UnknownCardError
from fare.inspect import inspect
from fare.publish import TariffNotPublishedError
from kernel.ids import CardId, FareAccountId
from service import riders
from service.api.bodies import Body
from service.auth import principal, requires
from service.problems import request_id
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("inspections", __name__, tag="Inspection")


class InspectionAsked(BaseModel):
    """The card that was shown, and where the inspector stands: the vehicle, or the station."""

    model_config = ConfigDict(extra="forbid")

    card_serial: Annotated[int, Field(ge=1, le=2**63 - 1)]
    place: Annotated[str, Field(min_length=1, max_length=80)]


class InspectedBody(Body):
    """Whether a ride is open, whether a pass is held, and on which vehicle; empty where on none."""

    tapped: bool
    has_pass: bool
    vehicle: str


@blueprint.post("/v1/inspections")
@requires(Role.INSPECTOR)
@blueprint.input(InspectionAsked, location="json")
@blueprint.output(InspectedBody)
def post_inspection(json_data: InspectionAsked) -> dict[str, Any]:
    """Return whether the card has a ride open, whether a pass is held, and on which vehicle; nothing more.

    An unknown card answers as one that did not tap: an inspector learns nothing from the difference.
    """
    running = services()
    now = running.clock.now()

    def work(tx: Connection) -> dict[str, Any]:
        books = running.shelf.books(tx)
        if not books.newest:
            raise TariffNotPublishedError(version="any")
        try:
            card = issue.get_card(tx, serial=json_data.card_serial)
        except UnknownCardError:
            return {"tapped": False, "has_pass": False, "vehicle": ""}
        account = FareAccountId(card.fare_account_id)
        told = inspect(tx, account, CardId(card.card_id), books=books, now=now)
        riders.looked_at(
            tx,
            account,
            by=principal().actor,
            what="inspection",
            purpose=f"inspection at {json_data.place}",
            now=now,
            request_id=request_id(),
        )
        return {"tapped": told.tapped, "has_pass": told.has_pass, "vehicle": told.vehicle}

    return running.database.run(work)
