"""`lienthong migrate`."""

import click

from service import migrate as schema
from service.commands import context


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 when a migration is missing.")
def migrate(*, check: bool) -> None:
    """Bring the database to the newest schema.

    Runs as the owning role (LIENTHONG_MIGRATION_URL). Two at once are safe: the second waits for the first.
    A migration that cannot get its lock within five seconds gives up and can be run again.

    \b
    Example:
      LIENTHONG_MIGRATION_URL=postgresql+psycopg://owner@db/lienthong lienthong migrate
    """  # noqa: D301  (click reads \b)
    chosen = context.settings()
    if check:
        with context.database() as database:
            found, needed = database.revision(), schema.expected_revision()
        click.echo(f"database {found}, program {needed}")
        if found != needed:
            raise SystemExit(1)
        return
    if not chosen.migration_url:
        raise click.ClickException("LIENTHONG_MIGRATION_URL is not set: migrations run as the owning role.")
    click.echo(f"database at {schema.migrate(chosen.migration_url)}")
