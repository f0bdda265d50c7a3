"""Where a command hands over what it collects: a file, or a webhook that it signs for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from service.couriers import Courier, FileCourier, WebhookCourier


def courier_options(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options `--file`, `--webhook` and `--key-file`; `what` it hands over, in the help."""
    options = (
        click.option(
            "--file",
            type=click.Path(dir_okay=False, path_type=Path),
            help=f"Append {what} here, a JSON line each.",
        ),
        click.option("--webhook", help="Post them to this address, signed."),
        click.option(
            "--key-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="The key that signs posts to the webhook.",
        ),
    )

    def wrap(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return wrap


def courier_of(file: Path | None, webhook: str | None, key_file: Path | None) -> Courier:
    """Return the courier that the options name.

    Raises:
        click.ClickException: none or both of them, or a webhook without an http(s) address or a key.
    """
    if (file is None) == (webhook is None):
        raise click.ClickException("name a --file or a --webhook")
    if file is not None:
        return FileCourier(file)
    if key_file is None or webhook is None or not webhook.startswith(("http://", "https://")):
        raise click.ClickException("a webhook is http(s) and needs a --key-file")
    return WebhookCourier(webhook, key_file.read_bytes().rstrip(b"\r\n"))
