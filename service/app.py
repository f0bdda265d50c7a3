"""The application factory: `wsgi.py` and `lienthong serve` call `create_app()`."""

import os
import re
from datetime import timedelta
from importlib.metadata import version
from typing import Any, Final, cast

from apiflask import APIFlask
from apiflask.exceptions import HTTPError
from flask import Response
from flask_babel import Babel
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from werkzeug.middleware.proxy_fix import ProxyFix

from access.keyring import Keyring
from kernel.clock import clock_from
from service import auth, console, headers, logs, problem_answers, problems
from service.api import blueprints as api
from service.cache import Cache
from service.console import errors as console_errors
from service.console.language import LANGUAGES, choose_language
from service.database import Database
from service.errors import MalformedRequestError
from service.services import EXTENSION, Services
from service.settings import Settings, unknown_names

DESCRIPTION: Final = """The back office of one card that pays for a city's buses, metro and car parks.

Errors are [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem documents; `retry` says whether the same
request may succeed later. Whoever acts mints the id: the same id and body get the first answer again.
"""
REDIS_PATIENCE: Final[dict[str, float]] = {"socket_connect_timeout": 0.2, "socket_timeout": 0.2}
SECURITY_SCHEMES: Final = {
    "credential": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API credential (`lienthong credential add`)",
    },
    "staff": {"type": "apiKey", "in": "cookie", "name": "lienthong", "description": "A staff sign-in"},
    "device": {
        "type": "apiKey",
        "in": "header",
        "name": "Signature",
        "description": "RFC 9421, Ed25519, by a device",
    },
}


def create_app(settings: Settings | None = None, *, keyring: Keyring | None = None) -> APIFlask:
    """Return the application. Nothing is connected yet; LookupError when a route does not name its authentication,
    ValueError when no database is named.

    `keyring` replaces the one that the settings name a file for.
    """
    settings = settings or Settings()
    if not settings.database_url:
        raise ValueError("LIENTHONG_DATABASE_URL is not set (`lienthong env` lists all settings)")
    logs.configure(settings.log_level)
    app = APIFlask(
        __name__, title="Liên Thông", version=version("lienthong"), spec_path="/openapi.json", docs_path=None
    )
    configure(app, settings)
    made = Services(
        settings=settings,
        database=Database(
            settings.database_url,
            pool_size=settings.database_pool,
            retries=settings.database_retries,
            statement_timeout_ms=settings.statement_timeout_ms,
        ),
        cache=Cache(settings.redis_url),
        clock=clock_from(settings.clock),
        limiter=Limiter(
            get_remote_address,
            storage_uri=settings.redis_url or "memory://",
            in_memory_fallback_enabled=True,
            # Flask-Limiter's annotation is narrower than what the Redis client takes.
            storage_options=cast("dict[str, int | str]", REDIS_PATIENCE if settings.redis_url else {}),
        ),
        given_keyring=keyring,
    )
    app.extensions[EXTENSION] = made
    made.limiter.init_app(app)
    Babel(app, default_locale="vi", locale_selector=choose_language)
    headers.install(app)
    problem_answers.install(app)
    console_errors.install(app)
    app.error_processor(_http_problem)
    for blueprint in (*api.BLUEPRINTS, *console.BLUEPRINTS):
        app.register_blueprint(blueprint)
    for endpoint, why in (("static", "style sheets and scripts"), ("openapi.spec", "describes the API")):
        app.view_functions[endpoint] = auth.public(why)(_wrapped(app.view_functions[endpoint]))
    auth.install(app)
    app.spec_processor(lambda spec: _with_security(app, spec))
    for name in unknown_names(os.environ):
        logs.logger("service.app").warning("setting.unknown", name=name)
    return app


def configure(app: APIFlask, settings: Settings) -> None:
    """Set what Flask and its extensions read from `app.config`."""
    app.config.update(
        SECRET_KEY=settings.session_key or os.urandom(32),
        SESSION_COOKIE_NAME="__Host-lienthong" if settings.secure else "lienthong",
        SESSION_COOKIE_SECURE=settings.secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        # Not refreshed by use, so the limit is absolute.
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=settings.sign_in_hours),
        MAX_CONTENT_LENGTH=settings.max_body_bytes,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,
        BABEL_TRANSLATION_DIRECTORIES="translations",
        LANGUAGES=LANGUAGES,
        OPENAPI_VERSION="3.1.0",
        DESCRIPTION=DESCRIPTION,
        INFO={"license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        SECURITY_SCHEMES=SECURITY_SCHEMES,
        VALIDATION_ERROR_STATUS_CODE=422,
        AUTO_404_RESPONSE=False,
        AUTO_SERVERS=False,
    )
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]


def _http_problem(error: HTTPError) -> Response:
    """APIFlask's own errors, mostly failed validation, as a problem."""
    if error.status_code == 422 and error.detail:
        body, status = problems.document(MalformedRequestError(errors=error.detail))
        return problems.answer(body, status)
    title = error.message or "Error"
    detail = error.detail if isinstance(error.detail, str) else title
    return problems.plain_problem(error.status_code, title, detail, retry=error.status_code in {429, 503})


def _wrapped(view: Any) -> Any:
    def called(**arguments: Any) -> Any:
        return view(**arguments)

    return called


def _with_security(app: APIFlask, spec: Any) -> Any:
    """Write every operation's authentication into the description, from the same markers that enforce it."""
    schemes: dict[auth.Kind, list[dict[str, list[str]]]] = {
        auth.Kind.ROLES: [{"credential": []}, {"staff": []}],
        auth.Kind.DEVICE_SIGNED: [{"device": []}],
    }
    spec["tags"] = [{"name": name} for name in sorted({tag["name"] for tag in spec.get("tags", [])})]
    for rule in app.url_map.iter_rules():
        path = spec.get("paths", {}).get(re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule), {})
        marker = auth.marker_of(app, rule.endpoint)
        for method in (rule.methods or set()) & {"GET", "POST", "PUT", "PATCH", "DELETE"}:
            operation = path.get(method.lower())
            if operation is None:
                continue
            operation["security"] = schemes.get(marker.kind, [])
            allowed = ", ".join(sorted(marker.roles)) or marker.why
            note = f"Authentication: {marker.kind}" + (f" ({allowed})" if allowed else "") + "."
            operation["description"] = f"{operation.get('description', '')}\n\n{note}".strip()
    return spec
