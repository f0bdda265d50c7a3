"""What parking's commands take: a directory of rates and local times; what is wrong with them is said clearly."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import click

from parking.rate_dir import HANOI, load_rate_dir
from parking.rules.book import RateBook
from parking.rules.errors import RateFilesInvalidError
from parking.rules.rows import RateProblem

RATES = click.option(
    "--rates",
    type=click.Path(path_type=Path, file_okay=False),
    default=HANOI,
    show_default="Hanoi's own",
    help="Directory of rate files (docs/parking-rates.md).",
)


def load(rates: Path, *, as_json: bool = False) -> RateBook:
    """Return the book of a directory; exit 2 with every problem by file, row and field."""
    try:
        return load_rate_dir(rates)
    except RateFilesInvalidError as error:
        problems = error.fields["problems"]
        assert isinstance(problems, tuple), "the error carries its problems"
        told = [*(str(each) for each in problems), f"problems: {len(problems)}; nothing was priced"]
        body = {
            "problem": type(error).__name__,
            "detail": str(error),
            "problems": [each._asdict() for each in problems if isinstance(each, RateProblem)],
        }
        refuse(body, "\n".join(told), as_json=as_json, status=2)


def instant(text: str, zone: ZoneInfo) -> datetime:
    """Return the instant of a time; without an offset it is the zone's, and the first of two when clocks go back."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"“{text}” is not a time such as 2026-11-18T09:00") from None
    try:
        at = (found if found.tzinfo is not None else found.replace(tzinfo=zone)).astimezone(UTC)
        told = at.astimezone(zone).replace(tzinfo=None)
    except OverflowError:
        raise click.BadParameter(f"“{text}” lies beyond every calendar") from None
    if found.tzinfo is None and told != found:
        raise click.BadParameter(f"“{text}” does not exist in {zone.key}: its clocks go forward over it")
    return at


def refuse(body: dict[str, Any], text: str, *, as_json: bool, status: int = 1) -> NoReturn:
    """Say what is wrong (with `as_json` also as a document on standard output) and exit."""
    if as_json:
        click.echo(json.dumps(body, ensure_ascii=False, indent=2))
    click.echo(text, err=True)
    sys.exit(status)
