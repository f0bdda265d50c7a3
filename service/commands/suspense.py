"""`lienthong suspense`: end what waits for a person, by two people; and gaps that a provider's balances show."""

from uuid import UUID

import click
from sqlalchemy import Connection

from access import deny, issue
from access.deny import DenyReason
from kernel.ids import FareAccountId
from ledger import end_suspense
from ledger import suspense as queue
from ledger.end_suspense import Ended, SuspenseEnd
from ledger.rails.providers import ADAPTERS
from service import audit
from service.commands import context


@click.group()
def suspense() -> None:
    """Work the suspense queue (`lienthong topup suspense` lists it)."""


@suspense.command()
@click.argument("suspense_id", type=click.UUID)
@click.argument("owner")
def assign(suspense_id: UUID, owner: str) -> None:
    """Give a row an OWNER.

    \b
    Example:
      lienthong suspense assign 0c71b2de-0000-8000-8000-000000000001 lan@example.org
    """  # noqa: D301  (click reads \b)
    with context.database() as database, database.begin() as tx:
        end_suspense.assign(tx, suspense_id, owner)
        _audit(tx, "assign", suspense_id, owner=owner)
    click.echo(f"{suspense_id}: {owner}")


@suspense.command()
@click.argument("suspense_id", type=click.UUID)
@click.argument("resolution", type=click.Choice([one.value for one in SuspenseEnd]))
@click.option("--card", "serial", type=int, help="The serial of the card to credit.")
@click.option("--note", required=True, help="Why.")
def propose(suspense_id: UUID, resolution: str, serial: int | None, note: str) -> None:
    """Propose how a row ends: credited (to --card), sent_back or dismissed. Books nothing.

    \b
    Example:
      lienthong suspense propose 0c7… credited --card 17 --note "paid with a typing error"
    """  # noqa: D301  (click reads \b)
    by, now = context.actor(), context.clock().now()
    with context.database() as database, database.begin() as tx:
        rider = None if serial is None else FareAccountId(issue.get_card(tx, serial=serial).fare_account_id)
        end_suspense.propose(
            tx,
            suspense_id,
            SuspenseEnd(resolution),
            fare_account_id=rider,
            note=note,
            actor=by.actor_id,
            now=now,
        )
        _audit(tx, "propose", suspense_id, resolution=resolution, note=note)
    click.echo(f"{suspense_id}: {resolution} proposed by {by.actor_id}")


@suspense.command()
@click.argument("suspense_id", type=click.UUID)
def approve(suspense_id: UUID) -> None:
    """Approve what another person proposed, and book it.

    \b
    Example:
      lienthong suspense approve 0c71b2de-0000-8000-8000-000000000001
    """  # noqa: D301  (click reads \b)
    by, now = context.actor(), context.clock().now()

    def work(tx: Connection) -> Ended:
        ended = end_suspense.approve(
            tx,
            suspense_id,
            actor=by.actor_id,
            now=now,
            lock_rider=lambda held, rider: issue.raise_versions(held, (rider,)),
        )
        if ended.fare_account_id is not None and not ended.owed:
            cause = f"suspense:{suspense_id}"
            deny.clear_accounts(tx, (ended.fare_account_id,), reason=DenyReason.DEBT, cause=cause, now=now)
        _audit(tx, "approve", suspense_id, resolution=ended.resolution.value)
        return ended

    with context.database() as database:
        ended = database.run(work)
    click.echo(f"{suspense_id}: {ended.resolution.value} {ended.amount or ''}".rstrip())


@suspense.command()
@click.argument("provider", type=click.Choice(sorted(ADAPTERS)))
def gaps(provider: str) -> None:
    """List breaks in a provider's running balances: before each, a movement was never notified. Ends with 1 then.

    \b
    Example:
      lienthong suspense gaps casso
    """  # noqa: D301  (click reads \b)
    with context.database() as database, database.read() as tx:
        found = queue.list_gaps(tx, provider)
    for gap in found:
        click.echo(
            f"{gap.paid_at.isoformat()} {gap.account} opens with {gap.opening_minor:,}, payment {gap.payment_id}"
        )
    if found:
        raise SystemExit(1)


def _audit(tx: Connection, verb: str, suspense_id: UUID, **detail: object) -> None:
    audit.record(
        tx,
        actor=context.actor(),
        action=f"suspense.{verb}",
        subject_kind="suspense",
        subject_id=str(suspense_id),
        now=context.clock().now(),
        detail=detail,
    )
