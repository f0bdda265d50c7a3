"""SePay-shaped notifications: a flat body, signed with our secret or sent with it as an API key.

Signed: `X-SePay-Signature: sha256=<hex>` is HMAC-SHA256 over "<X-SePay-Timestamp>.<raw body>", seconds since 1970, and
the key never travels. `Authorization: Apikey <key>` proves who sends, not what: whoever sees one request can forge
others, so the endpoint must be reached over TLS only, and a second notification of a movement with other facts is a
contradiction, never a credit. A request that carries a signature is judged by it alone.
Source: SePay documentation, webhooks ("Tích hợp WebHooks", "Xác thực"): id, transactionDate, accountNumber, subAccount,
transferType, transferAmount, accumulated, referenceCode, code, content, description.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Final

from kernel.clock import from_micros
from ledger.rails.notification import (
    CLOCK_DRIFT,
    Body,
    ForgedNotificationError,
    Notified,
    StaleNotificationError,
)

HEADER: Final = "authorization"
SIGNATURE: Final = "x-sepay-signature"
SIGNED_AT: Final = "x-sepay-timestamp"
_SIGNATURE: Final = re.compile(r"sha256=([0-9a-f]{64})", re.ASCII | re.IGNORECASE)
_SECONDS: Final = re.compile(r"[0-9]{1,11}", re.ASCII)
_SCHEME: Final = re.compile(r"apikey\s+(\S.*)", re.IGNORECASE)


def sign(raw: bytes, sent_s: str, key: bytes) -> str:
    """Return the signature's header for a body sent at `sent_s`, seconds since 1970."""
    return f"sha256={hmac.new(key, sent_s.encode() + b'.' + raw, sha256).hexdigest()}"


class SePay:
    """The adapter of SePay-shaped notifications."""

    name: Final = "sepay"

    def verify(self, raw: bytes, headers: Mapping[str, str], secret: bytes, now: datetime) -> None:
        """Return when the request is signed within five minutes of `now`, or, without a signature, carries our key."""
        if SIGNATURE in headers:
            self._signed(raw, headers, secret, now)
            return
        found = _SCHEME.fullmatch(headers.get(HEADER, "").strip())
        if found is None:
            raise ForgedNotificationError(provider=self.name, reason="no Authorization of the form Apikey …")
        given = sha256(found[1].strip().encode("utf-8", "surrogateescape")).digest()
        if not hmac.compare_digest(given, sha256(secret).digest()):
            raise ForgedNotificationError(provider=self.name, reason="the key is not ours")

    def _signed(self, raw: bytes, headers: Mapping[str, str], secret: bytes, now: datetime) -> None:
        given, sent = headers[SIGNATURE].strip(), headers.get(SIGNED_AT, "").strip()
        if not _SIGNATURE.fullmatch(given) or not _SECONDS.fullmatch(sent):
            raise ForgedNotificationError(
                provider=self.name, reason=f"no {SIGNATURE} of the form sha256=… with {SIGNED_AT}"
            )
        if not hmac.compare_digest(given.lower(), sign(raw, sent, secret)):
            raise ForgedNotificationError(provider=self.name, reason="the signature does not match")
        try:
            signed_at = from_micros(int(sent) * 1_000_000)
        except OverflowError:
            raise ForgedNotificationError(provider=self.name, reason="an impossible sending time") from None
        if abs(now - signed_at) > CLOCK_DRIFT:
            raise StaleNotificationError(provider=self.name, signed_at=signed_at.isoformat())

    def read(self, raw: bytes) -> Notified:
        """Return the movement; negative for transferType "out". An accumulated balance of 0 is one not told."""
        body = Body.flat(self.name, raw)
        amount = body.dong("transferAmount")
        if amount is None or amount.minor < 0:
            raise body.wrong("transferAmount is missing or negative")
        direction = body.required_text("transferType").lower()
        if direction not in {"in", "out"}:
            raise body.wrong(f"transferType is {direction}, neither in nor out")
        accounts = (body.required_text("accountNumber"), body.text("subAccount"))
        code, content = body.text("code"), body.text("content")
        return Notified(
            identity=body.required_text("id"),
            reference=body.text("referenceCode", 100),
            accounts=tuple(number for number in accounts if number),
            amount=-amount if direction == "out" else amount,
            paid_at=body.instant("transactionDate"),
            description=content if code in content else f"{content} {code}".strip(),
            running_balance=body.dong("accumulated") or None,
        )
