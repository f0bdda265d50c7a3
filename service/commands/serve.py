"""`lienthong serve`."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import click

from service import launcher, migrate
from service.commands import context


@click.command()
@click.option(
    "--private",
    type=click.Path(path_type=Path, file_okay=False),
    help="Start a PostgreSQL and a Redis of its own, with their files in this folder, and migrate them.",
)
@click.option("--bind", help="HOST:PORT; overrides LIENTHONG_BIND.")
def serve(private: Path | None, bind: str | None) -> None:
    """Run the service under gunicorn until it is told to stop (TERM); HUP reloads it without losing a request.

    In production a supervisor runs this, or `gunicorn -c service/gunicorn_conf.py wsgi:app`, with the settings in
    its environment. With --private it needs nothing installed: a first look, or a demo's data.

    \b
    Example:
      lienthong serve --private .lienthong/demo --bind 127.0.0.1:8080
    """  # noqa: D301  (click reads \b)
    environment = dict(os.environ)
    if bind:
        environment["LIENTHONG_BIND"] = bind
    if not context.settings().session_key:
        # One key for all workers; sign-ins end when the service does.
        environment["LIENTHONG_SESSION_KEY"] = secrets.token_urlsafe(48)
    if private is None:
        if not context.settings().database_url:
            raise click.ClickException(
                "LIENTHONG_DATABASE_URL is not set; --private DIR starts a server of its own."
            )
        os.execve(sys.executable, _gunicorn(), environment)  # noqa: S606  (the supervisor's signals reach gunicorn)
    with launcher.servers(private, durable=True) as running:
        click.echo(running.line, err=True)
        migrate.migrate(running.owner_url)
        environment |= running.environment()
        child = subprocess.Popen(_gunicorn(), env=environment)
        click.echo(f"open http://{environment.get('LIENTHONG_BIND', context.settings().bind)}/", err=True)
        try:
            raise SystemExit(child.wait())
        except KeyboardInterrupt:
            child.wait(60)


def _gunicorn() -> list[str]:
    conf = Path(__file__).parents[1] / "gunicorn_conf.py"
    return [sys.executable, "-m", "gunicorn", "--config", str(conf), "service.app:create_app()"]
