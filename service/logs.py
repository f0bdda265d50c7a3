"""Structured logs: one JSON object a line on standard error, with the request's id and no personal identifiers."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

# Raw values that must never reach a log, whoever passes them (DESIGN §6).
HIDDEN: Final = frozenset(
    {
        "uid",
        "card_uid",
        "citizen_id",
        "pan",
        "plate",
        "phone",
        "email",
        "password",
        "token",
        "secret",
        "code",
        "key",
    }
    | {"authorization", "cookie", "signature", "tmv", "enc_tmri"}
)
_URL_PASSWORD: Final = re.compile(r"(?<=://)([^:/@\s]*):[^@\s]+@")


def hide(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank out sensitive fields, raw bytes and passwords in URLs; a structlog processor."""
    for name, value in event.items():
        if name in HIDDEN or isinstance(value, bytes):
            event[name] = "[hidden]"
        elif isinstance(value, str):
            event[name] = _URL_PASSWORD.sub(r"\1:[hidden]@", value)
    return event


class StandardError(logging.Handler):
    """Writes to whatever standard error is now: a stream kept from the start may have been replaced and closed."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        sys.stderr.write(self.format(record) + "\n")
        sys.stderr.flush()


def configure(level: str) -> None:
    """Send structlog and the standard library's loggers to standard error as JSON lines."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide,
    ]
    handler = StandardError()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # At info it tells of its own set-up, which no operator asks for.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger; `log.info("tap.stored", count=3)`: an event name and fields, no sentences."""
    bound: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return bound
