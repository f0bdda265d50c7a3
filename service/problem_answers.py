"""Refusals, HTTP errors and crashes are answered as problems (RFC 9457)."""

from flask import Flask, Response, current_app, request
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException

from kernel.errors import DomainError
from service import logs
from service.errors import MalformedRequestError
from service.problems import answer, document, plain_problem


def install(app: Flask) -> None:
    """Answer refusals, HTTP errors and crashes as problems."""
    log = logs.logger("service.problems")

    @app.errorhandler(DomainError)
    def on_domain_error(error: DomainError) -> Response:
        body, status = document(error)
        log.info("request.refused", problem=body["type"], status=status)
        return answer(body, status)

    @app.errorhandler(DataError)
    def on_unfit_text(error: DataError) -> Response:
        # The driver itself refuses text with a NUL, which only a caller can have sent; a state is the server's word.
        if getattr(error.orig, "sqlstate", None) is not None:
            return on_crash(error)
        return on_domain_error(
            MalformedRequestError(errors=[{"at": "", "what": "Text cannot hold a NUL character."}])
        )

    @app.errorhandler(HTTPException)
    def on_http_error(error: HTTPException) -> Response:
        if error.response is not None:
            return current_app.make_response(error.get_response())
        status = error.code or 500
        response = plain_problem(
            status, error.name, error.description or error.name, retry=status in {429, 503}
        )
        for name, value in error.get_headers():
            if name.lower() not in {"content-type", "content-length"}:
                response.headers[name] = value
        return response

    @app.errorhandler(OperationalError)
    @app.errorhandler(PoolTimeoutError)
    def on_database_gone(error: Exception) -> Response:
        state = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
        log.error("database.unavailable", reason=type(error).__name__, sqlstate=state)
        response = plain_problem(
            503, "Service unavailable", "The database does not answer; try again.", retry=True
        )
        response.headers["Retry-After"] = "2"
        return response

    @app.errorhandler(Exception)
    def on_crash(error: Exception) -> Response:
        # The traceback may quote SQL parameters; it goes to the log, never to the caller.
        log.error("request.crashed", path=request.url_rule.rule if request.url_rule else "", exc_info=error)
        return plain_problem(500, "Internal server error", "This is our fault. The log has the request's id.")
