"""Where payment providers notify us. Signed by the provider; stored before it is understood."""

from typing import Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from flask import request

from ledger import notify
from ledger.rails.providers import adapter
from service import logs
from service.api.bodies import Body
from service.auth import provider_signed
from service.jobs.topups import apply_stored, secret_of
from service.services import services

blueprint: Final = APIBlueprint("notifications", __name__, tag="Top-up")


class NotedBody(Body):
    """It is stored; what becomes of it is told elsewhere."""

    success: bool
    notification_id: UUID


@blueprint.post("/v1/notifications/<provider>")
@provider_signed
@blueprint.output(NotedBody)
def take_notification(provider: str) -> dict[str, Any]:
    """Take a provider's notification in its own wire format (docs/topup.md).

    The signature is verified over the raw bytes; 401 without one. The bytes are committed before anything
    else, and the answer says only that: a notification that cannot be applied now is applied by a job.
    """
    running = services()
    settings, now = running.settings, running.clock.now()
    raw = request.get_data(cache=False)
    headers = {name.lower(): value for name, value in request.headers.items()}
    adapter(provider).verify(raw, headers, secret_of(settings, provider), now)
    stored = running.database.run(lambda tx: notify.store_notification(tx, provider, raw, now))
    log = logs.logger("service.notifications")
    try:
        applied = running.database.run(
            lambda tx: apply_stored(tx, stored, settings=settings, now=now, shelf=lambda: running.shelf)
        )
    except Exception:
        # Stored is acknowledged; `lienthong topup sweep` applies it.
        log.exception("notification.failed", notification_id=str(stored))
    else:
        log.info("notification.applied", notification_id=str(stored), outcome=applied.outcome)
    return {"success": True, "notification_id": str(stored)}
