"""Who may call a route. Every route carries one marker; an application with an unmarked route does not start.

The marker only writes down the rule. One hook before each request enforces it, so the order in which a view's
decorators stand does not matter and no body is parsed for a caller who may not send it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar, cast
from uuid import UUID

from flask import Flask, current_app, g, request, session
from flask_limiter.util import get_remote_address
from flask_wtf.csrf import validate_csrf
from wtforms import ValidationError  # type: ignore[import-untyped]

from kernel.ids import FareAccountId, OperatorId
from service import device_auth, riders, staff
from service.audit import Actor, ActorKind
from service.device_auth import SigningDevice
from service.errors import (
    FormExpiredError,
    NotAuthenticatedError,
    NotYoursError,
    OtherOperatorError,
    RiderSignInError,
    not_allowed,
)
from service.services import services
from service.staff import Grant, Role

View = TypeVar("View", bound=Callable[..., object])
ATTRIBUTE: Final = "lienthong_auth"
STAFF: Final = frozenset(Role) - {Role.RIDER}
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Kind(StrEnum):
    """How a route knows its caller."""

    PUBLIC = "public"
    DEVICE_ENVELOPE = "device envelope"
    DEVICE_SIGNED = "device signature"
    ONE_TIME_CODE = "one-time code"
    PROVIDER_SIGNED = "provider signature"
    ROLES = "roles"


@dataclass(frozen=True, slots=True)
class Marker:
    """A route's rule; `why` is the reason a route may be public, or the rider app's server may act for any rider."""

    kind: Kind
    roles: frozenset[Role] = frozenset()
    why: str = ""
    app_server: bool = False


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in member of staff, an API credential, or a rider, who acts for one account alone."""

    actor: Actor
    name: str
    grants: tuple[Grant, ...]
    fare_account_id: FareAccountId | None = None

    def holds(self, roles: frozenset[Role]) -> bool:
        """Return whether any grant is of one of these roles."""
        return any(grant.role in roles for grant in self.grants)

    def is_for_nobody(self, roles: frozenset[Role]) -> bool:
        """Return whether, of these roles, the caller is a rider alone, and signed in for no account."""
        held = {grant.role for grant in self.grants} & roles
        return self.fare_account_id is None and held == {Role.RIDER}

    def operators(self, roles: frozenset[Role]) -> frozenset[OperatorId] | None:
        """Return the operators that these roles are limited to, or None for no limit."""
        held = {grant.operator_id for grant in self.grants if grant.role in roles}
        return None if staff.ALL_OPERATORS in held else frozenset(held)


def public(why: str) -> Callable[[View], View]:
    """Mark a route that anybody may call, and say why that is right."""
    assert why, "a public route says why"
    return _mark(Marker(Kind.PUBLIC, why=why))


def requires(*roles: Role, app_server: str = "") -> Callable[[View], View]:
    """Mark a route for staff sign-ins and API credentials of any of these roles; no role stands for another.

    A rider route is for riders signed in for their own account. `app_server` says why the rider app's own server (a
    credential of role rider) may call it too, for any rider.
    """
    assert roles, "name the roles"
    return _mark(Marker(Kind.ROLES, frozenset(roles), why=app_server, app_server=bool(app_server)))


def device_envelope(view: View) -> View:
    """Mark a route whose body is itself signed evidence; the verb behind it verifies."""
    return _mark(Marker(Kind.DEVICE_ENVELOPE))(view)


def device_signed(view: View) -> View:
    """Mark a route for requests that a device signed by RFC 9421; the view finds it by `signing_device()`."""
    return _mark(Marker(Kind.DEVICE_SIGNED))(view)


def one_time_code(view: View) -> View:
    """Mark a route that a one-time code opens; the verb behind it uses the code up, and guesses are throttled."""
    return _mark(Marker(Kind.ONE_TIME_CODE))(view)


def provider_signed(view: View) -> View:
    """Mark a route for a payment provider's signed notifications; the verb behind it verifies."""
    return _mark(Marker(Kind.PROVIDER_SIGNED))(view)


def principal() -> Principal:
    """Return the caller of a route that `requires` roles."""
    return cast("Principal", g.principal)


def signing_device() -> SigningDevice:
    """Return the caller of a `device_signed` route."""
    return cast("SigningDevice", g.signing_device)


def scope() -> frozenset[OperatorId] | None:
    """Return the operators that the caller is limited to on this route, or None for no limit."""
    return principal().operators(marker_of(current_app, request.endpoint or "").roles)


def require_operator(operator_id: str) -> None:
    """Refuse with OtherOperatorError when the caller is limited to other operators."""
    limited = scope()
    if limited is not None and operator_id not in limited:
        raise OtherOperatorError(operator_id=operator_id)


def acting_for() -> FareAccountId | None:
    """Return the account that a rider is signed in for; None for staff, agents and the rider app's server."""
    return principal().fare_account_id


def require_own(fare_account_id: UUID) -> FareAccountId:
    """Return the account; NotYoursError when the caller is a rider signed in for another one."""
    own = acting_for()
    if own is not None and own != fare_account_id:
        raise NotYoursError
    return FareAccountId(fare_account_id)


def marker_of(app: Flask, endpoint: str) -> Marker:
    """Return an endpoint's marker; LookupError when it has none."""
    marker: Marker | None = getattr(app.view_functions[endpoint], ATTRIBUTE, None)
    if marker is None:
        raise LookupError(f"route {endpoint} does not name its authentication (service/auth.py)")
    return marker


def install(app: Flask) -> None:
    """Enforce every route's marker. LookupError at once when a route has none."""
    for rule in app.url_map.iter_rules():
        marker_of(app, rule.endpoint)
    app.before_request(enforce)


def enforce() -> None:
    """Let the caller of this request through, or refuse."""
    if request.endpoint is None:
        return
    marker = marker_of(current_app, request.endpoint)
    match marker.kind:
        case Kind.ROLES:
            caller = _bearer() or _signed_in()
            if caller is None:
                raise NotAuthenticatedError
            if not caller.holds(marker.roles):
                raise not_allowed(marker.roles)
            if caller.is_for_nobody(marker.roles) and not marker.app_server:
                raise RiderSignInError
            # Before any body is read; the views ask once more by `require_own`.
            named = (request.view_args or {}).get("fare_account_id")
            if caller.fare_account_id is not None and named not in {None, caller.fare_account_id}:
                raise NotYoursError
            g.principal = caller
        case Kind.DEVICE_SIGNED:
            g.signing_device = device_auth.verify_request(services())
        case Kind.ONE_TIME_CODE:
            throttle(services().settings.enrol_throttle, "enrol", get_remote_address())
        case Kind.PUBLIC | Kind.DEVICE_ENVELOPE | Kind.PROVIDER_SIGNED:
            pass


def throttle(limit: str, street: str, key: str) -> None:
    """Count this call against `limit` for `key`; past it, 429. With Redis gone each process counts for itself."""
    with services().limiter.limit(limit, key_func=lambda: f"{street}:{key}"):
        pass


def sign_in(user: staff.StaffUser) -> None:
    """Begin a staff sign-in in this browser; whatever the cookie held before is dropped."""
    session.clear()
    session["staff"] = str(user.staff_id)
    session["epoch"] = user.epoch
    session.permanent = True


def sign_out() -> None:
    """Forget the sign-in in this browser."""
    session.clear()


def check_form() -> None:
    """Refuse a form or script call whose CSRF token is missing, wrong or old."""
    try:
        validate_csrf(request.form.get("csrf_token") or request.headers.get("X-CSRF-Token"))
    except ValidationError:
        raise FormExpiredError from None


def _mark(marker: Marker) -> Callable[[View], View]:
    def mark(view: View) -> View:
        assert not hasattr(view, ATTRIBUTE), f"{view} names its authentication twice"
        setattr(view, ATTRIBUTE, marker)
        return view

    return mark


def _bearer() -> Principal | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    with services().database.glance() as tx:
        if token.strip().startswith(riders.TOKEN_PREFIX):
            account = riders.find_rider(tx, token.strip(), services().clock.now())
            if account is None:
                raise NotAuthenticatedError
            return Principal(Actor(ActorKind.RIDER, str(account)), "rider", (Grant(Role.RIDER),), account)
        credential = staff.find_credential(tx, token.strip(), services().clock.now())
    if credential is None:
        raise NotAuthenticatedError
    actor = Actor(ActorKind.CREDENTIAL, str(credential.credential_id))
    return Principal(actor, credential.name, (credential.grant,))


def _signed_in() -> Principal | None:
    if "staff" not in session:
        return None
    with services().database.read() as tx:
        user = staff.find(tx, UUID(session["staff"]))
    if user is None or not user.active or user.epoch != session.get("epoch"):
        session.clear()
        return None
    if request.method not in SAFE_METHODS:
        check_form()
    return Principal(Actor(ActorKind.STAFF, str(user.staff_id)), user.display_name, user.grants)
