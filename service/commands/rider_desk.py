"""`lienthong rider register|family|inspect|erase`: other media, a family's amounts, an inspector's look, the end."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime
from uuid import UUID

import click

from service.commands import context

SERIAL = click.argument("serial", type=click.IntRange(min=1))


@click.command()
@SERIAL
@click.option("--kind", type=click.Choice(["qr", "citizen", "bank", "felica"]), required=True)
@click.option(
    "--token",
    required=True,
    help="In hexadecimal digits: a phone's public key, a chip's or card's token, a FeliCa token's IDm.",
)
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), required=True, help="Its last day.")
def register(serial: int, kind: str, token: str, until: datetime) -> None:
    """Register a QR key, a chip citizen ID, a bank card or a FeliCa token on a card's account; prints a QR's certificate.

    Never a citizen's or a card's number: both are refused.

    \b
    Example: lienthong rider register 17 --kind qr --token "$(python -m readers.softcard.phone new --key p.key)" --until 2030-01-01
    """  # noqa: D301  (click reads \b)
    from access import issue, link, tokens
    from access.rules.medium import MediumKind
    from access.rules.token import AcquirerTokens
    from access.tokens import BadTokenError
    from service import audit

    now, of = context.clock().now(), MediumKind(kind)
    try:
        raw = AcquirerTokens().token_of(token) if of is MediumKind.BANK else bytes.fromhex(token)
    except ValueError:
        raise click.UsageError("--token takes hexadecimal digits") from None
    if raw is None:
        raise BadTokenError(kind=kind, why="no payment token")
    with context.database() as database, database.begin() as tx:
        account = context.account_of(tx, serial, now)
        issue.raise_versions(tx, link.lock_counted(tx, (account,)).accounts | {account})
        issue.lock_accounts(tx, (account,))
        known = tokens.find_by_token(tx, of, raw, keyring=context.keyring())
        made = tokens.register(
            tx, account, of, raw, expires_on=until.date(), keyring=context.keyring(), now=now
        )
        if known is None:
            audit.record(
                tx,
                actor=context.actor(),
                action=f"access.medium.{kind}",
                subject_kind="card",
                subject_id=str(made.card.card_id),
                now=now,
            )
    click.echo(f"medium {made.card.serial}: {kind}, {made.card.state.value}")
    if made.until is not None:
        click.echo(f"{b64encode(made.certificate).decode()}  until {context.local(made.until)}")


@click.command("family")
@SERIAL
@click.option("--month", type=click.DateTime(["%Y-%m"]), help="YYYY-MM; default the running one.")
def show_family(serial: int, month: datetime | None) -> None:
    """Show for whom the holder pays and how much in a month: amounts, never a place or a time of a ride.

    \b
    Example: lienthong rider family 12
    """  # noqa: D301  (click reads \b)
    from access import family
    from kernel.money import VND, Money
    from kernel.service_day import local_date
    from ledger.move import given_in_month
    from ledger.rules.book_day import ZONE
    from service.jobs.debts import FAMILY

    now = context.clock().now()
    first = (month.date() if month else local_date(now, ZONE)).replace(day=1)
    with context.database() as database, database.begin() as tx:
        payer = context.account_of(tx, serial, now)
        context.looked(tx, payer, "family")
        members = family.members(tx, payer)
        given = given_in_month(tx, payer, kind=FAMILY, month=first)
    for member, terms in members.items():
        paid = given.get(member, Money.zero(VND))
        click.echo(f"{member}  {paid} of at most {Money(terms.month_limit, VND)}")
    click.echo(f"{len(members)} members in {first:%Y-%m}")


@click.command("inspect")
@SERIAL
@click.option("--place", required=True, help="Where you stand: the vehicle, or the station.")
def inspect_card(serial: int, place: str) -> None:
    """Say whether a card tapped, whether a pass is held, and on which vehicle; nothing more.

    That you looked stands in the rider's access log. An unknown card answers like one that did not tap.

    \b
    Example: lienthong rider inspect 17 --place 29B-101.26
    """  # noqa: D301  (click reads \b)
    from access import issue
    from access.issue import UnknownCardError
    from fare.inspect import inspect
    from kernel.ids import CardId, FareAccountId

    now = context.clock().now()
    with context.database() as database, database.begin() as tx:
        books = context.shelf().books(tx)
        try:
            card = issue.get_card(tx, serial=serial)
        except UnknownCardError:
            click.echo("not tapped, no pass")
            return
        account = FareAccountId(card.fare_account_id)
        told = inspect(tx, account, CardId(card.card_id), books=books, now=now)
        purpose = f"inspection at {place}"
        context.looked(tx, account, "inspection", purpose)
    tapped = f"tapped on {told.vehicle}" if told.tapped else "not tapped"
    click.echo(f"{tapped}, {'pass held' if told.has_pass else 'no pass'}")


@click.command()
@click.argument("account", type=click.UUID)
@click.option("--reason", required=True)
@click.option(
    "--confirm", type=click.UUID, required=True, help="The account's id once more: there is no way back."
)
def erase(account: UUID, reason: str, confirm: UUID) -> None:
    """Erase the person behind an account for good: keys destroyed, hashes and seals stay.

    Refused while a card is in use or the account holds or owes money.

    \b
    Example: lienthong rider erase ACCOUNT --reason "asked in writing" --confirm ACCOUNT
    """  # noqa: D301  (click reads \b)
    from kernel.ids import FareAccountId
    from service.jobs.erase_person import erase_person

    if confirm != account:
        raise click.UsageError("--confirm is not the account's id")
    now = context.clock().now()
    with context.database() as database, database.begin() as tx:
        gone = erase_person(tx, FareAccountId(account), reason=reason, by=context.actor(), now=now)
    click.echo(f"{gone} keys destroyed")
