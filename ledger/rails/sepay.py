"""SePay-shaped notifications: a flat body, authenticated by `Authorization: Apikey <key>` and nothing else.

The key proves who sends, not what: whoever sees one request can forge others, so the endpoint must be reached over
TLS only, and a second notification of a movement with other facts is a contradiction, never a credit.
Source: SePay documentation, webhooks ("Tích hợp WebHooks"): id, transactionDate, accountNumber, subAccount,
transferType, transferAmount, accumulated, referenceCode, code, content, description.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Final

from ledger.rails.notification import Body, ForgedNotificationError, Notified

HEADER: Final = "authorization"
_SCHEME: Final = re.compile(r"apikey\s+(\S.*)", re.IGNORECASE)


class SePay:
    """The adapter of SePay-shaped notifications."""

    name: Final = "sepay"

    def verify(self, raw: bytes, headers: Mapping[str, str], secret: bytes, now: datetime) -> None:
        """Return when the request carries our key. Nothing of the body is signed: `raw` and `now` are unused."""
        del raw, now
        found = _SCHEME.fullmatch(headers.get(HEADER, "").strip())
        if found is None:
            raise ForgedNotificationError(provider=self.name, reason="no Authorization of the form Apikey …")
        given = sha256(found[1].strip().encode("utf-8", "surrogateescape")).digest()
        if not hmac.compare_digest(given, sha256(secret).digest()):
            raise ForgedNotificationError(provider=self.name, reason="the key is not ours")

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
