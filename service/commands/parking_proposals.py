"""`lienthong parking proposals`: what was proposed of places, rates and products, and another person's yes or no."""

from __future__ import annotations

from uuid import UUID

import click

from parking.propose_rates import Proposal, Worked
from parking.rules.proposal import Word


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
    from parking import propose_rates
    from service.commands import context

    with context.database() as database, database.read() as tx:
        found = propose_rates.list_proposals(tx, None, open_only=not every)
    for each in found:
        click.echo(_line(each))
    if not found:
        click.echo("Nothing was proposed." if every else "Nothing waits for an answer.")


@proposals.command()
@click.argument("proposal_id", type=click.UUID)
def show(proposal_id: UUID) -> None:
    """Show a proposal and, while it is open, the rows of rate files that go (-) and come (+).

    \b
    Example: lienthong parking proposals show 0c71b2de-0000-8000-8000-000000000001
    """  # noqa: D301 click reads \b
    from parking import propose_rates
    from parking.rules.proposal import ProposalState
    from service.commands import context

    now = context.clock().now()
    with context.database() as database, database.read() as tx:
        found = propose_rates.get_proposal(tx, proposal_id)
        click.echo(_line(found))
        if found.end is not None and found.end.note:
            click.echo(f"    {found.end.note}")
        if found.state is ProposalState.PROPOSED:
            _show_rows(propose_rates.work_out(tx, found.asked, now=now))


@proposals.command()
@click.argument("proposal_id", type=click.UUID)
@click.option("--yes", is_flag=True, help="Do not ask.")
def approve(proposal_id: UUID, yes: bool) -> None:
    """Publish what another person proposed: stays that begin from then on are priced by it.

    \b
    Example: lienthong parking proposals approve 0c71b2de-0000-8000-8000-000000000001
    """  # noqa: D301 click reads \b
    from parking import propose_rates
    from service.commands import context

    now = context.clock().now()
    with context.database() as database:
        with database.read() as tx:
            found = propose_rates.get_proposal(tx, proposal_id)
            if found.end is None and not yes:
                click.echo(_line(found))
                _show_rows(propose_rates.work_out(tx, found.asked, now=now))
        if found.end is None and not yes:
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
    from parking import propose_rates
    from service import audit
    from service.commands import context

    by, now = context.actor(), context.clock().now()
    with context.database() as database, database.begin() as tx:
        ended = propose_rates.say(
            tx, proposal_id, word, by=f"{by.kind.value}:{by.actor_id}", note=note, now=now
        )
        if not ended.again:
            audit.record(
                tx,
                actor=by,
                action=f"parking.rates_{ended.state.value}",
                subject_kind="rate_proposal",
                subject_id=str(proposal_id),
                now=now,
                detail={"kind": ended.row.kind, "id": ended.row.element_id, "note": note},
            )
    click.echo(_line(ended))


def _line(one: Proposal) -> str:
    row, end = one.row, one.end
    begins = row.effective_at.isoformat() if row.effective_at else "when approved"
    told = f"{row.proposal_id}  {row.action} {row.kind} {row.element_id}, from {begins}, by {row.proposed_by}"
    if end is None:
        return told
    published = f", published as {end.rates_version}" if end.rates_version else ""
    return f"{told}: {end.outcome} by {end.ended_by} at {end.ended_at.isoformat()}{published}"


def _show_rows(worked: Worked) -> None:
    for mark, rows in (("-", worked.gone), ("+", worked.come)):
        for row in rows:
            cells = ", ".join(f"{name}={value}" for name, value in row["cells"].items())
            click.echo(f"  {mark} {row['file']}: {cells}")
