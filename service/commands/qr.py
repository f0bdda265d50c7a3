"""`lienthong qr`: VietQR codes from and to text, with no database."""

import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import segno

from kernel.money import VND, Money
from ledger.rails import vietqr
from ledger.rails.banks import list_banks_named
from ledger.rails.fold import printable
from ledger.rails.vietqr import Read, Service, VietQr


@click.group()
def qr() -> None:
    """Read, write and explain VietQR codes. Works on text alone, with no database."""


@qr.command()
@click.argument("payload")
@click.option("--json", "as_json", is_flag=True, help="Print what it says as JSON.")
def read(payload: str, as_json: bool) -> None:
    """Say what a scanned QR's text asks to be paid; - reads it from standard input.

    Structure and checksum are both checked. Ends with 1 when the text is no sound VietQR; what is only
    unusual (an unknown bank, tags out of order) is a warning.

    \b
    Example:
      lienthong qr read 00020101021138570010A00000072701270006970403011300110123456780208QRIBFTTA53037045802VN63049E6F
    """  # noqa: D301  (click reads \b)
    found = vietqr.read(sys.stdin.read() if payload == "-" else payload)
    if as_json:
        click.echo(json.dumps(as_document(found), ensure_ascii=False, indent=2))
        return
    code, bank = found.qr, found.bank
    rows = {
        "bank": f"{code.bin} {bank.short_name} ({bank.name})" if bank else code.bin,
        "card" if code.service is Service.CARD else "account": code.account,
        "use": "single" if code.single_use else "static",
        "amount": "" if code.amount is None else str(code.amount),
        **{name: getattr(code, name) for name in TEXTS},
    }
    for name, value in rows.items():
        if value:
            click.echo(f"{name.replace('_', ' '):<12} {printable(value)}")
    for warned in found.warnings:
        click.echo(f"warning      {warned.message} [{warned.code}]", err=True)


TEXTS = ("name", "city", "postal_code", "category", "bill", "reference", "terminal", "purpose")


def as_document(found: Read) -> dict[str, Any]:
    """Return a QR as JSON can carry it."""
    said = {part.name: getattr(found.qr, part.name) for part in fields(VietQr)}
    bank = found.bank
    return {
        **said,
        "service": found.qr.service.value,
        "amount": None if found.qr.amount is None else found.qr.amount.to_json(),
        "bank": None if bank is None else {"short_name": bank.short_name, "name": bank.name, "bic": bank.bic},
        "warnings": [{"code": warned.code, "message": warned.message} for warned in found.warnings],
    }


@qr.command()
@click.option("--bin", "number", required=True, help="The bank's six digits (`lienthong qr banks`).")
@click.option("--account", required=True, help="The account, or with --card the card number.")
@click.option("--card", is_flag=True, help="The number is a card's.")
@click.option("--amount", type=click.IntRange(1), help="In đồng; below 500,000,000.")
@click.option("--single-use", is_flag=True, help="One payment only (tag 01 = 12).")
@click.option("--name", default="", help="Name of the payee, at most 25 letters; marks are folded.")
@click.option("--city", default="", help="At most 15 letters.")
@click.option("--bill", default="", help="Bill number, at most 25 letters.")
@click.option("--reference", default="", help="Reference, at most 25 letters.")
@click.option("--terminal", default="", help="Terminal, at most 25 letters.")
@click.option("--purpose", default="", help="Purpose, at most 25 letters.")
@click.option("--postal-code", default="", help="At most 10 letters.")
@click.option("--category", default="", help="Merchant category, four digits.")
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), help="Also draw it into this file.")
@click.option("--draw", is_flag=True, help="Also draw it in the terminal.")
def write(
    number: str,
    account: str,
    card: bool,
    amount: int | None,
    single_use: bool,
    name: str,
    city: str,
    bill: str,
    reference: str,
    terminal: str,
    purpose: str,
    postal_code: str,
    category: str,
    svg: Path | None,
    draw: bool,
) -> None:
    """Print the text of a VietQR; every field is checked against its published limit.

    \b
    Example:
      lienthong qr write --bin 970436 --account 0011001234567 --amount 50000 --purpose "Nạp thẻ" --draw
    """  # noqa: D301  (click reads \b)
    text = vietqr.write(
        VietQr(
            bin=number,
            account=account,
            service=Service.CARD if card else Service.ACCOUNT,
            single_use=single_use,
            amount=None if amount is None else Money(amount, VND),
            name=name,
            city=city,
            bill=bill,
            reference=reference,
            terminal=terminal,
            purpose=purpose,
            postal_code=postal_code,
            category=category,
        )
    )
    click.echo(text)
    drawn = segno.make(text, error="q", micro=False)
    if svg is not None:
        drawn.save(str(svg), kind="svg", scale=4)
    if draw:
        drawn.terminal(compact=True)


@qr.command()
@click.argument("words", nargs=-1)
def banks(words: tuple[str, ...]) -> None:
    """List banks whose name contains WORDS, marks and case aside, with their numbers.

    \b
    Example:
      lienthong qr banks ngoai thuong
    """  # noqa: D301  (click reads \b)
    found = list_banks_named(" ".join(words) or "a")
    for bank in found:
        click.echo(f"{bank.bin}  {bank.short_name:<18} {bank.bic:<11} {bank.name}")
    if found:
        click.echo(f"({found[0].source}, numbers issued until {found[0].listed_until})", err=True)
    else:
        raise click.ClickException("no bank of that name in the list")
