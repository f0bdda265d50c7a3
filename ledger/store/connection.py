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
    # Past its limit psycopg deallocates the oldest prepared statement, and in a pipeline a statement that is under
    # way may be that one. Our statements are a fixed set, so none need go.
    connection.prepared_max = None
    return connection


@contextmanager
def as_sqlalchemy() -> Iterator[None]:
    """Raise the driver's errors as SQLAlchemy's, so that the service's retry of a deadlock sees one kind."""
    try:
        yield
    except psycopg.Error as error:
        raise OperationalError("ledger", {}, error) from error
