"""`lienthong mandate`: riders' mandates to top up by itself, and the run that charges them."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from uuid import UUID

import click
from sqlalchemy import Connection

from access import issue
from kernel.ids import FareAccountId
from kernel.money import VND, Money
from ledger import mandate as verbs
from ledger.rules.mandate import Mandate, MandateId
from service import audit
from service.commands import context
from service.commands.courier import courier_of, courier_options
from service.jobs import mandates as job

SERIAL = click.argument("serial", type=click.IntRange(1))
MANDATE = click.argument("mandate_id", type=click.UUID)


@click.group()
def mandate() -> None:
    """Top up by itself when a balance is low: mandates that riders give and may take back at any time."""


@mandate.command()
@SERIAL
@click.option("--token", required=True, help="The rider's standing order at the provider.")
@click.option(
    "--below", type=click.IntRange(1), required=True, help="Charge when the balance is below, in đồng."
)
@click.option("--amount", type=click.IntRange(1), required=True, help="What one charge loads.")
@click.option("--a-month", type=click.IntRange(1), required=True, help="The most that a month may load.")
@click.option(
    "--id", "mandate_id", type=click.UUID, help="The mandate's id, to repeat a call; default a new one."
)
def give(serial: int, token: str, below: int, amount: int, a_month: int, mandate_id: UUID | None) -> None:
    """Take a mandate of the card's holder in.

    \b
    Example:
      lienthong mandate give 17 --token so-0917 --below 20000 --amount 100000 --a-month 500000
    """  # noqa: D301  (click reads \b)
    minted, provider = context.minted(mandate_id), context.settings().topup_provider

    def work(tx: Connection, rider: FareAccountId, now: datetime) -> None:
        verbs.give(
            tx,
            Mandate(
                mandate_id=MandateId(minted),
                fare_account_id=rider,
                provider=provider,
                token=token,
                below=Money(below, VND),
                amount=Money(amount, VND),
                a_month=Money(a_month, VND),
                given_at=now,
            ),
        )

    _act("give", serial, minted, work)
    click.echo(f"{minted}: active")


@mandate.command()
@SERIAL
@MANDATE
def revoke(serial: int, mandate_id: UUID) -> None:
    """End a mandate for good.

    \b
    Example:
      lienthong mandate revoke 17 0c71b2de-0000-8000-8000-000000000001
    """  # noqa: D301  (click reads \b)
    _act("revoke", serial, mandate_id, lambda tx, rider, now: verbs.revoke(tx, rider, mandate_id, now=now))
    click.echo(f"{mandate_id}: revoked")


@mandate.command()
@SERIAL
@MANDATE
def resume(serial: int, mandate_id: UUID) -> None:
    """Let a mandate go on that three failures in a row have paused.

    \b
    Example:
      lienthong mandate resume 17 0c71b2de-0000-8000-8000-000000000001
    """  # noqa: D301  (click reads \b)
    _act("resume", serial, mandate_id, lambda tx, rider, now: verbs.resume(tx, rider, mandate_id, now=now))
    click.echo(f"{mandate_id}: active")


@mandate.command(name="list")
@SERIAL
def list_mandates(serial: int) -> None:
    """List a card's mandates. That you looked stands in its holder's access log.

    \b
    Example:
      lienthong mandate list 17
    """  # noqa: D301  (click reads \b)
    with context.database() as database, database.begin() as tx:
        rider = FareAccountId(issue.get_card(tx, serial=serial).fare_account_id)
        context.looked(tx, rider, "mandates")
        found = verbs.list_of(tx, rider)
    for one in found:
        click.echo(
            f"{one.mandate_id}: {one.state.value}, {one.amount} below {one.below}, at most {one.a_month} a month,"
            f" {one.failures} failures in a row"
        )


@mandate.command()
@courier_options("charges")
def run(file: Path | None, webhook: str | None, key_file: Path | None) -> None:
    """Charge mandates whose balance is low, one charge at a time each, and hand the charges to the provider.

    Run it every few minutes by a timer. A charge that is not paid before its top-up ends has failed; the rider is
    told, and after three in a row the mandate pauses.

    \b
    Examples:
      lienthong mandate run --file charges.jsonl
      lienthong mandate run --webhook https://provider.example/charges --key-file key
    """  # noqa: D301  (click reads \b)
    courier = courier_of(file, webhook, key_file)
    with context.database() as database:
        done = job.run(database, courier, settings=context.settings(), clock=context.clock())
    click.echo(f"{done.made} charges made, {done.handed} handed over, {done.put_off} put off")
    if done.put_off:
        raise SystemExit(1)


def _act(
    verb: str, serial: int, mandate_id: UUID, work: Callable[[Connection, FareAccountId, datetime], object]
) -> None:
    by, clock = context.actor(), context.clock()

    def act(tx: Connection) -> None:
        now = clock.now()
        rider = FareAccountId(issue.get_card(tx, serial=serial).fare_account_id)
        issue.lock_accounts(tx, (rider,))
        work(tx, rider, now)
        audit.record(
            tx,
            actor=by,
            action=f"mandate.{verb}",
            subject_kind="mandate",
            subject_id=str(mandate_id),
            now=now,
        )

    with context.database() as database:
        database.run(act)
