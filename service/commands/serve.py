"""`lienthong serve`."""

import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import click

from access.keyring import Keyring, create_kek, load_kek
from service import launcher, migrate, staff
from service.commands import context
from service.database import Database
from service.server_binaries import LauncherError


@click.command()
@click.option(
    "--private",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep everything in this folder: a PostgreSQL and a Redis of its own, migrated, and the keys.",
)
@click.option("--bind", help="HOST:PORT; overrides LIENTHONG_BIND.")
def serve(private: Path | None, bind: str | None) -> None:
    """Run the service under gunicorn until it is told to stop (TERM); HUP reloads it without losing a request.

    In production a supervisor runs this, or `gunicorn -c service/gunicorn_conf.py wsgi:app`, with the settings in
    its environment. With --private it needs nothing installed: a first look, or the day that the demo left.

    \b
    Example:
      lienthong serve --private .lienthong/demo --bind 127.0.0.1:8080
    """  # noqa: D301  (click reads \b)
    environment = dict(os.environ)
    if bind:
        environment["LIENTHONG_BIND"] = bind
    if private is not None:
        address = environment.get("LIENTHONG_BIND", context.settings().bind)
        if _taken(address):
            raise click.ClickException(
                f"{address} is in use already: end what runs there, or name another by --bind."
            )
        try:
            raise SystemExit(_serve_privately(private.resolve(), environment))
        except LauncherError as error:
            raise click.ClickException(str(error)) from None
    if not context.settings().database_url:
        raise click.ClickException(
            "LIENTHONG_DATABASE_URL is not set; --private DIR starts a server of its own."
        )
    if not context.settings().session_key:
        # One key for all workers; sign-ins end when the service does.
        environment["LIENTHONG_SESSION_KEY"] = secrets.token_urlsafe(48)
    os.execve(sys.executable, _gunicorn(), environment)  # noqa: S606  (the supervisor's signals reach gunicorn)


def _serve_privately(home: Path, environment: dict[str, str]) -> int:
    environment |= private_keys(home)
    with launcher.servers(home / "servers", durable=True, environ={}) as running:
        click.echo(running.line, err=True)
        migrate.migrate(running.owner_url)
        environment |= running.environment()
        # A service that outlives us would run without its database.
        child = subprocess.Popen(["setpriv", "--pdeathsig=TERM", *_gunicorn()], env=environment)
        for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(one, lambda number, _frame: child.send_signal(number))
        address = environment.get("LIENTHONG_BIND", context.settings().bind)
        click.echo(f"open http://{address}/  (Ctrl-C ends it)", err=True)
        beside = home / "env"
        beside.touch(mode=0o600)
        beside.write_text(
            "".join(
                f"{name}={shlex.quote(environment[name])}\n"
                for name in (*running.environment(), *private_keys(home))
            )
        )
        click.echo(f"for the command line beside it: set -a; . {shlex.quote(str(beside))}; set +a", err=True)
        sign_ins = home / "sign-ins.txt"
        if sign_ins.exists():  # a demo's, which are meant to be known
            click.echo(f"sign-ins of the demo:\n{sign_ins.read_text('utf-8').rstrip()}", err=True)
        if not _has_staff(running.database_url):
            click.echo(
                "nobody can sign in yet; in another terminal:\n"
                f"  LIENTHONG_DATABASE_URL={running.database_url} \\\n"
                "    lienthong user add you@example.org --name You --role auditor",
                err=True,
            )
        return child.wait()


def _taken(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host or "127.0.0.1", int(port))) == 0


def private_keys(home: Path) -> dict[str, str]:
    """Return the settings that name the keys of a private folder, having made those that are missing.

    A payment provider's key is its own to give: it is named where there is one, as the demo's bank left it.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    kek, ring, session = home / "kek", home / "keyring.json", home / "session_key"
    if not ring.exists():
        Keyring.create(ring, load_kek(kek) if kek.exists() else create_kek(kek))
    if not session.exists():
        with os.fdopen(os.open(session, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
    named = {
        "LIENTHONG_KEK_FILE": str(kek),
        "LIENTHONG_KEYRING_FILE": str(ring),
        "LIENTHONG_SESSION_KEY_FILE": str(session),
    }
    provider = home / "provider_key"
    return named | ({"LIENTHONG_PROVIDER_CHECKSUM_KEY_FILE": str(provider)} if provider.exists() else {})


def _has_staff(database_url: str) -> bool:
    database = Database(database_url)
    try:
        with database.read() as tx:
            return bool(staff.list_staff(tx))
    finally:
        database.dispose()


def _gunicorn() -> list[str]:
    conf = Path(__file__).parents[1] / "gunicorn_conf.py"
    return [sys.executable, "-m", "gunicorn", "--config", str(conf), "service.app:create_app()"]
