"""`lienthong card purse|load`: what a stored-value card last proved to hold, and money onto it."""

from __future__ import annotations

from uuid import UUID

import click

SERIAL = click.IntRange(min=1)


@click.command("purse")
@click.argument("serial", type=SERIAL)
def show(serial: int) -> None:
    """Show what a stored-value card last proved to hold, what its account holds, and what waits to be loaded.

    \b
    Example: lienthong card purse 4711
    """  # noqa: D301  (click reads \b)
    from access import issue
    from service.commands import context
    from service.jobs import purse

    with context.database() as database, database.begin() as tx:
        card = issue.get_card(tx, serial=serial)
        found = purse.view(tx, card, keyring=context.keyring(), now=context.clock().now())
    proven = f"as of {context.local(found.proven_at)}" if found.proven_at else "never used"
    click.echo(f"purse    {found.purse:>12,} VND ({proven})")
    click.echo(f"account  {found.stored:>12,} VND")
    click.echo(f"waiting  {found.waiting:>12,} VND to be loaded")
    click.echo(f"loadable {found.loadable:>12,} VND")


@click.command()
@click.argument("serial", type=SERIAL)
@click.option("--at", "reader", required=True, help="The name of the reader that shall do it.")
@click.option("--amount", type=click.IntRange(min=1), help="In đồng; default all that can be loaded.")
@click.option("--cause", required=True, help="In words, for the card's history.")
@click.option("--id", "action_id", type=click.UUID, help="To repeat a call; default a new one.")
@click.confirmation_option(
    prompt="The reader will put this money onto the card at its next payment there. Go on?"
)
def load(serial: int, reader: str, amount: int | None, cause: str, action_id: UUID | None) -> None:
    """Have one reader put money from the account onto the card's purse, with the card's next payment there.

    \b
    Example: lienthong card load 4711 --at bus-01 --amount 50000 --cause 'topped up at the kiosk'
    """  # noqa: D301  (click reads \b)
    from access import enrol
    from kernel.ids import DeviceId
    from service.commands import context
    from service.jobs import purse

    now = context.clock().now()
    made = context.minted(action_id)
    with context.database() as database, database.begin() as tx:
        named = [each for each in enrol.list_devices(tx) if each.name == reader]
        if len(named) != 1:
            raise click.ClickException(f"{len(named)} readers are named {reader!r}")
        loaded = purse.load(
            tx,
            serial,
            amount,
            reader=DeviceId(named[0].device_id),
            action_id=made,
            keyring=context.keyring(),
            cause=cause,
            by=context.actor(),
            now=now,
        )
    click.echo(
        f"{loaded:,} VND wait to be loaded, action {made}"
        if loaded
        else f"action {made} was asked for before"
    )
