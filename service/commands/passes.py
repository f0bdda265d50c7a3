"""`lienthong passes`: what is on sale, sell at a till, list, give back; and riders' sign-in codes."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

import click
from sqlalchemy import Connection

from access import issue, link
from fare import refund_pass, sell
from fare.rules.sale import NoRefund, check_start
from fare.sell import Buying, PaidBy, TooLittle
from fare.store.sales import Sale
from kernel.ids import FareAccountId, uuid7
from service import audit, purses, riders
from service.commands import context

SERIAL = click.argument("serial", type=click.IntRange(min=1))


@click.group()
def passes() -> None:
    """Sell passes at a till, list them, give them back."""


@passes.command("on-sale")
@SERIAL
def on_sale(serial: int) -> None:
    """List what the holder of a card may buy now.

    \b
    Example:
      lienthong passes on-sale 17
    """  # noqa: D301  (click reads \b)
    with context.database() as database, database.begin() as tx:
        book = context.shelf().books(tx).current()
        found = sell.list_on_sale(tx, _account(tx, serial), book, context.clock().now())
    for one in found:
        mark = " " if one.for_you else "-"
        click.echo(f"{mark} {one.product.product_id:34} {one.product.price!s:>14}  {one.product.name}")
    click.echo("- is for other holders")


@passes.command("sell")
@SERIAL
@click.argument("product")
@click.option("--scope", default="", help="The route or network, where the pass is for one.")
@click.option("--till", required=True, help="Whose till takes the cash.")
@click.option("--starts", type=click.DateTime(["%Y-%m-%dT%H:%M"]), help="Local time; default now.")
@click.option("--id", "pass_id", type=click.UUID, help="The purchase's id, to repeat a call.")
def sell_one(
    serial: int, product: str, scope: str, till: str, starts: datetime | None, pass_id: UUID | None
) -> None:
    """Sell a pass for cash. Riders buy from their balance, or by VietQR, through the API.

    \b
    Example:
      lienthong passes sell 17 bus_month_all_routes_normal --till kiosk-7
    """  # noqa: D301  (click reads \b)
    now, by = context.clock().now(), context.actor()
    minted = pass_id or uuid7(now)
    with context.database() as database, database.begin() as tx:
        account = _account(tx, serial)
        book = context.shelf().books(tx).current()
        starts_at = check_start(starts.replace(tzinfo=book.zone) if starts else now, now)
        sold = sell.sell_pass(
            tx,
            pass_id=minted,
            fare_account_id=account,
            product_id=product,
            scope=scope,
            starts_at=starts_at,
            tariff=book,
            now=now,
            buying=Buying(paid_by=PaidBy.TILL, agent=till, sold_by=f"{by.kind.value}:{by.actor_id}"),
        )
        assert not isinstance(sold, TooLittle), "a till has no floor"
        if not sold.again:
            purses.changed(tx, (account,), cause=f"pass:{minted}", now=now)
            _audit(tx, "pass.sold", minted, now, {"product": product, "paid_by": "till"})
    click.echo(
        f"pass {minted}: {sold.price}, until {sold.held.valid_until.astimezone(book.zone):%Y-%m-%d %H:%M}"
    )


@passes.command("list")
@SERIAL
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def list_passes(serial: int, as_json: bool) -> None:
    """List a card's passes. That you looked stands in its holder's access log.

    \b
    Example:
      lienthong passes list 17
    """  # noqa: D301  (click reads \b)
    with context.database() as database, database.begin() as tx:
        account = _account(tx, serial)
        riders.looked_at(
            tx,
            account,
            by=context.actor(),
            what="passes",
            purpose="service desk",
            now=context.clock().now(),
        )
        found = sell.list_sold(tx, account)
    if as_json:
        click.echo(json.dumps([_document(one) for one in found], indent=2))
        return
    for one in found:
        end = f"  given back: {one.refunded}" if one.refunded is not None else ""
        click.echo(
            f"{one.held.pass_id}  {one.held.product_id}  {one.held.valid_from.date()} to"
            f" {one.held.valid_until.date()}  {one.price}  {one.paid_by}{end}"
        )


@passes.command("refund")
@SERIAL
@click.argument("pass_id", type=click.UUID)
@click.option("--reason", default="", help="For the record.")
@click.option("--dry-run", is_flag=True, help="Only say what it would come to.")
def refund(serial: int, pass_id: UUID, reason: str, dry_run: bool) -> None:
    """Give back what is unused of a pass, by the tariff's rule, to whoever paid for it.

    \b
    Example:
      lienthong passes refund 17 019a3f0e-6a1c-7b5e-9d7e-2f7f4b1c0a11 --dry-run
    """  # noqa: D301  (click reads \b)
    now, by = context.clock().now(), context.actor()
    with context.database() as database, database.begin() as tx:
        account = _account(tx, serial)
        book = context.shelf().books(tx).current()
        if dry_run:
            found = refund_pass.quote(tx, refund_pass.get_sale(tx, account, pass_id), tariff=book, now=now)
            worth = f"nothing: {found.value}" if isinstance(found, NoRefund) else f"{found.amount}"
            click.echo(f"{worth} (dry run)")
            if not isinstance(found, NoRefund) and found.rule_status == "unknown":
                click.echo(f"{found.rule}: this rule is unknown, its owner must decide", err=True)
            return
        done = refund_pass.refund_pass(
            tx, account, pass_id, tariff=book, by=f"{by.kind.value}:{by.actor_id}", now=now, reason=reason
        )
        if not done.again:
            purses.changed(tx, (done.to,), cause=f"pass:{pass_id}", now=now)
            _audit(tx, "pass.refunded", pass_id, now, {"minor": done.amount.minor, "to": str(done.to)})
    click.echo(f"{done.amount} given back to account {done.to}")


@click.command("rider-code")
@SERIAL
def rider_code(serial: int) -> None:
    """Make a one-time code with which a card's holder signs in; it is shown this once.

    \b
    Example:
      lienthong card rider-code 17
    """  # noqa: D301  (click reads \b)
    with context.database() as database, database.begin() as tx:
        code = riders.make_code(
            tx, _account(tx, serial), keyring=context.keyring(), by=context.actor(), now=context.clock().now()
        )
    click.echo(f"{code[:5]}-{code[5:]}  (once, within {riders.CODE_DAYS} days)")


def _account(tx: Connection, serial: int) -> FareAccountId:
    home = FareAccountId(issue.get_card(tx, serial=serial).fare_account_id)
    return link.current(tx, home, at=context.clock().now())


def _document(one: Sale) -> dict[str, Any]:
    return {
        "pass_id": str(one.held.pass_id),
        "product_id": one.held.product_id,
        "scope": one.held.scope,
        "valid_from": one.held.valid_from.isoformat(),
        "valid_until": one.held.valid_until.isoformat(),
        "price": one.price.to_json(),
        "paid_by": one.paid_by,
        "refunded": None if one.refunded is None else one.refunded.to_json(),
    }


def _audit(tx: Connection, action: str, subject: UUID, now: datetime, detail: dict[str, object]) -> None:
    audit.record(
        tx,
        actor=context.actor(),
        action=action,
        subject_kind="pass",
        subject_id=str(subject),
        now=now,
        detail=detail,
    )
