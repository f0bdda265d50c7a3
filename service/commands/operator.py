"""`lienthong operator`: where operators are paid, what the scheme keeps, who shares in their revenue."""

import json
from datetime import datetime
from pathlib import Path

import click

from ledger import terms as verbs
from ledger.terms import TermsRow
from service.commands import context
from service.jobs import operators as job


@click.group()
def operator() -> None:
    """Operators' terms: account, fees and revenue shares, in force from a day on, by two people."""


@operator.command()
@click.argument("operator_id")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--from", "valid_from", type=click.DateTime(["%Y-%m-%d"]), required=True, help="The first book day."
)
def propose(operator_id: str, file: Path, valid_from: datetime) -> None:
    """Propose the terms in FILE (JSON: name, account, bank, bic, fee_basis_points, fee_per_trip, shares).

    Nothing holds before `operator sign` by somebody else. docs/settlement.md shows a file.

    \b
    Example:
      lienthong operator propose transerco transerco.json --from 2026-11-18
    """  # noqa: D301  (click reads \b)
    try:
        asked = verbs.from_json(operator_id, valid_from.date(), json.loads(file.read_text("utf-8")))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise click.ClickException(f"{file} does not say what terms are: {error}") from None
    with context.database() as database:
        _print(database.run(lambda tx: job.propose(tx, asked, by=context.actor(), now=context.clock().now())))


@operator.command()
@click.argument("operator_id")
@click.argument("version", type=int)
@click.option("--refuse", is_flag=True, help="Refuse them instead.")
def sign(operator_id: str, version: int, refuse: bool) -> None:
    """Sign proposed terms as the second person.

    \b
    Example:
      lienthong operator sign transerco 1
    """  # noqa: D301  (click reads \b)
    with context.database() as database:
        _print(
            database.run(
                lambda tx: job.sign(
                    tx,
                    operator_id,
                    version,
                    approved=not refuse,
                    by=context.actor(),
                    now=context.clock().now(),
                )
            )
        )


@operator.command("list")
@click.argument("operator_id", required=False)
def list_(operator_id: str | None) -> None:
    """List all versions of an operator's terms, or of everybody's.

    \b
    Example:
      lienthong operator list
    """  # noqa: D301  (click reads \b)
    with context.database() as database, database.read() as tx:
        for row in verbs.list_terms(tx, operator_id):
            _print(row)


def _print(row: TermsRow) -> None:
    terms = row.terms
    click.echo(
        f"{terms.operator_id}  version {row.version}  {row.state}  from {terms.valid_from}  {terms.name}"
        f"  {terms.bank}/{terms.account}  fee {terms.fee_basis_points} bp + {terms.fee_per_trip}/trip"
    )
    for share in terms.shares:
        click.echo(f"  {share.per_mille} ‰ of {share.house} {share.route} to {share.to}")
