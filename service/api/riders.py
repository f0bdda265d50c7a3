"""Riders: sign in by card number and one-time code, sign out, and see who looked at their data."""

from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Connection

from access import issue, link
from access.issue import UnknownCardError
from kernel.ids import FareAccountId
from service import riders
from service.api import rider_documents as shown
from service.auth import acting_for, one_time_code, principal, require_own, requires
from service.errors import NotAuthenticatedError
from service.jobs import notices
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("riders", __name__, tag="Riders", url_prefix="/v1/riders")
Serial = Annotated[int, Field(ge=1, le=2**63 - 1)]


class CardOrAccount(BaseModel):
    """A rider, by the number printed on the card or by the account."""

    model_config = ConfigDict(extra="forbid")

    card_serial: Serial | None = None
    fare_account_id: UUID | None = None

    @model_validator(mode="after")
    def _one(self) -> "CardOrAccount":
        if (self.card_serial is None) == (self.fare_account_id is None):
            raise ValueError("name the card_serial or the fare_account_id")
        return self


class SignInAsked(CardOrAccount):
    """A rider's sign-in."""

    code: Annotated[str, Field(min_length=1, max_length=40)]


@blueprint.post("/codes")
@requires(Role.RIDER, Role.AGENT, Role.ADMINISTRATOR)
@blueprint.input(CardOrAccount, location="json")
@blueprint.output(shown.RiderCodeBody, status_code=201)
def create_code(json_data: CardOrAccount) -> tuple[dict[str, Any], int]:
    """Make a one-time code with which this rider can sign in; it is shown this once."""
    running = services()
    now = running.clock.now()
    with running.database.begin() as tx:
        account = _account(tx, json_data)
        require_own(account)
        code = riders.make_code(tx, account, keyring=running.keyring, by=principal().actor, now=now)
    return {"fare_account_id": str(account), "code": code, "valid_days": riders.CODE_DAYS}, 201


@blueprint.post("/sign-in")
@one_time_code
@blueprint.input(SignInAsked, location="json")
@blueprint.output(shown.SignedInBody)
def sign_in(json_data: SignInAsked) -> dict[str, Any]:
    """Return a bearer token for the rider's own account; 401 for whatever is wrong, without saying what."""
    running = services()
    now = running.clock.now()

    def work(tx: Connection) -> tuple[FareAccountId, str] | None:
        try:
            account = _account(tx, json_data)
        except UnknownCardError:
            return None
        token = riders.sign_in(tx, account, json_data.code, keyring=running.keyring, now=now)
        return None if token is None else (account, token)

    made = running.database.run(work)
    if made is None:
        raise NotAuthenticatedError
    return {"fare_account_id": str(made[0]), "token": made[1], "valid_days": riders.SIGN_IN_DAYS}


@blueprint.post("/<uuid:fare_account_id>/sign-out")
@requires(Role.RIDER)
@blueprint.output(shown.SignedOutBody)
def sign_out(fare_account_id: UUID) -> dict[str, Any]:
    """End every sign-in of the account, on all devices."""
    account = require_own(fare_account_id)
    running = services()
    with running.database.begin() as tx:
        ended = riders.end_sign_ins(tx, account, by=principal().actor, now=running.clock.now())
    return {"ended": ended}


@blueprint.get("/<uuid:fare_account_id>/data-access")
@requires(Role.RIDER)
@blueprint.output(shown.DataAccessBody)
def list_data_access(fare_account_id: UUID) -> dict[str, Any]:
    """Return up to a hundred looks at the rider's data by others, the newest first: who, what and why."""
    account = require_own(fare_account_id)
    with services().database.read() as tx:
        rows = riders.list_looks(tx, account)
    return {
        "data_access": [
            {
                "at": row.at.isoformat(),
                "by": f"{row.actor_kind}:{row.actor_id}",
                "what": row.what,
                "purpose": row.purpose,
            }
            for row in rows
        ]
    }


@blueprint.get("/<uuid:fare_account_id>/notices")
@requires(Role.RIDER)
@blueprint.output(shown.NoticesBody)
def list_notices(fare_account_id: UUID) -> dict[str, Any]:
    """Return up to a hundred notices to the rider, the newest first, in Vietnamese and English."""
    account = require_own(fare_account_id)
    running = services()
    with running.database.read() as tx:
        found = notices.list_notices(tx, account, now=running.clock.now())
    return {"notices": [notices.document(row) for row in found]}


@blueprint.get("/me")
@requires(Role.RIDER)
@blueprint.output(shown.OwnAccountBody)
def get_me() -> dict[str, Any]:
    """Return the account that the caller is signed in for."""
    account = acting_for()
    assert account is not None, "only a rider who is signed in comes here"
    return {"fare_account_id": str(account)}


def _account(tx: Connection, asked: CardOrAccount) -> FareAccountId:
    if asked.card_serial is not None:
        home = FareAccountId(issue.get_card(tx, serial=asked.card_serial).fare_account_id)
        return link.current(tx, home, at=services().clock.now())
    assert asked.fare_account_id is not None, "the body names one of the two"
    account = FareAccountId(asked.fare_account_id)
    if not issue.list_versions(tx, (account,)):
        raise UnknownCardError
    return account
