"""`lienthong notices`: find what riders should know, and hand it over."""

from pathlib import Path

import click

from kernel.money import VND, Money
from service.commands import context
from service.commands.courier import courier_of, courier_options
from service.jobs import notices as job


@click.group()
def notices() -> None:
    """Notices to riders: late adjustments, denials, low balances, passes and paid parking that end."""


@notices.command()
@click.option(
    "--low", default=20_000, show_default=True, type=click.IntRange(0), help="Tell below so many đồng."
)
@click.option("--days", default=3, show_default=True, type=click.IntRange(1, 31), help="Before a pass ends.")
@click.option(
    "--minutes", default=15, show_default=True, type=click.IntRange(1, 240), help="Before paid parking ends."
)
def collect(low: int, days: int, minutes: int) -> None:
    """Put what has happened since the last run into the outbox. Run it by a timer; repeating it is harmless.

    \b
    Example:
      lienthong notices collect --low 20000
    """  # noqa: D301  (click reads \b)
    limits = job.Limits(Money(low, VND), days, minutes)
    now = context.clock().now()
    with context.database() as database:
        made = database.run(lambda tx: job.collect(tx, limits=limits, now=now))
    click.echo(", ".join(f"{count} {kind}" for kind, count in made.items()))


@notices.command()
@courier_options("notices")
def deliver(file: Path | None, webhook: str | None, key_file: Path | None) -> None:
    """Hand over what is due: at least once, each notice with an id that never changes.

    \b
    Examples:
      lienthong notices deliver --file notices.jsonl
      lienthong notices deliver --webhook https://push.example.org/riders --key-file push.key
    """  # noqa: D301  (click reads \b)
    with context.database() as database:
        taken, put_off = job.deliver(database, courier_of(file, webhook, key_file), now=context.clock().now)
    click.echo(f"{taken} handed over, {put_off} put off")
