"""`lienthong device`: one-time codes, the list of devices, and what a person may decide about one."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import click

from access.rules.device import DeviceEvent, DeviceKind
from kernel.ids import DeviceId

KINDS = [kind.value for kind in DeviceKind]


@click.group()
def device() -> None:
    """Enrol, list and suspend validators and gates."""


@device.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What it is bolted to, or held by.")
@click.option("--operator", required=True, help="Whose it is, e.g. transerco.")
@click.option("--place", default="", help="Vehicle, gate line or car park that it serves.")
@click.option(
    "--hours", type=click.IntRange(1, 720), default=24, show_default=True, help="How long the code lives."
)
@click.option("--needs-approval", is_flag=True, help="Enrolled, it stays idle until `device approve`.")
def code(name: str, kind: str, operator: str, place: str, hours: int, needs_approval: bool) -> None:
    """Print a one-time code with which one device may enrol. It is shown this once and stored hashed.

    \b
    Example, then on the device itself:
      lienthong device code bus-01 --kind bus --operator transerco --place 29B-101.26
      lienthong reader enrol --config reader.toml --code 4F7K-9QXD-2M0A
    """  # noqa: D301  (click reads \b)
    from access import enrol
    from service import audit
    from service.commands import context

    now = context.clock().now()
    with context.database() as database, database.begin() as tx:
        made = enrol.create_code(
            tx,
            keyring=context.keyring(),
            name=name,
            kind=DeviceKind(kind),
            operator_id=operator,
            place=place,
            actor=context.actor().actor_id,
            now=now,
            lifetime=timedelta(hours=hours),
            approved=not needs_approval,
        )
        audit.record(
            tx,
            actor=context.actor(),
            action="access.create_code",
            subject_kind="device_name",
            subject_id=name,
            now=now,
            detail={"kind": kind, "operator": operator, "place": place, "hours": hours},
        )
    click.echo(f"{made}  for {name} ({kind}, {operator}), good for {hours} h and one device")


device.add_command(code, "enrol")


@device.command("list")
@click.option("--operator", default=None, help="Only this operator's.")
def list_(operator: str | None) -> None:
    """List devices with how far each journal is stored, and what waits beyond a gap.

    \b
    Example: lienthong device list --operator transerco
    """  # noqa: D301  (click reads \b)
    from access import enrol
    from service.commands import context

    with context.database() as database, database.read() as tx:
        found = enrol.list_devices(tx, operator_id=operator)
        journals = enrol.list_journals(tx, [each.device_id for each in found])
    for each in found:
        click.echo(
            f"{each.device_id}  {each.state.value:<9}  {each.kind.value:<9}  {each.operator_id:<18}  {each.name}"
        )
        for journal in journals.get(each.device_id, ()):
            gap = f", {journal.waiting} wait beyond it" if journal.waiting else ""
            if journal.missing_to:
                gap += f"; missing: {journal.sequence + 1} to {journal.missing_to}"
            click.echo(f"    journal {journal.journal_id} stored up to {journal.sequence}{gap}")
    click.echo(f"{len(found)} devices")


@device.command()
@click.option(
    "--days", type=click.IntRange(1, 400), default=2, show_default=True, help="How far to look back."
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
def missing(days: int, limit: int) -> None:
    """List taps that cards remember and no device has delivered, with the device that still holds each.

    A card seals the reader of its last tap into its next one; a reader whose journal was lost is found this way.

    \b
    Example: lienthong device missing --days 7
    """  # noqa: D301  (click reads \b)
    from access import enrol, taps
    from service.commands import context

    since = context.clock().now() - timedelta(days=days)
    with context.database() as database, database.read() as tx:
        found = taps.list_missing(tx, since=since, limit=limit)
        names = {each.device_id: each.name for each in enrol.list_devices(tx)}
    for each in found:
        holder = names.get(each.held_by, f"{each.held_by}, which is no device of ours")
        click.echo(f"card {each.card_id} tap {each.counter}, before {each.before:%Y-%m-%d %H:%M}: {holder}")
    click.echo(f"{len(found)} taps missing")


def _step(name: str, event: DeviceEvent, help_text: str) -> None:
    @device.command(name, help=f"{help_text}\n\nExample: lienthong device {name} DEVICE_ID --reason '…'")
    @click.argument("device_id", type=click.UUID)
    @click.option("--reason", required=True, help="Why; it is kept with who did it.")
    def step(device_id: UUID, reason: str) -> None:
        from access import enrol
        from service import audit
        from service.commands import context

        now, actor = context.clock().now(), context.actor()
        with context.database() as database, database.begin() as tx:
            state = enrol.change_state(
                tx, DeviceId(device_id), event, reason=reason, actor=actor.actor_id, now=now
            )
            audit.record(
                tx,
                actor=actor,
                action=f"access.device.{event.value}",
                subject_kind="device",
                subject_id=str(device_id),
                now=now,
                detail={"reason": reason},
            )
        click.echo(f"{device_id} is {state.value}")


_step("approve", DeviceEvent.APPROVED, "Let an enrolled device that waits for approval begin.")
_step("suspend", DeviceEvent.SUSPENDED, "Refuse a device's uploads and requests; it keeps its journal.")
_step("reinstate", DeviceEvent.REINSTATED, "Let a suspended device go on; its journal is then delivered.")
_step(
    "retire",
    DeviceEvent.RETIRED,
    "End a device for good. Drain its journal first: what it holds is not taken any more.",
)
