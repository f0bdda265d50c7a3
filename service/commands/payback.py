"""`lienthong payback`: money goes back to riders by two people and one payment file."""

import json
import sys
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from kernel.money import VND, Money
from ledger import pay_back as verbs
from ledger.rails.pain001 import Party, Version
from ledger.rules.pay_back import Order, OrderState, Payee
from service.audit import Actor
from service.commands import context
from service.jobs import pay_backs as job


@click.group()
def payback() -> None:
    """Pay back what riders are owed: returned cards, money sent back out of suspense, top-ups to their source."""


@payback.command()
@click.argument("amount", type=click.IntRange(1))
@click.option(
    "--payment", "payment_id", type=click.UUID, help="The top-up's payment, to go back to its source."
)
@click.option("--name", default="", help="Who is paid; default with --payment: who paid it.")
@click.option("--account", default="", help="At which account.")
@click.option("--bic", default="", help="Its bank's BIC.")
@click.option("--note", required=True, help="Why.")
@click.option(
    "--id", "order_id", type=click.UUID, help="The order's id, to repeat a call; default a new one."
)
def ask(
    amount: int, payment_id: UUID | None, name: str, account: str, bic: str, note: str, order_id: UUID | None
) -> None:
    """Ask to pay AMOUNT đồng back. Books nothing; another person approves.

    \b
    Examples:
      lienthong payback ask 35000 --name "Nguyen Van A" --account 0123456789 --bic BFTVVNVX --note "card 17 returned"
      lienthong payback ask 50000 --payment 0c71b2de-0000-8000-8000-000000000001 --note "topped up twice"
    """  # noqa: D301  (click reads \b)
    if bool(name) != bool(account) or (payment_id is None and not account):
        raise click.UsageError("name --name and --account, or a --payment whose provider said who paid")
    payee = Payee(name, account, bic) if account else None
    minted = context.minted(order_id)

    _say(
        lambda tx, by, now: job.ask(
            tx,
            minted,
            amount=Money(amount, VND),
            payee=payee,
            payment_id=payment_id,
            note=note,
            by=by,
            now=now,
        )
    )


@payback.command()
@click.argument("order_id", type=click.UUID)
def approve(order_id: UUID) -> None:
    """Approve what another person asked for. A top-up's money leaves the card here.

    \b
    Example:
      lienthong payback approve 0c71b2de-0000-8000-8000-000000000001
    """  # noqa: D301  (click reads \b)
    _say(lambda tx, by, now: job.approve(tx, order_id, by=by, now=now))


@payback.command()
@click.argument("order_id", type=click.UUID)
@click.option("--note", required=True, help="Why.")
def reject(order_id: UUID, note: str) -> None:
    """Refuse, or withdraw, an order that nobody has approved yet.

    \b
    Example:
      lienthong payback reject 0c71b2de-0000-8000-8000-000000000001 --note "wrong account"
    """  # noqa: D301  (click reads \b)
    _say(lambda tx, by, now: job.reject(tx, order_id, note=note, by=by, now=now))


@payback.command()
@click.option(
    "--id", "batch_id", type=click.UUID, help="The file's id, to have the same file again; default a new one."
)
@click.option("--bic", default="", help="Our bank's BIC.")
@click.option("--version", type=click.Choice([one.value for one in Version]), default=Version.V09.value)
def send(batch_id: UUID | None, bic: str, version: str) -> None:
    """Print one pain.001 with every approved order, to be handed to the bank. Each order is in one file, ever.

    The file's id is told on standard error first, and listed with its orders: with --id the same file comes again,
    should it have been lost.

    \b
    Example:
      lienthong payback send > refunds.xml
    """  # noqa: D301  (click reads \b)
    settings, clock, by = context.settings(), context.clock(), context.actor()
    minted = context.minted(batch_id)
    debtor = Party(name=settings.topup_account_name, account=settings.topup_account, bic=bic)
    with context.database() as database:
        file, count = database.run(
            lambda tx: job.send(tx, minted, debtor=debtor, version=Version(version), by=by, now=clock.now())
        )
    click.echo(f"{count} payments", err=True)
    sys.stdout.buffer.write(file)


@payback.command(name="returned")
@click.argument("order_id", type=click.UUID)
@click.option("--note", required=True, help="What the bank said.")
def take_return(order_id: UUID, note: str) -> None:
    """Note that the bank sent an order's money back; it is owed again.

    \b
    Example:
      lienthong payback returned 0c71b2de-0000-8000-8000-000000000001 --note "account closed"
    """  # noqa: D301  (click reads \b)
    _say(lambda tx, by, now: job.take_return(tx, order_id, note=note, by=by, now=now))


@payback.command(name="list")
@click.option("--state", type=click.Choice([one.value for one in OrderState]), help="Only these.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def list_orders(state: str | None, as_json: bool) -> None:
    """List orders, oldest first, and what is owed and not ordered yet.

    \b
    Example:
      lienthong payback list --state asked
    """  # noqa: D301  (click reads \b)
    now = context.clock().now()
    with context.database() as database, database.begin() as tx:
        orders = verbs.list_orders(tx, state=OrderState(state) if state else None)
        owed = verbs.read_owed(tx, VND, now)
    if as_json:
        click.echo(
            json.dumps({"owed": owed.to_json(), "orders": [job.document(one) for one in orders]}, indent=2)
        )
        return
    table = Table(
        "order", "state", "amount", "to", "asked by", "paid", title="Paying back", title_justify="left"
    )
    for one in orders:
        table.add_row(
            str(one.order_id), one.state.value, str(one.amount), f"{one.payee.name} {one.payee.account}",
            one.asked_by, str(one.paid_on or "-"),
        )  # fmt: skip
    Console(width=140).print(table)
    click.echo(f"owed and not ordered: {owed}")


def _say(work: Callable[[Connection, Actor, datetime], Order]) -> None:
    by, clock = context.actor(), context.clock()
    with context.database() as database:
        order = database.run(lambda tx: work(tx, by, clock.now()))
    click.echo(
        f"{order.order_id}: {order.amount} to {order.payee.name} {order.payee.account}, {order.state.value}"
    )
