"""`lienthong partition`."""

from datetime import datetime

import click

from fare.bill import MAX_LATE_DAYS
from kernel.service_day import local_date
from ledger.rules.book_day import ZONE
from service.commands import context
from service.database import Database
from service.jobs.partitions import ensure_partitions


@click.command()
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="First day; today when not given.")
@click.option(
    "--days", default=14, show_default=True, type=click.IntRange(1, MAX_LATE_DAYS * 8), help="How many days."
)
def partition(first: datetime | None, days: int) -> None:
    """Make the day partitions of evidence, bills and books ahead of time. Run it daily; repeating is free.

    Needs the owning role (LIENTHONG_MIGRATION_URL). Days that were missed work too, only slower: their rows stay
    in the default partition.

    \b
    Example:
      lienthong partition --days 30
    """  # noqa: D301  (click reads \b)
    url = context.settings().migration_url
    if not url:
        raise click.ClickException(
            "LIENTHONG_MIGRATION_URL is not set: partitions are made by the owning role."
        )
    start = first.date() if first else local_date(context.clock().now(), ZONE)
    owner = Database(url, pool_size=1)
    try:
        done = owner.run(lambda tx: ensure_partitions(tx, start, days))
    finally:
        owner.dispose()
    click.echo(f"{done.created} partitions made from {start} on")
    for one in done.kept:
        click.echo(f"kept in the default partition: {one}")
