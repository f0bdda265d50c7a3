"""`lienthong dispute`: raise one for a rider, see what is overdue, look at the evidence, answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import UUID

import click

from service.commands import context

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from ledger.dispute import Dispute

ACCOUNT = click.argument("account", type=click.UUID)
DISPUTE = click.argument("dispute_id", type=click.UUID, metavar="DISPUTE")


@click.group()
def dispute() -> None:
    """Raise disputes for riders, see what is overdue, look at the evidence, answer."""


@dispute.command("list")
@click.option("--overdue", is_flag=True, help="Only those that should have been answered by now.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def list_disputes(overdue: bool, as_json: bool) -> None:
    """List unanswered disputes, the most urgent first: to be answered by, account, dispute, state, amount.

    \b
    Example:
      lienthong dispute list --overdue
    """  # noqa: D301  (click reads \b)
    from ledger import dispute as verbs

    now = context.clock().now()
    with context.database() as database, database.read() as tx:
        rows = verbs.list_open(tx, due_by=now if overdue else None)
    if as_json:
        found = [
            {
                "dispute_id": str(row.dispute_id),
                "fare_account_id": str(row.owner_id),
                "disputed": {"minor": row.disputed_minor, "currency": row.currency},
                "state": row.state,
                "answer_by": row.answer_by.isoformat(),
                "overdue": now > row.answer_by,
            }
            for row in rows
        ]
        click.echo(json.dumps(found, indent=2))
        return
    for row in rows:
        late = "  OVERDUE" if now > row.answer_by else ""
        click.echo(
            f"{context.local(row.answer_by)}  {row.owner_id}  {row.dispute_id}  {row.state}"
            f"  {row.disputed_minor:,} {row.currency}{late}"
        )
    click.echo(f"{len(rows)} unanswered")


@dispute.command("raise")
@click.argument("serial", type=click.IntRange(min=1))
@click.option("--tap", type=click.UUID, help="The charge, by the tap.")
@click.option("--session", type=click.UUID, help="The charge, by the parking session.")
@click.option("--entry", type=click.UUID, help="The charge, by the ledger entry.")
@click.option("--reason", required=True, help="In the rider's words.")
@click.option("--id", "dispute_id", type=click.UUID, help="To repeat a call; default a new one.")
def raise_one(
    serial: int,
    tap: UUID | None,
    session: UUID | None,
    entry: UUID | None,
    reason: str,
    dispute_id: UUID | None,
) -> None:
    """Raise a dispute for the holder of a card, about one charge.

    \b
    Example:
      lienthong dispute raise 17 --tap 019a3f0e-6a1c-7b5e-9d7e-2f7f4b1c0a11 --reason "Tôi không đi chuyến này"
    """  # noqa: D301  (click reads \b)
    from access import issue
    from ledger import dispute as verbs

    if [tap, session, entry].count(None) != 2:
        raise click.UsageError("name one of --tap, --session and --entry")
    now, minted = context.clock().now(), context.minted(dispute_id)
    with context.database() as database, database.begin() as tx:
        account = context.account_of(tx, serial, now)
        issue.lock_accounts(tx, (account,))
        made = verbs.raise_dispute(
            tx,
            account,
            dispute_id=minted,
            entry_id=entry,
            cause=f"tap:{tap}" if tap else f"stay:{session}" if session else "",
            reason=reason,
            by=_by(),
            now=now,
        )
        if not made.again:
            _audit(tx, "dispute.raised", made, now)
    click.echo(
        f"dispute {made.row.dispute_id} on account {account}: answer by {context.local(made.row.answer_by)}"
    )


@dispute.command()
@ACCOUNT
@DISPUTE
def show(account: UUID, dispute_id: UUID) -> None:
    """Show a dispute: the charge, all that changed it since, what is left, and the steps so far.

    That you looked stands in the rider's access log.

    \b
    Example:
      lienthong dispute show ACCOUNT DISPUTE
    """  # noqa: D301  (click reads \b)
    from kernel.ids import FareAccountId
    from ledger import dispute as verbs

    now, owner = context.clock().now(), FareAccountId(account)
    with context.database() as database, database.begin() as tx:
        found = verbs.get_dispute(tx, owner, dispute_id)
        purpose = f"dispute {dispute_id}"
        context.looked(tx, owner, "charge", purpose)
    late = "  OVERDUE" if found.overdue(now) else ""
    click.echo(
        f"{found.state.value}, answer by {context.local(found.row.answer_by)}{late}: {found.row.reason}"
    )
    for what, rows in (("charge", found.charge.lines), ("since", found.charge.corrections)):
        for row in rows:
            click.echo(
                f"  {what:8} {context.local(row.posted_at)}  {row.kind:20} {row.amount:>12,} {row.currency}"
                f"  {row.narrative}"
            )
    click.echo(f"  left     {found.charge.left} of {found.charge.charged} ({found.charge.cause})")
    for step in found.steps:
        given = "" if step.refunded_minor is None else f"  {step.refunded_minor:,} {found.row.currency}"
        click.echo(f"  step     {context.local(step.at)}  {step.event} by {step.actor}{given}  {step.note}")


@dispute.command()
@ACCOUNT
@DISPUTE
def take(account: UUID, dispute_id: UUID) -> None:
    """Say that a person has begun to look.

    \b
    Example:
      lienthong dispute take ACCOUNT DISPUTE
    """  # noqa: D301  (click reads \b)
    _step("take", account, dispute_id)


@dispute.command()
@ACCOUNT
@DISPUTE
def withdraw(account: UUID, dispute_id: UUID) -> None:
    """Take an unanswered dispute back, as its rider asked.

    \b
    Example:
      lienthong dispute withdraw ACCOUNT DISPUTE
    """  # noqa: D301  (click reads \b)
    _step("withdraw", account, dispute_id)


@dispute.command()
@ACCOUNT
@DISPUTE
@click.option("--refund", type=click.IntRange(min=1), help="So much is given back, in minor units.")
@click.option("--stands", is_flag=True, help="The charge stands: nothing is given back.")
@click.option("--note", required=True, help="For the rider.")
@click.option("--yes", is_flag=True, help="Do not ask before money moves.")
def answer(account: UUID, dispute_id: UUID, refund: int | None, stands: bool, note: str, yes: bool) -> None:
    """Answer a dispute; somebody else than who raised it. A refund is an entry linked to the charge.

    \b
    Examples:
      lienthong dispute answer ACCOUNT DISPUTE --refund 8595 --note "Đã kiểm tra, hoàn tiền"
      lienthong dispute answer ACCOUNT DISPUTE --stands --note "Thẻ đã quẹt tại ga Cát Linh"
    """  # noqa: D301  (click reads \b)
    from access import issue
    from kernel.ids import FareAccountId
    from kernel.money import Money
    from ledger import dispute as verbs
    from ledger.post import book_day
    from service import purses

    if (refund is None) != stands:
        raise click.UsageError("give either --refund or --stands")
    now, owner = context.clock().now(), FareAccountId(account)
    with context.database() as database:
        with database.read() as tx:
            left = verbs.get_dispute(tx, owner, dispute_id).charge.left
        back = None if refund is None else Money(refund, left.currency)
        if back is not None and not yes:
            click.confirm(f"Give back {back} of {left}?", abort=True)
        with database.begin() as tx:
            book_day(tx, now.date(), now)
            issue.lock_accounts(tx, (owner,))
            done = verbs.answer(tx, owner, dispute_id, refund=back, note=note, by=_by(), now=now)
            if not done.again:
                purses.changed(tx, (owner,), cause=f"dispute:{dispute_id}", now=now)
                _audit(tx, "dispute.answered", done, now)
    click.echo(f"{done.state.value}; left of the charge: {done.charge.left}")


def _step(verb: str, account: UUID, dispute_id: UUID) -> None:
    from kernel.ids import FareAccountId
    from ledger import dispute as verbs

    now = context.clock().now()
    with context.database() as database, database.begin() as tx:
        step = verbs.take if verb == "take" else verbs.withdraw
        done = step(tx, FareAccountId(account), dispute_id, by=_by(), now=now)
        _audit(tx, "dispute.taken" if verb == "take" else "dispute.withdrawn", done, now)
    click.echo(done.state.value)


def _by() -> str:
    actor = context.actor()
    return f"{actor.kind.value}:{actor.actor_id}"


def _audit(tx: Connection, action: str, about: Dispute, now: datetime) -> None:
    from service import audit

    last = about.steps[-1] if about.steps else None
    audit.record(
        tx,
        actor=context.actor(),
        action=action,
        subject_kind="dispute",
        subject_id=str(about.row.dispute_id),
        now=now,
        detail={"state": about.row.state, "refund": last.refunded_minor if last else None},
    )
