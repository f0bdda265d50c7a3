"""Media that stand for an account: a QR key, a chip citizen ID, a bank card behind its payment token, a FeliCa token."""

from __future__ import annotations

from base64 import b64encode
from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from access import issue, link, tokens
from access.rules.medium import MediumKind
from access.rules.token import AcquirerTokens
from access.tokens import BadTokenError, Registered
from kernel.ids import FareAccountId
from service import audit, cards_cache
from service.api.card_documents import MediumRegisteredBody
from service.auth import acting_for, principal, require_own, requires
from service.errors import not_allowed
from service.problems import request_id
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("media", __name__, tag="Accounts", url_prefix="/v1/accounts")
DESK: Final = (Role.AGENT, Role.ADMINISTRATOR)


class MediumBody(BaseModel):
    """A medium by its token in hexadecimal digits: the phone's public key for `qr`, never a citizen's or card's number."""

    model_config = ConfigDict(extra="forbid")

    kind: MediumKind
    token: Annotated[str, Field(pattern="^([0-9a-fA-F]{2}){8,64}$")]
    expires_on: Annotated[date, Field(ge=date(2020, 1, 1), lt=date(2199, 1, 1))]


@blueprint.post("/<uuid:fare_account_id>/media")
@requires(Role.RIDER, *DESK)
@blueprint.input(MediumBody, location="json")
@blueprint.output(MediumRegisteredBody)
def post_medium(fare_account_id: UUID, json_data: MediumBody) -> dict[str, Any]:
    """Register a medium, or renew a phone's certificate; riders their own phone's QR key, a desk the others."""
    account = require_own(fare_account_id)
    if acting_for() is not None and json_data.kind is not MediumKind.QR:
        raise not_allowed(DESK)
    running = services()
    now = running.clock.now()
    kind, token = json_data.kind, _token(json_data)

    def work(tx: Connection) -> Registered:
        _lock(tx, account)
        known = tokens.find_by_token(tx, kind, token, keyring=running.keyring) if kind in _TOKENS else None
        made = tokens.register(
            tx, account, kind, token, expires_on=json_data.expires_on, keyring=running.keyring, now=now
        )
        if known is None:
            audit.record(
                tx,
                actor=principal().actor,
                action=f"access.medium.{kind.value}",
                subject_kind="card",
                subject_id=str(made.card.card_id),
                now=now,
                request_id=request_id(),
            )
        return made

    made = running.database.run(work)
    cards_cache.refresh(running.database, running.cache, (account,), now)
    return {
        "card_serial": made.card.serial,
        "kind": made.card.kind.value,
        "state": made.card.state.value,
        "certificate": b64encode(made.certificate).decode() or None,
        "certified_until": None if made.until is None else made.until.isoformat(),
    }


_TOKENS: Final = frozenset({MediumKind.QR, MediumKind.CITIZEN, MediumKind.BANK, MediumKind.FELICA})


def _token(asked: MediumBody) -> bytes:
    if asked.kind is not MediumKind.BANK:
        return bytes.fromhex(asked.token)
    token = AcquirerTokens().token_of(asked.token)
    if token is None:
        raise BadTokenError(kind=asked.kind.value, why="no payment token")
    return token


def _lock(tx: Connection, account: FareAccountId) -> None:
    issue.raise_versions(tx, link.lock_counted(tx, (account,)).accounts | {account})
    issue.lock_accounts(tx, (account,))
