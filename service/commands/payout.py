"""`lienthong payout`: pay a settled day out, by two people."""

from datetime import date, datetime
from pathlib import Path

import click

from kernel.money import VND, Money
from ledger import payout as verbs
from ledger.payout import Payout
from ledger.rules.payout import PayoutEvent, UnknownPayoutError
from service.commands import context
from service.database import Database
from service.jobs import payouts as job
from service.jobs.statements import write_documents
from service.whole_file import write_whole

_DAY = click.argument("day", type=click.DateTime(["%Y-%m-%d"]))


@click.group()
def payout() -> None:
    """Pay a settled day out: prepared by one person, approved by another, released once, undone by reversal."""


@payout.command()
@_DAY
def prepare(day: datetime) -> None:
    """Plan the payout of DAY in the fewest payments. Nothing is booked before it is approved and released.

    \b
    Example:
      lienthong payout prepare 2026-11-18
    """  # noqa: D301  (click reads \b)
    with context.database() as database:
        made = database.run(
            lambda tx: job.prepare(
                tx,
                day.date(),
                settings=context.settings(),
                by=context.actor(),
                now=context.clock().now(),
            )
        )
    _print(made)


@payout.command()
@_DAY
@click.option(
    "--total", type=int, required=True, help="What our account pays in all, in đồng: read it first."
)
def approve(day: datetime, total: int) -> None:
    """Approve the payout of DAY as the second person, confirming what it comes to.

    \b
    Example:
      lienthong payout approve 2026-11-18 --total 12345000
    """  # noqa: D301  (click reads \b)
    _decide(day.date(), PayoutEvent.APPROVED, confirmed=Money(total, VND))


@payout.command()
@_DAY
@click.option("--note", required=True, help="Why.")
def refuse(day: datetime, note: str) -> None:
    """Refuse the payout of DAY before it is released; the day can then be prepared anew.

    \b
    Example:
      lienthong payout refuse 2026-11-18 --note "wrong account"
    """  # noqa: D301  (click reads \b)
    _decide(day.date(), PayoutEvent.REFUSED, note=note)


@payout.command()
@_DAY
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Where the pain.001 file goes.",
)
def release(day: datetime, out: Path) -> None:
    """Book the approved payout of DAY in the open day and write its payment file; again: the same file.

    \b
    Example:
      lienthong payout release 2026-11-18 --out pain-2026-11-18.xml
    """  # noqa: D301  (click reads \b)
    with context.database() as database:
        found = _of(database, day.date())
        made, content = database.run(
            lambda tx: job.release(
                tx,
                found.row.payout_id,
                settings=context.settings(),
                by=context.actor(),
                now=context.clock().now(),
            )
        )
    _print(made)
    if content:
        write_whole(out, content)
        click.echo(f"payment file: {out}")
    else:
        click.echo("nobody is paid from our account: there is no payment file")


@payout.command()
@_DAY
@click.option("--note", required=True, help="Why it shall be taken back.")
def undo(day: datetime, note: str) -> None:
    """Ask that a released payout be taken back, before the bank executes it; another person signs.

    \b
    Example:
      lienthong payout undo 2026-11-18 --note "the bank was not told"
    """  # noqa: D301  (click reads \b)
    _decide(day.date(), PayoutEvent.UNDO_ASKED, note=note)


@payout.command("sign-undo")
@_DAY
@click.option("--refuse", "refused", is_flag=True, help="Refuse to take it back.")
def sign_undo(day: datetime, refused: bool) -> None:
    """Sign as the second person that a payout is taken back by reversal; the day can then be prepared anew.

    \b
    Example:
      lienthong payout sign-undo 2026-11-18
    """  # noqa: D301  (click reads \b)
    _decide(day.date(), PayoutEvent.UNDO_REFUSED if refused else PayoutEvent.UNDO_APPROVED)


@payout.command()
@_DAY
@click.option("--note", default="", help="The bank's reference.")
def executed(day: datetime, note: str) -> None:
    """Write down that the bank has executed the payout of DAY: from here on it cannot be taken back.

    \b
    Example:
      lienthong payout executed 2026-11-18 --note FT26323000123
    """  # noqa: D301  (click reads \b)
    _decide(day.date(), PayoutEvent.EXECUTED, note=note)


@payout.command()
@_DAY
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder they go to."
)
def statements(day: datetime, out: Path) -> None:
    """Write every operator's statement (PDF, XLSX, CSV) and evidence of the released DAY, and the script to check it.

    \b
    Example:
      lienthong payout statements 2026-11-18 --out statements/
      python statements/check_settlement.py statements/transerco/2026-11-18.evidence.jsonl
    """  # noqa: D301  (click reads \b)
    with context.database() as database:
        for path in write_documents(database, day.date(), out, context.keyring().seal_keys):
            click.echo(path)


@payout.command()
@_DAY
def show(day: datetime) -> None:
    """Show the newest payout of DAY.

    \b
    Example:
      lienthong payout show 2026-11-18
    """  # noqa: D301  (click reads \b)
    with context.database() as database:
        _print(_of(database, day.date()))


def _of(database: Database, day: date) -> Payout:
    with database.read() as tx:
        found = verbs.find_of_day(tx, day)
    if found is None:
        raise UnknownPayoutError(payout=day.isoformat())
    return found


def _decide(day: date, event: PayoutEvent, *, note: str = "", confirmed: Money | None = None) -> None:
    with context.database() as database:
        found = _of(database, day)
        _print(
            database.run(
                lambda tx: job.decide(
                    tx,
                    found.row.payout_id,
                    event,
                    by=context.actor(),
                    now=context.clock().now(),
                    note=note,
                    confirmed=confirmed,
                )
            )
        )


def _print(made: Payout) -> None:
    row = made.row
    click.echo(
        f"{row.payout_id}  {row.book_day}  {row.state}  our account pays {made.total} on {row.execute_on}"
    )
    for one in made.payments:
        click.echo(f"  {one.end_to_end}  {one.payer} → {one.payee}  {one.minor:,}  {one.bank}/{one.account}")
