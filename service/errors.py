"""What the service itself refuses, whichever house the caller wanted."""

from collections.abc import Iterable

from kernel.errors import DomainError


class NotAuthenticatedError(DomainError):
    """No credential, or one that is unknown, expired or revoked."""

    detail = "This needs a valid sign-in or credential."


class NotAllowedError(DomainError):
    """The caller is known and may not do this."""

    detail = "Your role does not allow this; it takes {which}."


def not_allowed(roles: Iterable[str]) -> NotAllowedError:
    """Return the refusal that names these roles, in words and as a list."""
    names = sorted(str(role) for role in roles)
    return NotAllowedError(roles=names, which=" or ".join(names))


class OtherOperatorError(DomainError):
    """The caller's role is limited to another operator's places."""

    detail = "You may not see or change what belongs to operator {operator_id}."


class NotYoursError(DomainError):
    """A rider asked for what belongs to another account."""

    detail = "This belongs to another account than the one you are signed in for."


class RiderSignInError(DomainError):
    """The rider app's server asked for what only a rider who is signed in may do or see."""

    detail = "This takes a rider's own sign-in (POST /v1/riders/sign-in): the rider app's server may not do it for anybody."


class BalanceShortError(DomainError):
    """The balance does not pay for it: nothing was sold."""

    detail = "The balance does not pay for this: it costs {price}."


class FormExpiredError(DomainError):
    """The form's CSRF token is missing, wrong or too old."""

    detail = "The form has expired. Load the page again and repeat what you did."


class RequestSignatureError(DomainError):
    """The RFC 9421 signature is missing, wrong, too old, or by a key that may not sign."""

    detail = "The request's signature is not accepted: {reason}."


class MalformedRequestError(DomainError):
    """The body or the parameters do not have the documented shape."""

    detail = "The request does not have the documented shape."


class StaffUserExistsError(DomainError):
    """Another staff user has this e-mail address."""

    detail = "There is already a staff user {email}."


class StaffUserUnknownError(DomainError):
    """No staff user has this e-mail address."""

    detail = "There is no staff user {email}."


class StaffUserInactiveError(DomainError):
    """The staff user may not work any more, and so may not stand for a change either."""

    detail = "The staff user {email} is not active."


class WeakPasswordError(DomainError):
    """The password is too short to resist guessing."""

    detail = "A password has {least} to {most} characters."


class ScopeMissingError(DomainError):
    """A parking operator's role must name the operator."""

    detail = "Role {role} needs an operator."


class DatabaseBehindError(DomainError):
    """The schema is not the one that this program was written for."""

    detail = "The database is at {found}, this program needs {needed}: run `lienthong migrate`."
