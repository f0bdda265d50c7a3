"""`lienthong env`."""

import click

from service import settings


@click.command()
def env() -> None:
    """Print every setting with its meaning and default, in the form of an env file.

    \b
    Example:
      lienthong env > .env.example
    """  # noqa: D301  (click reads \b)
    click.echo(settings.example(), nl=False)
