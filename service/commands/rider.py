"""`lienthong rider`: what a service desk does for the holder of a card: notices, access list, rides, concessions, family."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from service.commands import context, rider_desk

if TYPE_CHECKING:
    from kernel.ids import FareAccountId
    from service.jobs.concessions import Asked

SERIAL = click.argument("serial", type=click.IntRange(min=1))
ID = click.option("--id", "event_id", type=click.UUID, help="To repeat a call; default a new one.")
DATE = click.DateTime(["%Y-%m-%d"])
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def rider() -> None:
    """Serve the holder of a card: notices, who looked, rides to mend, concessions, family, other media."""


for command in (rider_desk.register, rider_desk.show_family, rider_desk.inspect_card, rider_desk.erase):
    rider.add_command(command)


@rider.command()
@SERIAL
def access(serial: int) -> None:
    """List who else looked at the holder's data, the newest first: when, who, at what, why.

    \b
    Example: lienthong rider access 17
    """  # noqa: D301  (click reads \b)
    from service import riders

    with context.database() as database, database.read() as tx:
        rows = riders.list_looks(tx, context.account_of(tx, serial, context.clock().now()))
    for row in rows:
        click.echo(f"{context.local(row.at)}  {row.actor_kind}:{row.actor_id}  {row.what}  {row.purpose}")
    click.echo(f"{len(rows)} looks")


@rider.command("notices")
@SERIAL
@click.option("--lang", type=click.Choice(["vi", "en"]), default="vi", show_default=True)
def list_notices(serial: int, lang: str) -> None:
    """List the holder's notices, the newest first.

    \b
    Example: lienthong rider notices 17 --lang en
    """  # noqa: D301  (click reads \b)
    from service.jobs import notices

    with context.database() as database, database.begin() as tx:
        account = context.account_of(tx, serial, context.clock().now())
        context.looked(tx, account, "notices")
        rows = notices.list_notices(tx, account, now=context.clock().now())
        found = [notices.document(row) for row in rows]
    for one in found:
        click.echo(
            f"{context.local(datetime.fromisoformat(one['made_at']))}  {one['kind']}  {one[lang]['title']}: {one[lang]['text']}"
        )
    click.echo(f"{len(found)} notices")


@rider.command("sign-out")
@SERIAL
def sign_out(serial: int) -> None:
    """End every sign-in of the holder, on all devices: a phone was lost.

    \b
    Example: lienthong rider sign-out 17
    """  # noqa: D301  (click reads \b)
    from service import riders

    now = context.clock().now()
    with context.database() as database, database.begin() as tx:
        ended = riders.end_sign_ins(tx, context.account_of(tx, serial, now), by=context.actor(), now=now)
    click.echo(f"{ended} sign-ins ended")


@rider.command()
@SERIAL
def incomplete(serial: int) -> None:
    """List rides without a tap-off that may still be mended: tap, since when, from where, what it cost, until when.

    \b
    Example: lienthong rider incomplete 17
    """  # noqa: D301  (click reads \b)
    from fare import correct

    now = context.clock().now()
    with context.database() as database, database.begin() as tx:
        account = context.account_of(tx, serial, now)
        books = context.shelf().books(tx)
        rows = correct.list_mendable(tx, account, books=books, now=now)
        context.looked(tx, account, "rides")
    for one in rows:
        ride = one.ride
        click.echo(
            f"{ride.tap_id}  {context.local(ride.started_at)}  {ride.route_id} {ride.from_stop_id}"
            f"  {one.charged}  until {context.local(one.until)}"
        )
    if any(one.rule_status == "unknown" for one in rows):
        click.echo("the limits are unknown, the tariff's owner must decide", err=True)
    click.echo(f"{len(rows)} rides")


@rider.command()
@SERIAL
@click.argument("tap", type=click.UUID)
@click.option("--stop", required=True, help="The stop where the ride ended, by its stop_id.")
@click.option("--at", "left_at", required=True, type=click.DateTime(["%Y-%m-%dT%H:%M"]), help="Local time.")
@click.option("--dry-run", is_flag=True, help="Only say what the ride would cost.")
@ID
def mend(serial: int, tap: UUID, stop: str, left_at: datetime, dry_run: bool, event_id: UUID | None) -> None:
    """Mend a ride without its tap-off, on its rider's word, within the tariff's limit and window.

    \b
    Example: lienthong rider mend 17 019a3f0e-6a1c-7b5e-9d7e-2f7f4b1c0a11 --stop 2A-la-thanh --at 2026-11-18T06:40
    """  # noqa: D301  (click reads \b)
    from kernel.ids import uuid7
    from service.jobs.mend_ride import PreviewError, Word, mend_ride

    now = context.clock().now()
    minted = uuid7(now) if dry_run else context.minted(event_id)
    with context.database() as database:
        try:
            with database.begin() as tx:
                books = context.shelf().books(tx)
                left = left_at.replace(tzinfo=books.current().zone)
                word = Word(correction_id=minted, tap_id=tap, stop_id=stop, left_at=left)
                account, by = context.account_of(tx, serial, now), context.actor()
                mended = mend_ride(tx, account, word, books=books, by=by, now=now, preview=dry_run)
        except PreviewError as seen:
            click.echo(f"{seen.mended.before} -> {seen.mended.after} (dry run)")
            return
    click.echo(f"{mended.before} -> {mended.after}")


@rider.command()
@SERIAL
def entitlements(serial: int) -> None:
    """List the holder's concessions: which, from when to when, on whose word; never whose they are.

    \b
    Example: lienthong rider entitlements 17
    """  # noqa: D301  (click reads \b)
    from fare import entitlement
    from kernel.wire.cardinfo import Concession

    with context.database() as database, database.begin() as tx:
        account = context.account_of(tx, serial, context.clock().now())
        context.looked(tx, account, "entitlements")
        rows = entitlement.list_proven(tx, account)
    for row in rows:
        ended = f"  ended {row.last_day}" if row.last_day else ""
        click.echo(
            f"{row.entitlement_id}  {Concession(row.concession).name.lower()}  {row.valid_from} to"
            f" {row.valid_to or '…'}  {row.verifier}: {row.reference}{ended}"
        )
    click.echo(f"{len(rows)} entitlements")


@rider.command()
@SERIAL
@click.option("--proof", type=FILE, required=True, help="The signed attestation, as the authority gave it.")
@ID
def prove(serial: int, proof: Path, event_id: UUID | None) -> None:
    """Record a concession that an authority attests; rides since its first day are billed anew.

    \b
    Example: lienthong rider prove 17 --proof attestation.json
    """  # noqa: D301  (click reads \b)
    from fare.rules.attestation import OfflineAttestations, keys_of
    from kernel.wire.cardinfo import Concession
    from service.jobs import concessions

    port = OfflineAttestations(keys_of(context.settings().identity_verifiers))
    minted = context.minted(event_id)
    with context.database() as database, database.begin() as tx:
        asked = _asked(context.account_of(tx, serial, context.clock().now()), minted)
        text = proof.read_text("utf-8")
        made, entries = concessions.prove(tx, asked, text, service=port, keyring=context.keyring())
    fact = made.entitlement
    click.echo(
        f"{made.entitlement_id}: {Concession(fact.concession).name.lower()} from {fact.valid_from} to"
        f" {fact.valid_to or '…'}, {entries} entries booked"
    )


@rider.command("end-entitlement")
@SERIAL
@click.argument("entitlement", type=click.UUID)
@click.option("--last-day", type=DATE, required=True, help="A day before its first one: it never was.")
@click.option("--reason", required=True)
def end_entitlement(serial: int, entitlement: UUID, last_day: datetime, reason: str) -> None:
    """Record a concession's last day; rides after it are billed anew.

    \b
    Example: lienthong rider end-entitlement 17 ID --last-day 2026-12-31 --reason "moved away"
    """  # noqa: D301  (click reads \b)
    from service.jobs import concessions

    with context.database() as database, database.begin() as tx:
        asked = _asked(context.account_of(tx, serial, context.clock().now()), entitlement)
        new, entries = concessions.end(tx, asked, last_day=last_day.date(), reason=reason)
    click.echo(f"{'ends' if new else 'ended already'} on {last_day.date()}, {entries} entries booked")


@rider.command()
@SERIAL
@click.option("--by", "payer", type=click.IntRange(min=1), help="The payer's card.")
@click.option("--nobody", is_flag=True, help="Nobody pays for this holder any more.")
@click.option("--limit", type=click.IntRange(min=0), default=0, help="At most so much a calendar month.")
@ID
def payer(serial: int, payer: int | None, nobody: bool, limit: int, event_id: UUID | None) -> None:
    """Say who pays what the holder's balance does not. The payer sees amounts, never places.

    \b
    Example: lienthong rider payer 17 --by 12 --limit 300000
    """  # noqa: D301  (click reads \b)
    from service.jobs.payers import set_payer

    if (payer is None) != nobody:
        raise click.UsageError("give either --by or --nobody")
    now, minted = context.clock().now(), context.minted(event_id)
    with context.database() as database, database.begin() as tx:
        member = context.account_of(tx, serial, now)
        pays = None if payer is None else context.account_of(tx, payer, now)
        new = set_payer(
            tx, member, pays, wallet_id=minted, month_limit_minor=limit, by=context.actor(), now=now
        )
    click.echo("recorded" if new else "recorded before")


@rider.command("media")
@SERIAL
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def list_media(serial: int, as_json: bool) -> None:
    """List every medium that counts to the holder: card, phone, QR, chip, bank card.

    \b
    Example: lienthong rider media 17
    """  # noqa: D301  (click reads \b)
    from access import link

    now = context.clock().now()
    with context.database() as database, database.begin() as tx:
        account = context.account_of(tx, serial, now)
        context.looked(tx, account, "media")
        rows = link.list_media(tx, (account,), at=now)
    found = [
        {"serial": r.serial, "kind": r.kind.value, "state": r.state.value, "until": r.expires_on.isoformat()}
        for r in rows
    ]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for one in found:
        click.echo(f"{one['serial']:>9}  {one['kind']:8}  {one['state']:9}  until {one['until']}")


def _asked(account: FareAccountId, entitlement_id: UUID) -> Asked:
    from service.jobs.concessions import Asked

    return Asked(
        account=account,
        entitlement_id=entitlement_id,
        by=context.actor(),
        now=context.clock().now(),
        shelf=context.shelf(),
        late_days=context.settings().late_days,
    )
