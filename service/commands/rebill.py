"""`lienthong rebill`: announce, approve and carry out a run that prices history again (DESIGN §8.7)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import click

if TYPE_CHECKING:
    from fare.rerun import Repriced

DAY = click.DateTime(["%Y-%m-%d"])
RUN = click.argument("run_id", type=click.UUID)


@click.group()
def rebill() -> None:
    """Price history again under a published tariff and today's engine: announced by one person, approved by another.

    What could not be billed when it came is `lienthong evidence rerun` or `lienthong fare rebill`.
    """


@rebill.command()
@click.option("--tariff", "version", required=True, help="The published version that the days are priced by.")
@click.option("--from", "first", type=DAY, required=True, help="First service day.")
@click.option("--to", "last", type=DAY, required=True, help="Last service day; it must be over.")
@click.option("--reason", required=True, help="What riders and operators are told.")
@click.option(
    "--not-before",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]),
    help="When it may begin at the earliest; now, if left out.",
)
@click.option("--id", "run_id", type=click.UUID, help="The run's id, to ask again after a lost answer.")
def announce(
    version: str,
    first: datetime,
    last: datetime,
    reason: str,
    not_before: datetime | None,
    run_id: UUID | None,
) -> None:
    """Announce a run. Nothing is priced before another person approves it.

    \b
    Example:
      lienthong rebill announce --tariff hanoi-2026.12 --from 2026-11-01 --to 2026-11-18 --reason "decision 123"
    """  # noqa: D301  (click reads \b)
    from fare import rerun
    from fare.publish import Shelf
    from service import audit
    from service.commands import context

    now, by, minted = context.clock().now(), context.actor(), context.minted(run_id)
    with context.database() as database, database.begin() as tx:
        made = rerun.announce(
            tx,
            run_id=minted,
            tariff_version=version,
            first_day=first.date(),
            last_day=last.date(),
            reason=reason,
            not_before=not_before or now,
            books=Shelf(context.keyring().bundle_key.public).books(tx),
            by=by.actor_id,
            now=now,
        )
        audit.record(
            tx,
            actor=by,
            action="fare.rerun.announced",
            subject_kind="fare_rerun",
            subject_id=str(made.run_id),
            now=now,
            detail={"tariff": version, "from": str(first.date()), "to": str(last.date()), "reason": reason},
        )
    click.echo(
        f"{made.run_id} announced; another person approves it, `lienthong rebill preview` shows what it does"
    )


@rebill.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_runs(as_json: bool) -> None:
    """List every run that was ever announced, the newest first, and how far it has come.

    \b
    Example:
      lienthong rebill list
    """  # noqa: D301  (click reads \b)
    from fare import rerun
    from service.api.reruns import rerun_document
    from service.commands import context

    with context.database() as database, database.read() as tx:
        found = [rerun_document(one, rerun.progress(tx, one)) for one in rerun.list_all(tx)]
    if as_json:
        click.echo(json.dumps({"reruns": found}, ensure_ascii=False, indent=1))
        return
    for one in found:
        click.echo(
            f"{one['run_id']}  {one['state']:<10} {one['first_day']} to {one['last_day']} by {one['tariff_version']},"
            f" {one['done']:,} accounts done, {one['left']:,} left, charges {one['change_minor']:+,}: {one['reason']}"
        )
    click.echo(f"{len(found)} runs" if found else "No run was ever announced.")


@rebill.command()
@RUN
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def preview(run_id: UUID, as_json: bool) -> None:
    """Show what a run would change, by operator and part, and book nothing.

    \b
    Example:
      lienthong rebill preview 0192f0c1-6a3e-7b21-9d00-5f1d2c3b4a59
    """  # noqa: D301  (click reads \b)
    from fare.publish import Shelf
    from service.commands import context
    from service.jobs import reprice

    with context.database() as database:
        shelf = Shelf(context.keyring().bundle_key.public)
        _sum_up(
            reprice.preview(database, run_id, shelf=shelf, now=context.clock().now),
            as_json=as_json,
            would=True,
        )


@rebill.command()
@RUN
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def run(run_id: UUID, as_json: bool) -> None:
    """Carry out an approved run, account by account; killed, it goes on where it was. Ends with 1 where people must look.

    \b
    Example:
      lienthong rebill run 0192f0c1-6a3e-7b21-9d00-5f1d2c3b4a59
    """  # noqa: D301  (click reads \b)
    from fare.publish import Shelf
    from service.commands import context
    from service.jobs import reprice

    with context.database() as database:
        shelf, by = Shelf(context.keyring().bundle_key.public), context.actor()
        done = reprice.reprice(database, run_id, shelf=shelf, by=by, now=context.clock().now)
        if _sum_up(done, as_json=as_json, would=False):
            raise SystemExit(1)


def _sum_up(repriced: Iterable[Repriced], *, as_json: bool, would: bool) -> int:
    """Print what the accounts came to, with progress; return how many taps or days went back to people."""
    changes: Counter[tuple[str, str]] = Counter()
    accounts = touched = entries = unpriced = 0
    for one in repriced:
        accounts += 1
        touched += bool(one.changes)
        entries += one.entries
        unpriced += len(one.exceptions)
        changes.update(one.changes)
        if accounts % 1_000 == 0:
            click.echo(f"{accounts:,} accounts", err=True)
    if as_json:
        body = {
            "accounts": accounts,
            "accounts_changed": touched,
            "entries": entries,
            "unpriced": unpriced,
            "changes": [
                {"operator_id": operator, "component": component, "minor": minor}
                for (operator, component), minor in sorted(changes.items())
            ],
        }
        click.echo(json.dumps(body, indent=1))
        return unpriced
    for (operator, component), minor in sorted(changes.items()):
        click.echo(f"{operator:<16} {component:<13} {minor:>+15,}")
    verb = "would change" if would else "changed"
    click.echo(
        f"{touched:,} of {accounts:,} accounts {verb}, {entries:,} entries, {unpriced:,} for people to look at"
    )
    return unpriced


def _step(name: str, help_text: str) -> None:
    @rebill.command(name, help=f"{help_text}\n\nExample: lienthong rebill {name} RUN_ID")
    @RUN
    def step(run_id: UUID) -> None:
        from fare import rerun
        from service import audit
        from service.commands import context

        said = {"approve": rerun.approve, "withdraw": rerun.withdraw}[name]
        now, by = context.clock().now(), context.actor()
        with context.database() as database, database.begin() as tx:
            one = said(tx, run_id, by=by.actor_id, now=now)
            state = rerun.state_of(one).value
            audit.record(
                tx,
                actor=by,
                action=f"fare.rerun.{state}",
                subject_kind="fare_rerun",
                subject_id=str(run_id),
                now=now,
            )
        click.echo(f"{run_id} is {state}")


_step("approve", "Let an announced run begin; the one who announced it cannot.")
_step("withdraw", "Take an announcement back; what the run has booked already stays.")
