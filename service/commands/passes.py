"""`lienthong passes`: what is on sale, sell at a till, list, give back; and riders' sign-in codes."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

import click
from sqlalchemy import Connection

from fare import refund_pass, sell
from fare.rules.sale import NoRefund, check_start
from fare.rules.tariff import TariffBook
from fare.sell import Buying, PaidBy, Sold, TooLittle
from fare.store.sales import Sale
from kernel.ids import FareAccountId, uuid7
from kernel.money import Money
from service import audit, purses, riders
from service.commands import context
from service.errors import BalanceShortError

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
        found = sell.list_on_sale(
            tx, context.account_of(tx, serial, context.clock().now()), book, context.clock().now()
        )
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
    now = context.clock().now()
    minted = pass_id or uuid7(now)
    with context.database() as database, database.begin() as tx:
        account = context.account_of(tx, serial, now)
        zone = context.shelf().books(tx).current().zone
        starts_at = starts.replace(tzinfo=zone) if starts else now
        sold, book = _sell(tx, account, minted, product, scope, starts_at, _cash(till), now)
    _say(minted, sold, book)


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
        account = context.account_of(tx, serial, context.clock().now())
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


@passes.command()
@SERIAL
@click.argument("pass_id", type=click.UUID)
@click.option("--till", required=True, help="Whose till takes the cash.")
@click.option("--id", "renewed", type=click.UUID, help="The purchase's id, to repeat a call.")
def renew(serial: int, pass_id: UUID, till: str, renewed: UUID | None) -> None:
    """Sell the same pass again for cash, from where it ends or from now, at today's price.

    \b
    Example:
      lienthong passes renew 17 019a3f0e-6a1c-7b5e-9d7e-2f7f4b1c0a11 --till kiosk-7
    """  # noqa: D301  (click reads \b)
    now = context.clock().now()
    with context.database() as database, database.begin() as tx:
        account = context.account_of(tx, serial, now)
        held = refund_pass.get_sale(tx, account, pass_id).held
        starts_at = max(held.ended_at or held.valid_until, now)
        minted = renewed or uuid7(now)
        buying = _cash(till, renews=pass_id)
        sold, book = _sell(tx, account, minted, held.product_id, held.scope, starts_at, buying, now)
    _say(minted, sold, book)


@passes.command()
@SERIAL
@click.argument("product")
@click.argument("members", type=click.IntRange(min=1), nargs=-1, required=True)
@click.option("--scope", default="", help="The route or network, where the pass is for one.")
@click.option("--yes", is_flag=True, help="Do not ask before money moves.")
@click.option("--id", "gift_id", type=click.UUID, help="The gift's id, to repeat a call.")
def gift(
    serial: int, product: str, members: tuple[int, ...], scope: str, yes: bool, gift_id: UUID | None
) -> None:
    """Buy a pass for every card of a group from the balance of its organiser's card, all or none.

    \b
    Example:
      lienthong passes gift 12 bus_month_all_routes_group 17 18 19
    """  # noqa: D301  (click reads \b)
    now, by = context.clock().now(), context.actor()
    minted = gift_id or uuid7(now)
    if not yes:
        click.confirm(f"Buy {len(members)} passes from the balance of card {serial}?", abort=True)
    with context.database() as database, database.begin() as tx:
        organiser = context.account_of(tx, serial, now)
        given = sell.gift_passes(
            tx,
            gift_id=minted,
            organiser=organiser,
            members=[context.account_of(tx, member, now) for member in members],
            product_id=product,
            scope=scope,
            starts_at=now,
            tariff=context.shelf().books(tx).current(),
            sold_by=f"{by.kind.value}:{by.actor_id}",
            now=now,
        )
        if isinstance(given, TooLittle):
            raise BalanceShortError(price=given.price, short=given.short)
        if not given[0].again:
            purses.changed(tx, (organiser,), cause=f"gift:{minted}", now=now)
            _audit(tx, "pass.gifted", minted, now, {"members": len(given)})
    total = sum((one.price for one in given), Money.zero(given[0].price.currency))
    click.echo(f"gift {minted}: {len(given)} passes, {total}")


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
        account = context.account_of(tx, serial, context.clock().now())
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
            tx,
            context.account_of(tx, serial, context.clock().now()),
            keyring=context.keyring(),
            by=context.actor(),
            now=context.clock().now(),
        )
    click.echo(f"{code[:5]}-{code[5:]}  (once, within {riders.CODE_DAYS} days)")


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


def _cash(till: str, renews: UUID | None = None) -> Buying:
    by = context.actor()
    return Buying(paid_by=PaidBy.TILL, agent=till, renews=renews, sold_by=f"{by.kind.value}:{by.actor_id}")


def _sell(
    tx: Connection,
    account: FareAccountId,
    pass_id: UUID,
    product: str,
    scope: str,
    starts_at: datetime,
    buying: Buying,
    now: datetime,
) -> tuple[Sold, TariffBook]:
    book = context.shelf().books(tx).current()
    sold = sell.sell_pass(
        tx,
        pass_id=pass_id,
        fare_account_id=account,
        product_id=product,
        scope=scope,
        starts_at=check_start(starts_at, now),
        tariff=book,
        now=now,
        buying=buying,
    )
    assert not isinstance(sold, TooLittle), "a till has no floor"
    if not sold.again:
        purses.changed(tx, (account,), cause=f"pass:{pass_id}", now=now)
        _audit(tx, "pass.sold", pass_id, now, {"product": product, "paid_by": "till"})
    return sold, book


def _say(pass_id: UUID, sold: Sold, book: TariffBook) -> None:
    until = sold.held.valid_until.astimezone(book.zone)
    click.echo(f"pass {pass_id}: {sold.price}, until {until:%Y-%m-%d %H:%M}")
