"""Account rows and guarded balances."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Row, text

from kernel.ids import LedgerAccountId
from kernel.money import currency
from ledger.rules.account import Account, AccountSpec, AccountState, AccountType, OwnerKind
from ledger.rules.judge import Facts
from ledger.store.arrays import literal

_COLUMNS = "a.owner_id, a.account_id, a.kind, a.type, a.currency, a.owner_kind, a.owner_name, a.guarded, a.limit_minor, a.state, a.opened_at"


@dataclass(frozen=True, slots=True)
class StoredBalance:
    """A guarded balance row in minor units of the account's normal side."""

    account_id: LedgerAccountId
    owner_id: UUID
    currency: str
    posted: int
    pending: int
    floor: int


def insert(tx: Connection, specs: Sequence[AccountSpec], now: datetime) -> None:
    """Store accounts that are not there yet, with a zero balance row where guarded."""
    ordered = sorted(specs, key=lambda spec: (spec.owner_id.int, spec.account_id.int))
    rows = [
        {
            "owner_id": spec.owner_id,
            "account_id": spec.account_id,
            "kind": spec.kind,
            "type": spec.type.value,
            "currency": spec.currency.code,
            "owner_kind": spec.owner_kind.value,
            "owner_name": spec.owner_name,
            "guarded": spec.guarded,
            "limit_minor": spec.limit_minor,
            "now": now,
        }
        for spec in ordered
    ]
    tx.execute(
        text(
            "INSERT INTO ledger_account (owner_id, account_id, kind, type, currency, owner_kind, owner_name, "
            "guarded, limit_minor, state, opened_at, changed_at) VALUES (:owner_id, :account_id, :kind, :type, :currency, "
            ":owner_kind, :owner_name, :guarded, :limit_minor, 'open', :now, :now) ON CONFLICT (owner_id, account_id) DO NOTHING"
        ),
        rows,
    )
    balances = [
        {
            "owner_id": spec.owner_id,
            "account_id": spec.account_id,
            "kind": spec.kind,
            "currency": spec.currency.code,
            "normal": spec.type.normal,
            "floor": -spec.limit_minor,
        }
        for spec in ordered
        if spec.guarded
    ]
    if balances:
        tx.execute(
            text(
                "INSERT INTO ledger_balance (owner_id, account_id, kind, currency, normal, open, posted, pending, "
                "floor) VALUES (:owner_id, :account_id, :kind, :currency, :normal, true, 0, 0, :floor) "
                "ON CONFLICT (owner_id, account_id) DO NOTHING"
            ),
            balances,
        )


def _account(found: Row[tuple[object, ...]]) -> Account:
    spec = AccountSpec(
        LedgerAccountId(found.account_id),
        found.kind,
        AccountType(found.type),
        currency(found.currency),
        OwnerKind(found.owner_kind),
        found.owner_id,
        found.guarded,
        found.owner_name,
        found.limit_minor,
    )
    return Account(spec, AccountState(found.state), found.opened_at)


def list_accounts(tx: Connection, ids: Iterable[UUID]) -> list[Account]:
    """Return the accounts of these ids that exist, in id order."""
    rows = tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM ledger_account a WHERE a.account_id = ANY(CAST(:ids AS uuid[])) "
            "ORDER BY a.account_id"
        ),
        {"ids": literal(ids)},
    )
    return [_account(found) for found in rows.all()]


def list_missing(tx: Connection, keys: Sequence[tuple[UUID, UUID]]) -> set[UUID]:
    """Return those of these accounts, (owner, account), that were never opened."""
    rows = tx.execute(
        text(
            "SELECT q.account_id FROM unnest(CAST(:owners AS uuid[]), CAST(:accounts AS uuid[])) "
            "AS q (owner_id, account_id) WHERE NOT EXISTS (SELECT FROM ledger_account a "
            "WHERE a.owner_id = q.owner_id AND a.account_id = q.account_id)"
        ),
        {"owners": literal(key[0] for key in keys), "accounts": literal(key[1] for key in keys)},
    )
    return {row[0] for row in rows}


def page_accounts(
    tx: Connection, *, kind: str | None, owner_id: UUID | None, after: UUID | None, limit: int
) -> list[Account]:
    """Return up to `limit` accounts after an id, in id order, of one kind and owner when given."""
    rows = tx.execute(
        text(
            f"SELECT {_COLUMNS} FROM ledger_account a "
            "WHERE (CAST(:kind AS text) IS NULL OR a.kind = :kind) "
            "AND (CAST(:owner_id AS uuid) IS NULL OR a.owner_id = :owner_id) "
            "AND (CAST(:after AS uuid) IS NULL OR a.account_id > :after) ORDER BY a.account_id LIMIT :limit"
        ),
        {"kind": kind, "owner_id": owner_id, "after": after, "limit": limit},
    )
    return [_account(found) for found in rows.all()]


def lock_balances(tx: Connection, ids: Iterable[UUID]) -> list[StoredBalance]:
    """Lock the guarded balance rows of these accounts in id order and return them."""
    return _balances(tx, ids, "FOR UPDATE")


def list_balances(tx: Connection, ids: Iterable[UUID]) -> list[StoredBalance]:
    """Return the guarded balance rows of these accounts, in id order."""
    return _balances(tx, ids, "")


def _balances(tx: Connection, ids: Iterable[UUID], lock: str) -> list[StoredBalance]:
    rows = tx.execute(
        text(
            "SELECT account_id, owner_id, currency, posted, pending, floor FROM ledger_balance "
            f"WHERE account_id = ANY(CAST(:ids AS uuid[])) ORDER BY account_id {lock}"
        ),
        {"ids": literal(ids)},
    )
    return [StoredBalance(LedgerAccountId(found.account_id), *found[1:]) for found in rows.all()]


def list_facts(tx: Connection, ids: Iterable[UUID]) -> dict[UUID, Facts]:
    """Return what judging needs of each account that exists; lock balances before, so that they hold still."""
    rows = tx.execute(
        text(
            "SELECT a.account_id, a.owner_id, a.owner_kind, a.currency, a.state, a.type, b.posted, b.pending, b.floor "
            "FROM ledger_account a LEFT JOIN ledger_balance b USING (owner_id, account_id) "
            "WHERE a.account_id = ANY(CAST(:ids AS uuid[]))"
        ),
        {"ids": literal(ids)},
    )
    return {
        found.account_id: Facts(
            LedgerAccountId(found.account_id),
            found.owner_id,
            OwnerKind(found.owner_kind),
            found.currency,
            AccountState(found.state),
            AccountType(found.type).normal,
            found.posted,
            found.pending or 0,
            found.floor or 0,
        )
        for found in rows.all()
    }


def set_state(tx: Connection, account: Account, state: AccountState, now: datetime) -> None:
    """Write an account's state, and on its balance row whether it takes postings."""
    key = {"owner_id": account.spec.owner_id, "account_id": account.spec.account_id}
    tx.execute(
        text(
            "UPDATE ledger_account SET state = :state, changed_at = :now "
            "WHERE owner_id = :owner_id AND account_id = :account_id"
        ),
        {**key, "state": state.value, "now": now},
    )
    tx.execute(
        text(
            "UPDATE ledger_balance SET open = :open WHERE owner_id = :owner_id AND account_id = :account_id"
        ),
        {**key, "open": state is AccountState.OPEN},
    )


def take_chart_alone(tx: Connection) -> None:
    """Wait until no poster is under way and hold new ones off until the transaction ends."""
    tx.execute(text("SELECT pg_advisory_xact_lock(1279607890, 0)"))
