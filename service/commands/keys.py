"""`lienthong keys`."""

import os
import secrets
from pathlib import Path

import click

from access.keyring import Keyring, create_kek, load_kek
from service.commands import context


@click.group()
def keys() -> None:
    """Make the keyring and the keys that protect it."""


@keys.command()
@click.option(
    "--session-key", type=click.Path(path_type=Path), help="Also write a key for staff cookies to this file."
)
def init(session_key: Path | None) -> None:
    """Make a key-encryption key and a keyring sealed under it, at the two files the settings name.

    Nothing is ever overwritten: the master keys of issued cards exist nowhere else. Keep a copy of both files,
    apart from each other.

    \b
    Example:
      LIENTHONG_KEK_FILE=/etc/lienthong/kek LIENTHONG_KEYRING_FILE=/var/lib/lienthong/keyring.json \\
        lienthong keys init --session-key /etc/lienthong/session_key
    """  # noqa: D301  (click reads \b)
    chosen = context.settings()
    kek = load_kek(chosen.kek_file) if chosen.kek_file.exists() else create_kek(chosen.kek_file)
    ring = Keyring.create(chosen.keyring_file, kek)
    click.echo(f"key-encryption key: {chosen.kek_file}")
    click.echo(
        f"keyring: {chosen.keyring_file}, card key generations {', '.join(map(str, ring.generations))}"
    )
    if session_key is not None:
        descriptor = os.open(session_key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
        click.echo(f"session key: {session_key} (LIENTHONG_SESSION_KEY_FILE)")
