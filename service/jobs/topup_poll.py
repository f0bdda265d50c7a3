"""Ask a provider about top-ups whose payment nobody notified: the fallback where a notification never comes."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.clock import Clock
from kernel.errors import DomainError
from ledger import notify, topup
from ledger.notify import Applied
from ledger.rails.providers import POLLED
from ledger.rules.intent import Intent
from service.database import Database
from service.jobs.pass_orders import Shelves
from service.jobs.topups import apply_stored, secret_of
from service.settings import Settings

_TIMEOUT_S: Final = 10
_PROVIDER: Final = "payos"
_UNKNOWN: Final = 404
Ask = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Polled:
    """What asking about one top-up did; `failed` says why there was no answer to use."""

    intent: Intent
    applied: tuple[Applied, ...] = ()
    failed: str = ""


def over_http(settings: Settings) -> Ask:
    """Return how payOS is asked about an order code; an order it does not know has no payments."""

    def ask(order_code: int) -> bytes:
        asked = urllib.request.Request(
            f"{settings.payos_url.rstrip('/')}/v2/payment-requests/{order_code}",
            headers={"x-client-id": settings.payos_client_id, "x-api-key": settings.payos_api_key},
        )
        try:
            with urllib.request.urlopen(asked, timeout=_TIMEOUT_S) as answer:
                raw: bytes = answer.read()
        except urllib.error.HTTPError as refused:
            if refused.code != _UNKNOWN:
                raise
            raw = b""
        return raw

    return ask


def poll(
    database: Database, *, settings: Settings, clock: Clock, shelf: Shelves, ask: Ask
) -> Iterator[Polled]:
    """Ask about each top-up that waits for its payment, and yield what became of it.

    An answer is verified, and each payment it tells of stored as its notification would have been, then applied: a
    kill in between leaves work for the sweep, and a notification that comes later is a duplicate. One that cannot be
    asked about now is asked about the next time.
    """
    patience = timedelta(seconds=settings.topup_poll_s)
    with database.read() as tx:
        waiting = topup.list_unpaid(tx, _PROVIDER, now=clock.now(), patience=patience)
    for intent in waiting:
        try:
            raw = ask(intent.order_code)
            bodies = POLLED[_PROVIDER].read_status(raw, secret_of(settings, _PROVIDER)) if raw else ()
            applied = tuple(_take(database, body, settings, clock, shelf) for body in bodies)
        except (DomainError, OSError) as failed:
            yield Polled(intent, failed=str(failed))
        else:
            yield Polled(intent, applied)


def _take(database: Database, body: bytes, settings: Settings, clock: Clock, shelf: Shelves) -> Applied:
    now = clock.now()
    stored: UUID = database.run(lambda tx: notify.store_notification(tx, _PROVIDER, body, now))

    def work(tx: Connection) -> Applied:
        return apply_stored(tx, stored, settings=settings, now=now, shelf=shelf)

    return database.run(work)
