"""A signed offline attestation: an authority's word that a citizen holds a concession, checked without asking anyone.

It stands behind the same port as a national identity service would: what comes out is a `Verified` or a refusal.
The citizen's number travels in it and is kept nowhere in clear.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol, assert_never

from kernel.crypto.ed25519 import SigningKey, VerifyKey
from kernel.wire.cardinfo import Concession

CONTEXT: Final = b"lienthong/attestation/1"
FORMAT: Final = "lienthong-attestation/1"
MAX_BYTES: Final = 4_096
MAX_AGE: Final = timedelta(days=90)
"""An attestation is presented within so long of its signing: an old one may have been taken back meanwhile."""
MAX_AHEAD: Final = timedelta(minutes=5)
_CITIZEN: Final = re.compile(r"\d{12}", re.ASCII)  # the number on the chip citizen ID
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,39}", re.ASCII)
_FIELDS: Final = {
    "format",
    "verifier",
    "reference",
    "citizen",
    "concession",
    "valid_from",
    "valid_to",
    "signed_at",
}
PROVABLE: Final = frozenset(Concession) - {Concession.NORMAL, Concession.GROUP}
"""What an authority can attest. Group purchase is a way of buying, not a property of a person."""


class Rejection(StrEnum):
    """Why a proof is not accepted."""

    MALFORMED = "malformed"
    UNKNOWN_VERIFIER = "unknown-verifier"
    SIGNATURE = "signature"
    NOT_YET = "not-yet"
    STALE = "stale"
    NOT_PROVABLE = "not-provable"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Verified:
    """Who holds which concession on which dates (both ends included; no end: for good), and whose word that is."""

    citizen: str
    concession: Concession
    valid_from: date
    valid_to: date | None
    verifier: str
    reference: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The proof is not accepted."""

    reason: Rejection


class IdentityService(Protocol):
    """The port: a national identity service, or whatever stands in for it."""

    def verify(self, proof: bytes, *, now: datetime) -> Verified | Rejected:
        """Return what a proof says, or why it is not accepted. Never raises for what a proof contains."""


@dataclass(frozen=True, slots=True)
class OfflineAttestations:
    """The first adapter: attestations signed by authorities whose public keys are set here, by name."""

    keys: Mapping[str, VerifyKey]

    def verify(self, proof: bytes, *, now: datetime) -> Verified | Rejected:
        """Return what an attestation says: {"attestation": base64 JSON, "signature": base64 Ed25519 under CONTEXT}."""
        opened = _opened(proof)
        if opened is None:
            return Rejected(Rejection.MALFORMED)
        body, signature, fields = opened
        key = self.keys.get(fields["verifier"] or "")
        if key is None:
            return Rejected(Rejection.UNKNOWN_VERIFIER)
        if not key.verify(CONTEXT, body, signature):
            return Rejected(Rejection.SIGNATURE)
        return _judged(fields, now)


def sign(verified: Verified, key: SigningKey, *, signed_at: datetime) -> bytes:
    """Return an attestation as an authority writes it."""
    body = json.dumps(
        {
            "format": FORMAT,
            "verifier": verified.verifier,
            "reference": verified.reference,
            "citizen": verified.citizen,
            "concession": verified.concession.name.lower(),
            "valid_from": verified.valid_from.isoformat(),
            "valid_to": None if verified.valid_to is None else verified.valid_to.isoformat(),
            "signed_at": signed_at.isoformat(),
        },
        sort_keys=True,
        separators=(",", ":"),
    ).encode()
    parts = {
        "attestation": b64encode(body).decode(),
        "signature": b64encode(key.sign(CONTEXT, body)).decode(),
    }
    return json.dumps(parts).encode()


def keys_of(text: str) -> dict[str, VerifyKey]:
    """Return verifiers' keys from "name:64 hexadecimal digits,…"; ValueError says what is wrong."""
    found: dict[str, VerifyKey] = {}
    for each in filter(None, text.split(",")):
        name, colon, raw = each.strip().partition(":")
        if not colon or _NAME.fullmatch(name) is None:
            raise ValueError(f"{each!r} is not name:key")
        if name in found:
            raise ValueError(f"{name} is named twice")
        found[name] = VerifyKey(bytes.fromhex(raw))
    return found


def _opened(proof: bytes) -> tuple[bytes, bytes, dict[str, str | None]] | None:
    if len(proof) > MAX_BYTES:
        return None
    try:
        outer = json.loads(proof)
        body = b64decode(outer["attestation"], validate=True)
        signature = b64decode(outer["signature"], validate=True)
        fields = json.loads(body)
    except (ValueError, TypeError, KeyError, Base64Error, RecursionError):
        return None
    if not isinstance(fields, dict) or fields.keys() != _FIELDS or fields["format"] != FORMAT:
        return None
    texts = all(isinstance(value, str) for name, value in fields.items() if name != "valid_to")
    if not texts or not isinstance(fields["valid_to"], str | None):
        return None
    return body, signature, fields


def _judged(fields: Mapping[str, str | None], now: datetime) -> Verified | Rejected:
    try:
        concession = Concession[str(fields["concession"]).upper()]
        first = date.fromisoformat(str(fields["valid_from"]))
        last = None if fields["valid_to"] is None else date.fromisoformat(fields["valid_to"])
        signed_at = datetime.fromisoformat(str(fields["signed_at"]))
    except (KeyError, ValueError):
        return Rejected(Rejection.MALFORMED)
    citizen, reference = str(fields["citizen"]), str(fields["reference"])
    if signed_at.tzinfo is None or _CITIZEN.fullmatch(citizen) is None:
        return Rejected(Rejection.MALFORMED)
    if not 1 <= len(reference) <= 80 or not reference.isprintable() or citizen in reference:
        return Rejected(Rejection.MALFORMED)
    if last is not None and last < first:
        return Rejected(Rejection.MALFORMED)
    if concession not in PROVABLE:
        return Rejected(Rejection.NOT_PROVABLE)
    if signed_at > now + MAX_AHEAD:
        return Rejected(Rejection.NOT_YET)
    if signed_at + MAX_AGE < now:
        return Rejected(Rejection.STALE)
    if last is not None and last < now.date() - MAX_AGE:
        return Rejected(Rejection.OVER)
    return Verified(citizen, concession, first, last, str(fields["verifier"]), reference)


def described(outcome: Verified | Rejected) -> str:
    """Return an outcome in words without the citizen's number."""
    match outcome:
        case Verified():
            return f"{outcome.concession.name.lower()} by {outcome.verifier}"
        case Rejected():
            return outcome.reason.value
        case _:
            assert_never(outcome)
