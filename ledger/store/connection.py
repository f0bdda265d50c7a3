"""The driver's own connection inside a transaction: hot statements and COPY go past SQLAlchemy's layer."""

from __future__ import annotations

from typing import Any, cast

import psycopg
from sqlalchemy import Connection

Driver = psycopg.Connection[tuple[Any, ...]]


def driver(tx: Connection) -> Driver:
    """Return the psycopg connection that carries `tx`; its statements belong to the same transaction."""
    return cast("Driver", tx.connection.driver_connection)
