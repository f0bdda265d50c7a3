"""`lienthong fare`: price taps from files alone, explain a stored tap, bill stored evidence again."""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from fare.gtfs.answer import answer, charged
from fare.gtfs.taps import NamedTap, PricedRider, price_taps
from fare.rules.explain import explain
from fare.rules.tariff import TariffBook
from service.commands.read_tariff import read, read_rides, stop_on

if TYPE_CHECKING:
    from fare.explain import TapStory

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def fare() -> None:
    """Price rides from data files alone; explain what was charged; bill again what could not be billed."""


@fare.command()
@click.option("--through", type=click.DateTime(["%Y-%m-%d"]), help="Only service days up to this one.")
def rebill(through: datetime | None) -> None:
    """Bill again what waits in the exception queue for a repaired fault or a published tariff.

    From stored evidence; what fails again stays in the queue. Ends with 1 when anything does.

    \b
    Example:
      lienthong fare rebill --through 2026-11-18
    """  # noqa: D301  (click reads \b)
    from fare.publish import Shelf
    from service.commands import context
    from service.jobs.rebill import rebill as billed_again

    clock, left = context.clock(), 0
    with context.database() as database:
        shelf = Shelf(context.keyring().bundle_key.public)
        last = through.date() if through else None
        for one in billed_again(database, shelf=shelf, now=clock.now, through=last):
            left += not one.repaired
            verdict = f"{one.entries} entries" if one.repaired else "fails again"
            click.echo(f"{one.fare_account_id}: {verdict}")
    click.echo(f"{left} accounts still fail" if left else "nothing waits to be billed again")
    if left:
        raise SystemExit(1)


@fare.command()
@click.option(
    "--tariff",
    "source",
    type=click.Path(exists=True, path_type=Path),
    required=True,
    help="Directory or zip.",
)
@click.option("--taps", "taps_file", type=FILE, required=True, help="CSV: rider,at,purpose,route,stop,…")
@click.option("--riders", "riders_file", type=FILE, help="CSV: rider,category,…,pass_product,…")
@click.option(
    "--as-of", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]), help="Leave rides open that may still end."
)
@click.option("--json", "as_json", is_flag=True, help="Print bills and explanations as JSON.")
def price(
    source: Path, taps_file: Path, riders_file: Path | None, as_of: datetime | None, as_json: bool
) -> None:
    """Price the taps of a CSV file under a tariff, with an explanation for each.

    docs/tariff-authors.md describes both files and the answer. Ends with 1 when a tap has no known fare, or when a file
    holds an error (each named by file, row, field and code).

    \b
    Example:
      lienthong fare price --tariff fare/tariffs/hanoi --taps taps.csv --json
    """  # noqa: D301  (click reads \b)
    checked = read(source)
    stop_on(checked.errors, as_json=as_json)
    assert checked.book is not None, "a tariff without errors compiles"
    book = checked.book
    taps, riders = read_rides(taps_file, riders_file, book, as_json=as_json)
    priced = price_taps(taps, riders, book, as_of)
    if as_json:
        click.echo(json.dumps(answer(priced, taps, book), ensure_ascii=False, indent=1))
    else:
        _print(priced, taps, book)
    if any(bill.unpriced for rider in priced for _, _, bill in rider.days):
        sys.exit(1)


@fare.command("explain")
@click.argument("tap_id", type=click.UUID)
@click.option("--purpose", default="", help="Why you look at it; kept with who did.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole explanation as JSON.")
def explain_tap(tap_id: UUID, purpose: str, as_json: bool) -> None:
    """Say why a stored tap was charged as it was, and what each revision of its day changed.

    Who asked is written down for the rider to see. Ends with 1 when the evidence now prices it otherwise than booked.

    \b
    Example:
      lienthong fare explain 0192f0c1-6a3e-8b21-9d00-5f1d2c3b4a59 --purpose "rider asked"
    """  # noqa: D301  (click reads \b)
    from fare.publish import Shelf
    from service.api.explanations import document, look_up
    from service.commands import context

    with context.database() as database, database.begin() as tx:
        story = look_up(
            tx,
            tap_id,
            shelf=Shelf(context.keyring().bundle_key.public),
            owner=None,
            by=context.actor(),
            purpose=purpose,
            now=context.clock().now(),
        )
    if as_json:
        click.echo(json.dumps(document(story), ensure_ascii=False, indent=1))
    else:
        _tell(story)
    if not story.agrees:
        raise SystemExit(1)


def _tell(story: "TapStory") -> None:
    from ledger.rules.book_day import ZONE

    at = story.tap.tapped_at.astimezone(ZONE).isoformat(timespec="minutes")
    click.echo(
        f"{at}  {story.tap.operator_id} {story.tap.route_id} {story.tap.stop_id}  {story.status.value}"
    )
    for vi, en in zip(story.vi, story.en, strict=True):
        click.echo(f"  {vi}\n  {en}")
    for one in () if story.explanation is None else story.explanation.considered:
        click.echo(f"  not {one['rule']}: {one['en']}")
    for line in story.booked:
        click.echo(
            f"  {line.component:<13} {line.minor:>12,} {story.currency}  {line.funder} to {line.operator_id}  {line.rule}"
        )
    if story.service_day:
        click.echo(f"  tariff {story.tariff_version}, engine {story.engine_version}, day {story.service_day}")
    for change in story.changes:
        click.echo(
            f"  revision {change.revision} at {change.billed_at.astimezone(ZONE):%Y-%m-%d %H:%M}: {change.en} {change.charged_delta_minor:+,}"
        )
    if not story.agrees:
        click.echo("  The evidence now prices this otherwise than it is booked: it waits to be billed again.")


def _print(priced: tuple[PricedRider, ...], taps: tuple[NamedTap, ...], book: TariffBook) -> None:
    tapped = {str(one.tap.tap_id): one.tap for one in taps}
    for rider in priced:
        for facts, carried, bill in rider.days:
            click.echo(f"{rider.rider}  {bill.service_day}")
            told = explain(facts, book, carried).taps
            for one in sorted(told, key=lambda each: tapped[each.tap_id].tapped_at):
                tap = tapped[one.tap_id]
                at = tap.tapped_at.astimezone(book.zone).strftime("%H:%M")
                place = tap.route_id or tap.stop_id
                click.echo(f"  {at}  {place:<6} {one.closed:<11} {' '.join(one.en)}")
        click.echo(f"{rider.rider}  charged {charged(rider, book)}")
