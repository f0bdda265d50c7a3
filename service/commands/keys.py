"""`lienthong keys`."""

import os
import secrets
from pathlib import Path

import click

from access.keyring import Keyring, create_kek, load_kek
from access.rules.device import DeviceState
from service.commands import context
from service.keystore import token_of


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
    apart from each other. With LIENTHONG_PKCS11_MODULE the card masters, but for those that readers are sent, are
    drawn in that token and never leave it: back the token up by its maker's means.

    \b
    Example:
      LIENTHONG_KEK_FILE=/etc/lienthong/kek LIENTHONG_KEYRING_FILE=/var/lib/lienthong/keyring.json \\
        lienthong keys init --session-key /etc/lienthong/session_key
    """  # noqa: D301  (click reads \b)
    chosen = context.settings()
    kek = load_kek(chosen.kek_file) if chosen.kek_file.exists() else create_kek(chosen.kek_file)
    ring = Keyring.create(chosen.keyring_file, kek, token=token_of(chosen))
    click.echo(f"key-encryption key: {chosen.kek_file}")
    click.echo(
        f"keyring: {chosen.keyring_file}, card key generations {', '.join(map(str, ring.generations))}"
    )
    if session_key is not None:
        descriptor = os.open(session_key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
        click.echo(f"session key: {session_key} (LIENTHONG_SESSION_KEY_FILE)")


@keys.command()
def rotate() -> None:
    """Prepare the next generation of card keys: readers get it with their next bundle, new cards do not yet.

    Reload the service afterwards (SIGHUP), wait until the readers hold it, then `lienthong keys issue-from`.

    \b
    Example: lienthong keys rotate
    """  # noqa: D301  (click reads \b)
    chosen = context.settings()
    ring = Keyring.rotate(chosen.keyring_file, load_kek(chosen.kek_file), token_of(chosen))
    _record("access.keys.rotated", {"generation": ring.generations[-1]})
    click.echo(f"generation {ring.generations[-1]} is prepared; new cards still get {ring.issuing}")


@keys.command("move-to-token")
@click.confirmation_option(
    prompt="The keyring's file will hold these masters no more, and the token never gives them back. Go on?"
)
def move_to_token() -> None:
    """Put the card masters into the PKCS#11 token that the settings name, and take them out of the keyring's file.

    Those that readers are sent (AUTH, DEBIT) stay in the file. Copies of the old file still hold all: destroy them.
    Back the token up first by its maker's means. Repeat it where it broke off.

    \b
    Example:
      LIENTHONG_PKCS11_MODULE=/usr/lib/softhsm/libsofthsm2.so LIENTHONG_PKCS11_PIN_FILE=/etc/lienthong/pin \\
        lienthong keys move-to-token
    """  # noqa: D301  (click reads \b)
    chosen = context.settings()
    token = token_of(chosen)
    if token is None:
        raise click.UsageError("no token is named: LIENTHONG_PKCS11_MODULE")
    ring = Keyring.move_to_token(chosen.keyring_file, load_kek(chosen.kek_file), token)
    _record("access.keys.moved_to_token", {"token": token.label, "generations": list(ring.generations)})
    click.echo(f"the masters of generations {', '.join(map(str, ring.generations))} are in {token.label!r}")


@keys.command("rotate-seal")
def rotate_seal() -> None:
    """Make a new key for sealing book days. The next close signs with it, introduced by the key before.

    Publish the new key with the seals (`lienthong ledger seals`); who trusts the old one need not be told.

    \b
    Example: lienthong keys rotate-seal
    """  # noqa: D301  (click reads \b)
    chosen = context.settings()
    ring = Keyring.rotate_seal(chosen.keyring_file, load_kek(chosen.kek_file), token_of(chosen))
    newest = ring.seal_keys[-1].public
    _record("ledger.seal_key.rotated", {"key_id": newest.key_id.hex()})
    click.echo(f"the next close is sealed with {newest.raw.hex()}")


@keys.command("issue-from")
@click.argument("generation", type=click.IntRange(0, 255))
@click.option(
    "--force", is_flag=True, help="Even though a reader may not hold these keys, and would refuse the cards."
)
def issue_from(generation: int, force: bool) -> None:
    """Have new cards get a generation of keys. Refused while an active reader's bundle is older than the keys.

    \b
    Example: lienthong keys issue-from 2
    """  # noqa: D301  (click reads \b)
    from access import health

    chosen = context.settings()
    with context.database() as database, database.read() as tx:
        behind = [
            each.device.name
            for each in health.list_health(tx, now=context.clock().now())
            if each.device.state is DeviceState.ACTIVE
            and (each.said is None or generation not in each.said.generations)
        ]
    if behind and not force:
        raise click.ClickException(
            f"{len(behind)} readers do not hold generation {generation} yet, e.g. {', '.join(behind[:5])}"
        )
    ring = Keyring.issue_from(chosen.keyring_file, load_kek(chosen.kek_file), generation, token_of(chosen))
    _record("access.keys.issue_from", {"generation": generation, "behind": len(behind)})
    click.echo(f"new cards get generation {ring.issuing}")


def _record(action: str, detail: dict[str, object]) -> None:
    from service import audit

    with context.database() as database, database.begin() as tx:
        audit.record(
            tx,
            actor=context.actor(),
            action=action,
            subject_kind="keyring",
            subject_id="keyring",
            now=context.clock().now(),
            detail=detail,
        )
