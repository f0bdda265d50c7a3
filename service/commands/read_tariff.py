"""Reading the tariff, the taps and the riders that a command names."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import click

from fare.gtfs.fact_rows import text_of
from fare.gtfs.load import Checked, check_tariff
from fare.gtfs.riders import Rider, read_riders
from fare.gtfs.table import Notice
from fare.gtfs.taps import NamedTap, read_taps, unheard
from fare.rules.tariff import TariffBook

TARIFF = click.Path(exists=True, path_type=Path)


def read(source: Path) -> Checked:
    """Return the check of a directory or zip; a click error where it cannot be read at all."""
    try:
        return check_tariff(source)
    except (OSError, zipfile.BadZipFile) as error:
        raise click.ClickException(f"{source}: {error}") from None


def read_rides(
    taps_file: Path, riders_file: Path | None, book: TariffBook, *, as_json: bool = False
) -> tuple[tuple[NamedTap, ...], dict[str, Rider]]:
    """Return the taps and riders of these files; a click error, after naming each, where something in them is wrong."""
    notices: list[Notice] = []
    text = text_of(taps_file.read_bytes(), taps_file.name, notices)
    stop_on(notices, as_json=as_json)
    taps, wrong = read_taps(text, book, taps_file.name)
    stop_on(wrong, as_json=as_json)
    if riders_file is None:
        return taps, {}
    text = text_of(riders_file.read_bytes(), riders_file.name, notices)
    stop_on(notices, as_json=as_json)
    riders, wrong = read_riders(text, book, riders_file.name)
    stop_on(wrong or unheard(taps, riders, riders_file.name), as_json=as_json)
    return taps, riders


def stop_on(notices: Sequence[Notice], *, as_json: bool = False) -> None:
    """Print what is wrong, if anything is, and end the command."""
    if not notices:
        return
    if as_json:
        click.echo(json.dumps({"notices": [one.to_json() for one in notices]}, ensure_ascii=False, indent=1))
    for notice in () if as_json else notices:
        click.echo(str(notice), err=True)
    raise click.ClickException(f"{len(notices)} errors")
