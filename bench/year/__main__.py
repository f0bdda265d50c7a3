"""`make year`: a year of stays at 405 car parks, about a million, every day closed with zero unexplained đồng.

It may be stopped and started again: it goes on with the day that was cut short. SHARE=0.01 plays a hundredth of the
sessions, DAYS=31 only the first days at full density.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bench.measure import Stage
from bench.year.plan import SESSIONS, Year, day_of, scaled
from bench.year.play import play_day
from bench.year.town import Town, found_town, save
from ledger.prove import prove
from service import launcher, migrate
from service.database import Database
from service.jobs.partitions import ensure_partitions

_AHEAD: Final = 14
_WORKERS: Final = min(os.cpu_count() or 1, 4)


def main() -> int:
    """Play, print, and return 0 when every đồng of every day is explained and the books prove."""
    parser = argparse.ArgumentParser(prog="python -m bench.year", description=__doc__)
    parser.add_argument(
        "--home", type=Path, default=Path(".lienthong/year"), help="its own folder (%(default)s)"
    )
    parser.add_argument("--share", type=float, default=1.0, help="of a million sessions (%(default)s)")
    parser.add_argument("--days", type=int, default=365, help="how many of the year's days (%(default)s)")
    given = parser.parse_args()
    year = scaled(given.share) if given.share != 1 else Year()
    home = given.home.resolve() / f"{year.sessions}"
    console = Console(width=None if sys.stdout.isatty() else 140)
    home.mkdir(parents=True, exist_ok=True)
    with launcher.servers(home / "servers", durable=True) as servers:
        migrate.migrate(servers.owner_url)
        city, town, shelf, database = found_town(Stage(servers, str(home)), year)
        owner = Database(servers.owner_url)
        console.print(
            f"{year.sessions:,} sessions in {year.days} days at {year.places} car parks, {year.cards:,} cards; "
            f"day {town.day + 1} is next",
            highlight=False,
        )
        days, wrong = min(given.days, year.days), 0
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        with bar:
            task = bar.add_task("days closed", total=days, completed=town.day)
            while town.day < days:
                if town.day % _AHEAD == 0:
                    first = day_of(year, town.day)
                    owner.run(lambda tx, first=first: ensure_partitions(tx, first, _AHEAD + 2))  # type: ignore[misc]
                began = time.perf_counter()
                closed = play_day(city, town, shelf, database, year, workers=_WORKERS)
                town.spent_s += time.perf_counter() - began
                save(Stage(servers, str(home)), town)
                wrong += closed.unexplained != 0 or not closed.reconciled
                bar.update(task, completed=town.day)
                if closed.unexplained or not closed.reconciled or town.day % 10 == 0 or town.day == days:
                    verdict = "settled, sealed" if closed.reconciled else "DOES NOT AGREE"
                    bar.console.print(
                        f"{closed.day}  {closed.stays:>6,} stays  {closed.collected:>14,} đ  "
                        f"{closed.unexplained:,} đ unexplained  {verdict}",
                        highlight=False,
                    )
        faults = _prove(database, console)
        _tell(console, town, year, wrong)
        database.dispose()
        owner.dispose()
        city.close()
    return 1 if wrong or faults else 0


def _prove(database: Database, console: Console) -> int:
    rows = faults = 0
    for step in prove(database.begin):
        rows += step.rows
        faults += len(step.faults)
    console.print(f"ledger proven: {rows:,} rows read, {faults} faults", highlight=False)
    return faults


def _tell(console: Console, town: Town, year: Year, wrong: int) -> None:
    collected = sum(town.expected.values())
    rate = town.stays / town.spent_s if town.spent_s else 0.0
    whole = SESSIONS / rate / 3600 if rate else 0.0
    console.print(
        f"{town.day} of {year.days} days closed, {wrong} with unexplained đồng\n"
        f"{town.stays:,} stays, {town.taps:,} signed taps, {collected:,} đ, of it {town.cash:,} đ cash in closed shifts\n"
        f"{rate:,.0f} stays a second, {town.spent_s / 60:,.1f} minutes so far; a million take {whole:,.1f} hours at this speed",
        highlight=False,
    )


if __name__ == "__main__":
    sys.exit(main())
