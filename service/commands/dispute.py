"""`lienthong dispute`: what riders dispute, and what is overdue."""

import json

import click

from ledger import dispute as verbs
from service.commands import context


@click.group()
def dispute() -> None:
    """See what riders dispute; answers are given through the API, by name."""


@dispute.command("list")
@click.option("--overdue", is_flag=True, help="Only those that should have been answered by now.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def list_disputes(overdue: bool, as_json: bool) -> None:
    """List unanswered disputes, the most urgent first.

    \b
    Example:
      lienthong dispute list --overdue
    """  # noqa: D301  (click reads \b)
    now = context.clock().now()
    with context.database() as database, database.read() as tx:
        rows = verbs.list_open(tx, due_by=now if overdue else None)
    if as_json:
        found = [
            {
                "dispute_id": str(row.dispute_id),
                "fare_account_id": str(row.owner_id),
                "disputed": {"minor": row.disputed_minor, "currency": row.currency},
                "state": row.state,
                "answer_by": row.answer_by.isoformat(),
                "overdue": now > row.answer_by,
            }
            for row in rows
        ]
        click.echo(json.dumps(found, indent=2))
        return
    for row in rows:
        late = "  OVERDUE" if now > row.answer_by else ""
        click.echo(
            f"{row.answer_by.date()}  {row.dispute_id}  {row.state}  {row.disputed_minor:,} {row.currency}{late}"
        )
    click.echo(f"{len(rows)} unanswered")
