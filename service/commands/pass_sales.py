"""`lienthong passes sell|renew|gift`: passes for cash at a till, from the balance, or for a payment by VietQR."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import click
import segno
from sqlalchemy import Connection

from fare import refund_pass, sell
from fare.rules.sale import check_start
from fare.rules.tariff import TariffBook
from fare.sell import Buying, PaidBy, PassScopeError, Sold, TooLittle
from kernel.ids import FareAccountId
from kernel.money import Money
from ledger.till_sale import sell_for_cash
from service import audit, purses
from service.commands import context
from service.database import Database
from service.errors import BalanceShortError
from service.pass_orders import Wanted, order

SERIAL = click.argument("serial", type=click.IntRange(min=1))
YES = click.option("--yes", is_flag=True, help="Do not ask before money moves.")
PAY = click.option(
    "--pay",
    type=click.Choice(["till", "balance", "vietqr"]),
    help="By cash at a till (with --till), from the card's balance, or by a payment that is still to come.",
)
TILL = click.option("--till", default="", help="Whose till takes the cash.")
DRAW = click.option("--draw", is_flag=True, help="Draw the VietQR in the terminal.")


@dataclass(frozen=True, slots=True)
class Paying:
    """How a pass at the desk is paid for."""

    by: str
    till: str
    yes: bool
    draw: bool
    renews: UUID | None = None


@click.command("sell")
@SERIAL
@click.argument("product")
@click.option(
    "--scope", default="", help="The route or network, where the pass is for one (`passes on-sale`)."
)
@PAY
@TILL
@click.option("--starts", type=click.DateTime(["%Y-%m-%dT%H:%M"]), help="Local time; default now.")
@click.option("--id", "pass_id", type=click.UUID, help="The purchase's id, to repeat a call.")
@DRAW
@YES
def sell_one(
    serial: int, product: str, scope: str, pay: str | None, till: str, starts: datetime | None,
    pass_id: UUID | None, draw: bool, yes: bool,
) -> None:  # fmt: skip
    """Sell a pass for cash, from the balance, or by VietQR: that payment, once notified, buys it.

    \b
    Example:
      lienthong passes sell 17 bus_month_all_routes_normal --till kiosk-7
      lienthong passes sell 17 bus_month_all_routes_normal --pay balance
      lienthong passes sell 17 bus_month_all_routes_normal --pay vietqr --draw
    """  # noqa: D301  (click reads \b)
    now = context.clock().now()
    paying = _paying(pay, till, yes=yes, draw=draw)
    with _scope_named(), context.database() as database:
        with database.begin() as tx:
            book = context.shelf().books(tx).current()
            starts_at = starts.replace(tzinfo=book.zone) if starts else None
            wanted = Wanted(context.minted(pass_id), product, scope, starts_at)
            account = context.account_of(tx, serial, now)
            question = _question(tx, account, wanted, paying, book, now)
        _sell(database, account, wanted, paying, book, now, question)


@click.command()
@SERIAL
@click.argument("pass_id", type=click.UUID)
@PAY
@TILL
@click.option("--id", "renewed", type=click.UUID, help="The purchase's id, to repeat a call.")
@DRAW
@YES
def renew(
    serial: int, pass_id: UUID, pay: str | None, till: str, renewed: UUID | None, draw: bool, yes: bool
) -> None:
    """Sell the same pass again, from where it ends or from now, at today's price.

    \b
    Example:
      lienthong passes renew 17 019a3f0e-6a1c-7b5e-9d7e-2f7f4b1c0a11 --till kiosk-7
      lienthong passes renew 17 019a3f0e-6a1c-7b5e-9d7e-2f7f4b1c0a11 --pay balance
    """  # noqa: D301  (click reads \b)
    now = context.clock().now()
    paying = _paying(pay, till, yes=yes, draw=draw, renews=pass_id)
    with context.database() as database:
        with database.begin() as tx:
            book = context.shelf().books(tx).current()
            account = context.account_of(tx, serial, now)
            held = refund_pass.get_sale(tx, account, pass_id).held
            starts_at = max(held.ended_at or held.valid_until, now)
            wanted = Wanted(context.minted(renewed), held.product_id, held.scope, starts_at)
            question = _question(tx, account, wanted, paying, book, now)
        _sell(database, account, wanted, paying, book, now, question)


@click.command()
@SERIAL
@click.argument("product")
@click.argument("members", type=click.IntRange(min=1), nargs=-1, required=True)
@click.option(
    "--scope", default="", help="The route or network, where the pass is for one (`passes on-sale`)."
)
@YES
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
    minted = context.minted(gift_id)
    if not yes:
        click.confirm(f"Buy {len(members)} passes from the balance of card {serial}?", abort=True)
    with _scope_named(), context.database() as database, database.begin() as tx:
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
            audited(tx, "pass.gifted", minted, now, {"members": len(given)})
    total = sum((one.price for one in given), Money.zero(given[0].price.currency))
    click.echo(f"gift {minted}: {len(given)} passes, {total}")


def audited(tx: Connection, action: str, subject: UUID, now: datetime, detail: dict[str, object]) -> None:
    """Write a change of a pass to the audit trail."""
    audit.record(
        tx,
        actor=context.actor(),
        action=action,
        subject_kind="pass",
        subject_id=str(subject),
        now=now,
        detail=detail,
    )


@contextlib.contextmanager
def _scope_named() -> Iterator[None]:
    """Add to a refused scope by which option it is said."""
    try:
        yield
    except PassScopeError as error:
        how = "Name it with --scope." if error.fields["fits"] else "Leave --scope out."
        raise click.ClickException(f"{error} {how}") from error


def _paying(pay: str | None, till: str, *, yes: bool, draw: bool, renews: UUID | None = None) -> Paying:
    by = pay or ("till" if till else "")
    if not by:
        raise click.UsageError("how is it paid: --till NAME, --pay balance or --pay vietqr?")
    if (by == "till") != bool(till):
        raise click.UsageError("--till names whose till takes the cash, and only then")
    return Paying(by, till, yes, draw, renews)


def _question(
    tx: Connection, account: FareAccountId, wanted: Wanted, paying: Paying, book: TariffBook, now: datetime
) -> str:
    """Return what to ask before money moves, and refuse before that what could not be sold; nothing to ask: empty."""
    if paying.by != "balance" or paying.yes:
        return ""
    held, product = sell.quote_pass(
        tx, pass_id=wanted.pass_id, fare_account_id=account, product_id=wanted.product_id,
        scope=wanted.scope, starts_at=check_start(wanted.starts_at or now, now), tariff=book, now=now,
    )  # fmt: skip
    until = held.valid_until.astimezone(book.zone)
    return f"Take {product.price} from the balance for a pass until {until:%Y-%m-%d %H:%M}?"


def _sell(
    database: Database, account: FareAccountId, wanted: Wanted, paying: Paying, book: TariffBook,
    now: datetime, question: str,
) -> None:  # fmt: skip
    if question:
        click.confirm(question, abort=True)
    with database.begin() as tx:
        if paying.by == "vietqr":
            _order(tx, account, wanted, paying, book, now)
            return
        buying = _buying(paying)

        def make() -> Sold | TooLittle:
            return sell.sell_pass(
                tx, pass_id=wanted.pass_id, fare_account_id=account, product_id=wanted.product_id, scope=wanted.scope,
                starts_at=check_start(wanted.starts_at or now, now), tariff=book, now=now, buying=buying,
            )  # fmt: skip

        def again(one: Sold | TooLittle) -> bool:
            return isinstance(one, Sold) and one.again

        at_till = paying.by == "till"
        sold = (
            sell_for_cash(tx, paying.till, make, again=again, unit=book.currency, now=now)
            if at_till
            else make()
        )
        if isinstance(sold, TooLittle):
            raise BalanceShortError(price=sold.price, short=sold.short)
        if not sold.again:
            purses.changed(tx, (account,), cause=f"pass:{wanted.pass_id}", now=now)
            detail: dict[str, object] = {"product": wanted.product_id, "paid_by": buying.paid_by.value}
            audited(tx, "pass.sold", wanted.pass_id, now, detail)
    until = sold.held.valid_until.astimezone(book.zone)
    click.echo(f"pass {wanted.pass_id}: {sold.price}, until {until:%Y-%m-%d %H:%M}")


def _buying(paying: Paying) -> Buying:
    by = context.actor()
    how = PaidBy.TILL if paying.by == "till" else PaidBy.BALANCE
    return Buying(
        paid_by=how, agent=paying.till, renews=paying.renews, sold_by=f"{by.kind.value}:{by.actor_id}"
    )


def _order(
    tx: Connection, account: FareAccountId, wanted: Wanted, paying: Paying, book: TariffBook, now: datetime
) -> None:
    made = order(tx, account, wanted, tariff=book, settings=context.settings(), now=now)
    if not made.hit:
        audited(tx, "pass.ordered", wanted.pass_id, now, {"product": wanted.product_id})
    intent = made.intent
    click.echo(f"pass {wanted.pass_id}: bought once {intent.amount} is paid, reference {intent.reference}")
    click.echo(f"to be paid before {intent.expires_at.astimezone(book.zone).isoformat()}")
    click.echo(intent.qr)
    if paying.draw:
        segno.make(intent.qr, error="q", micro=False).terminal(compact=True)
