"""`lienthong device`: one-time codes, the list of devices, and what a person may decide about one."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import click

from access.rules.device import DeviceKind
from kernel.ids import DeviceId
from service.devices import Deed

if TYPE_CHECKING:
    from access.health import Health

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


@device.command()
@click.argument("code")
@click.option("--public-key", required=True, help="The device's Ed25519 key, base64.")
@click.option("--box-key", required=True, help="The device's X25519 key, base64.")
def enrol(code: str, public_key: str, box_key: str) -> None:
    """Enrol a device that has no line to us yet: its keys come on paper or a stick, its identity goes back that way.

    Prints what `POST /v1/devices/enrol` would have answered. A reader with a line enrols itself:
    lienthong reader enrol --config reader.toml --code CODE

    \b
    Example: lienthong device enrol 4F7K-9QXD-2M0A --public-key … --box-key …
    """  # noqa: D301  (click reads \b)
    from access import enrol as joining
    from service import audit
    from service.commands import context

    try:
        keys = [b64decode(each, validate=True) for each in (public_key, box_key)]
    except ValueError:
        raise click.UsageError("the two keys are base64") from None
    now = context.clock().now()
    with context.database() as database, database.begin() as tx:
        joined = joining.enrol(
            tx, keyring=context.keyring(), code=code, public_key=keys[0], box_key=keys[1], now=now
        )
        audit.record(
            tx,
            actor=context.actor(),
            action="access.enrol",
            subject_kind="device",
            subject_id=str(joined.device_id),
            now=now,
            detail={"name": joined.name, "by": "hand"},
        )
    answer = {
        "device_id": str(joined.device_id),
        "key_id": joined.key_id.hex(),
        "name": joined.name,
        "state": joined.state.value,
        "bundle_key": b64encode(joined.bundle_key).decode(),
    }
    click.echo(json.dumps(answer, ensure_ascii=False))


@device.command("list")
@click.option("--operator", default=None, help="Only this operator's.")
def list_(operator: str | None) -> None:
    """List devices: what each last said, what is wrong with it, and how far its journals are stored.

    \b
    Example: lienthong device list --operator transerco
    """  # noqa: D301  (click reads \b)
    found = _health(operator)
    for each in found:
        _print(each)
    click.echo(f"{len(found)} devices")


@device.command()
@click.option("--operator", default=None, help="Only this operator's.")
def alarms(operator: str | None) -> None:
    """List the devices that need a person, and why; exit code 1 when there are any, for monitoring.

    \b
    Example: lienthong device alarms || mail -s 'readers' ops
    """  # noqa: D301  (click reads \b)
    from access import health

    found = tuple(each for each in _health(operator) if each.alarms)
    for each in found:
        _print(each)
    for alarm, count in health.count_alarms(found).items():
        click.echo(f"{count:6}  {alarm.value}")
    if found:
        raise SystemExit(1)
    click.echo("no alarms")


def _health(operator: str | None) -> tuple[Health, ...]:
    from access import health
    from fare.publish import Shelf
    from service.commands import context

    with context.database() as database, database.read() as tx:
        tariffs = tuple(Shelf(context.keyring().bundle_key.public).books(tx).by_version)
        return health.list_health(
            tx,
            now=context.clock().now(),
            tariff_version=tariffs[-1] if tariffs else "",
            operator_id=operator,
        )


def _print(found: Health) -> None:
    from service.commands import context

    each, said = found.device, found.said
    wrong = "  ! " + ", ".join(found.alarms) if found.alarms else ""
    click.echo(
        f"{each.device_id}  {each.state.value:<9}  {each.kind.value:<9}  {each.operator_id:<18}  {each.name}{wrong}"
    )
    if said is not None:
        oldest = f" since {context.local(said.oldest_unsent_at)}" if said.oldest_unsent_at else ""
        why = f" ({', '.join(said.why)})" if said.why else ""
        click.echo(
            f"    {context.local(said.received_at)} {said.state}{why}: record {said.sequence}, "
            f"{said.unsent} unsent{oldest}, tariff {said.tariff_version or '-'}, deny list {said.deny_version}"
        )
    for journal in found.journals:
        gap = f", {journal.waiting} wait beyond it" if journal.waiting else ""
        if journal.missing_to:
            gap += f"; missing: {journal.sequence + 1} to {journal.missing_to}"
        click.echo(f"    journal {journal.journal_id} stored up to {journal.sequence}{gap}")


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
        click.echo(f"card {each.card_id} tap {each.counter}, before {context.local(each.before)}: {holder}")
    click.echo(f"{len(found)} taps missing")


def _step(deed: Deed, came: str, help_text: str) -> None:
    @device.command(
        deed.value, help=f"{help_text}\n\nExample: lienthong device {deed.value} DEVICE_ID --reason '…'"
    )
    @click.argument("device_id", type=click.UUID)
    @click.option("--reason", required=True, help="Why; it is kept with who did it.")
    def step(device_id: UUID, reason: str) -> None:
        _decide(device_id, deed, reason)
        click.echo(f"{device_id} {came}")


_step(Deed.APPROVE, "is active", "Let an enrolled device that waits for approval begin.")
_step(Deed.SUSPEND, "is suspended", "Refuse a device's uploads and requests; it keeps its journal.")
_step(Deed.REINSTATE, "is active", "Let a suspended device go on; its journal is then delivered.")
_step(
    Deed.ROTATE,
    "is asked for a new key at its next heartbeat",
    "Ask a device for a new signing key. Both are good until it has spoken under the new one; no tap is lost.",
)


@device.command()
@click.argument("device_id", type=click.UUID)
@click.option("--reason", required=True, help="Why; it is kept with who did it.")
@click.option("--lost", is_flag=True, help="Give up what it still holds: it was stolen, burnt or is broken.")
def retire(device_id: UUID, reason: str, lost: bool) -> None:
    """End a device for good. Refused while its journal is not drained: what it holds could never come any more.

    \b
    Example: lienthong device retire DEVICE_ID --reason 'bus sold'
    """  # noqa: D301  (click reads \b)
    _decide(device_id, Deed.GIVE_UP if lost else Deed.RETIRE, reason)
    click.echo(f"{device_id} is retired")


def _decide(device_id: UUID, deed: Deed, reason: str) -> None:
    from service import devices
    from service.commands import context

    with context.database() as database, database.begin() as tx:
        devices.decide(
            tx,
            DeviceId(device_id),
            deed,
            reason=reason,
            actor=context.actor(),
            now=context.clock().now(),
        )
