"""Reading a tariff that a command names."""

import zipfile
from pathlib import Path

import click

from fare.gtfs.load import Checked, check_tariff

TARIFF = click.Path(exists=True, path_type=Path)


def read(source: Path) -> Checked:
    """Return the check of a directory or zip; a click error where it cannot be read at all."""
    try:
        return check_tariff(source)
    except (OSError, zipfile.BadZipFile) as error:
        raise click.ClickException(f"{source}: {error}") from None
