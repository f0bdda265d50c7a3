"""`lienthong settle`."""

import json
from datetime import date, datetime, timedelta

import click
from rich.console import Console
from rich.table import Table

from kernel.money import Money
from ledger.rules.settlement import Settled
from service.api.settlements import as_document
from service.commands import context
from service.database import Database
from service.einvoices import InvoiceFolder
from service.jobs import invoices as invoice_job
from service.jobs.settle_day import due, settle_day


@click.command()
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print each settlement as a line of JSON.")
@click.option("--early", is_flag=True, help="Settle a day that is still running; rides under way are ended.")
@click.option("--invoices", is_flag=True, help="Then issue the day's e-invoices and send what waits.")
def settle(day: datetime | None, as_json: bool, early: bool, invoices: bool) -> None:
    """Close the book day DAY and settle it per operator; without DAY every day whose cut-off has passed.

    Bills again what could not be priced before, ends rides still open, stops posting to the day, seals it, totals every operator's lines and checks that
    the guarantee account covers what riders have loaded. Late taps then land in the next day. Settling a
    settled day prints it again; a day that was left out settles by itself later. A day is refused before its
    cut-off (LIENTHONG_SETTLE_CUT_OFF_MIN after its midnight). Ends with 1 when a settlement does not agree with the ledger's accounts or
    stored value is not covered.

    Without DAY it is for a timer, as often as you like: it settles what is due, oldest first, and else does nothing.

    \b
    Examples:
      lienthong settle 2026-11-18
      lienthong settle --invoices
    """  # noqa: D301  (click reads \b)
    cut_off = timedelta(minutes=context.settings().settle_cut_off_min)
    with context.database() as database:
        days = due(database, now=context.clock().now(), cut_off=cut_off) if day is None else (day.date(),)
        agreed = [
            _settle(database, one, None if early else cut_off, as_json=as_json, invoices=invoices)
            for one in days
        ]
    if not days:
        click.echo("no day is due", err=as_json)
    if not all(agreed):
        raise SystemExit(1)


def _settle(
    database: Database, day: date, cut_off: timedelta | None, *, as_json: bool, invoices: bool
) -> bool:
    """Settle a day and tell of it; return whether it agrees and is covered."""
    settled: Settled | None = None
    ring = context.keyring()
    for step in settle_day(
        database,
        day,
        signer=ring.bundle_key,
        seal_keys=ring.seal_keys,
        now=context.clock().now,
        by=context.actor(),
        cut_off=cut_off,
    ):
        click.echo(step.text, err=as_json)
        settled = step.settled or settled
    assert settled is not None, "the last step settles"
    if as_json:
        click.echo(json.dumps(as_document(settled), ensure_ascii=False))
    else:
        show(settled)
    if invoices:
        _invoice(database, day, as_json=as_json)
    return settled.coverage.covered and all(one.reconciled for one in settled.settlements)


def _invoice(database: Database, day: date, *, as_json: bool) -> None:
    clock, ring = context.clock(), context.keyring()
    *_, tally = invoice_job.issue_day(database, day, signer=ring.bundle_key.public, now=clock.now)
    street = InvoiceFolder(context.settings().invoice_dir)
    sent = max(invoice_job.send(database, street, now=clock.now), default=0)
    click.echo(
        f"invoices: {tally.issued:,} issued, {tally.replaced:,} replaced, {tally.cancelled:,} cancelled, {sent:,} sent",
        err=as_json,
    )
    for operator, count in tally.lacking:
        click.echo(f"{operator} has no series for {count:,} rides, stays and passes", err=True)


def show(settled: Settled, console: Console | None = None) -> None:
    """Print a settled day: one row an operator, what is about earlier days, what funders owe, and the coverage."""
    out = console or Console(width=150)
    _operators(settled, out)
    for one in settled.adjustments:
        out.print(
            f"of which {one.operator_id}, service day {one.service_day}: {one.trips:+,} trips, net {one.net}",
            highlight=False,
        )
    claims: dict[tuple[str, str, str], tuple[int, Money]] = {}
    for claim in settled.claims:
        key = claim.funder, claim.operator_id, claim.rule
        rides, amount = claims.get(key, (0, Money.zero(claim.amount.currency)))
        claims[key] = rides + claim.rides, amount + claim.amount
    for (funder, operator, rule), (rides, amount) in sorted(claims.items()):
        out.print(f"{funder} owes {operator} {amount} for {rides:,} rides ({rule})", highlight=False)
    coverage = settled.coverage
    verdict = "covered" if coverage.covered else "NOT COVERED"
    out.print(
        f"Stored value {coverage.stored_value} against guarantee {coverage.guarantee} "
        f"+ provider clearing {coverage.clearing}: {verdict}, surplus {coverage.surplus}. "
        f"Riders owe {coverage.receivable}.",
        highlight=False,
    )


def _operators(settled: Settled, out: Console) -> None:
    table = Table(title=f"Settlement of {settled.book_day} (VND)", title_justify="left")
    table.add_column("operator")
    table.add_column("trips", justify="right")
    amounts_of = (
        "waived", "discounted", "pass_covered", "cap_covered", "collected", "refunded", "pass_revenue", "shared", "fees",
        "cash_kept",
    )  # fmt: skip
    # A column that nobody has anything in only takes width.
    told = [name for name in amounts_of if any(getattr(one, name) for one in settled.settlements)]
    columns = ("face_value", *told, "net", "subsidy")
    for name in columns:
        table.add_column(name.replace("_", " "), justify="right")
    table.add_column("agrees")
    for one in settled.settlements:
        amounts = (_grouped(getattr(one, name)) for name in columns)
        table.add_row(one.operator_id, f"{one.trips:,}", *amounts, "yes" if one.reconciled else "NO")
    out.print(table)


def _grouped(amount: Money) -> str:
    return str(amount).rpartition(" ")[0]
