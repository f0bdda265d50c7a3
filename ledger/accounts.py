"""Open, read, freeze and close accounts; lock and read balances."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.ids import LedgerAccountId
from kernel.money import Money, currency
from ledger.rules.account import (
    TRANSITIONS,
    Account,
    AccountEvent,
    AccountSpec,
    AccountState,
    Balance,
)
from ledger.rules.errors import (
    AccountDiffersError,
    AccountNotEmptyError,
    AccountStateError,
    UnknownAccountError,
)
from ledger.store import accounts as store
from ledger.store import balances as balance_store
from ledger.store import holds as hold_store

_FACTS: Final = (
    "kind",
    "type",
    "currency",
    "owner_kind",
    "owner_id",
    "owner_name",
    "guarded",
    "limit_minor",
)


def open_accounts(tx: Connection, specs: Sequence[AccountSpec], now: datetime) -> tuple[Account, ...]:
    """Open accounts and return them in the order asked; one that is open already is returned as it is.

    AccountDiffersError when an id is taken by an account with other facts (the field is named).
    """
    if not specs:
        return ()
    found = {account.spec.account_id: account for account in _of_owners(tx, specs)}
    if missing := [spec for spec in specs if spec.account_id not in found]:
        store.insert(tx, missing, now)
        found |= {account.spec.account_id: account for account in _of_owners(tx, missing)}
    for spec in specs:
        stored = found[spec.account_id].spec
        if stored == spec:
            continue
        for name in _FACTS:
            if getattr(stored, name) != getattr(spec, name):
                raise AccountDiffersError(account_id=str(spec.account_id), field=name)
    return tuple(found[spec.account_id] for spec in specs)


def open_missing(tx: Connection, specs: Sequence[AccountSpec], now: datetime) -> None:
    """Open those of these accounts that are not open yet; the others are not read.

    For accounts whose id the chart makes of all that they are: one of the same id cannot be another.
    """
    if not specs:
        return
    missing = store.list_missing(tx, [(spec.owner_id, spec.account_id) for spec in specs])
    open_accounts(tx, [spec for spec in specs if spec.account_id in missing], now)


def _of_owners(tx: Connection, specs: Sequence[AccountSpec]) -> list[Account]:
    return store.list_accounts(tx, {spec.account_id for spec in specs})


def get_account(tx: Connection, account_id: UUID) -> Account:
    """Return an account; UnknownAccountError when it was never opened."""
    found = store.list_accounts(tx, [account_id])
    if not found:
        raise UnknownAccountError(account_id=str(account_id))
    return found[0]


def list_accounts(
    tx: Connection,
    *,
    kind: str | None = None,
    owner_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 100,
) -> tuple[Account, ...]:
    """Return up to `limit` accounts in id order, after an id when paging, of one kind and owner when asked."""
    assert 0 < limit <= 1_000, "a page is bounded"
    return tuple(store.page_accounts(tx, kind=kind, owner_id=owner_id, after=after, limit=limit))


def lock_balances(
    tx: Connection, account_ids: Iterable[LedgerAccountId], now: datetime | None = None
) -> dict[LedgerAccountId, Balance]:
    """Lock guarded balances in id order until the transaction ends and return them.

    Append-only accounts have nothing to lock and UnknownAccountError is raised for them as for strangers.
    With `now`, holds that have expired by then are released first, so that `available` does not count them.
    """
    wanted = set(account_ids)
    locked = store.lock_balances(tx, wanted)
    if now is not None and hold_store.expire_of(tx, [(b.owner_id, b.account_id) for b in locked], now):
        locked = store.lock_balances(tx, wanted)
    if strangers := wanted - {balance.account_id for balance in locked}:
        raise UnknownAccountError(account_id=str(min(strangers)))
    return {balance.account_id: _balance(balance) for balance in locked}


def _balance(stored: store.StoredBalance, released: int = 0) -> Balance:
    unit = currency(stored.currency)
    pending = stored.pending - released
    return Balance(
        Money(stored.posted, unit),
        Money(pending, unit),
        Money(stored.posted - pending - stored.floor, unit),
    )


def read_available(
    tx: Connection, account_ids: Iterable[LedgerAccountId], now: datetime
) -> dict[LedgerAccountId, Money]:
    """Return what guarded accounts have available, without locking; strangers and append-only ones are left out.

    As `read_balances`, at half its cost: the accounts themselves are not read.
    """
    guarded = store.list_balances(tx, set(account_ids))
    due = hold_store.due_sums(tx, [(b.owner_id, b.account_id) for b in guarded], now)
    return {b.account_id: _balance(b, due.get(b.account_id, 0)).available for b in guarded}


def read_balances(
    tx: Connection, account_ids: Iterable[LedgerAccountId], now: datetime
) -> dict[LedgerAccountId, Balance]:
    """Return the balances of any accounts, without locking.

    Holds past their time do not count, whether or not a job has expired them. UnknownAccountError for ids
    that were never opened.
    """
    wanted = set(account_ids)
    accounts = {account.spec.account_id: account for account in store.list_accounts(tx, wanted)}
    if strangers := wanted - accounts.keys():
        raise UnknownAccountError(account_id=str(min(strangers)))
    guarded = store.list_balances(tx, [i for i, account in accounts.items() if account.spec.guarded])
    due = hold_store.due_sums(tx, [(b.owner_id, b.account_id) for b in guarded], now)
    balances = {b.account_id: _balance(b, due.get(b.account_id, 0)) for b in guarded}
    rolled = balance_store.current_sums(
        tx,
        [
            (account.spec.owner_id, account_id)
            for account_id, account in accounts.items()
            if not account.spec.guarded
        ],
    )
    for account_id, account in accounts.items():
        if not account.spec.guarded:
            debits, credits_ = rolled.get(account_id, (0, 0))
            posted = Money(account.spec.type.normal * (credits_ - debits), account.spec.currency)
            balances[account_id] = Balance(posted, Money.zero(account.spec.currency), posted)
    return balances


def read_open_balances(
    tx: Connection, account_ids: Iterable[LedgerAccountId], now: datetime
) -> dict[LedgerAccountId, Balance]:
    """Return the balances of those accounts that were ever opened, without locking; strangers are left out."""
    opened = [account.spec.account_id for account in store.list_accounts(tx, set(account_ids))]
    return read_balances(tx, opened, now)


def freeze(tx: Connection, account_id: LedgerAccountId, now: datetime) -> AccountState:
    """Stop postings to an account; reading goes on. AccountStateError unless it is open."""
    return _step(tx, account_id, AccountEvent.FROZEN, now)


def thaw(tx: Connection, account_id: LedgerAccountId, now: datetime) -> AccountState:
    """Let a frozen account take postings again. AccountStateError unless it is frozen."""
    return _step(tx, account_id, AccountEvent.THAWED, now)


def close_account(tx: Connection, account_id: LedgerAccountId, now: datetime) -> AccountState:
    """Close an account for good. AccountNotEmptyError unless its balance is zero and nothing is held."""
    return _step(tx, account_id, AccountEvent.CLOSED, now)


def _step(tx: Connection, account_id: LedgerAccountId, event: AccountEvent, now: datetime) -> AccountState:
    # Alone, so that no posting that has seen the account open commits after this step has.
    store.take_chart_alone(tx)
    account = get_account(tx, account_id)
    state = TRANSITIONS[account.state].get(event)
    if state is None:
        raise AccountStateError(account_id=str(account_id), state=account.state.value, step=event.value)
    if state is AccountState.CLOSED:
        if account.spec.guarded:
            lock_balances(tx, [account_id], now)
        balance = read_balances(tx, [account_id], now)[account_id]
        if balance.posted or balance.pending:
            raise AccountNotEmptyError(account_id=str(account_id), balance=str(balance.posted))
    store.set_state(tx, account, state, now)
    return state
