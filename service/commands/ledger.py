"""`lienthong ledger`: prove, export and read the books, close a day."""

import json
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import click
from sqlalchemy import Connection

from kernel.crypto.ed25519 import VerifyKey
from ledger import close_period
from ledger import export as exporter
from ledger import prove as prover
from ledger import statement as reader
from ledger.export_parquet import export_parquet
from ledger.rules.books import Format
from ledger.rules.seal import Seal
from service import audit
from service.commands import context
from service.commands.ledger_account import ACCOUNT, account
from service.jobs.settle_day import close_day

DAY = click.DateTime(["%Y-%m-%d"])
PARQUET = "parquet"


def _date(value: datetime | None) -> date | None:
    return None if value is None else value.date()


def _head(text: str, hint: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise click.BadParameter("a head is 64 hex digits", param_hint=hint) from None


@click.group()
def ledger() -> None:
    """Prove and export the books, look after accounts, close days."""


ledger.add_command(account)


@ledger.command()
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1, 32), help="Checks side by side."
)
@click.option(
    "--since",
    metavar="DAY|last",
    help="Take what was closed before this day as proven and read only what was booked since; "
    "`last`: since the last proof that found nothing.",
)
@click.option(
    "--head",
    "heads",
    multiple=True,
    metavar="HEX",
    help="A head (64 hex digits) that you kept: it must be in the chain.",
)
@click.option(
    "--trust",
    multiple=True,
    metavar="HEX",
    help="A seal key (64 hex digits) you trust; without one, the keys stored with the seals are used.",
)
@click.option("--quiet", is_flag=True, help="Print only what is wrong, and the verdict.")
def prove(
    workers: int, since: str | None, trust: tuple[str, ...], heads: tuple[str, ...], quiet: bool
) -> None:
    """Recompute hashes, sums, balances, roll-ups and seals, and name every row that is wrong.

    All parts see one moment of the database, so this may run while taps are taken in. Ends with 1 when
    anything is wrong. A proof that finds nothing is written down, so that the next one may go on from it.
    docs/how-to-audit-us.md says what each part proves.

    \b
    Examples:
      lienthong ledger prove --workers 2
      lienthong ledger prove --since last
    """  # noqa: D301  (click reads \b)
    try:
        trusted = [VerifyKey(bytes.fromhex(text)) for text in trust] or None
    except ValueError:
        raise click.BadParameter("a key is 64 hex digits", param_hint="--trust") from None
    held = [_head(text, "--head") for text in heads]
    wrong = lines = 0
    # One holds the snapshot that the others share.
    with context.database(workers + 1) as database:
        with database.read() as tx:
            first = _since(tx, since)
            reached = close_period.last_seal(tx)
        steps = prover.prove(database.begin, trusted=trusted, held=held, since=first, workers=workers)
        for step in steps:
            if not quiet:
                verdict = "ok" if not step.faults else f"{len(step.faults)} WRONG"
                counted = f" ({step.rows:,} rows)" if step.rows else ""
                click.echo(f"[{step.done:>3}/{step.total}] {step.name}{counted}: {verdict}")
            for fault in step.faults:
                click.echo(f"      {fault}", err=True)
            wrong += len(step.faults)
            lines += step.rows if step.name.startswith("lines of") else 0
        if wrong:
            click.echo(f"NOT PROVEN: {wrong} rows are wrong.")
            sys.exit(1)
        if reached is not None:
            seal, now = reached, context.clock().now()
            database.run(lambda tx: prover.record(tx, seal, lines, now, since=first))
    of = f" of {first} and later" if first else ""
    click.echo(f"Proven: {lines:,} sealed lines{of}, every sum, balance, roll-up and seal.")


def _since(tx: Connection, since: str | None) -> date | None:
    if since is None:
        return None
    if since == "last":
        proven = prover.last_proven(tx)
        return None if proven is None else proven + timedelta(days=1)
    try:
        return date.fromisoformat(since)
    except ValueError:
        raise click.BadParameter("a day (YYYY-MM-DD) or `last`", param_hint="--since") from None


@ledger.command()
@click.option(
    "--format",
    "form",
    type=click.Choice([*(each.value for each in Format), PARQUET]),
    default=Format.HLEDGER.value,
    show_default=True,
)
@click.option("--from", "first", type=DAY, help="First book day; earlier ones become an opening entry.")
@click.option("--to", "last", type=DAY, help="Last book day.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="A file; standard output when not given.",
)
def export(form: str, first: datetime | None, last: datetime | None, output: Path | None) -> None:
    """Write the books for another program to check: entries with balance assertions after each book day.

    \b
    Examples:
      lienthong ledger export | hledger -f - check --strict
      lienthong ledger export --format beancount --output books.beancount && bean-check books.beancount
      lienthong ledger export --format csv --from 2026-11-18 --to 2026-11-18
      lienthong ledger export --format parquet --output lines.parquet    (needs the extra `parquet`)
    """  # noqa: D301  (click reads \b)
    if form == PARQUET and output is None:
        raise click.UsageError("Parquet is for machines: name a file with --output.")
    with context.database() as database, database.read() as tx:
        if form == PARQUET:
            assert output is not None
            with output.open("wb") as sink:
                written = export_parquet(tx, sink, first=_date(first), last=_date(last))
            click.echo(f"{output}: {written:,} lines")
            return
        pieces = exporter.export(tx, Format(form), first=_date(first), last=_date(last))
        if output is None:
            sys.stdout.writelines(pieces)
            return
        with output.open("w", encoding="utf-8", newline="") as file:
            file.writelines(pieces)


@ledger.command()
@click.argument("account_id", metavar="ACCOUNT", type=ACCOUNT)
@click.option("--from", "first", type=DAY, required=True, help="First book day.")
@click.option("--to", "last", type=DAY, required=True, help="Last book day.")
@click.option("--limit", default=reader.PAGE, show_default=True, type=click.IntRange(1, reader.MAX_PAGE))
@click.option("--cursor", help="Continue a statement where its page ended.")
def statement(account_id: UUID, first: datetime, last: datetime, limit: int, cursor: str | None) -> None:
    """Print the lines of ACCOUNT (an id, or KIND:OWNER) with a running balance, opening and closing.

    \b
    Example:
      lienthong ledger statement operator_payable:transerco --from 2026-11-01 --to 2026-11-30
    """  # noqa: D301  (click reads \b)
    with context.database() as database, database.read() as tx:
        made = reader.statement(
            tx, account_id, first=first.date(), last=last.date(), cursor=cursor, limit=limit
        )
    spec = made.account.spec
    click.echo(f"{spec.kind} of {spec.owner_name} ({spec.type.value}, {made.account.state.value})")
    click.echo(f"opening {made.opening!s:>44}")
    for line in made.lines:
        row = line.row
        click.echo(f"{row.book_day} {row.kind:<24} {line.change!s:>16} {line.running!s:>16}  {row.cause}")
    click.echo(f"closing {made.closing!s:>44}")
    if made.next_cursor:
        click.echo(f"more: --cursor {made.next_cursor}")


@ledger.command()
@click.option("--through", type=DAY, help="Last book day to count.")
def trial(through: datetime | None) -> None:
    """Print debits and credits by kind of account; both columns end in the same sum.

    \b
    Example:
      lienthong ledger trial --through 2026-11-18
    """  # noqa: D301  (click reads \b)
    with context.database() as database, database.read() as tx:
        lines = reader.trial_balance(tx, through=_date(through))
    for line in lines:
        click.echo(f"{line.kind:<24} {line.type.value:<10} {line.debits!s:>22} {line.credits!s:>22}")
    for unit in sorted({line.debits.currency.code for line in lines}):
        mine = [line for line in lines if line.debits.currency.code == unit]
        debits, credits_ = (sum(getattr(line, side).minor for line in mine) for side in ("debits", "credits"))
        click.echo(f"{unit}: debits {debits:,}, credits {credits_:,}")


@ledger.command()
@click.argument("day", type=DAY)
def close(day: datetime) -> None:
    """Close the book day DAY without settling it: stop posting, build its tree, sign its head.

    \b
    Example:
      lienthong ledger close 2026-11-18
    """  # noqa: D301  (click reads \b)
    with context.database() as database:
        *earlier, signer = context.keyring().seal_keys
        clock = context.clock()

        def work(tx: Connection) -> Seal:
            sealed = close_day(
                tx, day.date(), shelf=context.shelf(), signer=signer, earlier=earlier, now=clock.now()
            ).seal
            audit.record(
                tx,
                actor=context.actor(),
                action="ledger.close",
                subject_kind="book_day",
                subject_id=sealed.book_day.isoformat(),
                now=clock.now(),
            )
            return sealed

        seal = database.run(work)
    click.echo(f"{seal.book_day}: {seal.leaf_count} lines, root {seal.root.hex()}, head {seal.head.hex()}")


@ledger.command()
@click.option("--from", "first", type=DAY, help="First book day.")
@click.option("--to", "last", type=DAY, help="Last book day.")
def seals(first: datetime | None, last: datetime | None) -> None:
    """Print the seals of closed days as JSON, one a line, to publish: they carry no personal facts.

    Between any two of them, those in between prove that the later one extends the earlier; `ledger extension` proves it
    without them (docs/how-to-audit-us.md).

    \b
    Example:
      lienthong ledger seals > seals.jsonl
    """  # noqa: D301  (click reads \b)
    from service.api.seal_documents import key_document, seal_document

    with context.database() as database, database.read() as tx:
        keys = close_period.list_keys(tx)
        found = close_period.list_seals(tx, first=_date(first), last=_date(last))
    for document in (*map(key_document, keys), *map(seal_document, found)):
        click.echo(json.dumps(document))


@ledger.command()
@click.argument("head")
@click.option("--to", "last", type=DAY, help="Book day of the later seal; the newest without it.")
def extension(head: str, last: datetime | None) -> None:
    """Print what proves offline that a later seal extends the one whose HEAD you hold: some hundreds of bytes.

    docs/how-to-audit-us.md has the program that checks it.

    \b
    Example:
      lienthong ledger extension 5d41…e2 > extension.json
    """  # noqa: D301  (click reads \b)
    from service.api.seal_documents import extension_document

    with context.database() as database, database.read() as tx:
        proof = close_period.extend(tx, _head(head, "HEAD"), last=_date(last))
    click.echo(json.dumps(extension_document(proof)))
