"""Accounts open once with their facts, freeze, thaw, and close at zero only."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from kernel.ids import LedgerAccountId, uuid7, uuid8
from kernel.money import currency
from ledger import accounts
from ledger.rules import chart
from ledger.rules.account import AccountSpec, AccountState, AccountType, OwnerKind
from ledger.rules.errors import (
    AccountDiffersError,
    AccountNotEmptyError,
    AccountStateError,
    UnknownAccountError,
)

from .conftest import NOW, Books, vnd


def test_chart_ids_are_the_documented_derivation() -> None:
    rider = uuid7(NOW)
    assert chart.rider_stored_value(rider).account_id == uuid8("account", "rider_stored_value", rider)
    assert chart.operator_payable("transerco").account_id == uuid8("account", "operator_payable", "transerco")
    assert chart.operator_payable("x", currency("EUR")).account_id != chart.operator_payable("x").account_id


def test_chart_page_has_a_row_for_every_kind_and_none_else(request) -> None:
    page = (request.config.rootpath / "docs/ledger-chart.md").read_text("utf-8")
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| `")]
    described = {cells[1].strip().strip("`"): cells for cells in rows}
    assert set(described) == set(chart.MAKERS)
    for kind, cells in described.items():
        spec = chart.spec_of(kind, str(uuid7(NOW)))
        assert (spec.kind, spec.account_id) == (kind, chart.account_id(kind, spec_owner(spec)))
        assert spec.type.value in cells[2], kind
        assert spec.owner_kind.value in cells[3], kind


def spec_owner(spec: AccountSpec) -> UUID | str:
    return spec.owner_id if spec.owner_kind is OwnerKind.RIDER else spec.owner_name


def test_chart_refuses_strangers() -> None:
    with pytest.raises(KeyError):
        chart.spec_of("petty_cash", "x")
    with pytest.raises(ValueError, match="hexadecimal"):
        chart.spec_of(chart.RIDER_STORED_VALUE, "somebody")


def test_chart_only_stored_value_is_guarded_and_has_no_limit() -> None:
    rider = uuid7(NOW)
    specs = [
        chart.rider_receivable(rider),
        chart.operator_payable("a"),
        chart.operator_subsidy("a"),
        chart.parking_payable("a"),
        chart.funder_receivable("city"),
        chart.bank_guarantee(),
        chart.provider_clearing("p"),
        chart.suspense("unknown"),
        chart.deferred_pass("month"),
    ]
    assert not any(spec.guarded for spec in specs)
    assert len({spec.account_id for spec in specs}) == len(specs)
    purse = chart.rider_stored_value(rider)
    assert (purse.guarded, purse.limit_minor, purse.owner_id) == (True, 0, rider)


@given(st.text(max_size=20), st.text(max_size=20))
def test_chart_ids_differ_with_the_owner(one: str, other: str) -> None:
    same = chart.operator_payable(one).account_id == chart.operator_payable(other).account_id
    assert same == (one == other)


def test_open_again_answers_the_same(tx: Connection, books: Books) -> None:
    again = accounts.open_accounts(tx, books.specs(), NOW + timedelta(days=1))
    assert [account.spec for account in again] == books.specs()
    assert {account.opened_at for account in again} == {NOW}
    assert accounts.open_accounts(tx, [], NOW) == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "other"),
        ("type", AccountType.ASSET),
        ("currency", currency("EUR")),
        ("owner_kind", OwnerKind.CITY),
        ("owner_name", "x"),
        ("limit_minor", 7),
    ],
)
def test_open_with_other_facts_names_the_field(
    tx: Connection, books: Books, field: str, value: object
) -> None:
    spec = chart.rider_stored_value(books.riders[0])
    with pytest.raises(AccountDiffersError) as refused:
        accounts.open_accounts(tx, [replace(spec, **{field: value})], NOW)
    assert refused.value.fields["field"] == field


def test_lock_balances_of_strangers_and_append_only_accounts(tx: Connection, books: Books) -> None:
    for account in (LedgerAccountId(uuid7(NOW)), books.alpha):
        with pytest.raises(UnknownAccountError):
            accounts.lock_balances(tx, [books.purse(0), account])
    with pytest.raises(UnknownAccountError):
        accounts.read_balances(tx, [LedgerAccountId(uuid7(NOW))], NOW)


def test_lock_balances_answers_what_is_there(tx: Connection, books: Books) -> None:
    books.posted(tx, books.topup(0, 5))
    after = accounts.lock_balances(tx, [books.purse(0)])[books.purse(0)]
    assert (after.posted, after.pending, after.available) == (vnd(5), vnd(0), vnd(5))


def test_states_follow_their_table(tx: Connection, books: Books) -> None:
    account = books.purse(0)
    with pytest.raises(AccountStateError):
        accounts.thaw(tx, account, NOW)
    assert accounts.freeze(tx, account, NOW) is AccountState.FROZEN
    with pytest.raises(AccountStateError):
        accounts.freeze(tx, account, NOW)
    assert accounts.close_account(tx, account, NOW) is AccountState.CLOSED
    for step in (accounts.freeze, accounts.thaw, accounts.close_account):
        with pytest.raises(AccountStateError):
            step(tx, account, NOW)


def test_close_at_zero_only(tx: Connection, books: Books) -> None:
    books.posted(tx, books.topup(0, 5))
    for account in (books.purse(0), books.provider):
        with pytest.raises(AccountNotEmptyError):
            accounts.close_account(tx, account, NOW)
    books.posted(tx, books.fare(0, 5))
    assert accounts.close_account(tx, books.purse(0), NOW) is AccountState.CLOSED


def test_list_accounts_pages_in_id_order(tx: Connection, books: Books) -> None:
    first = accounts.list_accounts(tx, kind="rider_stored_value", limit=3)
    rest = accounts.list_accounts(tx, kind="rider_stored_value", after=first[-1].spec.account_id, limit=1_000)
    ids = [account.spec.account_id for account in (*first, *rest)]
    assert set(ids) >= {books.purse(i) for i in range(4)}
    assert ids == sorted(ids)
    of_one = accounts.list_accounts(tx, owner_id=books.riders[0])
    assert {account.spec.kind for account in of_one} == {"rider_stored_value", "rider_receivable"}
