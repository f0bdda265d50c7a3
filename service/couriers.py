"""How notices, and charges of mandates, leave the house: a port, and its first adapters (a file of JSON lines, a signed webhook).

At least once: a courier that fails, or a crash after it succeeded, leads to the same notice with the same id again.
"""

import hashlib
import hmac
import json
import os
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

SIGNATURE: Final = "X-Lienthong-Signature"
_TIMEOUT_S: Final = 10
_OK: Final = range(200, 300)


class UndeliveredError(Exception):
    """The other side did not take the notice; it will be tried again."""


class Courier(Protocol):
    """Hands one notice over, or raises UndeliveredError."""

    def deliver(self, notice: Mapping[str, Any]) -> None: ...


class FileCourier:
    """Appends each notice to a file as one line of JSON, on the disk before it counts as delivered."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def deliver(self, notice: Mapping[str, Any]) -> None:
        """Append one line; UndeliveredError when the file cannot be written."""
        line = json.dumps(dict(notice), ensure_ascii=False, sort_keys=True) + "\n"
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UndeliveredError(str(error)) from error


class WebhookCourier:
    """Posts each notice as JSON, signed by HMAC-SHA256 over the body; any answer but 2xx is tried again."""

    def __init__(self, url: str, key: bytes) -> None:
        assert url.startswith(("http://", "https://")), "a webhook is HTTP"
        self._url, self._key = url, key

    def deliver(self, notice: Mapping[str, Any]) -> None:
        """Post one notice; UndeliveredError when it was not taken."""
        body = json.dumps(dict(notice), ensure_ascii=False, sort_keys=True).encode()
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": str(notice.get("notice_id") or notice["charge_id"]),
            SIGNATURE: hmac.new(self._key, body, hashlib.sha256).hexdigest(),
        }
        asked = urllib.request.Request(self._url, data=body, headers=headers)
        try:
            with urllib.request.urlopen(asked, timeout=_TIMEOUT_S) as answer:
                if answer.status not in _OK:
                    raise UndeliveredError(f"HTTP {answer.status}")
        except OSError as error:
            raise UndeliveredError(str(error)) from error
