"""`lienthong receipt`: check a signed receipt, with no database and no network."""

import json
import sys
from typing import Any

import click

from kernel.crypto.ed25519 import VerifyKey
from kernel.errors import DomainError
from service import receipts


@click.group()
def receipt() -> None:
    """Check receipts (docs/parking.md)."""


@receipt.command()
@click.argument("document", type=click.File("r", encoding="utf-8"))
@click.option(
    "--key", "keys", multiple=True, required=True, metavar="HEX", help="A public key of /v1/receipts/keys."
)
def verify(document: Any, keys: tuple[str, ...]) -> None:
    """Say whether a receipt is as it was signed.

    \b
    Example:
      lienthong receipt verify receipt.json --key 4d0f…
    """  # noqa: D301 click reads \b
    try:
        known = [VerifyKey(bytes.fromhex(each)) for each in keys]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--key") from None
    try:
        holds = receipts.verify(json.load(document), known)
    except (DomainError, json.JSONDecodeError) as error:
        raise click.ClickException(str(error)) from None
    click.echo("holds: signed as it stands" if holds else "does not hold: altered, or signed by another key")
    sys.exit(0 if holds else 1)
