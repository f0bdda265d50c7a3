"""Sign-in, sign-out, the day, and the API's documentation."""

from datetime import date
from typing import Final
from urllib.parse import urlsplit

from flask import Response, make_response, redirect, render_template, request, url_for
from flask_limiter import RateLimitExceeded
from flask_limiter.util import get_remote_address
from werkzeug.wrappers import Response as BaseResponse

from access.keyring import KeyringError
from service import auth, headers, metrics, staff
from service.audit import ActorKind
from service.auth import STAFF, public, requires
from service.console.day import Keys, read_day, today
from service.console.frame import pages
from service.errors import FormExpiredError
from service.services import services

blueprint: Final = pages("console", __name__)


@blueprint.get("/")
@requires(*STAFF)
def day() -> str | Response:
    """Return the page of one service day, today by default."""
    services_ = services()
    asked = request.args.get("day", "")
    with services_.database.read() as tx:
        try:
            chosen = date.fromisoformat(asked) if asked else None
        except ValueError:
            chosen = None
        page = read_day(
            tx,
            chosen or today(tx, services_.clock.now()),
            operators=auth.scope(),
            keys=_keys(),
            now=services_.clock.now(),
        )
    return render_template("day.html", page=page, principal=auth.principal())


@blueprint.get("/sign-in")
@public("the door itself")
def sign_in_form() -> str:
    """Return the sign-in form."""
    return render_template(
        "sign_in.html", wrong=False, throttled=False, next=_inside(request.args.get("next"))
    )


@blueprint.post("/sign-in")
@public("the door itself; throttled by address and by e-mail, and the form carries a CSRF token")
def sign_in() -> Response | BaseResponse:
    """Begin a sign-in, or show the form again."""
    email = request.form.get("email", "").strip().lower()
    onward = _inside(request.form.get("next"))
    try:
        auth.check_form()
    except FormExpiredError:
        return redirect(url_for("console.sign_in_form", next=onward))
    limit = services().settings.sign_in_throttle
    try:
        auth.throttle(limit, "sign-in-address", get_remote_address())
        auth.throttle(limit, "sign-in-email", email)
    except RateLimitExceeded:
        metrics.SIGN_INS.labels("throttled").inc()
        page = render_template("sign_in.html", wrong=False, throttled=True, next=onward)
        return make_response(page, 429, {"Retry-After": "60"})
    user = services().database.run(
        lambda tx: staff.check_password(
            tx, email=email, password=request.form.get("password", ""), now=services().clock.now()
        )
    )
    if user is None:
        metrics.SIGN_INS.labels("refused").inc()
        return make_response(render_template("sign_in.html", wrong=True, throttled=False, next=onward), 401)
    metrics.SIGN_INS.labels("accepted").inc()
    auth.sign_in(user)
    return redirect(onward)


@blueprint.post("/sign-out")
@requires(*STAFF)
def sign_out() -> BaseResponse:
    """End all sign-ins of this staff user: a copied cookie must not outlive the sign-out."""
    actor = auth.principal().actor
    if actor.kind is ActorKind.STAFF:  # a credential has no sign-in to end
        services().database.run(lambda tx: staff.end_sign_ins(tx, by=actor, now=services().clock.now()))
    auth.sign_out()
    return redirect(url_for("console.sign_in_form"))


@blueprint.get("/docs")
@public("documentation")
def docs() -> Response:
    """Return the API's description, readable; its script is ours to serve, nothing is loaded from elsewhere."""
    response = make_response(render_template("docs.html"))
    response.headers["Content-Security-Policy"] = headers.DOCS_POLICY
    return response


def _keys() -> Keys | None:
    """Return the public keys; None where this process cannot read the keyring."""
    try:
        return Keys(services().keyring.bundle_key.public, services().shelf)
    except KeyringError:
        return None


def _inside(address: str | None) -> str:
    """Return a path of our own, never another site's (an open redirect)."""
    parts = urlsplit(address or "/")
    if parts.scheme or parts.netloc or not parts.path.startswith("/") or "\\" in (address or ""):
        return "/"
    return parts.path + (f"?{parts.query}" if parts.query else "")
