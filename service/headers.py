"""Security headers, request ids, and one log line and one metric a request."""

import re
from typing import Final
from uuid import UUID

import structlog
from flask import Flask, Response, g, request

from kernel.clock import stopwatch
from kernel.ids import uuid7
from service import logs, metrics
from service.services import services

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# RapiDoc writes style elements into its shadow roots; only the API's own description is shown on that page.
DOCS_POLICY: Final = POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
QUIET: Final = frozenset({"health.live", "health.ready", "health.metrics", "static"})


def install(app: Flask) -> None:
    """Add the hooks. Call before any other hook so that refusals are counted too."""
    log = logs.logger("service.request")

    @app.before_request
    def begin() -> None:
        g.started = stopwatch()
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else _new_id().hex
        request.environ["lienthong.request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)

    @app.after_request
    def end(response: Response) -> Response:
        # The rule and not the path: paths carry ids, queries carry anything.
        route = request.url_rule.rule if request.url_rule else "(none)"
        seconds = stopwatch() - g.started if "started" in g else 0.0
        metrics.REQUESTS.labels(route, request.method, response.status_code).inc()
        metrics.REQUEST_SECONDS.labels(route).observe(seconds)
        if request.endpoint not in QUIET:
            log.info(
                "request",
                method=request.method,
                route=route,
                status=response.status_code,
                ms=round(seconds * 1000, 1),
            )
        response.headers["X-Request-ID"] = request.environ.get("lienthong.request_id", "")
        return harden(response)


def harden(response: Response) -> Response:
    """Set the headers that keep browsers strict; what a view set itself stays."""
    headers = response.headers
    headers.setdefault("Content-Security-Policy", POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
    if services().settings.secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    if request.endpoint == "static":
        headers["Cache-Control"] = "public, max-age=3600"
    else:
        headers.setdefault("Cache-Control", "no-store")
    return response


def _new_id() -> UUID:
    return uuid7(services().clock.now())
