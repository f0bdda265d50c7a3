"""RFC 9421 signatures on the device's requests: the one place that knows http-message-signatures."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, cast

import http_message_signatures as hms

from kernel.crypto.ed25519 import SigningKey

# A proxy in front of the server may change scheme and host, so those are not signed (service/device_auth.py).
COVERED: Final = ("@method", "@path")
LABEL: Final = "device"
TAG: Final = "lienthong-device"


@dataclass(slots=True)
class _Message:
    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)


class _Key(hms.HTTPSignatureKeyResolver):
    def __init__(self, key: SigningKey) -> None:
        self._key = key

    def resolve_private_key(self, key_id: str) -> object:
        assert key_id == self._key.public.key_id.hex(), "a device signs with its own key only"
        return self._key


class _Ed25519(hms.HTTPSignatureAlgorithm):
    algorithm_id = "ed25519"

    def __init__(self, public_key: object = None, private_key: object = None) -> None:
        assert public_key is None, "a reader signs requests, it does not verify any"
        self._key = cast("SigningKey", private_key)

    def sign(self, message: bytes) -> bytes:
        # RFC 9421 frames its own message: the kernel's context is empty here.
        return self._key.sign(b"", message)


def signed_headers(
    key: SigningKey, *, method: str, url: str, body: bytes | None, nonce: str, now: datetime
) -> Mapping[str, str]:
    """Return the headers that sign one request: Signature-Input, Signature and, with a body, Content-Digest.

    Covers method, path, query and the body's digest under the device's Ed25519 key, which the key id
    names; `now` and `nonce` let the server refuse a replay. Source: RFC 9421 §2, RFC 9530 §2.
    """
    message = _Message(method, url)
    signer = hms.HTTPMessageSigner(signature_algorithm=_Ed25519, key_resolver=_Key(key))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        signer.sign(
            message,
            key_id=key.public.key_id.hex(),
            created=now,
            nonce=nonce,
            label=LABEL,
            tag=TAG,
            covered_component_ids=(*COVERED, "@query") if "?" in url else COVERED,
            body=body,
        )
    return message.headers
