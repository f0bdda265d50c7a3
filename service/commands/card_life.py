"""`lienthong card …`: activate, replace, hand in, expire, link: a card's life after its issue."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING
from uuid import UUID

import click

from access.rules.medium import MediumEvent, MediumKind

if TYPE_CHECKING:
    from kernel.ids import FareAccountId
    from service.database import Database

SERIAL = click.IntRange(min=1)
_DATE = click.DateTime(["%Y-%m-%d"])
_ID = click.option("--id", "event_id", type=click.UUID, help="To repeat a call; default a new one.")
_CAUSE = click.option("--cause", required=True, help="In words, for the card's history.")


@click.command()
@click.argument("serial", type=SERIAL)
@click.option("--cause", default="handed out", show_default=True, help="In words, for the card's history.")
def activate(serial: int, cause: str) -> None:
    """Let a card that was issued inactive be used.

    \b
    Example: lienthong card activate 4711
    """  # noqa: D301  (click reads \b)
    step(serial, MediumEvent.ACTIVATED, cause)


@click.command()
@click.argument("serial", type=SERIAL)
@click.option("--uid", required=True, help="The new card's UID, 14 hexadecimal digits.")
@click.option("--expiry", type=_DATE, required=True, help="The last day the new card is good for.")
@click.option("--stored-value", is_flag=True, help="The new card has a purse that pays by itself.")
@_CAUSE
@_ID
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Where the new card's personalisation data goes, readable by you only. Never overwritten.",
)
def replace(
    serial: int,
    uid: str,
    expiry: datetime,
    stored_value: bool,
    cause: str,
    event_id: UUID | None,
    out: Path,
) -> None:
    """Put another card on the same account: balance, passes and history stay, this one is denied for good.

    \b
    Example: lienthong card replace 4711 --uid 04112233445566 --expiry 2031-12-31 --cause lost --out new.json
    """  # noqa: D301  (click reads \b)
    from access.issue import as_issued, get_card, personalisation
    from service.commands import context
    from service.commands.card import checked
    from service.jobs import cards as jobs

    ring, now, actor = context.keyring(), context.clock().now(), context.actor()
    minted = context.minted(event_id)
    with context.database() as database:
        with database.read() as tx:
            concession = get_card(tx, serial=serial).concession
        row = {"uid": uid, "concession": concession.name, "expiry": str(expiry)[:10]}
        asked = dataclasses.replace(checked(row, "", "--uid"), stored_value=stored_value)
        with private_file(out) as file, database.begin() as tx:
            done, accounts = jobs.replace(
                tx,
                serial,
                asked,
                keyring=ring,
                event_id=minted,
                reason=cause,
                by=actor,
                now=now,
            )
            new = done.new
            made = done.made or as_issued(new, asked)
            told = {
                **personalisation(ring, made),
                "card_id": str(new.card_id),
                "fare_account_id": str(new.fare_account_id),
            }
            json.dump([told], file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        _refresh(database, accounts, now)
    click.echo(
        f"card {serial} is replaced by {new.serial} ({new.state.value}); personalisation data in {out}"
    )


@click.command(name="return")
@click.argument("serial", type=SERIAL)
@click.option("--confirm", type=click.IntRange(min=0), help="The amount to be paid out, as it was shown.")
@_CAUSE
@_ID
def return_(serial: int, confirm: int | None, cause: str, event_id: UUID | None) -> None:
    """Take a card back for good. Without --confirm it only says what would be paid out.

    \b
    Example: lienthong card return 4711 --cause 'leaves the city' --confirm 41375
    """  # noqa: D301  (click reads \b)
    from kernel.money import VND, Money
    from service.commands import context
    from service.jobs import cards as jobs

    now, actor = context.clock().now(), context.actor()
    with context.database() as database:
        if confirm is None:
            with database.read() as tx:
                amount = jobs.quote_return(tx, serial, now=now)
            click.echo(f"card {serial}: {amount} would be paid out; repeat with --confirm {amount.minor}")
            return
        minted = context.minted(event_id)
        with database.begin() as tx:
            done = jobs.return_card(
                tx,
                serial,
                confirmed=Money(confirm, VND),
                event_id=minted,
                reason=cause,
                by=actor,
                now=now,
            )
        _refresh(database, done.accounts, now)
    click.echo(f"card {serial} is returned; {done.refund} is to be paid out")


@click.command()
def expire() -> None:
    """Mark the cards that are past their last day; readers hear with their next bundle. For a daily timer.

    \b
    Example: lienthong card expire
    """  # noqa: D301  (click reads \b)
    from service.commands import context
    from service.jobs import cards as jobs

    count = 0
    with context.database() as database:
        for count, done in enumerate(jobs.expire_cards(database, context.clock()), 1):
            _refresh(database, done.accounts, context.clock().now())
            if count % 1_000 == 0:
                click.echo(f"{count} cards", err=True)
    click.echo(f"{count} cards expired")


@click.command()
@click.argument("serial", type=SERIAL)
@click.argument("into", type=SERIAL)
@click.option("--since", type=_DATE, help="From when on; default the beginning of the service day.")
@click.option(
    "--keep",
    type=click.Choice([MediumKind.TRANSIT.value, MediumKind.VIRTUAL.value]),
    help="Which stays active.",
)
@click.option("--part", is_flag=True, help="Part the first one's account again instead.")
@_CAUSE
@_ID
def link(
    serial: int,
    into: int,
    since: datetime | None,
    keep: str | None,
    part: bool,
    cause: str,
    event_id: UUID | None,
) -> None:
    """Let the account of one card count to that of another: their rides are priced as one person's.

    \b
    Example: lienthong card link 4711 4712 --keep transit --cause 'phone and card of one rider'
    """  # noqa: D301  (click reads \b)
    from access import issue
    from fare.publish import Shelf
    from kernel.ids import FareAccountId
    from kernel.service_day import day_window, service_day
    from service import audit
    from service.commands import context
    from service.jobs.link_accounts import LinkAsked, link_accounts

    now, actor, link_id = context.clock().now(), context.actor(), context.minted(event_id)
    shelf = Shelf(context.keyring().bundle_key.public)
    with context.database() as database:
        with database.begin() as tx:
            account = FareAccountId(issue.get_card(tx, serial=serial).fare_account_id)
            other = FareAccountId(issue.get_card(tx, serial=into).fare_account_id)
            if account == other and not part:
                raise click.UsageError(
                    "both are media of one account; --part is how it counts by itself again"
                )
            book = shelf.books(tx).current()
            day = since.date() if since else service_day(now, book.day_starts, book.zone)
            begins = day_window(day, book.day_starts, book.zone).start
            done = link_accounts(
                tx,
                LinkAsked(
                    link_id=link_id,
                    account=account,
                    into=account if part else other,
                    effective_from=begins,
                    reason=cause,
                    keep=MediumKind(keep) if keep else None,
                ),
                shelf=shelf,
                actor=actor.actor_id,
                now=now,
                late_days=context.settings().late_days,
            )
            if not done.again:
                audit.record(
                    tx,
                    actor=actor,
                    action="access.account.linked",
                    subject_kind="fare_account",
                    subject_id=str(account),
                    now=now,
                    detail={"into": str(account if part else other), "from": begins.isoformat()},
                )
        _refresh(database, {account, other}, now)
    click.echo(
        f"{done.taps} taps count elsewhere now, {done.entries} entries"
        + (" (done before)" if done.again else "")
    )


def step(serial: int, event: MediumEvent, cause: str) -> None:
    """Take one step of a card's life and say where it stands."""
    from service.commands import context
    from service.jobs import cards as jobs

    now, actor = context.clock().now(), context.actor()
    with context.database() as database:
        with database.begin() as tx:
            done = jobs.change_card(tx, serial, event, reason=cause, by=actor, now=now)
        _refresh(database, done.accounts, now)
    click.echo(f"card {serial} is {done.card.state.value}")


@contextmanager
def private_file(path: Path) -> Iterator[IO[str]]:
    """Yield a new file that only its owner may read; it is gone again when the block fails. Never overwrites."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from None
    kept = False
    try:
        with os.fdopen(handle, "w") as file:
            yield file
        kept = True
    finally:
        if not kept:
            path.unlink(missing_ok=True)


def _refresh(
    database: Database, accounts: set[FareAccountId] | frozenset[FareAccountId], now: datetime
) -> None:
    from service import cards_cache
    from service.cache import Cache
    from service.commands import context

    cache = Cache(context.settings().redis_url)
    cards_cache.refresh(database, cache, accounts, now)
    cache.close()
