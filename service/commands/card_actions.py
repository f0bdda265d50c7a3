"""`lienthong card actions|ask|withdraw`: what readers are asked to do to a card when it next taps."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import click

from access.rules.actionlist import ActionKind
from service.commands import context

if TYPE_CHECKING:
    from sqlalchemy import Connection

_BY_ITSELF = {ActionKind.LOAD_PURSE}  # money: `lienthong card load` asks what the account holds
SERIAL = click.argument("serial", type=click.IntRange(min=1))


@click.command("actions")
@SERIAL
def list_actions(serial: int) -> None:
    """List what readers were asked to do to a card, and what became of it.

    \b
    Example: lienthong card actions 4711
    """  # noqa: D301  (click reads \b)
    from access import actions, issue
    from kernel.ids import CardId

    with context.database() as database, database.read() as tx:
        rows = actions.list_of_card(tx, CardId(issue.get_card(tx, serial=serial).card_id))
    for row in rows:
        click.echo(
            f"{row.action_id}  {row.action}  {row.outcome or 'waiting'}  until {context.local(row.until_at)}"
            f"  by {row.actor}: {row.cause}"
        )
    click.echo(f"{len(rows)} actions")


@click.command("ask")
@SERIAL
@click.argument("kind", type=click.Choice([kind.value for kind in ActionKind if kind not in _BY_ITSELF]))
@click.option(
    "--until", type=click.DateTime(["%Y-%m-%d"]), required=True, help="It waits until this day begins."
)
@click.option("--detail", "details", multiple=True, metavar="NAME=VALUE", help="What the kind asks for.")
@click.option("--cause", required=True, help="In words, for the card's history.")
@click.option("--id", "action_id", type=click.UUID, help="To repeat a call; default a new one.")
def ask_action(
    serial: int, kind: str, until: datetime, details: tuple[str, ...], cause: str, action_id: UUID | None
) -> None:
    """Ask every reader for one action on a card; they hear of it with their next bundle.

    \b
    Example: lienthong card ask 4711 unblock --until 2026-12-31 --cause "debt paid at the desk"
    """  # noqa: D301  (click reads \b)
    from access import actions, issue
    from ledger.rules.book_day import ZONE

    detail = dict(each.partition("=")[::2] for each in details)
    now = context.clock().now()
    minted = context.minted(action_id)
    with context.database() as database, database.begin() as tx:
        card = issue.get_card(tx, serial=serial)
        new = actions.want(
            tx,
            card,
            ActionKind(kind),
            action_id=minted,
            detail=detail,
            until_at=until.replace(tzinfo=ZONE),
            cause=cause,
            actor=context.actor().actor_id,
            now=now,
        )
        if new:
            _audit(tx, "access.card.action", card.card_id, now, {"action": kind, "cause": cause})
    click.echo(f"{minted}: {'asked for' if new else 'asked for before'}")


@click.command("withdraw")
@SERIAL
@click.argument("action_id", type=click.UUID, metavar="ACTION")
def withdraw_action(serial: int, action_id: UUID) -> None:
    """Take an action back that no reader has carried out yet.

    \b
    Example: lienthong card withdraw 4711 019a3f0e-6a1c-7b5e-9d7e-2f7f4b1c0a11
    """  # noqa: D301  (click reads \b)
    from access import actions, issue
    from access.actions import ActionOutcome
    from kernel.ids import CardId

    now = context.clock().now()
    with context.database() as database, database.begin() as tx:
        card = issue.get_card(tx, serial=serial)
        by = context.actor().actor_id
        new = actions.finish(tx, CardId(card.card_id), action_id, ActionOutcome.WITHDRAWN, by=by, now=now)
        if new:
            _audit(tx, "access.card.action.withdrawn", card.card_id, now, {"action_id": str(action_id)})
    click.echo("withdrawn" if new else "it has ended before")


def _audit(tx: Connection, action: str, card_id: UUID, now: datetime, detail: dict[str, object]) -> None:
    from service import audit

    audit.record(
        tx,
        actor=context.actor(),
        action=action,
        subject_kind="card",
        subject_id=str(card_id),
        now=now,
        detail=detail,
    )
