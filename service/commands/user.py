"""`lienthong user` and `lienthong credential`."""

from datetime import timedelta

import click

from kernel.ids import OperatorId
from service import audit, staff
from service.commands import context
from service.staff import Grant, Role

ROLES = [role.value for role in Role]


class GrantType(click.ParamType[Grant]):
    """ROLE, or ROLE:OPERATOR for a role limited to one operator."""

    name = "role[:operator]"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Grant:
        """Return the grant that the text names."""
        role, _, operator = str(value).partition(":")
        if role not in ROLES:
            self.fail(f"{role} is none of {', '.join(ROLES)}", param, ctx)
        if role == Role.PARKING_OPERATOR.value and not operator:
            self.fail("parking_operator needs an operator, e.g. parking_operator:parking-dongda", param, ctx)
        return Grant(Role(role), OperatorId(operator))


@click.group()
def user() -> None:
    """Add and list staff users."""


@user.command()
@click.argument("email")
@click.option("--name", required=True, help="The name that pages and reports show.")
@click.option(
    "--role", "grants", type=GrantType(), multiple=True, required=True, help="May be given several times."
)
@click.option(
    "--password",
    prompt=True,
    hide_input=True,
    confirmation_prompt=True,
    envvar="LIENTHONG_NEW_PASSWORD",
    help="Asked for when not given; 12 to 128 characters.",
)
def add(email: str, name: str, grants: tuple[Grant, ...], password: str) -> None:
    """Add a staff user, who then signs in at the service's first page.

    \b
    Roles:
      auditor            reads everything, changes nothing
      finance_maker      prepares settlements; finance_checker releases them (two people)
      parking_operator   sees only its own places: parking_operator:OPERATOR
      agent              sells passes for cash at a till, hands out riders' sign-in codes
      inspector, administrator, rider

    \b
    Example:
      lienthong user add mai@example.org --name "Mai" --role finance_maker --role auditor
    """  # noqa: D301  (click reads \b)
    with context.database() as database:
        added = database.run(
            lambda tx: staff.add(
                tx,
                email=email,
                display_name=name,
                password=password,
                grants=grants,
                by=context.actor(),
                now=context.clock().now(),
            )
        )
    click.echo(f"added {added.email}: {', '.join(_shown(grant) for grant in added.grants)}")


@user.command("list")
def list_users() -> None:
    """List staff users and their roles.

    \b
    Example:
      lienthong user list
    """  # noqa: D301  (click reads \b)
    with context.database() as database, database.read() as tx:
        for one in staff.list_staff(tx):
            state = "" if one.active else "  (inactive)"
            click.echo(f"{one.email}  {one.display_name}  {', '.join(_shown(g) for g in one.grants)}{state}")


@user.command("password")
@click.argument("email")
@click.option(
    "--password", prompt=True, hide_input=True, confirmation_prompt=True, envvar="LIENTHONG_NEW_PASSWORD"
)
def set_password(email: str, password: str) -> None:
    """Set a staff user's password and end all their sign-ins.

    \b
    Example:
      lienthong user password mai@example.org
    """  # noqa: D301  (click reads \b)
    with context.database() as database:
        database.run(
            lambda tx: staff.set_password(
                tx, email=email, password=password, by=context.actor(), now=context.clock().now()
            )
        )
    click.echo(f"password of {email} set")


@user.command("trail")
@click.option("--limit", default=50, show_default=True, help="How many lines, newest first.")
def show_trail(limit: int) -> None:
    """Show the newest lines of the audit trail.

    \b
    Example:
      lienthong user trail --limit 20
    """  # noqa: D301  (click reads \b)
    with context.database() as database, database.read() as tx:
        for line in audit.list_latest(tx, limit=limit):
            click.echo(
                f"{line.at.isoformat(timespec='seconds')}  {line.actor.kind.value}:{line.actor.actor_id}"
                f"  {line.action}  {line.subject_kind}:{line.subject_id}"
            )


@click.group()
def credential() -> None:
    """Add API credentials for machines."""


@credential.command("add")
@click.argument("name")
@click.option(
    "--role", "grant", type=GrantType(), required=True, help="One role; make one credential a purpose."
)
@click.option(
    "--days", default=365, show_default=True, type=click.IntRange(1, 1095), help="Valid for so long."
)
def add_credential(name: str, grant: Grant, days: int) -> None:
    """Make an API credential and print its token, once. Only a hash of it is kept.

    Of role rider it is the rider app's own server, which only asks for top-ups; riders sign in themselves.

    \b
    Example:
      lienthong credential add "ERP export" --role auditor --days 90
      curl -H "Authorization: Bearer lt_…" http://127.0.0.1:8080/v1/…
    """  # noqa: D301  (click reads \b)
    with context.database() as database:
        _, token = database.run(
            lambda tx: staff.add_credential(
                tx,
                name=name,
                grant=grant,
                valid=timedelta(days=days),
                by=context.actor(),
                now=context.clock().now(),
            )
        )
    click.echo(token)


def _shown(grant: Grant) -> str:
    return grant.role.value + (f":{grant.operator_id}" if grant.operator_id else "")
