"""Whether the process lives, whether it may get traffic, and its metrics."""

from datetime import timedelta
from typing import Final, Literal

from apiflask import APIBlueprint
from flask import Response, current_app
from sqlalchemy.exc import SQLAlchemyError

from ledger.exposure import total_owed
from service import logs, metrics
from service.api.bodies import Body, refused
from service.auth import public
from service.errors import DatabaseBehindError
from service.migrate import expected_revision
from service.problems import plain_problem
from service.services import services

blueprint: Final = APIBlueprint("health", __name__, tag="Operations")
_EXPOSURE_READ: Final = "lienthong_exposure_read"
_EXPOSURE_EVERY: Final = timedelta(minutes=1)


class LiveBody(Body):
    """The process answers."""

    status: Literal["live"]


class ReadyBody(Body):
    """The database answers with this schema; Redis is told, not needed."""

    status: Literal["ready"]
    revision: str
    redis: Literal["up", "down"]


@blueprint.get("/health/live")
@public("a supervisor asks before anything works; it tells nothing")
@blueprint.output(LiveBody)
def live() -> dict[str, str]:
    """Return 200 while the process can answer at all."""
    return {"status": "live"}


@blueprint.get("/health/ready")
@public("a load balancer asks; it tells nothing but yes or no and the schema's revision")
@blueprint.output(ReadyBody)
@blueprint.doc(responses=refused({503: "The database does not answer, or lacks a migration"}))
def ready() -> dict[str, str] | Response:
    """Return 200 when the database answers with the schema this program needs; Redis is told, not needed."""
    try:
        revision = services().database.revision()
    except SQLAlchemyError as error:
        logs.logger("service.health").error("database.unavailable", reason=type(error).__name__)
        return plain_problem(503, "Not ready", "The database does not answer.", retry=True)
    if revision != expected_revision():
        raise DatabaseBehindError(found=revision, needed=expected_revision())
    return {"status": "ready", "revision": revision, "redis": "up" if services().cache.alive() else "down"}


@blueprint.get("/metrics")
@blueprint.doc(hide=True)
@public("counts without names; the proxy in front keeps it inside")
def exposition() -> Response:
    """Return Prometheus metrics over all worker processes; what riders owe is read at most once a minute."""
    _tell_exposure()
    body, content_type = metrics.exposition()
    return Response(body, content_type=content_type)


def _tell_exposure() -> None:
    running, kept = services(), current_app.extensions
    now = running.clock.now()
    last = kept.get(_EXPOSURE_READ)
    if last is not None and now - last < _EXPOSURE_EVERY:
        return
    try:
        with running.database.read() as tx:
            owed = total_owed(tx)
    except SQLAlchemyError as error:  # the other metrics are wanted all the more then
        logs.logger("service.health").error("database.unavailable", reason=type(error).__name__)
        return
    kept[_EXPOSURE_READ] = now
    metrics.EXPOSURE.labels(owed.currency.code).set(owed.minor)
