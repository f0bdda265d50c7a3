"""Receipts: what a stay, a ride or a top-up cost, signed, so that anybody can check it without us.

A receipt is plain JSON of texts, whole numbers and null. What is signed is its canonical form (RFC 8785): keys sorted,
no white space, UTF-8. The same facts give the same receipt, byte for byte.
"""

import json
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from access.keyring import Keyring
from fare.explain import Status, TapStory
from fare.rules.bill import Closed
from kernel.crypto.ed25519 import VerifyKey
from kernel.errors import DomainError
from kernel.ids import FareAccountId, uuid8
from kernel.money import Money, currency
from ledger import invoice, topup
from ledger.agreed import list_topups
from parking.elements import elements_in_force
from parking.rules.payment import NotEndedError
from parking.rules.session import State
from parking.sessions import find_session
from parking.store import payments

CONTEXT: Final = b"lienthong receipt v1"
FORMAT: Final = "lienthong-receipt-1"
_OVER: Final = frozenset({State.LEFT, State.DISPUTED, State.REFUNDED, State.VOIDED})
Receipt = dict[str, Any]


class NotPaidError(DomainError):
    """A receipt says what was received."""

    detail = "Top-up {topup_id} has not been credited: there is nothing to receipt."


class NoRideReceiptError(DomainError):
    """Nothing was charged by this tap."""

    detail = "There is no receipt for tap {tap_id}: {reason}."


class ReceiptMalformedError(DomainError):
    """The document is no signed receipt."""

    detail = "This is no signed receipt: {reason}."


def stay_receipt(tx: Connection, session_id: UUID, *, now: datetime) -> Receipt:
    """Return the receipt of a stay that has ended, as it is billed now; UnknownSessionError, NotEndedError."""
    found = find_session(tx, session_id, now=now)
    row, bill = found.row, found.bill
    if State(row.state) not in _OVER:
        raise NotEndedError(session_id=str(session_id), state=row.state)
    unit = currency(row.currency)
    place = elements_in_force(tx, now=now, operators=None).book.places.get(row.place_id)
    paid = payments.list_payments(tx, row.fare_account_id, session_id)
    proof = None
    if bill.quote is not None:
        named = {"place_id": row.place_id, "vehicle_class": bill.priced_class, "user": bill.stay.user}
        proof = {**named, **bill.quote.to_json()}
    return {
        "format": FORMAT,
        "receipt_id": str(uuid8("receipt", "stay", session_id, row.revision)),
        "kind": "parking_stay",
        "issued_at": row.billed_at.isoformat(),
        "operator_id": row.operator_id,
        "place": {"place_id": row.place_id, "name": place.name if place else row.place_id},
        "session_id": str(session_id),
        "revision": row.revision,
        "state": row.state,
        "vehicle_class": row.vehicle_class or None,
        "entered_at": row.entered_at.isoformat() if row.entered_at else None,
        "left_at": row.left_at.isoformat() if row.left_at else None,
        "total": Money(row.total_minor, unit).to_json(),
        "charged": Money(row.charged_minor, unit).to_json(),
        "paid_from": "guest" if row.guest else "account",
        "lines": [
            {
                "component": line.component.value,
                "funder": line.funder,
                "rule": line.rule,
                "amount": line.amount.to_json(),
            }
            for line in bill.lines
        ],
        "payments": [
            {
                "payment_id": str(each.payment_id),
                "method": each.method,
                "amount": Money(each.amount_minor, currency(each.currency)).to_json(),
                "paid_at": each.paid_at.isoformat(),
            }
            for each in paid
        ],
        "invoices": _invoices(tx, session_id),
        "proof": proof,
    }


def ride_receipt(tx: Connection, story: TapStory) -> Receipt:
    """Return the receipt of the ride that a tap began or ended, as it is billed now; NoRideReceiptError.

    `explanation` recomputes to the charge (`fare.rules.recompute.check`); null where the evidence now says otherwise
    than is booked.
    """
    ride = story.ride
    if ride is None or ride.closed is Closed.OPEN or story.status is not Status.PRICED or not story.changes:
        under_way = ride is not None and ride.closed is Closed.OPEN
        reason = "the ride is under way" if under_way else story.reason or f"it is {story.status.value}"
        raise NoRideReceiptError(tap_id=str(story.tap.tap_id), reason=reason)
    unit = currency(story.currency)
    explained = story.explanation if story.agrees else None
    return {
        "format": FORMAT,
        "receipt_id": str(uuid8("receipt", "ride", ride.tap_id, story.revision)),
        "kind": "ride",
        "issued_at": max(each.billed_at for each in story.changes).isoformat(),
        "operator_id": story.tap.operator_id,
        "tap_id": str(ride.tap_id),
        "tap_off_id": str(ride.tap_off_id) if ride.tap_off_id else None,
        "service_day": story.service_day.isoformat() if story.service_day else None,
        "revision": story.revision,
        "tariff_version": story.tariff_version,
        "route": ride.route_id,
        "from_stop": ride.from_stop_id,
        "to_stop": ride.to_stop_id,
        "started_at": ride.started_at.isoformat(),
        "ended_at": ride.ended_at.isoformat() if ride.ended_at else None,
        "closed": ride.closed.value,
        "face_value": ride.face_value.to_json(),
        "charged": Money(story.charged_minor, unit).to_json(),
        "lines": [
            {
                "component": line.component,
                "operator_id": line.operator_id,
                "funder": line.funder,
                "rule": line.rule,
                "amount": Money(line.minor, unit).to_json(),
            }
            for line in story.booked
        ],
        "why": {"vi": list(story.vi), "en": list(story.en)},
        "explanation": explained.to_json() if explained else None,
        "invoices": _invoices(tx, ride.tap_id),
    }


def topup_receipt(tx: Connection, topup_id: UUID) -> Receipt:
    """Return the receipt of a top-up that was credited; UnknownIntentError, NotPaidError."""
    intent = topup.get_intent(tx, topup_id)
    credited = list_topups(tx, [intent.fare_account_id]).get(intent.fare_account_id, ())
    found = next((each for each in credited if each.intent_id == topup_id), None)
    if found is None:
        raise NotPaidError(topup_id=str(topup_id))
    return {
        "format": FORMAT,
        "receipt_id": str(uuid8("receipt", "topup", topup_id)),
        "kind": "topup",
        "issued_at": found.paid_at.isoformat(),
        "fare_account_id": str(intent.fare_account_id),
        "topup_id": str(topup_id),
        "payment_id": str(found.payment_id),
        "provider": found.provider,
        "reference": intent.reference,
        "asked": intent.amount.to_json(),
        "received": found.amount.to_json(),
        "paid_at": found.paid_at.isoformat(),
    }


def owner_of_topup(tx: Connection, topup_id: UUID) -> FareAccountId:
    """Return whose top-up it is; UnknownIntentError."""
    return topup.get_intent(tx, topup_id).fare_account_id


def signed(receipt: Receipt, keyring: Keyring) -> dict[str, Any]:
    """Return a receipt with its signature by the newest seal key."""
    key = keyring.seal_keys[-1]
    return {
        "receipt": receipt,
        "signature": {
            "algorithm": "Ed25519",
            "context": CONTEXT.decode(),
            "key_id": key.public.key_id.hex(),
            "value": b64encode(key.sign(CONTEXT, canonical(receipt))).decode(),
        },
    }


def verify(document: Mapping[str, Any], keys: Iterable[VerifyKey]) -> bool:
    """Return whether one of these keys signed the receipt as it stands; ReceiptMalformedError."""
    try:
        receipt, signature = document["receipt"], document["signature"]
        value = b64decode(signature["value"], validate=True)
        named, context = signature["key_id"], signature["context"]
        known = receipt["format"]
    except (KeyError, TypeError, ValueError, Base64Error) as error:
        raise ReceiptMalformedError(reason=f"{type(error).__name__}: {error}") from None
    if known != FORMAT or context != CONTEXT.decode():
        raise ReceiptMalformedError(reason=f"its format is {known}, its context {context}")
    return any(key.key_id.hex() == named and key.verify(CONTEXT, canonical(receipt), value) for key in keys)


def canonical(receipt: Mapping[str, Any]) -> bytes:
    """Return what is signed: sorted keys, no white space, UTF-8."""
    return json.dumps(receipt, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _invoices(tx: Connection, subject: UUID) -> list[dict[str, Any]]:
    return [
        {
            "number": each.name,
            "operator_id": each.operator_id,
            "issued_on": each.issued_on.isoformat(),
            "total": each.total.to_json(),
            "tax": each.tax.to_json(),
        }
        for each in invoice.list_of(tx, subject)
        if each.live
    ]
