"""`lienthong webhook`: judge a provider's notification from a file, with no database."""

import json
import sys
from datetime import datetime
from pathlib import Path

import click

from ledger.rails.fold import printable
from ledger.rails.notification import UnreadableNotificationError
from ledger.rails.providers import ADAPTERS, adapter
from service.commands import context


@click.group()
def webhook() -> None:
    """Verify payment notifications. Works on files alone, with no database."""


@webhook.command()
@click.argument("body", type=click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True))
@click.option("--provider", type=click.Choice(sorted(ADAPTERS)), default="payos", show_default=True)
@click.option(
    "--secret-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="A file with the provider's checksum key; its last line end does not count.",
)
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header of the request.")
@click.option(
    "--at", help="Judge the replay window at this instant, e.g. 2026-11-18T09:00:00+07:00; default now."
)
@click.option("--json", "as_json", is_flag=True, help="Print the payment as JSON.")
def verify(
    body: Path, provider: str, secret_file: Path, headers: tuple[str, ...], at: str | None, as_json: bool
) -> None:
    """Say whether BODY (a file with the raw request body; - for standard input) is genuine, and what it tells.

    Ends with 1 when it is forged, stale or does not tell of a payment; a signature that is good is told of in any case.

    \b
    Examples:
      lienthong webhook verify body.json --secret-file key
      lienthong webhook verify body.json --provider casso --secret-file key --header 'X-Casso-Signature: t=…,v1=…'
    """  # noqa: D301  (click reads \b)
    raw = sys.stdin.buffer.read() if str(body) == "-" else body.read_bytes()
    secret = secret_file.read_bytes().rstrip(b"\r\n")
    if not secret:
        raise click.ClickException(f"{secret_file} is empty")
    named = {
        name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in headers)
    }
    judge = adapter(provider)
    judge.verify(raw, named, secret, context.clock().now() if at is None else _instant(at))
    try:
        told = judge.read(raw)
    except UnreadableNotificationError as wrong:  # ours to keep, though it moves no money
        if as_json:
            click.echo(
                json.dumps({"provider": provider, "genuine": True, "reason": str(wrong)}, ensure_ascii=False)
            )
        else:
            click.echo(f"genuine: signed by {provider}")
        raise
    found = {
        "provider": provider,
        "genuine": True,
        "identity": told.identity,
        "reference": told.reference,
        "accounts": list(told.accounts),
        "amount": told.amount.to_json(),
        "paid_at": told.paid_at.isoformat(),
        "description": told.description,
        "order_code": told.order_code,
        "running_balance": None if told.running_balance is None else told.running_balance.to_json(),
    }
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    click.echo(f"genuine: signed by {provider}")
    click.echo(
        f"{told.amount} to {', '.join(told.accounts)} at {told.paid_at.isoformat()}, {told.reference or '-'}"
    )
    click.echo(f"description: {printable(told.description) or '-'}")


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"“{text}” is not an instant", param_hint="--at") from None
    if at.tzinfo is None:
        raise click.BadParameter("an instant names its zone, e.g. +07:00", param_hint="--at")
    return at
