"""The database: the only place in the program that commits."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from service import metrics

Result = TypeVar("Result")

# https://www.postgresql.org/docs/15/errcodes-appendix.html, class 40: the transaction may simply be repeated.
REPEATABLE: Final = {"40001": "serialization", "40P01": "deadlock"}


class Database:
    """Connections in the service's role. One instance a process."""

    def __init__(
        self, url: str, *, pool_size: int = 8, retries: int = 5, statement_timeout_ms: int = 30_000
    ) -> None:
        options = (
            f"-c timezone=UTC -c statement_timeout={statement_timeout_ms}"
            f" -c idle_in_transaction_session_timeout={2 * statement_timeout_ms}"
        )
        self.retries = retries

        def engine(options: str, **more: Any) -> Engine:
            return create_engine(
                url,
                pool_size=pool_size,
                max_overflow=0,
                pool_timeout=10,
                pool_pre_ping=False,
                # A failed statement is logged; its parameters may be somebody's name or a raw notification.
                hide_parameters=True,
                connect_args={"options": options, "connect_timeout": 5, "application_name": "lienthong"},
                **more,
            )

        self.engine = engine(options)
        self._glances = engine(f"{options} -c default_transaction_read_only=on", isolation_level="AUTOCOMMIT")

    @contextlib.contextmanager
    def begin(self) -> Iterator[Connection]:
        """Yield a transaction; commit when the block ends, roll back when it raises."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a read-only transaction that sees one moment, for pages and reports; it is never committed."""
        with self.engine.connect() as connection:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            yield connection
            connection.rollback()

    @contextlib.contextmanager
    def glance(self) -> Iterator[Connection]:
        """Yield a connection for one statement that reads, as every request asks who sends it.

        Without a transaction around it that is one round trip instead of four; the database refuses any write.
        """
        with self._glances.connect() as connection:
            yield connection

    def run(self, work: Callable[[Connection], Result]) -> Result:
        """Return what `work(tx)` returns, committed; repeat it after a deadlock or serialization failure.

        `work` may run several times, so it must have no effect outside `tx`. After the set number of repeats
        the database's own error is raised. Repeats are counted in `lienthong_transaction_retries_total`.
        """
        for attempt in range(self.retries + 1):
            try:
                with self.begin() as tx:
                    return work(tx)
            except DBAPIError as error:
                reason = REPEATABLE.get(getattr(error.orig, "sqlstate", None) or "")
                if reason is None or attempt == self.retries:
                    raise
                metrics.TRANSACTION_RETRIES.labels(reason).inc()
        raise AssertionError("the loop returns or raises")

    def revision(self) -> str:
        """Return the schema's revision; raises what the driver raises when the database does not answer."""
        with self.read() as tx:
            return str(tx.execute(text("SELECT version_num FROM alembic_version")).scalar_one())

    def dispose(self) -> None:
        """Close the idle connections."""
        self.engine.dispose()
        self._glances.dispose()
