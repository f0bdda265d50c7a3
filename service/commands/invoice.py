"""`lienthong invoice`: series, a day's e-invoices, the outbox, the answers."""

from datetime import datetime
from uuid import UUID

import click

from kernel.ids import OperatorId
from ledger import invoice as verbs
from ledger.rules.invoice import Invoice, InvoiceState, Series, TaxRate
from service.commands import context
from service.einvoices import InvoiceFolder
from service.jobs import invoices as job

DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def invoice() -> None:
    """E-invoices (Decree 123/2020, 70/2025): gap-free numbers per operator, and their way to the tax authority."""


@invoice.command("series")
@click.argument("operator")
@click.argument("symbol")
@click.option("--house", type=click.Choice(["fare", "parking"]), required=True, help="What it invoices.")
@click.option(
    "--template", type=click.IntRange(1, 6), default=1, show_default=True, help="1 VAT, 2 sales, 5 tickets."
)
@click.option(
    "--tax",
    type=click.Choice([one.value for one in TaxRate]),
    required=True,
    help="VAT in the price; KCT: none.",
)
@click.option("--name", required=True, help="The seller's legal name.")
@click.option("--tax-code", required=True, help="The seller's tax code.")
@click.option("--address", required=True, help="The seller's address.")
def open_series(
    operator: str, symbol: str, house: str, template: int, tax: str, name: str, tax_code: str, address: str
) -> None:
    """Open the series SYMBOL of OPERATOR at number 1: C (coded) or K, the year, the kind, two letters of its own.

    \b
    Example:
      lienthong invoice series transerco C26TLT --house fare --tax KCT \\
          --name "Tổng công ty Vận tải Hà Nội" --tax-code 0100105327 --address "Hà Nội"
    """  # noqa: D301  (click reads \b)
    asked = Series(
        operator_id=OperatorId(operator),
        symbol=symbol,
        house=house,
        template=template,
        tax_rate=TaxRate(tax),
        seller_name=name,
        seller_tax_code=tax_code,
        seller_address=address,
    )
    with context.database() as database:
        made = database.run(
            lambda tx: job.open_series(tx, asked, by=context.actor(), now=context.clock().now())
        )
    click.echo(f"series {made.symbol} of {made.operator_id}: the next number is {made.next_number}")


@invoice.command()
@click.argument("day", type=DAY)
def issue(day: datetime) -> None:
    """Issue, replace and cancel what the rides, stays and passes of the closed book day DAY ask for. Repeating it changes nothing.

    \b
    Example:
      lienthong invoice issue 2026-11-18
    """  # noqa: D301  (click reads \b)
    done = job.InvoiceTally()
    with context.database() as database:
        key = context.keyring().bundle_key.public
        for done in job.issue_day(database, day.date(), signer=key, now=context.clock().now):
            click.echo(f"{done.issued} issued …", err=True)
    click.echo(
        f"{done.issued} issued, {done.replaced} of them replace another, {done.cancelled} cancelled,"
        f" {done.waiting} wait for an answer"
    )
    for operator, count in done.lacking:
        click.echo(
            f"  {operator} has no series: {count} rides, stays or passes wait (lienthong invoice series)"
        )


@invoice.command()
def send() -> None:
    """Hand what waits over to the adapter's folder (LIENTHONG_INVOICE_DIR).

    \b
    Example:
      lienthong invoice send
    """  # noqa: D301  (click reads \b)
    street = InvoiceFolder(context.settings().invoice_dir)
    sent = 0
    with context.database() as database:
        for sent in job.send(database, street, now=context.clock().now):
            click.echo(f"{sent} sent …", err=True)
    click.echo(f"{sent} sent to {street.folder}")


@invoice.command()
def answers() -> None:
    """Take in the answers that came (CSV: invoice_id, verdict, note), each file whole or not at all.

    \b
    Example:
      lienthong invoice answers
    """  # noqa: D301  (click reads \b)
    street = InvoiceFolder(context.settings().invoice_dir)
    with context.database() as database:
        for name, count in job.take_answers(database, street, now=context.clock().now):
            click.echo(f"{name}: {count} answers")


@invoice.command("list")
@click.option("--day", type=DAY, help="Issued on this day.")
@click.option("--state", type=click.Choice([one.value for one in InvoiceState]), help="In this state.")
@click.option("--operator", help="Of this operator.")
def list_(day: datetime | None, state: str | None, operator: str | None) -> None:
    """List up to 1,000 invoices, by operator and number, and say whether any number is missing.

    \b
    Example:
      lienthong invoice list --day 2026-11-18 --state issued
    """  # noqa: D301  (click reads \b)
    with context.database() as database, database.read() as tx:
        for one in verbs.list_invoices(
            tx,
            operators=[operator] if operator else None,
            day=day.date() if day else None,
            state=InvoiceState(state) if state else None,
        ):
            _print(one)
        for series in verbs.list_series(tx, [operator] if operator else None):
            click.echo(f"series {series.operator_id} {series.symbol}: next number {series.next_number}")
        missing = verbs.gaps(tx)
    for where in missing:
        click.echo("MISSING " + " ".join(map(str, where)), err=True)
    if missing:
        raise SystemExit(1)
    click.echo("no number is missing")


@invoice.command()
@click.argument("invoice_id", type=click.UUID)
def show(invoice_id: UUID) -> None:
    """Show an invoice and what happened to it.

    \b
    Example:
      lienthong invoice show 0519a3eb-7371-80f8-ac84-8058853f538f
    """  # noqa: D301  (click reads \b)
    with context.database() as database, database.read() as tx:
        found = verbs.get(tx, invoice_id)
        steps = verbs.list_steps(tx, invoice_id)
    _print(found)
    click.echo(f"  {found.title}" + "".join(f", {name} {value}" for name, value in found.facts.items()))
    if found.replaces:
        click.echo(f"  replaces {found.replaces}")
    for one in steps:
        click.echo(f"  {one.at.isoformat()} {one.event} by {one.actor} {one.note}".rstrip())


@invoice.command()
@click.argument("invoice_id", type=click.UUID)
@click.option("--plate", help="The right plate.")
@click.option("--title", default="", help="The right words for the service.")
def amend(invoice_id: UUID, plate: str | None, title: str) -> None:
    """Replace an invoice with a wrong plate or wording by a new one that names it. Amounts follow the charge alone.

    \b
    Example:
      lienthong invoice amend 0519a3eb-7371-80f8-ac84-8058853f538f --plate 29B-101.27
    """  # noqa: D301  (click reads \b)
    with context.database() as database:
        _print(
            database.run(
                lambda tx: job.amend(
                    tx, invoice_id, plate=plate, title=title, by=context.actor(), now=context.clock().now()
                )
            )
        )


@invoice.command()
@click.argument("invoice_id", type=click.UUID)
@click.option("--reason", required=True, help="Why; it stands in the notice.")
def cancel(invoice_id: UUID, reason: str) -> None:
    """Cancel an invoice. Its number is never used again; a notice goes out where it had been accepted.

    \b
    Example:
      lienthong invoice cancel 0519a3eb-7371-80f8-ac84-8058853f538f --reason "issued twice by the old system"
    """  # noqa: D301  (click reads \b)
    with context.database() as database:
        _print(
            database.run(
                lambda tx: job.cancel(
                    tx, invoice_id, reason=reason, by=context.actor(), now=context.clock().now()
                )
            )
        )


def _print(one: Invoice) -> None:
    plate = f"  {one.plate}" if one.plate else ""
    click.echo(
        f"{one.invoice_id}  {one.operator_id}  {one.name}  {one.issued_on}  {one.total}"
        f" (tax {one.tax}, {one.tax_rate}){plate}  {one.state}"
    )
