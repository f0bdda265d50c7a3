"""`lienthong env`."""

import click

from service import settings


@click.command()
@click.option("--markdown", is_flag=True, help="Print docs/settings.md instead.")
def env(*, markdown: bool) -> None:
    """Print every setting with its meaning and default, in the form of an env file.

    \b
    Example:
      lienthong env > .env.example
    """  # noqa: D301  (click reads \b)
    click.echo(settings.reference() if markdown else settings.example(), nl=False)
