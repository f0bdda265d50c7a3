"""Every DomainError as an RFC 9457 problem, from one table. The key is the class name without "Error", in kebab case."""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from flask import Response, jsonify, request

from kernel.errors import DomainError
from kernel.money import Money

CONTENT_TYPE: Final = "application/problem+json"
# RFC 9457 §3.1: these belong to the document itself, so an error's field of the same name steps aside.
RESERVED: Final = frozenset({"type", "title", "status", "detail", "instance", "retry", "request_id"})


@dataclass(frozen=True, slots=True)
class Row:
    """The HTTP status of a problem, and whether the same request may succeed later without a change."""

    status: int
    title: str
    retry: bool = False


# longer than a room: one table, one row a refusal, so that nobody looks for a row in two places.
TABLE: Final[dict[str, Row]] = {
    # service
    "not-authenticated": Row(401, "Not authenticated"),
    "not-rerunnable": Row(409, "Cannot be run again"),
    "not-allowed": Row(403, "Not allowed"),
    "other-operator": Row(403, "Another operator's"),
    "not-yours": Row(403, "Another rider's"),
    "rider-sign-in": Row(403, "Rider's sign-in needed"),
    "form-expired": Row(403, "Form expired"),
    "request-signature": Row(401, "Request signature not accepted"),
    "malformed-request": Row(422, "Malformed request"),
    "staff-user-exists": Row(409, "Staff user exists"),
    "staff-user-inactive": Row(403, "Staff user inactive"),
    "staff-user-unknown": Row(404, "Staff user unknown"),
    "weak-password": Row(422, "Weak password"),
    "scope-missing": Row(422, "Operator missing"),
    "database-behind": Row(503, "Database behind", retry=True),
    "export-too-long": Row(422, "Export too long"),
    "not-paid": Row(409, "Not paid"),
    "no-ride-receipt": Row(409, "No ride to receipt"),
    "receipt-malformed": Row(422, "Receipt malformed"),
    # kernel
    "malformed-clock": Row(422, "Malformed clock"),
    "not-time-ordered": Row(422, "Id without a time"),
    "seal-broken": Row(422, "Seal broken"),
    "unknown-currency": Row(422, "Unknown currency"),
    "currency-mismatch": Row(422, "Currencies differ"),
    "malformed-amount": Row(422, "Malformed amount"),
    "malformed-record": Row(422, "Malformed record"),
    # access
    "case-unknown": Row(404, "Case unknown"),
    "card-issued": Row(409, "Card issued already"),
    "card-out-of-date": Row(422, "Card out of date"),
    "code-refused": Row(403, "Code not valid"),
    "deny-list-version": Row(409, "Deny list version"),
    "device-key-refused": Row(422, "Device key refused"),
    "device-not-active": Row(403, "Device not active"),
    "device-not-drained": Row(409, "Journal not drained"),
    "device-transition": Row(409, "Device state"),
    "action-id-reused": Row(409, "Action id reused"),
    "bad-token": Row(422, "Token cannot be"),
    "bad-action": Row(422, "Action cannot be"),
    "malformed-action-list": Row(422, "Malformed action list"),
    "unknown-action": Row(404, "Action unknown"),
    "no-purse": Row(409, "No purse on this card"),
    "purse-load": Row(409, "More than can be loaded"),
    "deny-range": Row(422, "No serial range"),
    "identified-elsewhere": Row(409, "Identified elsewhere"),
    "other-citizen": Row(409, "Another citizen's account"),
    "event-id-reused": Row(409, "Event id reused"),
    "finding-does-not-fit": Row(409, "Finding does not fit"),
    "exception-unknown": Row(404, "Exception unknown"),
    "head-signature": Row(401, "Head signature not valid"),
    "keyring": Row(503, "Keys unavailable", retry=True),
    "family-chain": Row(409, "One payer, directly"),
    "wallet-id-reused": Row(409, "Wallet id reused"),
    "link-id-reused": Row(409, "Link id reused"),
    "link-loop": Row(409, "Links in a circle"),
    "link-too-early": Row(422, "Link outside its time"),
    "malformed-deny-list": Row(422, "Malformed deny list"),
    "medium-transition": Row(409, "Card state"),
    "still-in-use": Row(409, "A card is still in use"),
    "account-not-settled": Row(409, "The account holds or owes money"),
    "one-active": Row(409, "Another medium is active"),
    "tap-not-releasable": Row(409, "Tap cannot be let through"),
    "unknown-card": Row(404, "Card unknown"),
    "unknown-device": Row(404, "Device unknown"),
    "unknown-tap": Row(404, "Tap unknown"),
    "unknown-generation": Row(409, "Key generation unknown"),
    # ledger
    "bad-line": Row(422, "Line cannot be"),
    "bad-entry": Row(422, "Entry cannot be"),
    "id-reused": Row(409, "Id reused"),
    "unknown-account": Row(404, "Account unknown"),
    "wrong-currency": Row(422, "Wrong currency"),
    "wrong-owner": Row(422, "Wrong owner"),
    "account-differs": Row(409, "Account differs"),
    "account-not-empty": Row(409, "Account not empty"),
    "account-state": Row(409, "Account state"),
    "unknown-entry": Row(404, "Entry unknown"),
    "already-reversed": Row(409, "Already reversed"),
    "held-value": Row(409, "A part of the balance is held", retry=True),
    "open-receivable": Row(409, "The account owes"),
    "refund-amount": Row(409, "Another amount was confirmed"),
    "unknown-hold": Row(404, "Hold unknown"),
    "hold-ended": Row(409, "Hold ended"),
    "hold-amount": Row(422, "Amount outside the hold"),
    "day-not-over": Row(409, "Day not over", retry=True),
    "day-running": Row(409, "Day still running", retry=True),
    "day-not-closed": Row(409, "Day not closed", retry=True),
    "unknown-seal": Row(404, "Unknown seal"),
    "parquet-missing": Row(501, "Parquet is not installed"),
    "settlement-differs": Row(409, "Settlement differs"),
    "bad-settle-line": Row(422, "Settlement line cannot be"),
    "bad-invoice": Row(422, "Invoice cannot be"),
    "invoice-state": Row(409, "Invoice state"),
    "invoice-series": Row(409, "No invoice numbers left"),
    "series-differs": Row(409, "Invoice series differs"),
    "unknown-invoice": Row(404, "Invoice unknown"),
    "malformed-answers": Row(422, "Answers cannot be read"),
    "payout-state": Row(409, "Payout state"),
    "payout-one-person": Row(403, "Two people are needed"),
    "payout-amount": Row(409, "Another total was confirmed"),
    "unknown-payout": Row(404, "Payout unknown"),
    "not-payable": Row(409, "Day cannot be paid out"),
    "subsidy-state": Row(409, "Subsidy statement state"),
    "subsidy-one-person": Row(403, "Two people are needed"),
    "subsidy-amount": Row(409, "Another total was confirmed"),
    "subsidy-seen": Row(409, "Money has come"),
    "nothing-to-claim": Row(409, "Nothing to claim"),
    "unknown-subsidy": Row(404, "Subsidy statement unknown"),
    "bad-terms": Row(422, "Terms cannot be"),
    "terms-one-person": Row(403, "Two people are needed"),
    "terms-state": Row(409, "Terms decided already"),
    "unknown-terms": Row(404, "Terms unknown"),
    "no-terms": Row(409, "No account to pay to"),
    "unbalanced-positions": Row(422, "Positions do not balance"),
    "bad-cursor": Row(422, "Cursor unknown"),
    "malformed-qr": Row(422, "Malformed QR"),
    "not-viet-qr": Row(422, "Not a VietQR"),
    "unwritable-qr": Row(422, "QR cannot be written"),
    "forged-notification": Row(401, "Notification not signed"),
    "stale-notification": Row(401, "Notification outside the replay window"),
    "unknown-exception": Row(404, "No such open exception"),
    "nothing-proposed": Row(409, "Nothing proposed"),
    "same-person": Row(403, "The same person may not approve"),
    "unbalanced-match": Row(422, "Match does not balance"),
    "unmatchable": Row(422, "Movement cannot be matched"),
    "unknown-suspense": Row(404, "No such row in suspense"),
    "suspense-not-proposed": Row(409, "Nothing proposed"),
    "suspense-end": Row(422, "Row cannot end so"),
    "unknown-mandate": Row(404, "Mandate unknown"),
    "mandate-state": Row(409, "The mandate cannot do this"),
    "mandate-terms": Row(422, "Mandate cannot be"),
    "unknown-till": Row(404, "Till unknown"),
    "till-differs": Row(409, "Till differs"),
    "till-taken": Row(409, "Another's till"),
    "no-open-shift": Row(409, "No shift at this till"),
    "till-shift-open": Row(409, "The till's shift is not closed"),
    "till-shift-state": Row(409, "The shift cannot do this"),
    "till-full": Row(409, "The till holds too much cash"),
    "till-short": Row(409, "Not so much cash there"),
    "till-refused": Row(409, "The card cannot be loaded"),
    "counted-by-same": Row(403, "Who counted may not close"),
    "till-moved": Row(409, "Cash moved after the count", retry=True),
    "unknown-pay-back": Row(404, "Order to pay back unknown"),
    "pay-back-state": Row(409, "Order to pay back cannot do this"),
    "not-owed": Row(409, "More than is owed"),
    "payer-unknown": Row(422, "Nobody said who paid"),
    "pay-back-refused": Row(409, "The account cannot give this"),
    "unwritable-payment": Row(422, "Payment file not writable"),
    "unreadable-notification": Row(422, "Notification not readable"),
    "unknown-provider": Row(404, "Unknown provider"),
    "topup-amount": Row(422, "Top-up amount out of bounds"),
    "unknown-intent": Row(404, "Unknown top-up"),
    "intent-collision": Row(409, "Id cannot be used"),
    "unknown-notification": Row(404, "Unknown notification"),
    "unknown-dispute": Row(404, "Dispute unknown"),
    "dispute-state": Row(409, "Dispute state"),
    "not-a-charge": Row(409, "No such charge"),
    "dispute-too-late": Row(409, "Dispute too late"),
    "dispute-amount": Row(422, "Refund out of bounds"),
    "dispute-one-person": Row(403, "Two people needed"),
    "unknown-batch": Row(404, "Batch unknown"),
    "goodwill-lines": Row(422, "Batch cannot be"),
    "goodwill-state": Row(409, "Batch state"),
    "goodwill-one-person": Row(403, "Two people needed"),
    # an outgoing scheme
    "legacy-file": Row(422, "File cannot be taken on"),
    "legacy-file-taken-on": Row(409, "File taken on already"),
    "unknown-legacy-card": Row(404, "Old card unknown"),
    "legacy-card-moved": Row(409, "Old card moved"),
    # fare
    "entitlement-id-reused": Row(409, "Entitlement id reused"),
    "proof-rejected": Row(422, "Proof not accepted"),
    "unknown-entitlement": Row(404, "Entitlement unknown"),
    "pass-category": Row(422, "Pass of another category"),
    "pass-id-reused": Row(409, "Purchase id reused"),
    "unknown-ride": Row(404, "Ride unknown"),
    "unknown-route": Row(404, "Route unknown"),
    "unknown-stop": Row(404, "Stop unknown"),
    "ride-not-mended": Row(409, "Ride not mended"),
    "correction-id-reused": Row(409, "Correction id reused"),
    "pass-not-refundable": Row(409, "Pass not refundable"),
    "pass-start": Row(422, "Pass start"),
    "balance-short": Row(409, "Balance too low"),
    "group-too-small": Row(422, "Group too small"),
    "unknown-purchase": Row(404, "Purchase unknown"),
    "pass-scope": Row(422, "Pass scope"),
    "rerun-days": Row(422, "Days of the run"),
    "rerun-engine": Row(409, "Another engine"),
    "rerun-id-reused": Row(409, "Run id reused"),
    "rerun-notice": Row(422, "Run without notice"),
    "rerun-one-person": Row(403, "Two people needed"),
    "rerun-state": Row(409, "Run state"),
    "unknown-rerun": Row(404, "Run unknown"),
    "tariff-day-changed": Row(409, "Service day changed"),
    "tariff-invalid": Row(422, "Tariff invalid"),
    "tariff-not-published": Row(404, "Tariff not published"),
    "tariff-one-person": Row(403, "Two people needed"),
    "tariff-signature": Row(500, "Tariff altered"),
    "tariff-version-taken": Row(409, "Tariff version taken"),
    "tides-range": Row(422, "Export range"),
    "tides-recipient": Row(422, "Recipient's key"),
    "tides-too-fine": Row(422, "Export too fine"),
    "unknown-pass": Row(404, "Pass unknown"),
    # parking
    "already-reserved": Row(409, "Already reserved"),
    "already-parked": Row(409, "Already parked"),
    "backdated-rates": Row(422, "Backdated rates"),
    "count-id-reused": Row(409, "Count id reused"),
    "count-times": Row(422, "Count times"),
    "impossible-times": Row(422, "Impossible times"),
    "not-a-guest": Row(409, "Charged to a card"),
    "not-ended": Row(409, "Session runs"),
    "ended": Row(409, "Session has ended"),
    "give-back-amount": Row(422, "Amount to give back"),
    "no-rate": Row(404, "No rate"),
    "observation-id-reused": Row(409, "Observation id reused"),
    "observation-time": Row(422, "Observation time"),
    "parts-do-not-sum": Row(422, "Parts do not sum"),
    "payment-amount": Row(422, "Payment amount"),
    "payment-id-reused": Row(409, "Payment id reused"),
    "place-full": Row(409, "Place full", retry=True),
    "plate-event-id-reused": Row(409, "Reading id reused"),
    "plate-invalid": Row(422, "Plate invalid"),
    "proof-malformed": Row(422, "Proof malformed"),
    "rate-files-invalid": Row(422, "Rate files invalid"),
    "rates-one-person": Row(403, "Two people needed"),
    "rates-again": Row(409, "Rates published before"),
    "rates-published": Row(409, "Rates published"),
    "balance-too-low": Row(402, "Balance too low"),
    "right-ended": Row(409, "Right ended"),
    "right-holder": Row(422, "Right holder"),
    "right-id-reused": Row(409, "Right id reused"),
    "right-times": Row(422, "Right times"),
    "unknown-right": Row(404, "Right unknown"),
    "same-signer": Row(403, "Two people needed"),
    "session-id-reused": Row(409, "Event id reused"),
    "session-state": Row(409, "Session state"),
    "shift-id-reused": Row(409, "Shift id reused"),
    "shift-state": Row(409, "Shift state"),
    "ticket-unknown": Row(404, "Ticket unknown"),
    "till-busy": Row(409, "Till busy"),
    "uncovered-time": Row(422, "Time without a price"),
    "quote-id-reused": Row(409, "Quote request id reused"),
    "stale-version": Row(409, "Version stale"),
    "element-exists": Row(409, "Element exists"),
    "element-needed": Row(409, "Element needed"),
    "element-invalid": Row(422, "Attribute invalid"),
    "attributes-not-kept": Row(422, "Attributes not kept"),
    "casual-right": Row(409, "Changed with its place"),
    "ending-rows": Row(409, "Rows that end"),
    "later-rows": Row(409, "Later rows planned"),
    "planned-rates": Row(409, "Later rates planned"),
    "proposal-unknown": Row(404, "Proposal unknown"),
    "proposal-state": Row(409, "Proposal ended"),
    "proposal-one-person": Row(403, "Two people needed"),
    "unknown-element": Row(404, "Element unknown"),
    "unknown-webhook": Row(404, "Webhook unknown"),
    "webhook-endpoint": Row(422, "Webhook endpoint"),
    "unknown-quote": Row(404, "Quote unknown"),
    "unknown-place": Row(404, "Place unknown"),
    "unknown-session": Row(404, "Session unknown"),
    "session-merged": Row(410, "Session joined another"),
    "stay-unpriced": Row(409, "Session without a price"),
    "unknown-shift": Row(404, "Shift unknown"),
    "unit-count": Row(422, "Count of units"),
    "unknown-unit": Row(422, "Unit unknown"),
    "unknown-vehicle-class": Row(422, "Vehicle class unknown"),
    "variance-unexplained": Row(409, "Variance unexplained"),
    "void-unexplained": Row(422, "Void unexplained"),
}


def slug(error: type[DomainError]) -> str:
    """Return the problem's name: HoldAlreadyPostedError is hold-already-posted."""
    name = error.__name__.removesuffix("Error")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


def document(error: DomainError) -> tuple[dict[str, Any], int]:
    """Return the problem document of a DomainError and its HTTP status. KeyError: the table lacks its row."""
    name = slug(type(error))
    row = TABLE[name]
    body = {
        "type": f"/problems/{name}",
        "title": row.title,
        "status": row.status,
        "detail": str(error),
        "retry": row.retry,
        **{key: _plain(value) for key, value in error.fields.items() if key not in RESERVED},
    }
    return body, row.status


def answer(body: dict[str, Any], status: int) -> Response:
    """Return a response that carries a problem document, with the request's id."""
    response = jsonify({**body, "request_id": request_id()})
    response.status_code = status
    response.content_type = CONTENT_TYPE
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer realm="lienthong"'
    return response


def request_id() -> str:
    """Return the id that the request's log lines carry."""
    return str(request.environ.get("lienthong.request_id", ""))


def plain_problem(status: int, title: str, detail: str, *, retry: bool = False) -> Response:
    """Return a problem that only says its HTTP status (RFC 9457 §4.2.1, about:blank)."""
    return answer(
        {"type": "about:blank", "title": title, "status": status, "detail": detail, "retry": retry}, status
    )


def _plain(value: object) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case Money():
            return value.to_json()
        case UUID():
            return str(value)
        case bytes():
            return value.hex()
        case tuple() | list():
            return [_plain(item) for item in value]
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case _:
            return str(value)
