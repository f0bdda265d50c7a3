"""`lienthong card`: issue and personalise, block and unblock, look one up."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import click

from access.issue import NewCard
from access.rules.medium import MediumEvent
from kernel.crypto.card_keys import UID_SIZE
from kernel.wire.cardinfo import Concession
from service.commands import card_actions, card_life, card_purse, legacy, passes

CONCESSIONS = [each.name for each in Concession]
COLUMNS = ["uid", "concession", "expiry"]
YEARS = (2020, 2199)  # what CardInfo's sixteen bits of days hold
_AT_ONCE = 1_000
_BLOCKS = {"blocked": MediumEvent.BLOCKED, "lost": MediumEvent.REPORTED_LOST}
_UNBLOCKS = {"blocked": MediumEvent.UNBLOCKED, "lost": MediumEvent.FOUND}


@click.group()
def card() -> None:
    """Issue, block and look up cards."""


@card.command()
@click.option("--uid", help="One card: its UID, 14 hexadecimal digits.")
@click.option(
    "--concession", type=click.Choice(CONCESSIONS, case_sensitive=False), default="NORMAL", show_default=True
)
@click.option("--expiry", type=click.DateTime(["%Y-%m-%d"]), help="The last day the one card is good for.")
@click.option(
    "--bulk",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"Many cards: CSV with the columns {', '.join(COLUMNS)}.",
)
@click.option("--operator", default="", help="Who hands the cards out.")
@click.option(
    "--stored-value", is_flag=True, help="The cards have a purse that pays by itself (docs/readers.md)."
)
@click.option("--inactive", is_flag=True, help="Readers refuse the cards until each is activated.")
@click.option(
    "--count", "expected", type=click.IntRange(min=1), help="Control total: how many cards there must be."
)
@click.option("--checksum", help="Control total: the sum of all UIDs, as --dry-run prints it.")
@click.option("--dry-run", is_flag=True, help="Check everything and print the control totals; issue nothing.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the personalisation data goes: the cards' own keys, readable by you only. Never overwritten.",
)
def issue(
    uid: str | None,
    concession: str,
    expiry: click.DateTime | None,
    bulk: Path | None,
    operator: str,
    stored_value: bool,
    inactive: bool,
    expected: int | None,
    checksum: str | None,
    dry_run: bool,
    out: Path | None,
) -> None:
    """Issue cards, open their accounts, and write what the personalisation station puts on them.

    All or none. The file is also what software cards are made of (python -m readers.softcard --cards).

    \b
    Examples:
      lienthong card issue --uid 04112233445566 --expiry 2030-12-31 --out cards.json
      lienthong card issue --bulk personalise.csv --dry-run
      lienthong card issue --bulk personalise.csv --count 1000 --checksum 0f3a… --out cards.json
    """  # noqa: D301  (click reads \b)
    from access.issue import issue_cards, personalisation
    from ledger.accounts import open_accounts
    from ledger.rules import chart
    from service import audit
    from service.commands import context

    if (uid is None) == (bulk is None):
        raise click.UsageError("give either --uid with --expiry, or --bulk")
    asked = list(_rows(bulk, operator)) if bulk else [_one(uid or "", concession, expiry, operator)]
    _check_totals(asked, expected, checksum)
    if dry_run:
        click.echo(f"{len(asked)} cards, checksum {_checksum(asked)}; nothing was issued")
        return
    if out is None:
        raise click.UsageError("--out says where the personalisation data goes")
    asked = [replace(each, active=not inactive, stored_value=stored_value) for each in asked]
    ring, now, actor = context.keyring(), context.clock().now(), context.actor()
    with card_life.private_file(out) as file, context.database() as database, database.begin() as tx:
        portions = range(0, len(asked), _AT_ONCE)
        issued = [
            each
            for first in _shown(portions)
            for each in issue_cards(tx, keyring=ring, asked=asked[first : first + _AT_ONCE], now=now)
        ]
        for first in range(0, len(issued), _AT_ONCE):
            specs = [
                spec
                for each in issued[first : first + _AT_ONCE]
                for spec in (
                    chart.rider_stored_value(each.fare_account_id),
                    chart.rider_receivable(each.fare_account_id),
                )
            ]
            open_accounts(tx, specs, now)
        audit.record(
            tx,
            actor=actor,
            action="access.issue_cards",
            subject_kind="cards",
            subject_id=f"{issued[0].serial}-{issued[-1].serial}",
            now=now,
            detail={"count": len(issued), "operator": operator},
        )
        json.dump(
            [
                {
                    **personalisation(ring, each),
                    "card_id": str(each.card_id),
                    "fare_account_id": str(each.fare_account_id),
                }
                for each in issued
            ],
            file,
            indent=1,
        )
        # On disk before the commit: a card that exists in the books and nowhere else cannot be made.
        file.flush()
        os.fsync(file.fileno())
    click.echo(f"{len(issued)} cards issued, key generation {ring.issuing}; personalisation data in {out}")


@card.command()
@click.argument("serial", type=click.IntRange(min=1))
@click.option("--reason", type=click.Choice(sorted(_BLOCKS)), required=True, help="What happened to it.")
@click.option("--cause", default="", help="In words, for the card's history.")
def block(serial: int, reason: str, cause: str) -> None:
    """Block a card; every reader refuses it after its next bundle.

    \b
    Example: lienthong card block 4711 --reason lost --cause 'reported by telephone'
    """  # noqa: D301  (click reads \b)
    card_life.step(serial, _BLOCKS[reason], cause)


@card.command()
@click.argument("serial", type=click.IntRange(min=1))
@click.option("--reason", type=click.Choice(sorted(_UNBLOCKS)), required=True, help="What is over.")
@click.option("--cause", default="", help="In words, for the card's history.")
def unblock(serial: int, reason: str, cause: str) -> None:
    """Lift a block; debts and findings of forgery stand until they are lifted themselves.

    \b
    Example: lienthong card unblock 4711 --reason lost --cause 'found on the bus'
    """  # noqa: D301  (click reads \b)
    card_life.step(serial, _UNBLOCKS[reason], cause)


@card.command()
@click.argument("serial", type=click.IntRange(min=1))
def show(serial: int) -> None:
    """Show a card's state, its account, why readers refuse it, if they do, and what happened to it.

    That you looked stands in its holder's access log.

    \b
    Example: lienthong card show 4711
    """  # noqa: D301  (click reads \b)
    from access import block as blocking
    from access import deny, issue
    from kernel.ids import CardId, FareAccountId
    from service.commands import context

    with context.database() as database, database.begin() as tx:
        found = issue.get_card(tx, serial=serial)
        why = deny.reasons(tx, serial)
        since = {row.reason: row for row in deny.list_history(tx, serial) if row.denied}
        history = blocking.list_history(tx, CardId(found.card_id))
        context.looked(tx, FareAccountId(found.fare_account_id), "card")
    click.echo(f"card {found.card_id}, serial {found.serial}, {found.state.value}, {found.concession.name}")
    click.echo(f"fare account {found.fare_account_id}, good until {found.expires_on}")
    for reason in why:
        row = since[reason]
        by = row.actor or "the program"
        click.echo(f"denied: {reason} since {context.local(row.at)} by {by}: {row.cause}")
    if not why:
        click.echo("not denied")
    for step in history:
        click.echo(f"{context.local(step.at)}  {step.event} by {step.actor}: {step.reason}")


def _checksum(asked: list[NewCard]) -> str:
    """Return the sum of all UIDs, in 16 hexadecimal digits: a row lost, doubled or mistyped changes it."""
    return f"{sum(int.from_bytes(each.uid, 'big') for each in asked) % 2**64:016x}"


def _check_totals(asked: list[NewCard], expected: int | None, checksum: str | None) -> None:
    if not asked:
        raise click.ClickException("the file asks for no card")
    uids = [each.uid for each in asked]
    if len(set(uids)) != len(uids):
        twice = next(uid for number, uid in enumerate(uids) if uid in uids[:number])
        raise click.ClickException(f"UID {twice.hex()} stands in the file twice")
    if expected is not None and expected != len(asked):
        raise click.ClickException(f"the control total says {expected} cards, the file has {len(asked)}")
    if checksum is not None and checksum.lower() != _checksum(asked):
        raise click.ClickException(
            f"the control total says checksum {checksum}, the file has {_checksum(asked)}"
        )


def _shown(portions: range) -> Iterator[int]:
    """Yield the portions, with progress where there are several."""
    for number, first in enumerate(portions, 1):
        yield first
        if len(portions) > 1:
            click.echo(f"portion {number} of {len(portions)}", err=True)


def _one(uid: str, concession: str, expiry: object, operator: str) -> NewCard:
    if expiry is None:
        raise click.UsageError("--uid needs --expiry")
    return checked({"uid": uid, "concession": concession, "expiry": str(expiry)[:10]}, operator, "--uid")


def _rows(path: Path, operator: str) -> Iterator[NewCard]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            if next(reader, None) != COLUMNS:
                raise click.ClickException(f"{path}: the first line must be {','.join(COLUMNS)}")
            for cells in reader:
                if not cells:
                    continue
                where = f"{path}, line {reader.line_num}"
                if len(cells) != len(COLUMNS):
                    raise click.ClickException(f"{where}: it has {len(cells)} cells, not {len(COLUMNS)}")
                yield checked(dict(zip(COLUMNS, cells, strict=True)), operator, where)
    except (UnicodeDecodeError, csv.Error) as error:
        raise click.ClickException(f"{path}: {error}") from None


def checked(row: dict[str, str], operator: str, where: str) -> NewCard:
    """Return the card that a row asks for; a click error names the place of what is wrong."""
    try:
        uid, expires_on = bytes.fromhex(row["uid"]), date.fromisoformat(row["expiry"])
        concession = Concession[row["concession"].upper()]
    except KeyError:
        raise click.ClickException(f"{where}: concession must be one of {', '.join(CONCESSIONS)}") from None
    except ValueError as error:
        raise click.ClickException(f"{where}: {error}") from None
    if len(uid) != UID_SIZE:
        raise click.ClickException(f"{where}: a UID has {2 * UID_SIZE} hexadecimal digits")
    if not YEARS[0] <= expires_on.year < YEARS[1]:
        raise click.ClickException(f"{where}: a card is good until a day from {YEARS[0]} to {YEARS[1] - 1}")
    return NewCard(uid=uid, concession=concession, expires_on=expires_on, operator_id=operator)


for _command in (
    card_life.activate,
    card_life.replace,
    card_life.return_,
    card_life.expire,
    card_life.link,
    card_purse.show,
    card_purse.load,
    legacy.dormant,
    passes.rider_code,
    card_actions.list_actions,
    card_actions.ask_action,
    card_actions.withdraw_action,
):
    card.add_command(_command)
