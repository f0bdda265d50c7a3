"""payOS: payment notifications and payment links.

A notification is {code, desc, success, data, signature}; only `data` is signed, so only `data` is believed.
Source: payOS documentation, "Kiểm tra dữ liệu với signature" (webhook and payment-requests).
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Final

from ledger.rails.notification import (
    Body,
    ForgedNotificationError,
    Notified,
    UnreadableNotificationError,
    parse_object,
    whole_number,
)

_HEX: Final = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_EMPTY: Final = ("undefined", "null")  # JavaScript's words for nothing, signed as an empty text
PAID: Final = "00"


def canonical(fields: Mapping[str, object]) -> str:
    """Return the text that is signed: k=v joined by &, keys sorted.

    null becomes empty, booleans are lower-case, a list is compact JSON with its objects' keys sorted, a number is
    written as JavaScript writes it. ValueError for an object standing outside a list: JavaScript would sign the
    same text for any content.
    """
    return "&".join(f"{key}={_value(fields[key])}" for key in sorted(fields))


def _value(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return "" if value in _EMPTY else value
        case int() | Decimal():
            return _number(value)
        case list():
            ordered = [dict(sorted(item.items())) if isinstance(item, dict) else item for item in value]
            return json.dumps(ordered, separators=(",", ":"), ensure_ascii=False, default=whole_number)
        case _:
            raise ValueError("an object cannot be signed outside a list")


def _number(value: int | Decimal) -> str:
    if isinstance(value, Decimal):
        if abs(value) >= 1 << 53 or value.adjusted() < -6:
            raise ValueError("a number beyond JavaScript's plain notation")
        return str(int(value)) if value == value.to_integral_value() else f"{value.normalize():f}"
    return str(value)


def sign(fields: Mapping[str, object], key: bytes) -> str:
    """Return the signature of a notification's `data`: HMAC-SHA256 in lower-case hex."""
    return hmac.new(key, canonical(fields).encode(), sha256).hexdigest()


def sign_link(
    *, amount: int, cancel_url: str, description: str, order_code: int, return_url: str, key: bytes
) -> str:
    """Return the signature of a request for a payment link: exactly these five fields, in this order."""
    text = (
        f"amount={amount}&cancelUrl={cancel_url}&description={description}"
        f"&orderCode={order_code}&returnUrl={return_url}"
    )
    return hmac.new(key, text.encode(), sha256).hexdigest()


class PayOs:
    """The adapter of payOS-shaped notifications."""

    name: Final = "payos"

    def verify(self, raw: bytes, headers: Mapping[str, str], secret: bytes, now: datetime) -> None:
        """Return when the body's signature is that of its data. The format signs no sending time: `now` is unused."""
        del headers, now
        self._signed(raw, secret)

    def _signed(self, raw: bytes, secret: bytes) -> dict[str, object]:
        """Return the `data` of a body that is signed; ForgedNotificationError."""
        try:
            body = parse_object(raw)
            given, fields = body.get("signature"), body.get("data")
            expected = sign(fields, secret) if isinstance(fields, dict) else ""
        except (ValueError, ArithmeticError) as wrong:
            raise ForgedNotificationError(provider=self.name, reason=str(wrong)) from None
        if not isinstance(fields, dict) or not isinstance(given, str) or not _HEX.fullmatch(given):
            raise ForgedNotificationError(
                provider=self.name, reason="no data with a signature of 64 hex digits"
            )
        if not hmac.compare_digest(given.lower(), expected):
            raise ForgedNotificationError(provider=self.name, reason="the signature does not match")
        return fields

    def read_status(self, raw: bytes, secret: bytes) -> tuple[bytes, ...]:
        """Return what a payment request's status tells of, each payment as the body that would have notified it.

        The answer is signed as a notification is. Every asking gives the same bodies, so that what was told before
        is known again. ForgedNotificationError, UnreadableNotificationError.
        """
        data = self._signed(raw, secret)
        order_code, listed = data.get("orderCode"), data.get("transactions") or []
        if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
            raise UnreadableNotificationError(provider=self.name, reason="transactions is no list of objects")
        return tuple(
            json.dumps(
                {"data": {"orderCode": order_code, "currency": "VND", "code": PAID} | one, "polled": True},
                sort_keys=True,
                separators=(",", ":"),
                ensure_ascii=False,
                default=whole_number,
            ).encode()
            for one in listed
        )

    def read(self, raw: bytes) -> Notified:
        """Return the payment in `data`. A payment that did not succeed (code not 00) is unreadable as one."""
        body = Body.of(self.name, raw, "data")
        if body.text("code") not in {"", PAID}:
            raise UnreadableNotificationError(
                provider=self.name, reason=f"its code is {body.text('code')}, not {PAID}"
            )
        if body.text("currency") not in {"", "VND"}:
            raise body.wrong("the currency is not VND")
        amount = body.dong("amount")
        if amount is None:
            raise body.wrong("amount is missing")
        account, reference = body.required_text("accountNumber"), body.required_text("reference")
        return Notified(
            identity=f"{account}/{reference}",
            reference=reference,
            accounts=tuple(number for number in (account, body.text("virtualAccountNumber")) if number),
            amount=amount,
            paid_at=body.instant("transactionDateTime"),
            description=body.text("description"),
            order_code=body.whole("orderCode"),
        )
