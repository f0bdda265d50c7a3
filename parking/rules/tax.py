"""Taxes on a list of charges: per line or on the total, added or already inside, one on another."""

from __future__ import annotations

from kernel.money import Currency, Money
from parking.rules.edges import LineType, RoundPer
from parking.rules.rate import RateTable, Tax
from parking.rules.walk import Charge, Kind

_MILLION = 1_000_000


def _base_of(tax: Tax, charges: list[Charge], taxes: list[tuple[Tax, int]]) -> list[int]:
    if tax.applies_to == "total":
        base = [charge.amount for charge in charges]
        # Taxes on single parts belong to the total that a later tax is taken of; earlier totals' only if compound.
        return base + [
            amount
            for earlier, amount in taxes
            if not earlier.included and (earlier.applies_to != "total" or tax.compound)
        ]
    units = tax.applies_to != "parking"
    return [
        charge.amount
        for charge in charges
        if _is_counted(charge) is units and (not units or charge.ref == tax.applies_to)
    ]


def _is_counted(charge: Charge) -> bool:
    return charge.line is not None and charge.line.line_type is LineType.PER_UNIT


def _amount(tax: Tax, base: int, currency: Currency) -> int:
    whole = _MILLION + tax.millionths if tax.included else _MILLION
    return Money(base, currency).share(tax.millionths, whole, tax.rounding).minor


def tax_charges(table: RateTable, charges: list[Charge], start: int, end: int) -> list[Charge]:
    """Return one charge per tax of the table, in sequence; an included tax shows its amount and adds nothing.

    For an included tax `units` carries the amount (in minor units) that the price contains.
    """
    found: list[tuple[Tax, int]] = []
    lines: list[Charge] = []
    for tax in table.taxes:
        base = _base_of(tax, charges, found)
        parts = base if tax.round_per is RoundPer.LINE else [sum(base)]
        amount = sum(_amount(tax, part, table.currency) for part in parts)
        found.append((tax, amount))
        if tax.included:
            lines.append(Charge(Kind.TAX_INCLUDED, tax.tax_id, start, end, amount, 0))
        else:
            lines.append(Charge(Kind.TAX, tax.tax_id, start, end, 1, amount))
    return lines
