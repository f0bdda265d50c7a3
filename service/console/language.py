"""Vietnamese or English: what the address asks for, else what the cookie remembers, else what the browser prefers."""

from typing import Final
from urllib.parse import urlencode

from flask import Response, has_request_context, request

LANGUAGES: Final = ("vi", "en")
COOKIE: Final = "lang"
_YEAR_S: Final = 365 * 24 * 3600


def choose_language() -> str:
    """Return "vi" or "en" for the request in hand; Vietnamese outside a request."""
    if not has_request_context():
        return LANGUAGES[0]
    for wanted in (request.args.get("lang"), request.cookies.get(COOKIE)):
        if wanted in LANGUAGES:
            return str(wanted)
    return request.accept_languages.best_match(LANGUAGES) or LANGUAGES[0]


def remember_language(response: Response) -> Response:
    """Keep a language that the address asked for in a cookie."""
    wanted = request.args.get("lang")
    if wanted in LANGUAGES and wanted != request.cookies.get(COOKIE):
        response.set_cookie(
            COOKIE, wanted, max_age=_YEAR_S, httponly=True, samesite="Lax", secure=request.is_secure
        )
    return response


def address_in(language: str) -> str:
    """Return this page's address in another language."""
    return f"{request.path}?{urlencode({**request.args.to_dict(), 'lang': language})}"
