"""`lienthong parking proposals`: what was proposed of places, rates and products, and another person's yes or no."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import click

from parking.apds.notice import Sort
from parking.proposals import Proposal
from parking.rules.proposal import Word
from parking.show_proposal import Shown


@click.group()
def proposals() -> None:
    """Look at what was proposed of places, rates and products, approve it or refuse it (docs/parking.md)."""


@proposals.command("list")
@click.option("--all", "every", is_flag=True, help="Those that were answered already, too.")
def list_(every: bool) -> None:
    """List the newest proposals; only those that wait for an answer, unless --all.

    \b
    Example: lienthong parking proposals list
    """  # noqa: D301 click reads \b
    from parking import proposals as known
    from service.commands import context

    with context.database() as database, database.read() as tx:
        found = known.list_proposals(tx, None, open_only=not every)
    for each in found:
        click.echo(_line(each))
    if not found:
        click.echo("Nothing was proposed." if every else "Nothing waits for an answer.")


@proposals.command()
@click.argument("proposal_id", type=click.UUID)
def show(proposal_id: UUID) -> None:
    """Show a proposal and what it changes, or changed: rows of rate files that are new (+), gone (-) or otherwise (~).

    \b
    Example: lienthong parking proposals show 0c71b2de-0000-8000-8000-000000000001
    """  # noqa: D301 click reads \b
    from parking.proposals import get_proposal
    from parking.show_proposal import show as shown_by
    from service.commands import context

    now = context.clock().now()
    with context.database() as database, database.read() as tx:
        found = get_proposal(tx, proposal_id)
        _show(found, shown_by(tx, found, now=now))


@proposals.command()
@click.argument("proposal_id", type=click.UUID)
@click.option("--yes", is_flag=True, help="Do not ask.")
def approve(proposal_id: UUID, yes: bool) -> None:
    """Publish what another person proposed: stays that begin from then on are priced by it.

    \b
    Example: lienthong parking proposals approve 0c71b2de-0000-8000-8000-000000000001
    """  # noqa: D301 click reads \b
    from parking.proposals import get_proposal
    from parking.show_proposal import show as shown_by
    from service.commands import context

    now = context.clock().now()
    with context.database() as database:
        with database.read() as tx:
            found = get_proposal(tx, proposal_id)
            shown = shown_by(tx, found, now=now)
        if shown.refused is not None:
            raise shown.refused
        if found.end is None and not yes:
            _show(found, shown)
            click.confirm("Publish this?", abort=True)
        _say(proposal_id, Word.APPROVE, "")


@proposals.command()
@click.argument("proposal_id", type=click.UUID)
@click.option("--note", required=True, help="Why.")
def refuse(proposal_id: UUID, note: str) -> None:
    """Refuse what another person proposed.

    \b
    Example: lienthong parking proposals refuse 0c71b2de-0000-8000-8000-000000000001 --note "the council decided 30,000"
    """  # noqa: D301 click reads \b
    _say(proposal_id, Word.REFUSE, note)


def _say(proposal_id: UUID, word: Word, note: str) -> None:
    from service import rate_proposals
    from service.commands import context

    by, now = context.actor(), context.clock().now()
    with context.database() as database, database.begin() as tx:
        ended = rate_proposals.say(tx, proposal_id, word, note=note, actor=by, now=now)
    click.echo(_line(ended))


def _line(one: Proposal) -> str:
    from service.commands import context

    row, end = one.row, one.end
    begins = context.local(row.effective_at) if row.effective_at else "when it is approved"
    told = f"{row.proposal_id}  {row.action} {row.kind} {row.element_id}, from {begins}, by {row.proposed_by}"
    if end is None:
        return told
    published = f", published as {end.rates_version}" if end.rates_version else ""
    return f"{told}: {end.outcome} by {end.ended_by} at {context.local(end.ended_at)}{published}"


_MARKS: Final = {Sort.ADDED: "+", Sort.REMOVED: "-", Sort.CHANGED: "~"}


def _show(one: Proposal, shown: Shown) -> None:
    click.echo(_line(one))
    if one.end is not None and one.end.note:
        click.echo(f"    {one.end.note}")
    if shown.refused is not None:
        click.echo(f"  cannot be approved: {shown.refused}")
    told = shown.notice
    for each in told.changes:
        called = " ".join(value for _, value in each.called if value)
        cells = ", ".join(
            f"{cell.name} {cell.before or '–'} → {cell.after or '–'}"
            if each.sort is Sort.CHANGED
            else f"{cell.name} {cell.before or cell.after}"
            for cell in each.cells
        )
        click.echo(f"  {_MARKS[each.sort]} {each.file}{f' {called}' if called else ''}: {cells}")
    if told.anew:
        click.echo(f"  {told.anew} rows stay as they are")
    for name, values in (("decision", told.decisions), ("source", told.sources)):
        if values:
            click.echo(f"  {name}: {'; '.join(values)}")
