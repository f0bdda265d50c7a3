"""`lienthong topup`: ask for top-ups, and look after what was notified."""

import json
from datetime import timedelta
from uuid import UUID

import click
import segno
from rich.console import Console
from rich.table import Table

from access import issue
from kernel.ids import FareAccountId
from kernel.money import VND, Money
from ledger import suspense
from ledger import topup as verbs
from ledger.rules.intent import Intent, IntentId
from service import audit
from service.commands import context
from service.jobs import topup_poll, topups


@click.group()
def topup() -> None:
    """Ask for top-ups, see what became of them, and look after the suspense queue."""


@topup.command()
@click.argument("serial", type=int)
@click.argument("amount", type=click.IntRange(1))
@click.option(
    "--id", "topup_id", type=click.UUID, help="The top-up's id, to repeat a call; default a new one."
)
@click.option("--draw", is_flag=True, help="Draw the QR in the terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def ask(serial: int, amount: int, topup_id: UUID | None, draw: bool, as_json: bool) -> None:
    """Make a payment intent of AMOUNT đồng for the card with this SERIAL and print its VietQR.

    \b
    Example:
      lienthong topup ask 17 50000 --draw
    """  # noqa: D301  (click reads \b)
    settings, now = context.settings(), context.clock().now()
    minted = IntentId(context.minted(topup_id))
    with context.database() as database, database.begin() as tx:
        card = issue.get_card(tx, serial=serial)
        issue.lock_accounts(tx, (FareAccountId(card.fare_account_id),))
        made = verbs.create_intent(
            tx,
            verbs.Asked(
                intent_id=minted,
                fare_account_id=FareAccountId(card.fare_account_id),
                amount=Money(amount, VND),
                provider=settings.topup_provider,
            ),
            merchant=topups.merchant_of(settings),
            lifetime=timedelta(minutes=settings.topup_minutes),
            now=now,
        )
        if not made.hit:
            audit.record(
                tx,
                actor=context.actor(),
                action="topup.asked",
                subject_kind="topup",
                subject_id=str(minted),
                now=now,
            )
    _print(made.intent, as_json=as_json)
    if draw:
        segno.make(made.intent.qr, error="q", micro=False).terminal(compact=True)


@topup.command()
@click.argument("topup_id", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show(topup_id: UUID, as_json: bool) -> None:
    """Say where a top-up stands: open, mispaid, expired or credited.

    \b
    Example:
      lienthong topup show 019a3f0e-6a1c-7b5e-9d7e-2f7f4b1c0a11
    """  # noqa: D301  (click reads \b)
    with context.database() as database, database.read() as tx:
        _print(verbs.get_intent(tx, topup_id), as_json=as_json)


@topup.command()
def sweep() -> None:
    """Apply stored notifications that were never applied, and write down which intents have expired.

    Run it every minute by a timer: it finishes what a crash interrupted, and repeating it changes nothing.

    \b
    Example:
      lienthong topup sweep
    """  # noqa: D301  (click reads \b)
    with context.database() as database:
        applied = topups.sweep(
            database, settings=context.settings(), clock=context.clock(), shelf=context.shelf
        )
        expired = topups.expire(database, clock=context.clock())
    for one in applied:
        click.echo(f"{one.outcome} {one.payment_id or ''}".rstrip())
    click.echo(f"{len(applied)} notifications applied, {expired} intents expired")


@topup.command()
def poll() -> None:
    """Ask the provider about top-ups whose payment nobody notified, and take in what it tells.

    A notification that comes later is a repeat. Run it every few minutes by a timer. Ends with 1 when the provider
    did not answer.

    \b
    Example:
      lienthong topup poll
    """  # noqa: D301  (click reads \b)
    settings, failed = context.settings(), 0
    if not settings.payos_url:
        raise click.ClickException("LIENTHONG_PAYOS_URL is not set: there is nobody to ask")
    with context.database() as database:
        for asked in topup_poll.poll(
            database,
            settings=settings,
            clock=context.clock(),
            shelf=context.shelf,
            ask=topup_poll.over_http(settings),
        ):
            failed += asked.failed != ""
            for one in asked.applied:
                click.echo(f"{asked.intent.intent_id}: {one.outcome}")
            if asked.failed:
                click.echo(f"{asked.intent.intent_id}: {asked.failed}", err=True)
    if failed:
        raise SystemExit(1)


@topup.command(name="suspense")
@click.option("--json", "as_json", is_flag=True, help="Print the queue as JSON.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
def list_suspense(as_json: bool, limit: int) -> None:
    """List payments that wait for a person, oldest first, each with its reason and age.

    \b
    Example:
      lienthong topup suspense
    """  # noqa: D301  (click reads \b)
    with context.database() as database, database.read() as tx:
        rows = suspense.list_suspense(tx, now=context.clock().now(), limit=limit)
    if as_json:
        found = [
            {
                "suspense_id": str(row.suspense_id),
                "reason": row.reason,
                "amount": None if row.amount is None else row.amount.to_json(),
                "booked": row.booked,
                "topup_id": None if row.intent_id is None else str(row.intent_id),
                "payment_id": None if row.payment_id is None else str(row.payment_id),
                "opened_at": row.opened_at.isoformat(),
                "age_s": int(row.age.total_seconds()),
            }
            for row in rows
        ]
        click.echo(json.dumps(found, indent=2))
        return
    table = Table("reason", "amount", "booked", "age", "top-up", title="Suspense", title_justify="left")
    for row in rows:
        table.add_row(
            row.reason,
            "-" if row.amount is None else str(row.amount),
            "yes" if row.booked else "no",
            str(row.age).partition(".")[0],
            "-" if row.intent_id is None else str(row.intent_id),
        )
    Console(width=120).print(table)


def _print(intent: Intent, *, as_json: bool) -> None:
    state = intent.shown_state(context.clock().now()).value
    if as_json:
        found = {
            "topup_id": str(intent.intent_id),
            "fare_account_id": str(intent.fare_account_id),
            "amount": intent.amount.to_json(),
            "provider": intent.provider,
            "reference": intent.reference,
            "state": state,
            "created_at": intent.created_at.isoformat(),
            "expires_at": intent.expires_at.isoformat(),
            "qr": intent.qr,
        }
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(f"top-up {intent.intent_id}: {intent.amount}, {state}, reference {intent.reference}")
    click.echo(f"to be paid before {intent.expires_at.isoformat()}")
    click.echo(intent.qr)
