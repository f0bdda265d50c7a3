"""`lienthong legacy`: take an outgoing scheme's cards on; `lienthong card dormant`."""

import json
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Final

import click

from access.issue import personalisation
from kernel.crypto.card_keys import UID_SIZE
from kernel.money import Money, currency
from service import legacy_file
from service.commands import context
from service.jobs import legacy as job
from service.legacy_file import LegacyFileError
from service.store.legacy import list_dormant

_SCHEME: Final = "[a-z0-9][a-z0-9-]{0,39}"


@click.group()
def legacy() -> None:
    """Take cards, balances and passes of an outgoing scheme on."""


@legacy.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--scheme", required=True, help="A short name of the outgoing scheme, e.g. old-card.")
@click.option("--dry-run", is_flag=True, help="Only judge the file: nothing is written.")
def import_file(file: Path, scheme: str, dry_run: bool) -> None:
    """Import FILE (docs/selling.md has its columns). Its control totals must agree, or nothing is written.

    \b
    Example:
      lienthong legacy import old-cards.csv --scheme old-card --dry-run
    """  # noqa: D301  (click reads \b)
    if re.fullmatch(_SCHEME, scheme) is None:
        raise click.BadParameter("small letters, digits and hyphens, as in old-card", param_hint="--scheme")
    try:
        read = legacy_file.read(file.read_bytes())
        for kind, total in read.totals.items():
            click.echo(f"{kind}: {total.count} rows, {total.amount}, as the control row says")
        with context.database() as database:
            now = context.clock().now()
            with database.begin() as tx:
                tariff = context.shelf().books(tx).current()
            job.check_products(read, tariff)
            if dry_run:
                click.echo("nothing was written (dry run)")
                return
            cards = passes = 0
            for portion in job.run(
                database,
                read,
                scheme=scheme,
                tariff=tariff,
                keyring=context.keyring(),
                by=context.actor(),
                now=now,
            ):
                cards, passes = cards + portion.new_cards, passes + portion.new_passes
                click.echo(f"{portion.done} of {portion.of} cards")
    except LegacyFileError as error:
        errors = error.fields["errors"]
        assert isinstance(errors, list), "one row a fault"
        for one in errors:
            click.echo(f"{file}:{one['line']}: {one['why']}", err=True)
        raise
    click.echo(f"{cards} cards and {passes} passes are new")
    if before := len(read.cards) - cards:
        click.echo(f"{before} cards were taken on before and stay as they are")


@legacy.command()
@click.argument("number")
@click.option("--scheme", required=True, help="The outgoing scheme.")
@click.option("--uid", required=True, help="The new card's UID, 14 hexadecimal digits.")
@click.option("--expiry", required=True, type=click.DateTime(["%Y-%m-%d"]), help="Its last day.")
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Its personalisation data; never overwritten.",
)
def claim(number: str, scheme: str, uid: str, expiry: click.DateTime, out: Path) -> None:
    """Give the holder of old card NUMBER a new card on the same account, with its balance and passes.

    \b
    Example:
      lienthong legacy claim 0012345 --scheme old-card --uid 04112233445566 --expiry 2030-12-31 --out card.json
    """  # noqa: D301  (click reads \b)
    from service.commands.card import checked
    from service.commands.card_life import private_file

    if len(uid) != 2 * UID_SIZE:
        raise click.ClickException(f"a UID has {2 * UID_SIZE} hexadecimal digits")
    row = {"uid": uid, "concession": "NORMAL", "expiry": str(expiry)[:10]}
    asked, ring = checked(row, "", "--uid"), context.keyring()
    with private_file(out) as target, context.database() as database, database.begin() as tx:
        made = job.claim(
            tx,
            scheme=scheme,
            number=number,
            new=asked,
            keyring=ring,
            by=context.actor(),
            now=context.clock().now(),
        )
        shown = {
            **personalisation(ring, made),
            "card_id": str(made.card_id),
            "fare_account_id": str(made.fare_account_id),
        }
        json.dump([shown], target, indent=1)
        target.flush()
        os.fsync(target.fileno())
    click.echo(f"card {made.serial} on account {made.fare_account_id}; personalisation data in {out}")


@click.command()
@click.option(
    "--months", default=12, show_default=True, type=click.IntRange(1, 240), help="Unused for so long."
)
@click.option("--limit", default=1_000, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def dormant(months: int, limit: int, as_json: bool) -> None:
    """List accounts with money that nobody has used. They are listed, never taken.

    \b
    Example:
      lienthong card dormant --months 24
    """  # noqa: D301  (click reads \b)
    since = (context.clock().now() - timedelta(days=months * 30)).date()
    with context.database() as database, database.read() as tx:
        found = list_dormant(tx, since, limit=limit)
    if as_json:
        rows = [
            {
                "fare_account_id": str(one.fare_account_id),
                "balance": {"minor": one.minor, "currency": one.currency},
                "last_used_on": one.last_used_on.isoformat() if one.last_used_on else None,
                "legacy": one.legacy,
            }
            for one in found
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    for one in found:
        used = one.last_used_on.isoformat() if one.last_used_on else "never"
        amount = Money(one.minor, currency(one.currency))
        click.echo(f"{one.fare_account_id}  {amount}  last used {used}{'  (taken on)' if one.legacy else ''}")
    click.echo(f"{len(found)} accounts not used since {since}")
