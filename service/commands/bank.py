"""`lienthong bank`: bank and provider files in, payment files out, with no database."""

import sys
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import BinaryIO

import click

from ledger.rails.bank_json import write_json
from ledger.rails.bank_read import read_bank_file
from ledger.rails.bankfile import BankEntry, Event, FileClosed, FileOpened, Finding, StatementClosed, Status
from ledger.rails.fold import printable
from ledger.rails.pain001 import Batch, Party, Version, write_pain001
from ledger.rails.payment_csv import read_payments
from service.commands import context


@click.group()
def bank() -> None:
    """Read bank statements and write payment files. Works on files alone, with no database."""


@bank.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True))
@click.option("--json", "as_json", is_flag=True, help="Print statements, balances, entries and findings.")
@click.option("--strict", is_flag=True, help="Let warnings quarantine a statement too.")
def read(file: Path, as_json: bool, strict: bool) -> None:
    """Read FILE (- for standard input): camt.053, camt.054, MT940 or a provider's settlement CSV.

    The format is seen from the content. Each statement must balance (opening + entries = closing, one currency)
    and follow the one before. Ends with 1 when a statement is quarantined; the findings say why.

    \b
    Examples:
      lienthong bank read statement.xml
      lienthong bank read statement.sta --json
    """  # noqa: D301  (click reads \b)
    limit = context.settings().bank_file_max_bytes
    if str(file) == "-":
        accepted = _show(sys.stdin.buffer, as_json=as_json, strict=strict, limit=limit)
    else:
        with file.open("rb") as stream:
            accepted = _show(stream, as_json=as_json, strict=strict, limit=limit)
    if not accepted:
        sys.exit(1)


def _show(stream: BinaryIO, *, as_json: bool, strict: bool, limit: int) -> bool:
    last: list[Status] = []

    def watched() -> Iterator[Event]:
        for event in read_bank_file(stream, strict=strict, max_bytes=limit):
            if isinstance(event, FileClosed):
                last.append(event.status)
            yield event

    for piece in write_json(watched()) if as_json else _lines(watched()):
        click.echo(piece, nl=not as_json)
    return last == [Status.ACCEPTED]


def _lines(events: Iterable[Event]) -> Iterator[str]:
    for event in events:
        match event:
            case FileOpened():
                yield f"{event.format} {event.version}".strip()
            case BankEntry():
                mark = "" if event.booked else f" [{event.status}]"
                day = event.booked_on or "????-??-??"
                payments = f" ({len(event.parts)} payments)" if len(event.parts) > 1 else ""
                text = printable(event.text or event.reference)
                yield f"  {day} {event.amount!s:>20} {text}{payments}{mark}"
            case StatementClosed():
                yield (
                    f"statement {event.number}: {event.opening or '-'} → {event.closing or '-'}, "
                    f"{event.entries} entries, {event.status.value}"
                )
                yield from map(_finding, event.findings)
            case FileClosed():
                yield from map(_finding, event.findings)
                yield f"{event.statements} statements: {event.status.value} {event.reason}".rstrip()
            case _:
                pass


def _finding(found: Finding) -> str:
    return f"  {found.severity.value}: {printable(found.message)} [{found.code}]" + (
        f" ({found.where})" if found.where else ""
    )


@bank.command()
@click.argument("payments", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--message-id", required=True, help="A name of this file that is never used twice, ≤ 35 letters."
)
@click.option("--on", "execute_on", type=click.DateTime(["%Y-%m-%d"]), required=True, help="When to pay.")
@click.option("--name", required=True, help="Whose account is paid from.")
@click.option("--account", required=True, help="The account that is paid from.")
@click.option("--bic", default="", help="Its bank's BIC.")
@click.option("--version", type=click.Choice([one.value for one in Version]), default=Version.V09.value)
def pay(
    payments: Path, message_id: str, execute_on: object, name: str, account: str, bic: str, version: str
) -> None:
    """Print a pain.001 payment file for a CSV with the columns id, amount, name, account and maybe bic, bank, text.

    Amounts are whole đồng; `bank` is a national bank number where there is no BIC. Counts and control sums are computed; the document follows the ISO 20022 schema of its version.

    \b
    Example:
      lienthong bank pay payments.csv --message-id LT-20261118-1 --on 2026-11-19 --name "Trung tam" --account 001 > pain.xml
    """  # noqa: D301  (click reads \b)
    on = getattr(execute_on, "date", date.today)()
    listed = read_payments(payments.read_bytes())
    batch = Batch(
        batch_id=message_id, execute_on=on, debtor=Party(name=name, account=account, bic=bic), payments=listed
    )
    made = write_pain001(message_id, (batch,), created_at=context.clock().now(), version=Version(version))
    sys.stdout.buffer.write(made)
