"""`lienthong goodwill`: bulk adjustments in riders' favour, by two people."""

from pathlib import Path
from uuid import UUID

import click
from sqlalchemy import Connection

from ledger import goodwill as verbs
from ledger.goodwill import Batch
from ledger.rules.goodwill import GoodwillEvent, GoodwillLinesError
from service import goodwill_file
from service.commands import context


@click.group()
def goodwill() -> None:
    """Give riders money back in bulk: proposed by one person, signed by another."""


@goodwill.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--reason", required=True, help="Why; it stands with every entry's batch.")
@click.option("--dry-run", is_flag=True, help="Only read the file and say what it comes to.")
def propose(file: Path, reason: str, dry_run: bool) -> None:
    """Propose the lines of FILE (CSV: card_serial, amount). Nothing is booked before `goodwill sign`.

    \b
    Example:
      lienthong goodwill propose outage.csv --reason "Line 2A closed on 14 November" --dry-run
    """  # noqa: D301  (click reads \b)
    content = file.read_bytes()
    try:
        with context.database() as database:
            if dry_run:
                with database.read() as tx:
                    read = goodwill_file.read(tx, content, context.clock().now())
                click.echo(f"{len(read.lines)} riders, {read.total} in all; nothing was kept (dry run)")
                return
            made = database.run(
                lambda tx: goodwill_file.propose(
                    tx, content, reason=reason, by=context.actor(), now=context.clock().now()
                )
            )
    except GoodwillLinesError as error:
        errors = error.fields["errors"]
        assert isinstance(errors, list), "one row a wrong line"
        for one in errors:
            click.echo(f"{file}:{one['line']}: {one['why']}", err=True)
        raise
    _print(made)


@goodwill.command()
@click.argument("batch_id", type=click.UUID)
@click.option("--refuse", is_flag=True, help="Refuse it instead.")
@click.option("--note", default="", help="For the record.")
def sign(batch_id: UUID, refuse: bool, note: str) -> None:
    """Sign a proposed batch, or one whose undoing was asked, as the second person.

    \b
    Example:
      lienthong goodwill sign 0519a3eb-7371-80f8-ac84-8058853f538f
    """  # noqa: D301  (click reads \b)
    with context.database() as database:

        def work(tx: Connection) -> Batch:
            batch = verbs.get_batch(tx, batch_id)
            undoing = batch.state.value == "undo_asked"
            event = {
                (False, False): GoodwillEvent.APPROVED,
                (False, True): GoodwillEvent.REFUSED,
                (True, False): GoodwillEvent.UNDO_APPROVED,
                (True, True): GoodwillEvent.UNDO_REFUSED,
            }[undoing, refuse]
            return goodwill_file.decide(
                tx, batch, event, by=context.actor(), note=note, now=context.clock().now()
            )

        done = database.run(work)
    _print(done)


@goodwill.command()
@click.argument("batch_id", type=click.UUID)
@click.option("--note", required=True, help="Why it shall be taken back.")
def undo(batch_id: UUID, note: str) -> None:
    """Ask that a posted batch be taken back by reversal; another person signs it.

    \b
    Example:
      lienthong goodwill undo 0519a3eb-7371-80f8-ac84-8058853f538f --note "wrong file"
    """  # noqa: D301  (click reads \b)
    with context.database() as database:
        done = database.run(
            lambda tx: goodwill_file.decide(
                tx,
                verbs.get_batch(tx, batch_id),
                GoodwillEvent.UNDO_ASKED,
                by=context.actor(),
                note=note,
                now=context.clock().now(),
            )
        )
    _print(done)


@goodwill.command("list")
def list_batches() -> None:
    """List the newest batches.

    \b
    Example:
      lienthong goodwill list
    """  # noqa: D301  (click reads \b)
    with context.database() as database, database.read() as tx:
        for row in verbs.list_batches(tx):
            _print(Batch(row, ()))


def _print(batch: Batch) -> None:
    row = batch.row
    click.echo(f"{row.batch_id}  {row.state}  {row.line_count} riders  {batch.total}  {row.reason}")
    for account in batch.kept:
        click.echo(f"  not taken back, it is spent: account {account}")
