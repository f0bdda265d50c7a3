"""What a browser shows instead of a problem document: a page that says what is wrong, in the reader's language."""

from http import HTTPStatus
from typing import Final

from flask import Flask, Response, make_response, render_template, request
from flask_babel import gettext
from flask_wtf.csrf import generate_csrf

from service import problems
from service.console.language import LANGUAGES, address_in, choose_language

_API: Final = ("/v1/", "/problems", "/openapi.json", "/health", "/metrics")


def install(app: Flask) -> None:
    """Answer people with pages. Call after `problem_answers.install`; machines and the API keep their problem documents."""

    @app.after_request
    def show(response: Response) -> Response:
        if response.status_code < HTTPStatus.BAD_REQUEST or response.content_type != problems.CONTENT_TYPE:
            return response
        if not wants_page():
            return response
        page = make_response(
            render_template(
                "problem.html",
                status=response.status_code,
                words=_words(response.status_code),
                request_id=problems.request_id(),
                language=choose_language(),
                languages=LANGUAGES,
                address_in=address_in,
                csrf_token=generate_csrf,
                principal=None,
            ),
            response.status_code,
        )
        for name, value in response.headers.items():
            if name.lower() not in {"content-type", "content-length"}:
                page.headers[name] = value
        return page


def wants_page() -> bool:
    """Return whether the caller is a person at a browser: it prefers HTML, and asks for no part of the API."""
    if request.path.startswith(_API):
        return False
    preferred = request.accept_mimetypes.best_match([problems.CONTENT_TYPE, "application/json", "text/html"])
    return preferred == "text/html"


def _words(status: int) -> tuple[str, str]:
    """Return a title and a sentence for a status; the details are in the log, under the request's id."""
    match status:
        case HTTPStatus.NOT_FOUND:
            return gettext("Page not found"), gettext("There is nothing at this address.")
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return gettext("Not allowed"), gettext("Your role does not open this page.")
        case HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.SERVICE_UNAVAILABLE:
            return gettext("Not available now"), gettext("Please try again in a moment.")
        case _ if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return gettext("This cannot be done"), gettext(
                "The request is not one that this page understands."
            )
        case _:
            return gettext("Something went wrong"), gettext(
                "This is our fault. The log has the request's id."
            )
