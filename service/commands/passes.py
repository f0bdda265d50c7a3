"""`lienthong passes`: what is on sale, list, give back, and what sells (`pass_sales`); and riders' sign-in codes."""

import json
from typing import Any
from uuid import UUID

import click

from fare import refund_pass, sell
from fare.rules.sale import NoRefund, listed, scopes_of
from fare.store.sales import Sale
from service import purses, riders
from service.commands import context, pass_sales
from service.commands.pass_sales import SERIAL


@click.group()
def passes() -> None:
    """Sell passes, list them, give them back."""


@passes.command("on-sale")
@SERIAL
def on_sale(serial: int) -> None:
    """List what the holder of a card may buy now.

    \b
    Example:
      lienthong passes on-sale 17
    """  # noqa: D301  (click reads \b)
    now = context.clock().now()
    with context.database() as database, database.begin() as tx:
        book = context.shelf().books(tx).current()
        found = sell.list_on_sale(tx, context.account_of(tx, serial, now), book, now)
        fits = {one.product: scopes_of(one.product, book.on(book.local_date(now))) for one in found}
    for one in found:
        mark = " " if one.for_you else "-"
        which = f"  --scope {listed(fits[one.product])}" if fits[one.product] else ""
        click.echo(f"{mark} {one.product.product_id:34} {one.product.price!s:>14}  {one.product.name}{which}")
    click.echo("- is for other holders; --scope names the one route or network of a pass for one")


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
        context.looked(tx, account, "passes")
        found = sell.list_sold(tx, account)
    if as_json:
        click.echo(json.dumps([_document(one) for one in found], indent=2))
        return
    if not found:
        click.echo(f"card {serial} has no passes")
    for one in found:
        end = f"  given back: {one.refunded}" if one.refunded is not None else ""
        click.echo(
            f"{one.held.pass_id}  {one.held.product_id}{_of(one.held.scope)}  {context.local(one.held.valid_from)} to"
            f" {context.local(one.held.valid_until)}  {one.price}  {one.paid_by}{end}"
        )


@passes.command("refund")
@SERIAL
@click.argument("pass_id", type=click.UUID)
@click.option("--reason", default="", help="For the record.")
@click.option("--dry-run", is_flag=True, help="Only say what it would come to.")
@click.option("--yes", is_flag=True, help="Do not ask whether the money shall be given back.")
def refund(serial: int, pass_id: UUID, reason: str, dry_run: bool, yes: bool) -> None:
    """Give back what is unused of a pass, by the tariff's rule, to whoever paid for it.

    \b
    Examples:
      lienthong passes refund 17 019a3f0e-6a1c-7b5e-9d7e-2f7f4b1c0a11 --dry-run
      lienthong passes refund 17 019a3f0e-6a1c-7b5e-9d7e-2f7f4b1c0a11 --reason "moves away"
    """  # noqa: D301  (click reads \b)
    now, by = context.clock().now(), context.actor()
    with context.database() as database, database.begin() as tx:
        account = context.account_of(tx, serial, now)
        book = context.shelf().books(tx).current()
        sale = refund_pass.get_sale(tx, account, pass_id)
        found = refund_pass.quote(tx, sale, tariff=book, now=now)
    if dry_run:
        worth = f"nothing: {found.value}" if isinstance(found, NoRefund) else f"{found.amount}"
        click.echo(f"{worth} (dry run)")
        if not isinstance(found, NoRefund) and found.rule_status == "unknown":
            click.echo(f"{found.rule}: this rule is unknown, its owner must decide", err=True)
        return
    if not yes and sale.refunded is None and not isinstance(found, NoRefund):
        click.confirm(f"Give back {found.amount} of pass {pass_id}, which ends it?", abort=True)
    with context.database() as database, database.begin() as tx:
        done = refund_pass.refund_pass(
            tx, account, pass_id, tariff=book, by=f"{by.kind.value}:{by.actor_id}", now=now, reason=reason
        )
        if not done.again:
            purses.changed(tx, (done.to,), cause=f"pass:{pass_id}", now=now)
            pass_sales.audited(
                tx, "pass.refunded", pass_id, now, {"minor": done.amount.minor, "to": str(done.to)}
            )
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


def _of(scope: str) -> str:
    return f" of {scope}" if scope else ""


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


for _command in (pass_sales.sell_one, pass_sales.renew, pass_sales.gift):
    passes.add_command(_command)
