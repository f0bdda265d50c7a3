"""The driver's own connection inside a transaction: hot statements and COPY go past SQLAlchemy's layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

Driver = psycopg.Connection[tuple[Any, ...]]


def driver(tx: Connection) -> Driver:
    """Return the psycopg connection that carries `tx`; its statements belong to the same transaction."""
    connection = cast("Driver", tx.connection.driver_connection)
    # psycopg answers a rollback with DEALLOCATE ALL, and in a pipeline a statement that follows would still count on
    # its prepared name. The work is in functions, whose plans the server keeps: nothing is prepared here.
    connection.prepare_threshold = None
    return connection


@contextmanager
def as_sqlalchemy() -> Iterator[None]:
    """Raise the driver's errors as SQLAlchemy's, so that the service's retry of a deadlock sees one kind."""
    try:
        yield
    except psycopg.Error as error:
        raise OperationalError("ledger", {}, error) from error
