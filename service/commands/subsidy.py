"""`lienthong subsidy`: ask funders for what they owe operators, by two people."""

import json
from datetime import datetime
from pathlib import Path
from uuid import UUID

import click

from kernel.money import VND, Money
from kernel.service_day import local_date
from ledger import subsidy as verbs
from ledger.rules.book_day import ZONE
from ledger.rules.subsidy import Subsidy, SubsidyEvent
from service import funder_statement
from service.api.subsidies import as_document
from service.commands import context
from service.jobs import subsidies as job
from service.whole_file import write_whole

_ID = click.argument("subsidy_id", type=click.UUID)


@click.group()
def subsidy() -> None:
    """Ask funders for waived and discounted fares: one statement, two people, paid by a transfer that names it.

    The bank's statement says when the money has come (`lienthong reconcile`); the next payout passes it on.
    """


@subsidy.command()
@click.option("--through", type=click.DateTime(["%Y-%m-%d"]), help="Book days up to this one; default all.")
def open(through: datetime | None) -> None:  # noqa: A001  (the command's name)
    """Say what funders owe and were not asked for yet.

    \b
    Example:
      lienthong subsidy open --through 2026-11-30
    """  # noqa: D301  (click reads \b)
    until = through.date() if through else local_date(context.clock().now(), ZONE)
    with context.database() as database, database.read() as tx:
        found = verbs.list_unclaimed(tx, until)
    for funder, claims, total in found:
        click.echo(f"{funder}: {total} in {claims:,} claims")
    if not found:
        click.echo("nobody owes anything that was not asked for")


@subsidy.command()
@click.argument("funder")
@click.option("--through", type=click.DateTime(["%Y-%m-%d"]), required=True, help="Book days up to this one.")
@click.option(
    "--id", "subsidy_id", type=click.UUID, help="The statement's id, to repeat a call; default a new one."
)
def prepare(funder: str, through: datetime, subsidy_id: UUID | None) -> None:
    """Put everything that FUNDER was not asked for into a statement, as its maker.

    \b
    Example:
      lienthong subsidy prepare city --through 2026-11-30
    """  # noqa: D301  (click reads \b)
    now = context.clock().now()
    minted = context.minted(subsidy_id)
    with context.database() as database:
        made = database.run(
            lambda tx: job.prepare(
                tx, minted, funder=funder, through_on=through.date(), by=context.actor(), now=now
            )
        )
    _print(made)


@subsidy.command()
@_ID
@click.option(
    "--total", type=int, required=True, help="What the funder is asked for, in đồng: read it first."
)
def approve(subsidy_id: UUID, total: int) -> None:
    """Approve a statement as the second person, confirming its total: the funder may be told.

    \b
    Example:
      lienthong subsidy approve 0190… --total 1250000
    """  # noqa: D301  (click reads \b)
    _decide(subsidy_id, SubsidyEvent.APPROVED, confirmed=Money(total, VND))


@subsidy.command()
@_ID
@click.option("--note", required=True, help="Why.")
def refuse(subsidy_id: UUID, note: str) -> None:
    """Refuse a statement as the second person; its claims are free for the next one.

    \b
    Example:
      lienthong subsidy refuse 0190… --note "a route is missing"
    """  # noqa: D301  (click reads \b)
    _decide(subsidy_id, SubsidyEvent.REFUSED, note=note)


@subsidy.command()
@_ID
@click.option("--note", required=True, help="Why.")
def withdraw(subsidy_id: UUID, note: str) -> None:
    """Take a sent statement back, as another person than its maker, while the bank has shown no money for it.

    \b
    Example:
      lienthong subsidy withdraw 0190… --note "the funder asks for one a quarter"
    """  # noqa: D301  (click reads \b)
    _decide(subsidy_id, SubsidyEvent.WITHDRAWN, note=note)


@subsidy.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON, claims included.")
def list_statements(as_json: bool) -> None:
    """List statements, newest first, and what has come of them.

    \b
    Example:
      lienthong subsidy list
    """  # noqa: D301  (click reads \b)
    with context.database() as database, database.read() as tx:
        found = verbs.list_subsidies(tx)
    if as_json:
        click.echo(json.dumps([as_document(one) for one in found], ensure_ascii=False, indent=2))
        return
    for one in found:
        _print(one)


@subsidy.command()
@_ID
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder they go to."
)
def statement(subsidy_id: UUID, out: Path) -> None:
    """Write a statement as PDF and CSV for the funder.

    \b
    Example:
      lienthong subsidy statement 0190… --out statements/
    """  # noqa: D301  (click reads \b)
    with context.database() as database, database.read() as tx:
        found = verbs.get(tx, subsidy_id)
    out.mkdir(parents=True, exist_ok=True)
    for ending, content in (
        ("pdf", funder_statement.write_pdf(found, context.settings())),
        ("csv", funder_statement.write_csv(found)),
    ):
        path = out / f"{found.funder}-{found.reference}.{ending}"
        write_whole(path, content)
        click.echo(path)


def _decide(subsidy_id: UUID, event: SubsidyEvent, *, note: str = "", confirmed: Money | None = None) -> None:
    with context.database() as database:
        made = database.run(
            lambda tx: job.decide(
                tx,
                subsidy_id,
                event,
                by=context.actor(),
                now=context.clock().now(),
                note=note,
                confirmed=confirmed,
            )
        )
    _print(made)


def _print(made: Subsidy) -> None:
    come = "" if made.received_on is None else f", received {made.received_on}"
    passed = "" if made.paid_by is None else f", passed on by payout {made.paid_by}"
    click.echo(
        f"{made.subsidy_id}  {made.funder}  through {made.through_on}  {made.reference}  {made.total}  "
        f"{made.state}{come}{passed}"
    )
