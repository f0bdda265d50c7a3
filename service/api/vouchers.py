"""`POST /v1/vouchers`: a reader asks for our word on a chip, a bank card or a FeliCa token before it lets one through."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime, time
from enum import StrEnum
from typing import Annotated, Final

from apiflask import APIBlueprint
from flask import Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field

from access import enrol
from access.rules.copyable import CopyLimits
from access.rules.token import AcquirerTokens
from access.store.cards import Card
from access.vouch import Copying, Vouched, vouch
from kernel.ids import FareAccountId
from kernel.service_day import local_date
from kernel.wire.shown import ShownKind
from ledger.rules.book_day import ZONE
from service import cards_cache
from service.api.decisions import Advice
from service.auth import device_signed, signing_device
from service.services import services

blueprint: Final = APIBlueprint("vouchers", __name__, tag="Devices")
_MAX_BODY: Final = 2_048


class TokenKind(StrEnum):
    """What was held before the reader. A QR code vouches for itself."""

    CITIZEN = "citizen"
    BANK = "bank"
    FELICA = "felica"


class TokenShown(BaseModel):
    """A token as the reader or the terminal beside it got it; it is looked up and forgotten."""

    model_config = ConfigDict(extra="forbid")

    kind: TokenKind
    reference: Annotated[str, Field(min_length=1, max_length=512)]


class VoucherBody(BaseModel):
    """Whether the medium may tap here, once, until `until`. The voucher goes into the tap's record as it is."""

    decision: Advice
    reason: str = Field(
        description="Empty, or: unknown-card, a medium's state, a deny reason, expired; for FeliCa also not-here,"
        " too-often, balance"
    )
    card_serial: int | None
    voucher: str | None = Field(description="base64")
    until: datetime | None


@blueprint.before_request
def _small() -> None:
    request.max_content_length = _MAX_BODY


@blueprint.post("/v1/vouchers")
@device_signed
@blueprint.input(TokenShown, location="json")
@blueprint.output(VoucherBody)
def post_voucher(json_data: TokenShown) -> Response:
    """Answer with a voucher for one tap at the device that asks, or with why there is none.

    Asked each time: a token may be copied, so nothing rests on having seen it before. A copy gains one ride of an
    account that a call to the desk blocks. A FeliCa token, whose number anyone can copy, taps some times a day, on
    vehicles and at metro gates, of an account that holds the dearest ride.
    """
    running = services()
    now = running.clock.now()
    today = local_date(now, ZONE)
    limits = CopyLimits(taps_a_day=running.settings.felica_taps_a_day, floor=running.settings.felica_floor)
    with running.database.read() as tx:

        def balance_of(card: Card) -> int:
            states = cards_cache.read_states(tx, (FareAccountId(card.fare_account_id),), now)
            return next(one.balance.minor for one in states if one.serial == card.serial)

        found = vouch(
            tx,
            ShownKind[json_data.kind.name],
            json_data.reference,
            device=enrol.get_device(tx, signing_device().device_id),
            payment_tokens=AcquirerTokens(),
            copying=Copying(
                limits=limits, day_began=datetime.combine(today, time.min, ZONE), balance_of=balance_of
            ),
            keyring=running.keyring,
            today=today,
            now=now,
        )
    if isinstance(found, Vouched):
        body = VoucherBody(
            decision=Advice.ACCEPT,
            reason="",
            card_serial=found.serial,
            voucher=b64encode(found.voucher).decode(),
            until=found.until,
        )
    else:
        body = VoucherBody(
            decision=Advice.REFUSE, reason=found.reason, card_serial=None, voucher=None, until=None
        )
    return jsonify(body.model_dump(mode="json"))
