"""RFC 9421 signatures of devices, in one place around the library that checks them."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from flask import request
from http_message_signatures import (
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)
from http_message_signatures.exceptions import HTTPMessageSignaturesException

from access import enrol
from kernel.clock import Clock
from kernel.crypto.ed25519 import VerifyKey
from kernel.ids import DeviceId, OperatorId
from service.errors import RequestSignatureError
from service.services import Services

TAG: Final = "lienthong-device"
# The proxy in front may change scheme and host, so those are not asked for; path, query and body are.
COVERED: Final = ("@method", "@path")
# Only to find the key; what the library then verifies is its own strict parse of the same field.
_KEY_ID: Final = re.compile(r';keyid="([0-9a-f]{16})"')


@dataclass(frozen=True, slots=True)
class SigningDevice:
    """An active device and the key it signed with."""

    device_id: DeviceId
    operator_id: OperatorId
    key: VerifyKey


@dataclass(frozen=True, slots=True)
class Message:
    """A request as the library reads it."""

    method: str
    url: str
    headers: Any


class Verifier(HTTPMessageVerifier):
    """The library's verifier, by our clock: in the demo the world's time runs faster than the machine's."""

    def __init__(self, resolver: "KnownKey", clock: Clock, skew: timedelta) -> None:
        super().__init__(signature_algorithm=algorithms.ED25519, key_resolver=resolver)
        self.clock = clock
        self.skew = skew

    def validate_created_and_expires(self, sig_input: Any, max_age: timedelta | None = None) -> None:  # noqa: ARG002
        """Refuse a signature that was not made within `skew` of now, or that says it has expired."""
        now = self.clock.now().timestamp()
        created = sig_input.params.get("created")
        expires = sig_input.params.get("expires")
        if type(created) is not int or abs(now - created) > self.skew.total_seconds():
            raise InvalidSignature("created is missing or too far from our time")
        if expires is not None and (type(expires) is not int or expires < now - self.skew.total_seconds()):
            raise InvalidSignature("expired")


class KnownKey(HTTPSignatureKeyResolver):
    """Resolves the one key that the caller looked up."""

    def __init__(self, key: VerifyKey) -> None:
        self.key_id = key.key_id.hex()
        self.public_key = Ed25519PublicKey.from_public_bytes(key.raw)

    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey | None:
        """Return the key when its id is asked for."""
        return self.public_key if key_id == self.key_id else None


def verify(
    message: Message, *, body: bytes, query: bool, key: VerifyKey, clock: Clock, skew: timedelta
) -> None:
    """Refuse with RequestSignatureError unless `key` signed method, path, query and body within `skew` of now."""
    verifier = Verifier(KnownKey(key), clock, skew)
    covered = (*COVERED, *(("@query",) if query else ()))
    try:
        verifier.verify(message, require_components=covered, body=body, expect_tag=TAG, max_age=None)
    except HTTPMessageSignaturesException as error:
        raise RequestSignatureError(reason=str(error) or "wrong") from None


def verify_request(services: Services) -> SigningDevice:
    """Return the device that signed the request in hand; RequestSignatureError when none did."""
    named = _KEY_ID.findall(request.headers.get("Signature-Input", ""))
    if len(named) != 1:
        raise RequestSignatureError(reason="exactly one signature with a keyid is needed")
    with services.database.glance() as tx:
        found = enrol.find_device_by_key(tx, bytes.fromhex(named[0]))
    if found is None:
        raise RequestSignatureError(reason="the key is not an active device's")
    device, key = found
    verify(
        Message(request.method, request.url, request.headers),
        body=request.get_data(),
        query=bool(request.query_string),
        key=key,
        clock=services.clock,
        skew=timedelta(seconds=services.settings.signature_skew_s),
    )
    return SigningDevice(DeviceId(device.device_id), OperatorId(device.operator_id), key)
