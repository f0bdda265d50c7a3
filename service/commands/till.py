"""`lienthong till`: cash top-ups by conductors, kiosks and stations, with shifts that two people sign."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from kernel.money import VND, Money
from ledger import cash_office
from ledger import till as verbs
from ledger.rules.till import Till, TillKind, TillShift
from service.audit import Actor
from service.commands import context
from service.jobs import tills as job

T = TypeVar("T")
TILL = click.argument("name", metavar="TILL")
AMOUNT = click.argument("amount", type=click.IntRange(1))
ID = click.option(
    "--id", "event_id", type=click.UUID, help="The act's id, to repeat a call; default a new one."
)


@click.group()
def till() -> None:
    """Take cash in the field: a float, top-ups, remittance, a count, a close by another person, a deposit.

    What a count lacks is the agent's to make good; what is too much waits in suspense. Passes are sold for cash
    by `lienthong passes sell --till`.
    """


@till.command()
@TILL
@click.argument("kind", type=click.Choice([one.value for one in TillKind]))
@click.option("--most", type=click.IntRange(1), required=True, help="How much cash it may hold, in đồng.")
def add(name: str, kind: str, most: int) -> None:
    """Add a till.

    \b
    Example:
      lienthong till add bus-12 conductor --most 2000000
    """  # noqa: D301  (click reads \b)
    made = Till(name, TillKind(kind), Money(most, VND))
    _act(lambda tx, by, now: job.add(tx, made, by=by, now=now))
    click.echo(f"{name}: {kind}, at most {made.most}")


@till.command(name="open")
@TILL
@click.argument("agent")
@click.option(
    "--float", "float_", type=click.IntRange(0), default=0, help="Cash from the office, to give change."
)
@ID
def open_shift(name: str, agent: str, float_: int, event_id: UUID | None) -> None:
    """Open a shift of AGENT with its float.

    \b
    Example:
      lienthong till open bus-12 lan --float 200000
    """  # noqa: D301  (click reads \b)
    minted = context.minted(event_id)
    _show(
        _act(
            lambda tx, by, now: job.open_shift(
                tx, minted, till=name, agent=agent, float_=Money(float_, VND), by=by, now=now
            )
        )
    )


@till.command(name="topup")
@TILL
@click.argument("serial", type=click.IntRange(1))
@AMOUNT
@ID
def top_up(name: str, serial: int, amount: int, event_id: UUID | None) -> None:
    """Load the card with this SERIAL for cash.

    \b
    Example:
      lienthong till topup bus-12 17 50000
    """  # noqa: D301  (click reads \b)
    minted = context.minted(event_id)
    done = _act(
        lambda tx, by, now: job.top_up(
            tx, minted, till=name, serial=serial, amount=Money(amount, VND), by=by, now=now
        )
    )
    click.echo(
        f"{minted}: {done.amount} on card {serial}" + (f", still owes {done.owed}" if done.owed else "")
    )


@till.command()
@TILL
@AMOUNT
@ID
def remit(name: str, amount: int, event_id: UUID | None) -> None:
    """Hand AMOUNT đồng in to the cash office during the shift.

    \b
    Example:
      lienthong till remit bus-12 500000
    """  # noqa: D301  (click reads \b)
    minted, cash = context.minted(event_id), Money(amount, VND)
    _show(_act(lambda tx, by, now: job.remit(tx, minted, till=name, amount=cash, by=by, now=now)))


@till.command()
@TILL
@click.argument("amount", type=click.IntRange(0))
@ID
def count(name: str, amount: int, event_id: UUID | None) -> None:
    """Count AMOUNT đồng in the till; it takes no cash until another person closes the shift.

    \b
    Example:
      lienthong till count bus-12 750000
    """  # noqa: D301  (click reads \b)
    minted, cash = context.minted(event_id), Money(amount, VND)
    _show(_act(lambda tx, by, now: job.count(tx, minted, till=name, amount=cash, by=by, now=now)))


@till.command()
@TILL
@ID
def close(name: str, event_id: UUID | None) -> None:
    """Close a shift that another person counted: the cash goes to the office.

    \b
    Example:
      lienthong till close bus-12
    """  # noqa: D301  (click reads \b)
    minted = context.minted(event_id)
    _show(_act(lambda tx, by, now: job.close(tx, minted, till=name, by=by, now=now)))


@till.command(name="make-good")
@click.argument("agent")
@AMOUNT
@ID
def make_good(agent: str, amount: int, event_id: UUID | None) -> None:
    """Take AMOUNT đồng from an agent for what counts lacked.

    \b
    Example:
      lienthong till make-good lan 10000
    """  # noqa: D301  (click reads \b)
    minted, cash = context.minted(event_id), Money(amount, VND)
    left = _act(lambda tx, by, now: job.make_good(tx, minted, agent=agent, amount=cash, by=by, now=now))
    click.echo(f"{agent}: {left} still lacks")


@till.command()
@AMOUNT
@click.option("--slip", required=True, help="The bank's reference on the slip; its statement will have it.")
@click.option("--draw", is_flag=True, help="Drawn from the bank for floats, not taken there.")
@ID
def deposit(amount: int, slip: str, draw: bool, event_id: UUID | None) -> None:
    """Note AMOUNT đồng taken from the cash office to the bank; reconciliation books it from the statement.

    \b
    Example:
      lienthong till deposit 12000000 --slip FT26322000123
    """  # noqa: D301  (click reads \b)
    minted, cash = context.minted(event_id), Money(-amount if draw else amount, VND)
    _act(lambda tx, by, now: job.carry(tx, minted, cash, slip=slip, by=by, now=now))
    click.echo(f"{minted}: {cash}, slip {slip}")


@till.command(name="list")
def list_tills() -> None:
    """List tills, what should lie in each, and in the cash office.

    \b
    Example:
      lienthong till list
    """  # noqa: D301  (click reads \b)
    now = context.clock().now()
    with context.database() as database, database.begin() as tx:
        rows = verbs.list_standing(tx, now)
        office = cash_office.read_office(tx, VND, now)
    table = Table("till", "kind", "cash", "at most", "shift", title="Tills", title_justify="left")
    for place, cash, shift in rows:
        state = "-" if shift is None else f"{shift.agent}, {shift.state.value}"
        table.add_row(place.name, place.kind.value, str(cash), str(place.most), state)
    Console(width=120).print(table)
    click.echo(f"cash office: {office}")


def _act(work: Callable[[Connection, Actor, datetime], T]) -> T:
    by, clock = context.actor(), context.clock()
    with context.database() as database:
        return database.run(lambda tx: work(tx, by, clock.now()))


def _show(shift: TillShift) -> None:
    said = f"{shift.till}: {shift.state.value}, topped up {shift.topped_up}, remitted {shift.remitted}"
    if shift.short is not None:
        what = (
            "is right"
            if not shift.short
            else f"lacks {shift.short}"
            if shift.short.minor > 0
            else f"has {-shift.short} too much"
        )
        said += f", counted {shift.counted}: {what}"
    click.echo(said)
