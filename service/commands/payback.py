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

from access import issue
from kernel.ids import FareAccountId
from kernel.money import VND, Money
from ledger import pay_back as verbs
from ledger.rails.pain001 import Party, Version
from ledger.rules.pay_back import Order, OrderState, Payee
from service import audit
from service.commands import context


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

    def work(tx: Connection, by: str, now: datetime) -> Order:
        return verbs.ask(
            tx,
            minted,
            amount=Money(amount, VND),
            payee=payee,
            payment_id=payment_id,
            cause=note,
            actor=by,
            now=now,
        )

    _say(_act("ask", minted, work, note=note))


@payback.command()
@click.argument("order_id", type=click.UUID)
def approve(order_id: UUID) -> None:
    """Approve what another person asked for. A top-up's money leaves the card here.

    \b
    Example:
      lienthong payback approve 0c71b2de-0000-8000-8000-000000000001
    """  # noqa: D301  (click reads \b)

    def lock_rider(tx: Connection, rider: FareAccountId) -> object:
        return issue.raise_versions(tx, (rider,))

    _say(
        _act(
            "approve",
            order_id,
            lambda tx, by, now: verbs.approve(tx, order_id, actor=by, now=now, lock_rider=lock_rider),
        )
    )


@payback.command()
@click.argument("order_id", type=click.UUID)
@click.option("--note", required=True, help="Why.")
def reject(order_id: UUID, note: str) -> None:
    """Refuse, or withdraw, an order that nobody has approved yet.

    \b
    Example:
      lienthong payback reject 0c71b2de-0000-8000-8000-000000000001 --note "wrong account"
    """  # noqa: D301  (click reads \b)
    _say(
        _act(
            "reject",
            order_id,
            lambda tx, by, now: verbs.reject(tx, order_id, note=note, actor=by, now=now),
            note=note,
        )
    )


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

    def work(tx: Connection) -> tuple[bytes, int]:
        now = clock.now()
        made = verbs.send(
            tx,
            minted,
            debtor=Party(name=settings.topup_account_name, account=settings.topup_account, bic=bic),
            version=Version(version),
            actor=by.actor_id,
            now=now,
        )
        _audit(tx, "send", minted, payments=made[1])
        return made

    with context.database() as database:
        file, count = database.run(work)
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
    _say(
        _act(
            "returned",
            order_id,
            lambda tx, by, now: verbs.take_return(tx, order_id, note=note, actor=by, now=now),
            note=note,
        )
    )


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
            json.dumps({"owed": owed.to_json(), "orders": [_document(one) for one in orders]}, indent=2)
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


def _document(order: Order) -> dict[str, object]:
    return {
        "order_id": str(order.order_id),
        "state": order.state.value,
        "amount": order.amount.to_json(),
        "payee": {"name": order.payee.name, "account": order.payee.account},
        "cause": order.cause,
        "payment_id": None if order.payment_id is None else str(order.payment_id),
        "asked_by": order.asked_by,
        "asked_at": order.asked_at.isoformat(),
        "end_to_end": order.end_to_end,
        "file": None if order.batch_id is None else str(order.batch_id),
        "paid_on": None if order.paid_on is None else order.paid_on.isoformat(),
    }


def _act(
    verb: str, subject: UUID, work: Callable[[Connection, str, datetime], Order], **detail: object
) -> Order:
    by, clock = context.actor(), context.clock()

    def run(tx: Connection) -> Order:
        order = work(tx, by.actor_id, clock.now())
        _audit(tx, verb, subject, **detail)
        return order

    with context.database() as database:
        return database.run(run)


def _say(order: Order) -> None:
    click.echo(
        f"{order.order_id}: {order.amount} to {order.payee.name} {order.payee.account}, {order.state.value}"
    )


def _audit(tx: Connection, verb: str, subject: UUID, **detail: object) -> None:
    audit.record(
        tx,
        actor=context.actor(),
        action=f"payback.{verb}",
        subject_kind="pay_back",
        subject_id=str(subject),
        now=context.clock().now(),
        detail=detail,
    )
