"""`lienthong risk`: what riders owe in all, the rule that bounds it, and stolen batches of cards."""

from __future__ import annotations

import click


@click.group()
def risk() -> None:
    """Show and bound what riders owe; deny stolen batches."""


@risk.command()
def show() -> None:
    """Show what is owed in all, the limit, and why how many cards are denied.

    \b
    Example: lienthong risk show
    """  # noqa: D301  (click reads \b)
    from access import deny
    from service.commands import context
    from service.jobs.risk import limits_of, read_exposure

    with context.database() as database, database.read() as tx:
        exposure = read_exposure(tx, limits_of(context.settings()))
        denied = deny.count_denied(tx)
    limit = "no limit is set" if exposure.limits.total is None else f"limit {exposure.limits.total}"
    click.echo(f"riders owe {exposure.owed}; {limit}; mode {exposure.mode.value}")
    for reason, count in sorted(denied.items()):
        click.echo(f"  {count} cards denied: {reason.value}")


@risk.command()
def run() -> None:
    """Tighten or relax what an offline tap needs, and clear who owes nothing any more. For a timer.

    \b
    Example: lienthong risk run
    """  # noqa: D301  (click reads \b)
    from service.commands import context
    from service.jobs.risk import run_risk

    denied = cleared = 0
    with context.database() as database:
        for step in run_risk(database, context.settings(), context.clock()):
            denied, cleared = denied + step.denied, cleared + step.cleared
            mode = step.exposure.mode.value
    click.echo(f"mode {mode}: {denied} cards denied, {cleared} cleared")


@risk.command(name="range")
@click.argument("first", type=click.IntRange(min=1))
@click.argument("last", type=click.IntRange(min=1))
@click.option("--cause", required=True, help="In words: which batch, stolen where.")
@click.option("--clear", is_flag=True, help="Lift it instead.")
@click.option("--yes", is_flag=True, help="Do it; without, it only says how many serials that is.")
def range_(first: int, last: int, cause: str, clear: bool, yes: bool) -> None:
    """Deny the cards with serials FIRST to LAST, issued yet or not.

    \b
    Example: lienthong risk range 40001 42000 --cause 'box lost on the way to Hà Đông' --yes
    """  # noqa: D301  (click reads \b)
    from access import deny
    from service import audit
    from service.commands import context

    if not yes:
        click.echo(f"{max(0, last - first + 1)} serials; repeat with --yes")
        return
    now, actor = context.clock().now(), context.actor()
    with context.database() as database, database.begin() as tx:
        verb = deny.clear_range if clear else deny.deny_range
        changed = verb(tx, first, last, cause=cause, actor=actor.actor_id, now=now)
        audit.record(
            tx,
            actor=actor,
            action="access.deny.range",
            subject_kind="serials",
            subject_id=f"{first}-{last}",
            now=now,
            detail={"denied": not clear, "cause": cause, "changed": changed},
        )
    click.echo(f"{changed} cards {'cleared' if clear else 'denied'}; readers hear with their next bundle")
