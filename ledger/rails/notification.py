"""What every payment provider's notification comes down to, and the port that an adapter fills.

An adapter is pure: it verifies raw bytes against a secret and reads them. It opens no socket and knows no database,
so the same code judges a live request, a stored one and a file on the command line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from kernel.errors import DomainError
from kernel.money import VND, Money

MAX_BODY: Final = 64 * 1024  # a notification is one or two KiB; the rest is somebody else's
CLOCK_DRIFT: Final = timedelta(minutes=5)  # what a signed sending time may differ from ours
HANOI: Final = ZoneInfo("Asia/Ho_Chi_Minh")


class ForgedNotificationError(DomainError):
    """The signature is missing, malformed or not made with our secret."""

    detail = "The notification is not signed by {provider}: {reason}."


class StaleNotificationError(DomainError):
    """The signature is good, but it was made too long ago (or ahead) to be a first delivery."""

    detail = "The notification of {provider} was signed at {signed_at}, outside the replay window."


class UnreadableNotificationError(DomainError):
    """The body is signed, yet does not say what a payment notification must say."""

    detail = "The notification of {provider} cannot be read: {reason}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """One movement on our bank account, as a provider tells it.

    `identity` is what the provider promises never to repeat; `accounts` are the numbers the money came to (the
    real one and a virtual one); `amount` is negative for money that went out; `order_code` is the number we gave
    the provider; `running_balance` is the balance after it, where the provider says.
    """

    identity: str
    reference: str
    accounts: tuple[str, ...]
    amount: Money
    paid_at: datetime
    description: str
    order_code: int | None = None
    running_balance: Money | None = None


class Adapter(Protocol):
    """One provider's wire format."""

    @property
    def name(self) -> str:
        """The provider's name in URLs, settings and accounts."""

    def verify(self, raw: bytes, headers: Mapping[str, str], secret: bytes, now: datetime) -> None:
        """Return when `raw` is genuine; raise ForgedNotificationError or StaleNotificationError.

        `headers` has lower-case names. Comparison takes the same time whatever differs.
        """

    def read(self, raw: bytes) -> Notified:
        """Return the movement; raise UnreadableNotificationError. Does not verify."""


class Asked(Protocol):
    """A provider that can also be asked what became of a payment request."""

    def read_status(self, raw: bytes, secret: bytes) -> tuple[bytes, ...]:
        """Verify an answer and return the payments it tells of, each as the body that would have notified it."""


def parse_object(raw: bytes) -> dict[str, object]:
    """Return the JSON object in `raw`; ValueError for anything another parser could read differently.

    Refused: more than 64 KiB, not UTF-8, a repeated key, NaN, lone surrogates, nesting too deep to walk. Numbers
    with a fraction come back as Decimal.
    """
    if len(raw) > MAX_BODY:
        raise ValueError(f"more than {MAX_BODY} bytes")
    try:
        text = raw.decode()
        value = json.loads(text, object_pairs_hook=_once, parse_float=Decimal, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 (a body of the wrong shape, not a wrong call)
    return value


def whole_number(value: object) -> int:
    """Return a Decimal of the parser as the whole number that JavaScript writes for it; for `json.dumps`.

    ValueError for a fraction: how another language prints it is not ours to guess, and VND has none.
    """
    if isinstance(value, Decimal) and value == value.to_integral_value() and abs(value) < 1 << 53:
        return int(value)
    raise ValueError("a number with a fraction cannot be signed")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


class Body:
    """The fields of a signed object, read one by one; what is missing or misshapen names itself."""

    def __init__(self, provider: str, fields: Mapping[str, object]) -> None:
        self._provider = provider
        self._fields = fields

    @classmethod
    def of(cls, provider: str, raw: bytes, key: str) -> Body:
        """Return the object under `key` of the JSON body."""
        try:
            fields = parse_object(raw).get(key)
        except ValueError as wrong:
            raise UnreadableNotificationError(provider=provider, reason=str(wrong)) from None
        if not isinstance(fields, dict):
            raise UnreadableNotificationError(provider=provider, reason=f"{key} is not an object")
        return cls(provider, fields)

    @classmethod
    def flat(cls, provider: str, raw: bytes) -> Body:
        """Return the JSON body itself."""
        try:
            return cls(provider, parse_object(raw))
        except ValueError as wrong:
            raise UnreadableNotificationError(provider=provider, reason=str(wrong)) from None

    def wrong(self, reason: str) -> UnreadableNotificationError:
        """Return the error that says what is wrong here, ready to raise."""
        return UnreadableNotificationError(provider=self._provider, reason=reason)

    def text(self, key: str, longest: int = 500) -> str:
        """Return the text of `key`, "" when it is null or absent."""
        value = self._fields.get(key)
        if value is None:
            return ""
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or len(value) > longest or "\0" in value:
            raise self.wrong(f"{key} is not a text of at most {longest} characters")
        return value

    def required_text(self, key: str, longest: int = 100) -> str:
        """Return the text of `key`, which has something in it."""
        value = self.text(key, longest).strip()
        if not value:
            raise self.wrong(f"{key} is missing")
        return value

    def whole(self, key: str) -> int | None:
        """Return the whole number of `key`, None when it is null or absent."""
        value = self._fields.get(key)
        if value is None:
            return None
        if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
            value = int(value)
        if type(value) is not int or abs(value) >= 1 << 53:
            raise self.wrong(f"{key} is not a whole number")
        return value

    def dong(self, key: str) -> Money | None:
        """Return the amount of `key` in VND, None when it is null or absent."""
        value = self.whole(key)
        return None if value is None else Money(value, VND)

    def instant(self, key: str) -> datetime:
        """Return the instant of `key`; a time without a zone is Hanoi's, which is what the providers send."""
        text = self.required_text(key)
        try:
            at = datetime.fromisoformat(text)
            return (at if at.tzinfo else at.replace(tzinfo=HANOI)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise self.wrong(f"{key} “{text}” is not a time") from None
