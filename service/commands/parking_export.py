"""`lienthong parking export`: an operator's stays, observations, shifts or leakage as a file."""

from datetime import datetime
from pathlib import Path

import click

from kernel.ids import OperatorId
from ledger.rules.book_day import ZONE
from service import exports
from service.commands import context
from service.parking_rows import Kind, Period, count_rows, sheet

DAY = click.DateTime(["%Y-%m-%d"])
_EVERY = 10_000


@click.command("export")
@click.argument("kind", type=click.Choice([each.value for each in Kind]))
@click.option("--operator", help="Whose; without it everybody's.")
@click.option("--from", "first", type=DAY, required=True, help="First day.")
@click.option("--to", "last", type=DAY, required=True, help="Day after the last.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="A .csv or .xlsx file."
)
def export(kind: str, operator: str | None, first: datetime, last: datetime, out: Path) -> None:
    """Write what happened in a period, with what it sums to. The file appears when it is whole.

    \b
    Examples:
      lienthong parking export stays --operator dongda-parking --from 2026-11-01 --to 2026-12-01 --out stays.xlsx
      lienthong parking export leakage --from 2026-11-18 --to 2026-11-19 --out leakage.csv
    """  # noqa: D301 click reads \b
    if out.suffix not in {".csv", ".xlsx"}:
        raise click.BadParameter("the file is .csv or .xlsx", param_hint="--out")
    if last <= first:
        raise click.BadParameter("it is not after --from", param_hint="--to")
    period = Period(
        operators=frozenset({OperatorId(operator)}) if operator else None,
        since=first.replace(tzinfo=ZONE),
        until=last.replace(tzinfo=ZONE),
    )
    chosen, half = Kind(kind), out.with_name(out.name + ".part")
    with context.database() as database, database.read() as tx:
        total = count_rows(tx, chosen, period)
        written = 0

        def told(number: int) -> None:
            nonlocal written
            written = number
            if number % _EVERY == 0:
                click.echo(f"{number:,} of {total:,}" if total is not None else f"{number:,}", err=True)

        found = sheet(tx, chosen, period, now=context.clock().now())
        try:
            if out.suffix == ".xlsx":
                exports.write_xlsx(found, half, told)
            else:
                with half.open("w", encoding="utf-8", newline="") as file:
                    file.writelines(exports.csv_lines(found, told))
            half.replace(out)
        finally:
            half.unlink(missing_ok=True)
    click.echo(f"{written:,} rows in {out}")
