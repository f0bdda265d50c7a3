"""The chart of accounts for Hanoi. Ids are derived, so every house names an account without asking the database.

docs/ledger-chart.md tells what each is for and shows them in a diagram.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final
from uuid import UUID

from kernel.ids import LedgerAccountId, uuid8
from kernel.money import VND, Currency
from ledger.rules.account import AccountSpec, AccountType, OwnerKind

RIDER_STORED_VALUE = "rider_stored_value"
RIDER_RECEIVABLE = "rider_receivable"
OPERATOR_PAYABLE = "operator_payable"
OPERATOR_SUBSIDY = "operator_subsidy"
PARKING_PAYABLE = "parking_payable"
FUNDER_RECEIVABLE = "funder_receivable"
BANK_GUARANTEE = "bank_guarantee"
PROVIDER_CLEARING = "provider_clearing"
TILL = "till"
OPERATOR_CASH = "operator_cash"
CASH_OFFICE = "cash_office"
AGENT_SHORTAGE = "agent_shortage"
SUSPENSE = "suspense"
OPERATOR_PASS = "operator_pass"  # noqa: S105 — an account kind, not a password
PASS_UNRIDDEN = "pass_unridden"  # noqa: S105 — an account kind, not a password
GOODWILL = "goodwill"
PROVIDER_FEES = "provider_fees"
RECON_DIFFERENCE = "recon_difference"
LEGACY_CLEARING = "legacy_clearing"
RIDER_TRANSFER = "rider_transfer"
REFUND_PAYABLE = "refund_payable"
OPERATOR_CLEARING = "operator_clearing"
PAYOUT_TRANSIT = "payout_transit"
SETTLEMENT_FEES = "settlement_fees"
DEFERRED_PASS = "deferred_pass"  # noqa: S105 — an account kind, not a password


def owner(kind: OwnerKind, name: str) -> UUID:
    """Return the distribution key of an owner that is no rider: `uuid8("owner", kind, name)`."""
    return uuid8("owner", kind.value, name)


def account_id(kind: str, of: UUID | str, currency: Currency = VND) -> LedgerAccountId:
    """Return the derived id `uuid8("account", kind, owner)`; a currency other than VND is a further part."""
    parts: tuple[UUID | str, ...] = ("account", kind, of)
    return LedgerAccountId(uuid8(*parts) if currency == VND else uuid8(*parts, currency.code))


@lru_cache(maxsize=16_384)
def _rider(kind: str, type_: AccountType, of: UUID, currency: Currency, *, guarded: bool) -> AccountSpec:
    return AccountSpec(
        account_id(kind, of, currency), kind, type_, currency, OwnerKind.RIDER, of, guarded, str(of)
    )


def _house(
    kind: str, type_: AccountType, owner_kind: OwnerKind, name: str, currency: Currency
) -> AccountSpec:
    return AccountSpec(
        account_id(kind, name, currency),
        kind,
        type_,
        currency,
        owner_kind,
        owner(owner_kind, name),
        guarded=False,
        owner_name=name,
    )


def rider_stored_value(fare_account_id: UUID, currency: Currency = VND) -> AccountSpec:
    """Return the liability for what a rider has loaded; guarded, floor 0."""
    return _rider(RIDER_STORED_VALUE, AccountType.LIABILITY, fare_account_id, currency, guarded=True)


def rider_receivable(fare_account_id: UUID, currency: Currency = VND) -> AccountSpec:
    """Return the asset for what a rider owes beyond the stored value (DESIGN §8.8); append-only."""
    return _rider(RIDER_RECEIVABLE, AccountType.ASSET, fare_account_id, currency, guarded=False)


def operator_payable(operator: str, currency: Currency = VND) -> AccountSpec:
    """Return the liability for fares collected on a transit operator's behalf."""
    return _house(OPERATOR_PAYABLE, AccountType.LIABILITY, OwnerKind.OPERATOR, operator, currency)


def operator_subsidy(operator: str, currency: Currency = VND) -> AccountSpec:
    """Return the liability for waived and discounted fares that a funder owes an operator through us."""
    return _house(OPERATOR_SUBSIDY, AccountType.LIABILITY, OwnerKind.OPERATOR, operator, currency)


def parking_payable(operator: str, currency: Currency = VND) -> AccountSpec:
    """Return the liability for parking charges collected on an operator's behalf."""
    return _house(PARKING_PAYABLE, AccountType.LIABILITY, OwnerKind.OPERATOR, operator, currency)


def funder_receivable(funder: str, currency: Currency = VND) -> AccountSpec:
    """Return the asset for what a funder ("city") is to reimburse."""
    return _house(FUNDER_RECEIVABLE, AccountType.ASSET, OwnerKind.CITY, funder, currency)


def bank_guarantee(currency: Currency = VND) -> AccountSpec:
    """Return the asset for the guarantee account that covers stored value (Decree 52/2024)."""
    return _house(BANK_GUARANTEE, AccountType.ASSET, OwnerKind.BANK, "guarantee", currency)


def provider_clearing(provider: str, currency: Currency = VND) -> AccountSpec:
    """Return the asset for top-ups a payment provider has taken and not yet paid out to the bank."""
    return _house(PROVIDER_CLEARING, AccountType.ASSET, OwnerKind.PROVIDER, provider, currency)


def till(name: str, currency: Currency = VND) -> AccountSpec:
    """Return the asset for cash in the hands of an agent or attendant until it is remitted or counted."""
    return _house(TILL, AccountType.ASSET, OwnerKind.PROVIDER, name, currency)


def cash_office(currency: Currency = VND) -> AccountSpec:
    """Return the asset for cash that tills handed in, until the bank's statement has it."""
    return _house(CASH_OFFICE, AccountType.ASSET, OwnerKind.BANK, "cash", currency)


def agent_shortage(agent: str, currency: Currency = VND) -> AccountSpec:
    """Return the asset for what an agent's counts lacked and the agent has to make good."""
    return _house(AGENT_SHORTAGE, AccountType.ASSET, OwnerKind.PROVIDER, agent, currency)


def operator_cash(operator: str, currency: Currency = VND) -> AccountSpec:
    """Return the asset for cash that an operator keeps of what it is owed: paying it out nets the two."""
    return _house(OPERATOR_CASH, AccountType.ASSET, OwnerKind.OPERATOR, operator, currency)


def operator_clearing(operator: str, currency: Currency = VND) -> AccountSpec:
    """Return the liability for what has been settled with an operator and not been paid; below zero it owes."""
    return _house(OPERATOR_CLEARING, AccountType.LIABILITY, OwnerKind.OPERATOR, operator, currency)


def payout_transit(currency: Currency = VND) -> AccountSpec:
    """Return the liability for payments that the bank has been asked for and has not shown yet."""
    return _house(PAYOUT_TRANSIT, AccountType.LIABILITY, OwnerKind.BANK, "payouts", currency)


def settlement_fees(currency: Currency = VND) -> AccountSpec:
    """Return the income from what the scheme keeps of operators' revenue by their terms."""
    return _house(SETTLEMENT_FEES, AccountType.INCOME, OwnerKind.CITY, "scheme", currency)


def suspense(reason: str, currency: Currency = VND) -> AccountSpec:
    """Return the liability for money whose owner is not known yet, by reason."""
    return _house(SUSPENSE, AccountType.LIABILITY, OwnerKind.SUSPENSE, reason, currency)


def deferred_pass(product: str, currency: Currency = VND) -> AccountSpec:
    """Return the liability for passes sold and not yet ridden off, by product."""
    return _house(DEFERRED_PASS, AccountType.LIABILITY, OwnerKind.CITY, product, currency)


def operator_pass(operator: str, currency: Currency = VND) -> AccountSpec:
    """Return the liability for an operator's share of pass money that is earned."""
    return _house(OPERATOR_PASS, AccountType.LIABILITY, OwnerKind.OPERATOR, operator, currency)


def pass_unridden(product: str, currency: Currency = VND) -> AccountSpec:
    """Return the liability for pass money that was earned while nobody rode on the product: it is the city's."""
    return _house(PASS_UNRIDDEN, AccountType.LIABILITY, OwnerKind.CITY, product, currency)


def goodwill(currency: Currency = VND) -> AccountSpec:
    """Return the expense for what riders are given back beyond what their bills say."""
    return _house(GOODWILL, AccountType.EXPENSE, OwnerKind.CITY, "goodwill", currency)


def legacy_clearing(scheme: str, currency: Currency = VND) -> AccountSpec:
    """Return the asset for what an outgoing scheme still has to hand over for the balances taken on."""
    return _house(LEGACY_CLEARING, AccountType.ASSET, OwnerKind.PROVIDER, scheme, currency)


def rider_transfer(currency: Currency = VND) -> AccountSpec:
    """Return the liability that money passes through from one rider to another; it is zero after each passage."""
    return _house(RIDER_TRANSFER, AccountType.LIABILITY, OwnerKind.SUSPENSE, "transfer", currency)


def refund_payable(currency: Currency = VND) -> AccountSpec:
    """Return the liability for stored value of returned cards that is to be paid out."""
    return _house(REFUND_PAYABLE, AccountType.LIABILITY, OwnerKind.SUSPENSE, "refund", currency)


def provider_fees(provider: str, currency: Currency = VND) -> AccountSpec:
    """Return the expense for what a payment provider keeps of what it pays out."""
    return _house(PROVIDER_FEES, AccountType.EXPENSE, OwnerKind.PROVIDER, provider, currency)


def recon_difference(currency: Currency = VND) -> AccountSpec:
    """Return the expense for differences between bank and books that two people wrote off."""
    return _house(RECON_DIFFERENCE, AccountType.EXPENSE, OwnerKind.BANK, "difference", currency)


def _of_rider(make: Callable[[UUID, Currency], AccountSpec]) -> Callable[[str, Currency], AccountSpec]:
    return lambda name, unit: make(UUID(name), unit)


# Every kind of the chart, and how an account of it is made from its owner's name (a rider's is the fare account's id).
MAKERS: Final[Mapping[str, Callable[[str, Currency], AccountSpec]]] = {
    RIDER_STORED_VALUE: _of_rider(rider_stored_value),
    RIDER_RECEIVABLE: _of_rider(rider_receivable),
    OPERATOR_PAYABLE: operator_payable,
    OPERATOR_SUBSIDY: operator_subsidy,
    PARKING_PAYABLE: parking_payable,
    FUNDER_RECEIVABLE: funder_receivable,
    BANK_GUARANTEE: lambda _, unit: bank_guarantee(unit),
    PROVIDER_CLEARING: provider_clearing,
    TILL: till,
    OPERATOR_CASH: operator_cash,
    CASH_OFFICE: lambda _, unit: cash_office(unit),
    AGENT_SHORTAGE: agent_shortage,
    OPERATOR_CLEARING: operator_clearing,
    PAYOUT_TRANSIT: lambda _, unit: payout_transit(unit),
    SETTLEMENT_FEES: lambda _, unit: settlement_fees(unit),
    SUSPENSE: suspense,
    DEFERRED_PASS: deferred_pass,
    OPERATOR_PASS: operator_pass,
    PASS_UNRIDDEN: pass_unridden,
    GOODWILL: lambda _, unit: goodwill(unit),
    LEGACY_CLEARING: legacy_clearing,
    RIDER_TRANSFER: lambda _, unit: rider_transfer(unit),
    REFUND_PAYABLE: lambda _, unit: refund_payable(unit),
    PROVIDER_FEES: provider_fees,
    RECON_DIFFERENCE: lambda _, unit: recon_difference(unit),
}


def spec_of(kind: str, name: str, currency: Currency = VND) -> AccountSpec:
    """Return the account of a kind for an owner's name. KeyError for a kind that is not in the chart, ValueError
    for a rider who is not named by an id.
    """
    return MAKERS[kind](name, currency)
