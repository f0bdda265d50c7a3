"""`lienthong parking webhooks`: put changes into the outbox, send them, see what was given up, send again."""

from uuid import UUID

import click

from parking.store import webhooks as store
from service.commands import context
from service.jobs import webhooks as job


@click.group()
def webhooks() -> None:
    """Tell operators of changes: signed, with retries, at least once (docs/parking.md)."""


@webhooks.command()
def run() -> None:
    """Put what changed into the outbox and send what is due. Run it every minute by a timer.

    \b
    Example:
      lienthong parking webhooks run
    """  # noqa: D301 click reads \b
    settings, clock = context.settings(), context.clock()
    with context.database() as database:
        made = database.run(lambda tx: job.collect(tx, now=clock.now()))
        taken, put_off, dead = job.deliver(
            database, context.keyring(), now=clock.now, private=settings.webhook_private
        )
    click.echo(f"{made} new, {taken} taken, {put_off} put off, {dead} given up")


@webhooks.command("list")
@click.option("--dead", is_flag=True, help="Only messages that were given up.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
def list_(dead: bool, limit: int) -> None:
    """List messages, newest first, with what became of them.

    \b
    Example:
      lienthong parking webhooks list --dead
    """  # noqa: D301 click reads \b
    with context.database() as database, database.read() as tx:
        found = store.list_events(tx, dead=dead, limit=limit)
    for each in found:
        state = "sent" if each.sent_at else "dead" if each.dead_at else "due"
        click.echo(
            f"{each.event_id} {state:<4} {each.topic:<24} {each.made_at.isoformat()}"
            f" tries {each.tries} {each.last_error}"
        )
    if not found:
        click.echo("no messages")


@webhooks.command()
@click.argument("event_ids", nargs=-1, type=click.UUID)
@click.option("--dead", "all_dead", is_flag=True, help="All that were given up.")
def replay(event_ids: tuple[UUID, ...], all_dead: bool) -> None:
    """Make messages due again, under the same ids, whatever became of them.

    \b
    Examples:
      lienthong parking webhooks replay 0b6a…-8e2f
      lienthong parking webhooks replay --dead
    """  # noqa: D301 click reads \b
    if bool(event_ids) == all_dead:
        raise click.ClickException("name messages, or --dead")
    with context.database() as database, database.begin() as tx:
        wanted = (
            [each.event_id for each in store.list_events(tx, dead=True, limit=10_000)]
            if all_dead
            else event_ids
        )
        found = store.replay(tx, wanted, context.clock().now())
    click.echo(f"{found} due again")
    if found < len(wanted):
        raise click.ClickException(f"{len(wanted) - found} are unknown")
