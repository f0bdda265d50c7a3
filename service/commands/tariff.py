"""`lienthong tariff`: check, compare and publish tariffs."""

import json
import sys
from datetime import datetime
from pathlib import Path

import click

from fare.gtfs.diff import diff_feeds
from fare.gtfs.export import export_plain, export_whole
from fare.gtfs.load import pack
from fare.gtfs.read import files_of
from service.commands.read_tariff import TARIFF, read
from service.commands.simulate import simulate


@click.group()
def tariff() -> None:
    """Check, compare and publish tariffs (docs/tariff-authors.md)."""


@tariff.command()
@click.argument("source", type=TARIFF, metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Print the notices as JSON.")
def check(source: Path, as_json: bool) -> None:
    """Check a tariff directory or zip; every finding names its file, row and field.

    Ends with 1 when there is an error. Warnings do not stop a publication.

    \b
    Example:
      lienthong tariff check fare/tariffs/hanoi
    """  # noqa: D301  (click reads \b)
    checked = read(source)
    if as_json:
        body = {
            "version": checked.book.version if checked.book else None,
            "sha256": checked.book.sha256 if checked.book else None,
            "notices": [notice.to_json() for notice in checked.notices],
        }
        click.echo(json.dumps(body, ensure_ascii=False, indent=1))
    else:
        for notice in checked.notices:
            click.echo(str(notice))
        if checked.book is not None:
            periods = checked.book.compile_all()
            routes = len({row.text("route_id") for row in checked.feed.of("routes.txt")})
            click.echo(
                f"{checked.book.version}: {routes} routes, {periods} periods, "
                f"{len(checked.notices)} warnings, sha256 {checked.book.sha256[:16]}…"
            )
            for note in checked.book.notes:
                if note.status == "unknown":
                    click.echo(f"unknown: {note.about}: {note.text_en}", err=True)
    if checked.book is None:
        if not as_json:
            click.echo(f"{len(checked.errors)} errors", err=True)
        sys.exit(1)


@tariff.command()
@click.argument("source", type=TARIFF, metavar="DIR")
@click.option("--prepared-by", required=True, help="E-mail of the staff user who made it.")
@click.option("--approved-by", required=True, help="E-mail of another, who approved it.")
def publish(source: Path, prepared_by: str, approved_by: str) -> None:
    """Publish a tariff as an immutable, signed bundle under its tariff_version.

    Both people must be active staff users. What it changes: lienthong tariff diff.

    \b
    Example:
      lienthong tariff publish fare/tariffs/hanoi --prepared-by mai@example.org --approved-by tuan@example.org
    """  # noqa: D301  (click reads \b)
    from fare import publish as verb
    from service import audit, staff
    from service.commands import context

    now = context.clock().now()
    with context.database() as database, database.begin() as tx:
        people = [staff.get_active(tx, email).email for email in (prepared_by, approved_by)]
        done = verb.publish(
            tx,
            source,
            prepared_by=people[0],
            approved_by=people[1],
            key=context.keyring().bundle_key,
            now=now,
        )
        if not done.duplicate:
            audit.record(
                tx,
                actor=context.actor(),
                action="fare.publish",
                subject_kind="tariff",
                subject_id=done.version,
                now=now,
                detail={"sha256": done.sha256, "prepared_by": people[0], "approved_by": people[1]},
            )
    told = "was published already" if done.duplicate else "published"
    click.echo(f"{done.version} {told}, sha256 {done.sha256}")


@tariff.command()
@click.argument("source", type=TARIFF, metavar="DIR")
@click.argument("target", type=click.Path(path_type=Path), metavar="OUT")
@click.option("--plain", is_flag=True, help="Only what GTFS-Fares v2 knows; warnings tell what is lost.")
@click.option("--on", "on", type=click.DateTime(["%Y-%m-%d"]), help="With --plain: the date in force; today.")
def export(source: Path, target: Path, plain: bool, on: datetime | None) -> None:
    """Write a tariff as GTFS-Fares v2 into a new directory, or as a zip where OUT ends with .zip.

    \b
    Example:
      lienthong tariff export fare/tariffs/hanoi hanoi-gtfs.zip --plain --on 2026-11-18
    """  # noqa: D301  (click reads \b)
    from service.commands import context

    checked = read(source)
    if checked.book is None:
        raise click.ClickException(
            f"the tariff has {len(checked.errors)} errors: lienthong tariff check {source}"
        )
    files = files_of(source)
    if plain:
        day = on.date() if on else checked.book.local_date(context.clock().now())
        done = export_plain(files, checked.feed, day)
    else:
        done = export_whole(files)
    for notice in done.notices:
        click.echo(str(notice), err=True)
    try:
        if target.suffix == ".zip":
            with target.open("xb") as out:
                out.write(pack(done.files))
        else:
            target.mkdir(parents=True)
            for name, body in done.files.items():
                (target / name).write_bytes(body)
    except FileExistsError:
        raise click.ClickException(f"{target} is there already") from None
    click.echo(f"{target}: {len(done.files)} files, {len(done.notices)} warnings")


@tariff.command()
@click.argument("before", type=TARIFF)
@click.argument("after", type=TARIFF)
@click.option("--lang", type=click.Choice(["vi", "en"]), default="vi", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the changes as JSON.")
def diff(before: Path, after: Path, lang: str, as_json: bool) -> None:
    """Tell what changes from one tariff to another.

    \b
    Example:
      lienthong tariff diff old/ fare/tariffs/hanoi --lang en
    """  # noqa: D301  (click reads \b)
    changes = diff_feeds(read(before).feed, read(after).feed)
    if as_json:
        click.echo(json.dumps([change.to_json() for change in changes], ensure_ascii=False, indent=1))
        return
    for change in changes:
        click.echo(change.text(lang))
    if not changes:
        click.echo("không có thay đổi" if lang == "vi" else "no change")


tariff.add_command(simulate)
