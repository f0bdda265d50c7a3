"""`lienthong tides`: rides as TIDES 1.0 tables, public or sealed."""

from __future__ import annotations

import zipfile
from datetime import datetime
from io import BytesIO
from pathlib import Path

import click

DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def tides() -> None:
    """Export rides as TIDES 1.0: public and privacy-safe, or card-level in sealed form."""


@tides.command()
@click.option("--from", "first", type=DAY, required=True, help="First service day.")
@click.option("--to", "last", type=DAY, required=True, help="Last service day; up to 31 days in all.")
@click.option(
    "--k",
    type=int,
    default=10,
    show_default=True,
    help="Cards that a published row, and any two, must share.",
)
@click.option("--minutes", type=int, default=60, show_default=True, help="Length of a published time band.")
@click.option("--sealed", is_flag=True, help="Card-level, encrypted to --recipient; nothing is held back.")
@click.option("--recipient", default="", help="With --sealed: X25519 public key, hexadecimal.")
@click.option("--purpose", default="", help="With --sealed: what for; kept with who exported.")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
def export(
    first: datetime,
    last: datetime,
    k: int,
    minutes: int,
    sealed: bool,
    recipient: str,
    purpose: str,
    out: Path,
) -> None:
    """Write the rides of these service days into the new folder OUT.

    Public: fare_transactions.csv, devices.csv, datapackage.json and disclosure.json, with no token, coarse times,
    and at least k cards behind every row and any two rows that share one. Sealed: one file, tides.sealed.

    \b
    Examples:
      lienthong tides export --from 2026-11-01 --to 2026-11-07 tides-week-45
      lienthong tides export --from 2026-11-18 --to 2026-11-18 --sealed --recipient 3f… --purpose "audit 7" sealed
    """  # noqa: D301  (click reads \b)
    from fare import export_tides
    from fare.export_tides import TidesRecipientError
    from fare.publish import Shelf
    from service import audit
    from service.commands import context

    if sealed and not (recipient and purpose):
        raise click.UsageError("--sealed needs a --recipient and a --purpose")
    if out.exists():
        raise click.ClickException(f"{out} is there already; an export is never mixed with another")
    now, by = context.clock().now(), context.actor()
    with context.database() as database, database.begin() as tx:
        books = Shelf(context.keyring().bundle_key.public).books(tx)
        files: dict[str, bytes]
        if sealed:
            try:
                key = bytes.fromhex(recipient)
            except ValueError:
                raise TidesRecipientError from None
            box, rows = export_tides.export_sealed(tx, first.date(), last.date(), books=books, recipient=key)
            files = {"tides.sealed": box}
            said = f"{rows:,} transactions, sealed"
        else:
            made = export_tides.export_public(
                tx, first.date(), last.date(), books=books, k=k, minutes=minutes
            )
            files = {name: text.encode() for name, text in made.files.items()}
            found = made.disclosure
            said = (
                f"{found.published:,} of {found.transactions:,} transactions in {found.cells_published:,} rows,"
                f" {found.transactions - found.published:,} held back"
            )
        audit.record(
            tx,
            actor=by,
            action="fare.tides_export",
            subject_kind="service_days",
            subject_id=f"{first.date()}/{last.date()}",
            now=now,
            detail={"sealed": sealed, "purpose": purpose, "k": k, "minutes": minutes},
        )
        out.mkdir(parents=True)
        for name, raw in files.items():
            path = out / name
            path.write_bytes(raw)
            path.chmod(0o600 if sealed else 0o644)
    click.echo(f"{said} -> {out}")


@tides.command("open")
@click.argument("sealed_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="File with the 32-byte X25519 private key, hexadecimal.",
)
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
def open_file(sealed_file: Path, key: Path, out: Path) -> None:
    """Open a sealed export with the recipient's private key into the new folder OUT.

    \b
    Example:
      lienthong tides open sealed/tides.sealed --key recipient.key opened
    """  # noqa: D301  (click reads \b)
    from kernel.crypto.sealing import open_box

    try:
        private = bytes.fromhex(key.read_text("ascii").strip())
    except ValueError:
        raise click.ClickException(f"{key} does not hold a key in hexadecimal") from None
    with zipfile.ZipFile(BytesIO(open_box(private, sealed_file.read_bytes()))) as files:
        out.mkdir(parents=True)
        for name in files.namelist():
            (out / Path(name).name).write_bytes(files.read(name))
    click.echo(f"{len(files.namelist())} files -> {out}")


@tides.command("keygen")
@click.argument("key", type=click.Path(dir_okay=False, path_type=Path))
def keygen(key: Path) -> None:
    """Make a recipient's key: the private half goes to file KEY, the public half is printed.

    \b
    Example:
      lienthong tides keygen recipient.key
    """  # noqa: D301  (click reads \b)
    from kernel.crypto.sealing import box_public, new_box_key

    if key.exists():
        raise click.ClickException(f"{key} is there already")
    private = new_box_key()
    key.touch(mode=0o600)
    key.write_text(private.hex() + "\n")
    click.echo(box_public(private).hex())
