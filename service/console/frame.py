"""What all staff pages share: their language, their frame's words, and the way to the door."""

from typing import Final

from apiflask import APIBlueprint
from flask import redirect, request, url_for
from flask_wtf.csrf import generate_csrf
from werkzeug.wrappers import Response as BaseResponse

from service.console import format as shown
from service.console.language import LANGUAGES, address_in, choose_language, remember_language
from service.errors import NotAuthenticatedError
from service.rate_proposals import READERS
from service.staff import Role

DEVICE_READERS: Final = frozenset({Role.ADMINISTRATOR, Role.AUDITOR, Role.INSPECTOR, Role.PARKING_OPERATOR})
FUNDER_READERS: Final = frozenset({Role.FINANCE_MAKER, Role.FINANCE_CHECKER, Role.AUDITOR})
_DOOR: Final = "console.sign_in_form"


def pages(name: str, import_name: str) -> APIBlueprint:
    """Return a blueprint of staff pages; who is not signed in is sent to the door."""
    blueprint = APIBlueprint(
        name, import_name, template_folder="templates", enable_openapi=False, cli_group=None
    )
    blueprint.after_request(remember_language)
    blueprint.context_processor(_words)
    blueprint.register_error_handler(NotAuthenticatedError, _to_the_door)
    return blueprint


def _words() -> dict[str, object]:
    """Return what every page's frame needs."""
    return {
        "language": choose_language(),
        "languages": LANGUAGES,
        "address_in": address_in,
        "csrf_token": generate_csrf,
        "shown": shown,
        "device_readers": DEVICE_READERS,
        "funder_readers": FUNDER_READERS,
        "proposal_readers": READERS,
    }


def _to_the_door(error: NotAuthenticatedError) -> BaseResponse | tuple[str, int]:
    """Send a browser to the sign-in form; anything else learns that it is not authenticated."""
    if request.method == "GET" and "Authorization" not in request.headers:
        return redirect(url_for(_DOOR, next=request.full_path.rstrip("?")))
    return str(error), 401
