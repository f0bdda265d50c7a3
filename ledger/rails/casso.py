"""Casso-shaped notifications: {error, data} with `X-Casso-Signature: t=<ms>,v1=<hex>`.

v1 is HMAC-SHA512 over "<t>.<the whole body as compact JSON, keys sorted at every depth>". Unlike payOS it signs a
sending time (so a replay window holds), tells money out as well as in, and gives the running balance.
Source: Casso documentation, webhook v2, with its sample (tests/ledger/rails/test_casso.py).
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha512
from typing import Final

from kernel.clock import from_micros
from ledger.rails.notification import (
    CLOCK_DRIFT,
    Body,
    ForgedNotificationError,
    Notified,
    StaleNotificationError,
    parse_object,
    whole_number,
)

HEADER: Final = "x-casso-signature"
_SIGNATURE: Final = re.compile(r"t=([0-9]{1,15}),v1=([0-9a-f]{128})", re.ASCII)


def canonical(body: Mapping[str, object]) -> str:
    """Return the body as compact JSON with the keys of every object sorted, letters unescaped."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=whole_number)


def sign(body: Mapping[str, object], sent_ms: int, key: bytes) -> str:
    """Return the header's value for a body sent at `sent_ms`, milliseconds since 1970."""
    digest = hmac.new(key, f"{sent_ms}.{canonical(body)}".encode(), sha512).hexdigest()
    return f"t={sent_ms},v1={digest}"


class Casso:
    """The adapter of Casso-shaped notifications."""

    name: Final = "casso"

    def verify(self, raw: bytes, headers: Mapping[str, str], secret: bytes, now: datetime) -> None:
        """Return when the header signs this body and was made within five minutes of `now`."""
        found = _SIGNATURE.fullmatch(headers.get(HEADER, "").strip())
        if found is None:
            raise ForgedNotificationError(provider=self.name, reason=f"no {HEADER} of the form t=…,v1=…")
        try:
            expected = sign(parse_object(raw), int(found[1]), secret)
        except (ValueError, ArithmeticError) as wrong:
            raise ForgedNotificationError(provider=self.name, reason=str(wrong)) from None
        if not hmac.compare_digest(f"t={int(found[1])},v1={found[2]}", expected):
            raise ForgedNotificationError(provider=self.name, reason="the signature does not match")
        try:
            signed_at = from_micros(int(found[1]) * 1000)
        except OverflowError:
            raise ForgedNotificationError(provider=self.name, reason="an impossible sending time") from None
        if abs(now - signed_at) > CLOCK_DRIFT:
            raise StaleNotificationError(provider=self.name, signed_at=signed_at.isoformat())

    def read(self, raw: bytes) -> Notified:
        """Return the movement in `data`; the amount is negative for money out."""
        body = Body.of(self.name, raw, "data")
        amount = body.dong("amount")
        if amount is None:
            raise body.wrong("amount is missing")
        accounts = (body.required_text("accountNumber"), body.text("virtualAccountNumber"))
        return Notified(
            identity=body.required_text("id"),
            reference=body.text("reference", 100),
            accounts=tuple(number for number in accounts if number),
            amount=amount,
            paid_at=body.instant("transactionDateTime"),
            description=body.text("description"),
            running_balance=body.dong("runningBalance"),
        )
