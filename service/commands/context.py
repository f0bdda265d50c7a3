"""What commands share: settings, a database, the clock, who is asking, and how a refusal ends."""

import contextlib
import getpass
import os
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from uuid import UUID

import click
from pydantic import ValidationError
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from access import issue, link
from access.keyring import Keyring
from fare.publish import Shelf
from kernel.clock import Clock, clock_from
from kernel.ids import FareAccountId, uuid7
from ledger.rules.book_day import ZONE
from service import riders
from service.audit import Actor, ActorKind
from service.database import Database
from service.keystore import keyring_of
from service.settings import PREFIX, Settings


@cache
def settings() -> Settings:
    """Return the settings of this process; a click error names the variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(
            f"{PREFIX}{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()
        )
        raise click.ClickException(wrong) from None


@contextlib.contextmanager
def database(connections: int = 2) -> Iterator[Database]:
    """Yield the service's database with so many connections at most.

    A click error where no address is set, or nobody answers there.
    """
    chosen = settings()
    if not chosen.database_url:
        raise click.ClickException(
            f"{PREFIX}DATABASE_URL is not set. `lienthong serve --private DIR` starts servers of its own."
        )
    opened = Database(
        chosen.database_url,
        pool_size=connections,
        retries=chosen.database_retries,
        # A settlement or a proof may take minutes; a person is watching.
        statement_timeout_ms=max(chosen.statement_timeout_ms, 3_600_000),
    )
    try:
        yield opened
    except OperationalError as error:
        if error.statement is not None:
            raise
        why = str(error.orig).partition("\n")[0]  # no statement: there was no connection
        raise click.ClickException(f"the database does not answer: {why}") from None
    finally:
        opened.dispose()


def keyring() -> Keyring:
    """Return the keyring that the settings name; KeyringError, which ends the command, says what is wrong."""
    return keyring_of(settings())


@cache
def shelf() -> Shelf:
    """Return the compiled tariffs, verified with the keyring's key."""
    return Shelf(keyring().bundle_key.public)


def clock() -> Clock:
    """Return the clock that the settings name."""
    return clock_from(settings().clock)


def minted(given: UUID | None) -> UUID:
    """Return an act's id: the one that was given, or a new one, told on standard error before anything is done.

    Whoever was cut off repeats the call with `--id` and does nothing twice.
    """
    if given is not None:
        return given
    made = uuid7(clock().now())
    click.echo(f"id {made}", err=True)
    return made


def local(at: datetime) -> str:
    """Return an instant as the city's wall clock shows it, to the minute: desks read no UTC."""
    return f"{at.astimezone(ZONE):%Y-%m-%d %H:%M}"


def account_of(tx: Connection, serial: int, now: datetime) -> FareAccountId:
    """Return the account that a card counts to now; UnknownCardError."""
    return link.current(tx, FareAccountId(issue.get_card(tx, serial=serial).fare_account_id), at=now)


def looked(tx: Connection, account: FareAccountId, what: str, purpose: str = "service desk") -> None:
    """Note in the rider's access log who looks at what at the command line, and why."""
    riders.looked_at(tx, account, by=actor(), what=what, purpose=purpose, now=clock().now())


def actor() -> Actor:
    """Return who runs the command: the account of the operating system, through sudo the one behind it."""
    return Actor(ActorKind.COMMAND, os.environ.get("SUDO_USER") or _account())


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())
