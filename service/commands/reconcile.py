"""`lienthong reconcile`: bank and provider files in, match, and work the queue of what is left."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from ledger import recon_queue
from ledger.rules.reconcile import Figures, Resolution, Why
from ledger.take_bank_file import Taken
from service import audit
from service.commands import context
from service.jobs import reconcile as jobs
from service.reconcile_words import as_document, figures_document, figures_lines, match_document


@click.group()
def reconcile() -> None:
    """Reconcile books, provider and bank to the đồng."""


@reconcile.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--provider", default="", help="Whose settlement file it is; default: the provider of top-ups.")
def take(paths: tuple[Path, ...], provider: str) -> None:
    """Take statements and settlement files in: files, or folders of them. The same content counts once.

    Ends with 1 when one is quarantined; it says why.

    \b
    Examples:
      lienthong reconcile take statement.xml
      lienthong reconcile take /var/spool/bank
    """  # noqa: D301  (click reads \b)
    settings, now, by = context.settings(), context.clock().now(), context.actor()
    bad = False
    with context.database() as database:
        for path in paths:
            if path.is_dir():
                for file, taken in jobs.take_folder(
                    database, path, provider=provider, settings=settings, by=by, now=now
                ):
                    bad |= _say(file, taken)
            else:
                with path.open("rb") as stream:
                    taken = jobs.take(
                        database,
                        stream,
                        name=path.name,
                        source="command",
                        provider=provider,
                        settings=settings,
                        by=by,
                        now=now,
                    )
                bad |= _say(path, taken)
    if bad:
        raise SystemExit(1)


def _say(path: Path, taken: Taken) -> bool:
    again = ", taken in before" if taken.repeated else f", {taken.movements} movements"
    click.echo(f"{path.name}: {taken.file.format} {taken.file.status} {taken.file.reason}".rstrip() + again)
    return taken.file.status == "quarantined" and not taken.repeated


@reconcile.command()
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def run(as_json: bool) -> None:
    """Match everything that can be matched, queue the rest with reasons, and book what has settled.

    Run it as often as you like, from a timer: it goes on where it was interrupted. Ends with 1 when a movement
    is neither matched nor in the queue.

    \b
    Example:
      lienthong reconcile run
    """  # noqa: D301  (click reads \b)
    with context.database() as database:
        jobs.reconcile(
            database,
            now=context.clock().now,
            tell=lambda step: click.echo(f"{step.name}: {step.count}", err=as_json) if step.count else None,
        )
        found = jobs.figures(database)
    _figures(found, as_json=as_json)
    if found.unexplained:
        raise SystemExit(1)


@reconcile.command(name="figures")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def show_figures(as_json: bool) -> None:
    """Say where reconciliation stands: matched share, unexplained đồng, the queue by reason, suspense.

    \b
    Example:
      lienthong reconcile figures --json
    """  # noqa: D301  (click reads \b)
    with context.database() as database:
        _figures(jobs.figures(database), as_json=as_json)


@reconcile.command()
@click.option("--reason", type=click.Choice([why.value for why in Why]), help="Only these.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the queue as JSON.")
def exceptions(reason: str | None, limit: int, as_json: bool) -> None:
    """List what is not matched, oldest first, with reason, age, owner and what to do.

    \b
    Example:
      lienthong reconcile exceptions --reason missing_at_bank
    """  # noqa: D301  (click reads \b)
    now = context.clock().now()
    with context.database() as database, database.read() as tx:
        rows = recon_queue.list_exceptions(tx, now=now, why=Why(reason) if reason else None, limit=limit)
    if as_json:
        click.echo(json.dumps([as_document(row) for row in rows], ensure_ascii=False, indent=2))
        return
    table = Table("id", "reason", "side", "amount", "day", "age", "owner", "what to do")
    for row in rows:
        table.add_row(
            str(row.exception_id),
            row.why.value,
            row.side,
            str(row.amount),
            row.occurred_on.isoformat(),
            str(row.age).partition(".")[0],
            row.assigned_to or "-",
            row.proposed or f"{row.suggestion}; {row.hint}".removesuffix("; "),
        )
    Console(width=200).print(table)


@reconcile.command()
@click.argument("owner")
@click.argument("exception_ids", nargs=-1, required=True, type=click.UUID)
def assign(owner: str, exception_ids: tuple[UUID, ...]) -> None:
    """Give exceptions an OWNER.

    \b
    Example:
      lienthong reconcile assign lan@example.org 0c71b2de-0000-8000-8000-000000000001
    """  # noqa: D301  (click reads \b)
    _act("assign", exception_ids, lambda tx: recon_queue.assign(tx, exception_ids, owner), owner=owner)


@reconcile.command()
@click.argument("resolution", type=click.Choice([Resolution.WRITTEN_OFF.value, Resolution.TO_SUSPENSE.value]))
@click.argument("exception_ids", nargs=-1, required=True, type=click.UUID)
@click.option("--note", required=True, help="Why.")
def propose(resolution: str, exception_ids: tuple[UUID, ...], note: str) -> None:
    """Propose to write exceptions off or to move them to suspense; another person approves.

    \b
    Example:
      lienthong reconcile propose to_suspense 0c71b2de-0000-8000-8000-000000000001 --note "payer not known yet"
    """  # noqa: D301  (click reads \b)
    by, now = context.actor(), context.clock().now()
    _act(
        "propose",
        exception_ids,
        lambda tx: recon_queue.propose(
            tx, exception_ids, Resolution(resolution), note=note, actor=by.actor_id, now=now
        ),
        resolution=resolution,
        note=note,
    )


@reconcile.command()
@click.argument("exception_ids", nargs=-1, required=True, type=click.UUID)
def approve(exception_ids: tuple[UUID, ...]) -> None:
    """Approve what another person proposed, and book it.

    \b
    Example:
      lienthong reconcile approve 0c71b2de-0000-8000-8000-000000000001
    """  # noqa: D301  (click reads \b)
    by, now = context.actor(), context.clock().now()
    _act(
        "approve",
        exception_ids,
        lambda tx: len(recon_queue.approve(tx, exception_ids, actor=by.actor_id, now=now)),
    )


@reconcile.command()
@click.argument("item_ids", nargs=-1, required=True, type=click.UUID)
@click.option("--note", required=True, help="Why they are the same.")
@click.option(
    "--id", "match_id", type=click.UUID, help="The match's id, to repeat a call; default a new one."
)
def match(item_ids: tuple[UUID, ...], note: str, match_id: UUID | None) -> None:
    """Match movements of two sides by hand; their sums must agree.

    \b
    Example:
      lienthong reconcile match 0c71b2de-0000-8000-8000-000000000001 0c71b2de-0000-8000-8000-000000000002 --note "one transfer"
    """  # noqa: D301  (click reads \b)
    by, now = context.actor(), context.clock().now()
    minted = context.minted(match_id)
    _act(
        "match",
        (minted,),
        lambda tx: recon_queue.match_by_hand(tx, minted, item_ids, note=note, actor=by.actor_id, now=now),
        note=note,
    )
    click.echo(f"match {minted}")


@reconcile.command()
@click.argument("match_id", type=click.UUID)
@click.option("--note", required=True, help="Why it was wrong.")
def undo(match_id: UUID, note: str) -> None:
    """Take a match apart; the next run takes its booking back by a linked entry.

    \b
    Example:
      lienthong reconcile undo 01a1ec61-0000-7000-8000-000000000001 --note "two payers of one name"
    """  # noqa: D301  (click reads \b)
    by, now = context.actor(), context.clock().now()
    _act(
        "undo",
        (match_id,),
        lambda tx: recon_queue.undo_match(tx, match_id, note=note, actor=by.actor_id, now=now),
        note=note,
    )


@reconcile.command()
@click.argument("item_id", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def matches(item_id: UUID, as_json: bool) -> None:
    """List a movement's matches, in force or taken apart, newest first; `undo` takes the first column.

    \b
    Example:
      lienthong reconcile matches 0c71b2de-0000-8000-8000-000000000001
    """  # noqa: D301  (click reads \b)
    with context.database() as database, database.read() as tx:
        found = recon_queue.list_matches(tx, item_id)
    if as_json:
        click.echo(json.dumps([match_document(one) for one in found], ensure_ascii=False, indent=2))
        return
    table = Table("match", "rule", "in force", "with", "side", "amount", "day", "people")
    for one in found:
        people = ", ".join(f"{act} by {actor}: {note}" for act, actor, _, note in one.acts)
        force = "yes" if one.live else "no"
        other = str(one.item_id), one.side, str(one.amount), one.occurred_on.isoformat()
        table.add_row(str(one.match_id), one.rule.value, force, *other, people or "-")
    Console(width=200).print(table)


def _act(verb: str, subjects: tuple[UUID, ...], work: Any, **detail: object) -> None:
    def done(tx: Connection) -> int:
        count: int = work(tx)
        for subject in subjects:
            audit.record(
                tx,
                actor=context.actor(),
                action=f"reconcile.{verb}",
                subject_kind="reconciliation",
                subject_id=str(subject),
                now=context.clock().now(),
                detail=detail,
            )
        return count

    with context.database() as database:
        click.echo(f"{verb}: {database.run(done)}")


def _figures(found: Figures, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(figures_document(found), ensure_ascii=False, indent=2))
        return
    for line in figures_lines(found):
        click.echo(line)
