"""Talking to the back office: one kept-alive HTTP connection a thread, every failure one ServerError."""

from __future__ import annotations

import http.client
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

from kernel.clock import Clock, stopwatch
from kernel.crypto.ed25519 import SigningKey
from readers.errors import ServerError
from readers.parsing import parse_json
from readers.signing import signed_headers

LARGEST_ANSWER: Final = 32 * 1024 * 1024
USER_AGENT: Final = "lienthong-reader/1"
RETRY_AFTER_LIMIT_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server said: status, lower-case headers, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON; ServerError where it is none."""
        try:
            return parse_json(self.body)
        except ValueError as error:
            raise ServerError(f"the server answered {self.status} with something that is not JSON") from error

    def problem(self) -> str:
        """Return the server's own words for a refusal, shortened, or its status."""
        try:
            said = parse_json(self.body)
            words = str(said.get("detail") or said.get("title") or "")
        except (ValueError, AttributeError):
            words = ""
        return f"{self.status} {words}".strip()[:300]

    def retry_after_s(self) -> float | None:
        """Return how long the server asks to be left alone, at most an hour; None when it does not say."""
        text = self.headers.get("retry-after", "")
        return min(float(text), RETRY_AFTER_LIMIT_S) if text.isascii() and text.isdigit() else None

    def date(self) -> datetime | None:
        """Return the server's clock as it stood when it answered, to the second."""
        try:
            return parsedate_to_datetime(self.headers["date"]).astimezone(UTC)
        except (KeyError, ValueError, TypeError, OverflowError):
            return None


class Server:
    """One connection, for one thread. It survives a server that closed it, and nothing else.

    `heard` is told the server's clock with every answer, a refusal too: a request that our own clock dated wrongly is
    refused once.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        clock: Clock,
        key: SigningKey | None = None,
        heard: Callable[[datetime], None] = lambda _: None,
    ) -> None:
        self._parts = urlsplit(url)
        self._url, self._timeout_s, self._clock, self._key = url, timeout_s, clock, key
        self._heard = heard
        self._connection: http.client.HTTPConnection | None = None

    def sign_with(self, key: SigningKey) -> None:
        """Sign with another key from now on."""
        self._key = key

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=self._timeout_s, context=context)
        return http.client.HTTPConnection(host, port, timeout=self._timeout_s)

    def get(self, path: str, headers: Mapping[str, str] | None = None, *, signed: bool = False) -> Reply:
        """Return the answer to a GET; ServerError when there was none."""
        return self._ask("GET", path, None, dict(headers or {}), signed=signed)

    def post(self, path: str, body: bytes, *, signed: bool = False) -> Reply:
        """Return the answer to a POST of a JSON body; ServerError when there was none."""
        return self._ask("POST", path, body, {"Content-Type": "application/json"}, signed=signed)

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], *, signed: bool
    ) -> Reply:
        headers |= {"User-Agent": USER_AGENT, "Accept": "application/json"}
        if signed:
            assert self._key is not None, "only an enrolled device signs"
            headers |= signed_headers(
                self._key,
                method=method,
                url=self._url + path,
                body=body,
                nonce=os.urandom(12).hex(),
                now=self._clock.now(),
            )
        kept = self._connection is not None
        try:
            return self._once(method, path, body, headers)
        except (http.client.RemoteDisconnected, ConnectionError) as error:
            self.close()
            if not kept:
                raise ServerError(f"{self._url}: {_words(error)}") from error
        except (http.client.HTTPException, OSError, ValueError) as error:
            self.close()
            raise ServerError(f"{self._url}: {_words(error)}") from error
        # The kept connection had gone stale, which says nothing of the server: once more on a fresh one. All we
        # send may be sent twice.
        try:
            return self._once(method, path, body, headers)
        except (http.client.HTTPException, OSError, ValueError) as error:
            self.close()
            raise ServerError(f"{self._url}: {_words(error)}") from error

    def _once(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Reply:
        if self._connection is None:
            self._connection = self._connect()
        self._connection.request(method, self._parts.path + path, body=body, headers=headers)
        answer = self._connection.getresponse()
        content = self._content(answer)
        if answer.will_close:
            self.close()
        reply = Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)
        date = reply.date()
        if date is not None:
            self._heard(date)
        return reply

    def _content(self, answer: http.client.HTTPResponse) -> bytes:
        # The socket's time-out is per read: a server that drips would otherwise hold us for ever.
        started, content = stopwatch(), bytearray()
        while part := answer.read1(65536):
            content += part
            if len(content) > LARGEST_ANSWER:
                raise ValueError(f"an answer of more than {LARGEST_ANSWER} bytes")
            if stopwatch() - started > 2 * self._timeout_s:
                raise TimeoutError("the answer took too long")
        if answer.length:
            raise http.client.IncompleteRead(bytes(content), answer.length)
        answer.close()
        return bytes(content)

    def close(self) -> None:
        """Drop the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
