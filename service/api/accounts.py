"""Fare accounts: linked and parted, and who pays for whom in a family."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from access import family, link
from access.rules.medium import MediumKind
from kernel.ids import FareAccountId
from kernel.money import VND, Money
from kernel.service_day import day_window, local_date, service_day
from ledger.move import given_in_month
from ledger.rules.book_day import ZONE
from service import audit, cards_cache, looks
from service.api import account_documents as shown
from service.api.bodies import again
from service.auth import principal, require_own, requires
from service.errors import MalformedRequestError
from service.jobs.debts import FAMILY
from service.jobs.erase_person import erase_person
from service.jobs.link_accounts import LinkAsked, link_accounts
from service.jobs.payers import set_payer
from service.problems import request_id
from service.services import Services, services
from service.staff import Role

blueprint: Final = APIBlueprint("accounts", __name__, tag="Accounts", url_prefix="/v1/accounts")
DESK: Final = (Role.AGENT, Role.ADMINISTRATOR)


class LinkBody(BaseModel):
    """Let this account count to another; `into` null parts it again.

    Without `effective_from` it begins with the running service day, so that what was tapped in with the phone today
    and out with the card becomes one ride. `keep` says which kind stays active where a card and a phone are.
    """

    model_config = ConfigDict(extra="forbid")

    link_id: UUID
    into: UUID | None
    effective_from: AwareDatetime | None = None
    keep: MediumKind | None = None
    reason: Annotated[str, Field(min_length=1, max_length=200)]


class PayerBody(BaseModel):
    """Who pays what this account's balance does not, up to so much a calendar month; null: nobody."""

    model_config = ConfigDict(extra="forbid")

    wallet_id: UUID
    payer: UUID | None
    month_limit_minor: Annotated[int, Field(ge=0, le=10**12)] = 0


class ErasureBody(BaseModel):
    """Why, and once more the account's id: it cannot be undone."""

    model_config = ConfigDict(extra="forbid")

    confirm: UUID
    reason: Annotated[str, Field(min_length=1, max_length=200)]


class Month(BaseModel):
    """Which calendar month, by its first day; default the running one."""

    model_config = ConfigDict(extra="forbid")

    month: date | None = None


@blueprint.post("/<uuid:fare_account_id>/links")
@requires(*DESK)
@blueprint.input(LinkBody, location="json")
@blueprint.output(shown.LinkedBody, status_code=201)
@blueprint.doc(responses=again(shown.LinkedBody))
def post_link(fare_account_id: UUID, json_data: LinkBody) -> tuple[dict[str, Any], int]:
    """Link or part accounts: bills are folded anew and money follows, in one transaction. A repeat changes nothing."""
    running = services()
    now = running.clock.now()
    account = FareAccountId(fare_account_id)

    def work(tx: Connection) -> dict[str, Any]:
        into = account if json_data.into is None else FareAccountId(json_data.into)
        earlier = {row.link_id: row for row in link.list_links(tx, account)}.get(json_data.link_id)
        begins = json_data.effective_from or (
            earlier.effective_from if earlier else _day_start(tx, running, now)
        )
        asked = LinkAsked(
            link_id=json_data.link_id,
            account=account,
            into=into,
            effective_from=begins,
            reason=json_data.reason,
            keep=json_data.keep,
        )
        done = link_accounts(
            tx,
            asked,
            shelf=running.shelf,
            actor=principal().actor.actor_id,
            now=now,
            late_days=running.settings.late_days,
        )
        if not done.again:
            _audit(tx, "access.account.linked", account, now, {"into": str(into), "from": begins.isoformat()})
        return {
            "link_id": str(json_data.link_id),
            "effective_from": begins.isoformat(),
            "again": done.again,
            "taps": done.taps,
            "entries": done.entries,
            "owing": [str(one) for one in sorted(done.owing)],
        }

    body = running.database.run(work)
    with running.database.read() as tx:
        near = link.counting(tx, (account,)).accounts | {account}
    cards_cache.refresh(running.database, running.cache, near, now)
    return body, 200 if body["again"] else 201


@blueprint.get("/<uuid:fare_account_id>/links")
@requires(*DESK, Role.AUDITOR)
@blueprint.output(shown.LinksBody)
def list_links(fare_account_id: UUID) -> dict[str, Any]:
    """Return what was recorded about this account, in that order, and what it counts to now."""
    account = FareAccountId(fare_account_id)
    running = services()
    with running.database.begin() as tx:
        looks.by_another(tx, account, what="links", purpose="service desk")
        rows = link.list_links(tx, account)
        counts_to = link.current(tx, account, at=running.clock.now())
    return {
        "counts_to": str(counts_to),
        "links": [
            {
                "link_id": str(row.link_id),
                "into": str(row.into_account_id),
                "effective_from": row.effective_from.isoformat(),
                "reason": row.reason,
                "by": row.actor,
                "recorded_at": row.recorded_at.isoformat(),
            }
            for row in rows
        ],
    }


@blueprint.post("/<uuid:fare_account_id>/payer")
@requires(*DESK)
@blueprint.input(PayerBody, location="json")
@blueprint.output(shown.PayerSetBody)
def post_payer(fare_account_id: UUID, json_data: PayerBody) -> dict[str, Any]:
    """Record who pays for this account from now on; what it owes is paid at once, as far as the month allows."""
    running = services()
    now = running.clock.now()
    member = FareAccountId(fare_account_id)
    payer = None if json_data.payer is None else FareAccountId(json_data.payer)

    def work(tx: Connection) -> bool:
        return set_payer(
            tx,
            member,
            payer,
            wallet_id=json_data.wallet_id,
            month_limit_minor=json_data.month_limit_minor,
            by=principal().actor,
            now=now,
            request_id=request_id(),
        )

    made = running.database.run(work)
    cards_cache.refresh(running.database, running.cache, (member,), now)
    return {"wallet_id": str(json_data.wallet_id), "again": not made}


@blueprint.get("/<uuid:fare_account_id>/family")
@requires(Role.RIDER, *DESK)
@blueprint.input(Month, location="query", arg_name="query")
@blueprint.output(shown.FamilyBody)
def get_family(fare_account_id: UUID, query: Month) -> dict[str, Any]:
    """Return for whom this account pays and how much in a month: amounts, and never a place or a time of a ride."""
    payer = require_own(fare_account_id)
    running = services()
    month = (query.month or local_date(running.clock.now(), ZONE)).replace(day=1)
    with running.database.begin() as tx:
        looks.by_another(tx, payer, what="family", purpose="service desk")
        members = family.members(tx, payer)
        given = given_in_month(tx, payer, kind=FAMILY, month=month)
    return {
        "month": month.isoformat(),
        "members": [
            {
                "fare_account_id": str(member),
                "paid": given.get(member, Money.zero(VND)).to_json(),
                "month_limit": Money(terms.month_limit, VND).to_json(),
            }
            for member, terms in members.items()
        ],
    }


@blueprint.post("/<uuid:fare_account_id>/erasure")
@requires(Role.ADMINISTRATOR)
@blueprint.input(ErasureBody, location="json")
@blueprint.output(shown.ErasedBody)
def post_erasure(fare_account_id: UUID, json_data: ErasureBody) -> dict[str, Any]:
    """Erase the person behind an account, with those linked into it, for good: keys destroyed, hashes and seals stay.

    Refused while a card is in use or the account holds or owes money. A repeat changes nothing.
    """
    if json_data.confirm != fare_account_id:
        raise MalformedRequestError(errors=[{"at": "confirm", "what": "not the account's id"}])
    running = services()
    now = running.clock.now()
    account = FareAccountId(fare_account_id)
    erased = running.database.run(
        lambda tx: erase_person(
            tx, account, reason=json_data.reason, by=principal().actor, now=now, request_id=request_id()
        )
    )
    cards_cache.refresh(running.database, running.cache, (account,), now)
    return {"fare_account_id": str(account), "keys_destroyed": erased}


def _day_start(tx: Connection, running: Services, now: datetime) -> datetime:
    books = running.shelf.books(tx)
    if not books.newest:
        return now
    book = books.current()
    day = service_day(now, book.day_starts, book.zone)
    return day_window(day, book.day_starts, book.zone).start


def _audit(
    tx: Connection, action: str, account: FareAccountId, now: datetime, detail: dict[str, object]
) -> None:
    audit.record(
        tx,
        actor=principal().actor,
        action=action,
        subject_kind="fare_account",
        subject_id=str(account),
        now=now,
        request_id=request_id(),
        detail=detail,
    )
