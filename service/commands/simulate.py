"""`lienthong tariff simulate`: stored rides, or rides of a file, under a draft."""

import json
import os
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import click

from fare.gtfs.load import pack
from fare.gtfs.read import files_of
from fare.gtfs.taps import histories_of
from fare.rules.simulation import History, Tally
from fare.rules.simulation_report import report
from fare.rules.tariff import TariffBook
from kernel.money import Money, currency
from service.commands.read_tariff import TARIFF, read, read_rides
from service.simulation_page import page

DAY = click.DateTime(["%Y-%m-%d"])
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_AT_ONCE = 500


@click.command()
@click.argument("draft", type=TARIFF, metavar="DRAFT")
@click.option("--from", "first", type=DAY, required=True, help="First service day.")
@click.option("--to", "last", type=DAY, required=True, help="Last service day.")
@click.option(
    "--rate",
    "percent",
    type=click.IntRange(1, 100),
    default=100,
    show_default=True,
    help="Per cent of accounts.",
)
@click.option("--processes", type=click.IntRange(1), default=os.cpu_count, show_default="all cores")
@click.option("--against", type=TARIFF, help="Compare with this tariff and not with the published one.")
@click.option("--taps", "taps_file", type=FILE, help="Replay a taps.csv, with no database; needs --against.")
@click.option("--riders", "riders_file", type=FILE, help="With --taps: a riders.csv.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the report with charts here, as HTML.")
@click.option("--lang", type=click.Choice(["vi", "en"]), default="vi", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def simulate(
    draft: Path,
    first: datetime,
    last: datetime,
    percent: int,
    processes: int,
    against: Path | None,
    taps_file: Path | None,
    riders_file: Path | None,
    out: Path | None,
    lang: str,
    as_json: bool,
) -> None:
    """Replay rides under the tariff DRAFT: revenue, subsidy, who gains and loses, and how it could be exploited.

    Nothing is booked. Reads the stored taps of the service days and compares with the published tariff.

    \b
    Example:
      lienthong tariff simulate my-draft --from 2026-11-01 --to 2026-11-18 --out report.html
    """  # noqa: D301  (click reads \b)
    bundle, book = _bundle(draft)
    days = first.date(), last.date()
    if days[1] < days[0]:
        raise click.UsageError("--to lies before --from")
    if taps_file is not None:
        if against is None:
            raise click.UsageError("--taps needs --against: a file says nothing of the published tariff")
        current, known = _bundle(against)
        histories = tuple(
            one for one in _of_files(taps_file, riders_file, known, days) if one.account.int % 100 < percent
        )
        tally = _run(iter(histories), (current, bundle), len(histories), processes)
    else:
        tally, known = _stored((bundle, book), against, days, percent, processes)
    found = report(tally, (known, book), first=days[0].isoformat(), last=days[1].isoformat(), percent=percent)
    if out is not None:
        out.write_text(page(found, lang), "utf-8")
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    _tell(found, lang)
    if out is not None:
        click.echo(f"report: {out}")


def _bundle(source: Path) -> tuple[bytes, TariffBook]:
    checked = read(source)
    if checked.book is None:
        raise click.ClickException(
            f"{source} has {len(checked.errors)} errors: lienthong tariff check {source}"
        )
    return pack(files_of(source)), checked.book


def _of_files(
    taps_file: Path, riders_file: Path | None, book: TariffBook, days: tuple[date, date]
) -> tuple[History, ...]:
    taps, riders = read_rides(taps_file, riders_file, book)
    return histories_of(taps, riders, book, days)


def _stored(
    draft: tuple[bytes, TariffBook],
    against: Path | None,
    days: tuple[date, date],
    percent: int,
    processes: int,
) -> tuple[Tally, TariffBook]:
    from fare import simulate as verb
    from fare.publish import read_bundle
    from service.commands import context

    with context.database() as database, database.read() as tx:
        if against is not None:
            current, book = _bundle(against)
        else:
            book = context.shelf().books(tx).current()
            current = read_bundle(tx, book.version).bundle
        accounts = verb.list_accounts(tx, *days, percent=percent)

        def histories() -> Iterator[History]:
            for start in range(0, len(accounts), _AT_ONCE):
                yield from verb.read_histories(tx, accounts[start : start + _AT_ONCE], *days, book)

        return _run(histories(), (current, draft[0]), len(accounts), processes), book


def _run(histories: Iterator[History], tariffs: tuple[bytes, bytes], of: int, processes: int) -> Tally:
    from rich.console import Console
    from rich.progress import Progress

    from fare.simulate import simulate as verb

    tally = Tally()
    with Progress(console=Console(stderr=True)) as shown:
        bar = shown.add_task("accounts", total=of)
        for step in verb(histories, tariffs, of=of, processes=processes):
            done = step.accounts if step.tally is None else of  # some accounts made no tap in these days
            shown.update(bar, completed=done, description=f"{step.taps:,} taps")
            tally = step.tally or tally
    return tally


def _tell(found: dict[str, object], lang: str) -> None:
    money = currency(str(found["currency"]))
    totals, riders, patterns = found["totals"], found["riders"], found["patterns"]
    assert isinstance(totals, dict), "the report has totals"
    assert isinstance(riders, dict), "and riders"
    assert isinstance(patterns, list), "and patterns"
    click.echo(f"{found['taps']} taps of {found['accounts']} accounts, {found['from']} to {found['to']}")
    for name, row in totals.items():
        if name in {"rides", "unpriced"}:
            click.echo(f"  {name:<14}{row['current']:>20,}{row['draft']:>20,}{row['difference']:>+20,}")
            continue
        both = [str(Money(row[side], money)) for side in ("current", "draft", "difference")]
        click.echo(f"  {name:<14}" + "".join(f"{text:>20}" for text in both))
    click.echo(f"  pay less {riders['winners']}, the same {riders['same']}, more {riders['losers']}")
    for row in patterns:
        click.echo(f"  {row['cases']:>6}  {row['pattern']}: {row[lang]}")
