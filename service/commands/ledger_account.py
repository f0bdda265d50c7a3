"""`lienthong ledger account`: open, freeze, unfreeze, close and look at accounts."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from typing import Final
from uuid import UUID

import click
from sqlalchemy import Connection

from kernel.ids import LedgerAccountId
from kernel.money import Money, UnknownCurrencyError, currency
from ledger import accounts, statement
from ledger.rules import chart
from ledger.rules.account import Account, AccountSpec, AccountState
from service import audit
from service.commands import context

DAY: Final = click.DateTime(["%Y-%m-%d"])
AT: Final = click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"])
Step = Callable[[Connection, LedgerAccountId, datetime], AccountState]


class AccountParameter(click.ParamType[LedgerAccountId]):
    """An account's id, or its kind and owner as the chart has them: operator_payable:transerco."""

    name = "account"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> LedgerAccountId:
        """Return the account's id."""
        text = str(value)
        kind, colon, owner = text.partition(":")
        if colon:
            return _spec(kind, owner, "VND", 0).account_id
        try:
            return LedgerAccountId(UUID(text))
        except ValueError:
            self.fail("an account is an id or KIND:OWNER, e.g. operator_payable:transerco", param, ctx)


ACCOUNT: Final = AccountParameter()


def _spec(kind: str, owner: str, code: str, limit: int) -> AccountSpec:
    try:
        spec = chart.spec_of(kind, owner, currency(code.upper()))
    except KeyError:
        raise click.BadParameter(f"the chart knows {', '.join(chart.MAKERS)}", param_hint="KIND") from None
    except ValueError:
        raise click.BadParameter("a rider is named by the fare account's id", param_hint="OWNER") from None
    except UnknownCurrencyError as error:
        raise click.BadParameter(str(error), param_hint="--currency") from None
    if limit and not spec.guarded:
        raise click.BadParameter("only a guarded account has a floor to lower", param_hint="--limit")
    return replace(spec, limit_minor=limit)


@click.group()
def account() -> None:
    """Open, freeze, unfreeze, close and look at accounts of the chart (docs/ledger-chart.md)."""


@account.command(name="open")
@click.argument("kind")
@click.argument("owner")
@click.option("--currency", "code", default="VND", show_default=True, help="ISO 4217.")
@click.option(
    "--limit",
    default=0,
    show_default=True,
    type=click.IntRange(0, 10**15),
    help="How far below zero a guarded balance may go, in minor units.",
)
def open_account(kind: str, owner: str, code: str, limit: int) -> None:
    """Open the account of this KIND of the chart for OWNER. Opening it again changes nothing and says so.

    \b
    Example:
      lienthong ledger account open operator_payable transerco
    """  # noqa: D301  (click reads \b)
    spec = _spec(kind, owner, code, limit)
    now, actor = context.clock().now(), context.actor()

    def work(tx: Connection) -> tuple[Account, bool]:
        known = accounts.list_accounts(tx, owner_id=spec.owner_id, kind=spec.kind, limit=1_000)
        fresh = spec.account_id not in {one.spec.account_id for one in known}
        (opened,) = accounts.open_accounts(tx, [spec], now)
        if fresh:
            audit.record(
                tx,
                actor=actor,
                action="ledger.account.open",
                subject_kind="ledger_account",
                subject_id=str(spec.account_id),
                now=now,
                detail={"kind": kind, "currency": spec.currency.code, "limit_minor": limit},
            )
        return opened, fresh

    with context.database() as database:
        opened, fresh = database.run(work)
    click.echo(f"{opened.spec.account_id} {'opened' if fresh else 'was open before'}, {opened.state.value}")


@account.command()
@click.argument("account_id", metavar="ACCOUNT", type=ACCOUNT)
@click.option("--cause", required=True, help="Why, for the audit trail.")
def freeze(account_id: LedgerAccountId, cause: str) -> None:
    """Stop postings to an ACCOUNT; it can still be read.

    \b
    Example:
      lienthong ledger account freeze operator_payable:transerco --cause 'contract under review'
    """  # noqa: D301  (click reads \b)
    _step(account_id, accounts.freeze, "freeze", cause)


@account.command()
@click.argument("account_id", metavar="ACCOUNT", type=ACCOUNT)
@click.option("--cause", required=True, help="Why, for the audit trail.")
def unfreeze(account_id: LedgerAccountId, cause: str) -> None:
    """Let a frozen ACCOUNT take postings again.

    \b
    Example:
      lienthong ledger account unfreeze operator_payable:transerco --cause 'review ended'
    """  # noqa: D301  (click reads \b)
    _step(account_id, accounts.thaw, "unfreeze", cause)


@account.command()
@click.argument("account_id", metavar="ACCOUNT", type=ACCOUNT)
@click.option("--cause", required=True, help="Why, for the audit trail.")
@click.confirmation_option(prompt="An account is closed for good. Close it?")
def close(account_id: LedgerAccountId, cause: str) -> None:
    """Close an ACCOUNT for good. Refused unless it stands at zero and holds nothing.

    \b
    Example:
      lienthong ledger account close suspense:unknown --cause 'not used any more' --yes
    """  # noqa: D301  (click reads \b)
    _step(account_id, accounts.close_account, "close", cause)


def _step(account_id: LedgerAccountId, step: Step, name: str, cause: str) -> None:
    now, actor = context.clock().now(), context.actor()

    def work(tx: Connection) -> AccountState:
        state = step(tx, account_id, now)
        audit.record(
            tx,
            actor=actor,
            action=f"ledger.account.{name}",
            subject_kind="ledger_account",
            subject_id=str(account_id),
            now=now,
            detail={"cause": cause},
        )
        return state

    with context.database() as database:
        state = database.run(work)
    click.echo(f"{account_id} is {state.value}")


@account.command()
@click.argument("account_id", metavar="ACCOUNT", type=ACCOUNT)
@click.option("--on", "book_day", type=DAY, help="At the end of this book day.")
@click.option(
    "--effective", type=AT, help="Of what was effective at this instant, e.g. 2026-11-18T09:00+07:00."
)
@click.option("--known", type=AT, help="Of what was posted at this instant.")
@click.option("--service-day", type=DAY, help="What this service day changed, whenever it was booked.")
def show(
    account_id: LedgerAccountId,
    book_day: datetime | None,
    effective: datetime | None,
    known: datetime | None,
    service_day: datetime | None,
) -> None:
    """Show an ACCOUNT and its balance: now, or as of a past day or instant.

    \b
    Examples:
      lienthong ledger account show operator_payable:transerco
      lienthong ledger account show operator_payable:transerco --effective 2026-11-18T09:00+07:00
    """  # noqa: D301  (click reads \b)
    with context.database() as database, database.read() as tx:
        found = accounts.get_account(tx, account_id)
        for text, amount in _asked(tx, account_id, _day(book_day), effective, known, _day(service_day)):
            click.echo(f"{text:<32} {amount}")
    spec = found.spec
    guarded = f"guarded, floor {-spec.limit_minor}" if spec.guarded else "append-only"
    click.echo(f"{spec.kind} of {spec.owner_name} ({spec.owner_kind.value}), {spec.type.value}, {guarded}")
    click.echo(f"{found.state.value}, opened {found.opened_at.isoformat()}")


def _asked(
    tx: Connection,
    account_id: LedgerAccountId,
    book_day: date | None,
    effective: datetime | None,
    known: datetime | None,
    service_day: date | None,
) -> list[tuple[str, Money]]:
    made: list[tuple[str, Money]] = []
    if book_day is not None:
        made.append((f"at the end of {book_day}", statement.balance_on(tx, account_id, book_day)))
    if effective is not None or known is not None:
        at = statement.balance_at(tx, account_id, effective_until=effective, posted_until=known)
        made.append(("at that instant", at))
    if service_day is not None:
        made.append((f"changed by {service_day}", statement.moved_on(tx, account_id, service_day)))
    if not made:
        now = accounts.read_balances(tx, [account_id], context.clock().now())[account_id]
        made = [("posted", now.posted), ("pending", now.pending), ("available", now.available)]
    return made


def _day(value: datetime | None) -> date | None:
    return None if value is None else value.date()
