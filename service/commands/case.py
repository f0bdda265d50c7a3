"""`lienthong case`: the review list of what looks like fraud or a broken device."""

from __future__ import annotations

from uuid import UUID

import click

from access.cases import CaseKind
from access.rules.finding import Finding


@click.group()
def case() -> None:
    """Review what looks like fraud or a broken device."""


@case.command("list")
@click.option("--kind", type=click.Choice([kind.value for kind in CaseKind]), help="Only of this kind.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
def list_(kind: str | None, limit: int) -> None:
    """List the open cases, oldest first.

    \b
    Example: lienthong case list --kind mac-invalid
    """  # noqa: D301  (click reads \b)
    from access import cases
    from service.commands import context

    with context.database() as database, database.read() as tx:
        found = cases.list_open(tx, kind=CaseKind(kind) if kind else None, limit=limit)
    for each in found:
        row = each.case
        click.echo(
            f"{row.case_id}  {context.local(row.opened_at)}  {row.kind:<18}  {each.pieces:>4}  {row.subject}"
        )
    click.echo(f"{len(found)} cases")


@case.command()
@click.argument("case_id", type=click.UUID)
def show(case_id: UUID) -> None:
    """Show a case, its evidence, and the card it is about.

    \b
    Example: lienthong case show CASE_ID
    """  # noqa: D301  (click reads \b)
    from access import review
    from service.commands import context

    with context.database() as database, database.read() as tx:
        found = review.get_case(tx, case_id)
    click.echo(f"{found.case.kind}, opened {context.local(found.case.opened_at)}: {found.case.subject}")
    if found.card is not None:
        denied = f"denied: {', '.join(found.denied_for)}" if found.denied_for else "not denied"
        click.echo(f"card serial {found.card.serial}, {found.card.state.value}, {denied}")
    for piece in found.pieces:
        click.echo(f"    {context.local(piece.received_at)} {piece.evidence} from device {piece.device_id}")
    if found.closed_at is not None:
        click.echo(f"closed {context.local(found.closed_at)} by {found.closed_by}: {found.outcome}")


@case.command()
@click.argument("case_id", type=click.UUID)
@click.option(
    "--finding",
    type=click.Choice([finding.value for finding in Finding]),
    required=True,
    help="card-honest lifts, card-forged restricts (free replacement), device-at-fault suspends the device.",
)
@click.option("--reason", required=True, help="Why; it is kept with who did it.")
def close(case_id: UUID, finding: str, reason: str) -> None:
    """Close a case with what was found; what follows from it happens at once.

    \b
    Example: lienthong case close CASE_ID --finding device-at-fault --reason 'validator was stolen'
    """  # noqa: D301  (click reads \b)
    from access import review
    from service import audit
    from service.commands import context

    now, actor = context.clock().now(), context.actor()
    with context.database() as database, database.begin() as tx:
        decided = review.decide(tx, case_id, Finding(finding), reason=reason, actor=actor.actor_id, now=now)
        told = review.describe(decided)
        audit.record(
            tx,
            actor=actor,
            action="access.case.closed",
            subject_kind="case",
            subject_id=str(case_id),
            now=now,
            detail=told,
        )
    followed = [name.replace("_", " ") for name, yes in told.items() if yes is True]
    click.echo(f"{case_id} closed as {finding}" + (f": {', '.join(followed)}" if followed else ""))
