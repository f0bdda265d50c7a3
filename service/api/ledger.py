"""The books for finance and auditors: accounts, statements, entries, trial balance, seals and proofs. Read only."""

from __future__ import annotations

from datetime import date
from typing import Any, Final
from uuid import UUID

from apiflask import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field

from ledger import accounts, close_period, reverse, statement
from ledger.rules.account import Account, Balance
from ledger.rules.row import COLUMNS, Row, sealed_bytes
from ledger.rules.seal import Inclusion, Seal, message_of
from service.auth import requires
from service.services import services
from service.staff import Role

blueprint: Final = APIBlueprint("ledger", __name__, tag="Ledger", url_prefix="/v1/ledger")
READERS: Final = (Role.FINANCE_MAKER, Role.FINANCE_CHECKER, Role.AUDITOR)


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AccountsQuery(_Query):
    """Which accounts."""

    kind: str | None = Field(default=None, max_length=64, description="Only this kind, e.g. operator_payable")
    owner_id: UUID | None = Field(default=None, description="Only of this owner")
    after: UUID | None = Field(default=None, description="Continue after this account id")
    limit: int = Field(default=100, ge=1, le=1_000)


class StatementQuery(_Query):
    """Which span of book days, and which page of it."""

    first: date
    last: date
    cursor: str | None = Field(default=None, max_length=200)
    limit: int = Field(default=statement.PAGE, ge=1, le=statement.MAX_PAGE)


class ThroughQuery(_Query):
    """Up to which book day."""

    through: date | None = None


class SealsQuery(_Query):
    """Which book days."""

    first: date | None = None
    last: date | None = None


@blueprint.get("/accounts")
@requires(*READERS)
@blueprint.input(AccountsQuery, location="query", arg_name="query")
def list_accounts(query: AccountsQuery) -> dict[str, Any]:
    """Return accounts in id order; `next` continues the list."""
    with services().database.read() as tx:
        found = accounts.list_accounts(
            tx, kind=query.kind, owner_id=query.owner_id, after=query.after, limit=query.limit
        )
    full = len(found) == query.limit
    return {
        "accounts": [account_document(account) for account in found],
        "next": str(found[-1].spec.account_id) if full else None,
    }


@blueprint.get("/accounts/<uuid:account_id>")
@requires(*READERS)
def get_account(account_id: UUID) -> dict[str, Any]:
    """Return an account with its balance as of now; holds past their time do not count."""
    with services().database.read() as tx:
        account = accounts.get_account(tx, account_id)
        known = account.spec.account_id
        balance = accounts.read_balances(tx, [known], services().clock.now())[known]
    return {**account_document(account), "balance": balance_document(balance)}


@blueprint.get("/accounts/<uuid:account_id>/statement")
@requires(*READERS)
@blueprint.input(StatementQuery, location="query", arg_name="query")
def get_statement(account_id: UUID, query: StatementQuery) -> dict[str, Any]:
    """Return a page of an account's statement: opening, lines with a running balance, closing."""
    with services().database.read() as tx:
        made = statement.statement(
            tx, account_id, first=query.first, last=query.last, cursor=query.cursor, limit=query.limit
        )
    return {
        "account": account_document(made.account),
        "first": made.first.isoformat(),
        "last": made.last.isoformat(),
        "opening": made.opening.to_json(),
        "closing": made.closing.to_json(),
        "lines": [
            {**row_document(line.row), "change": line.change.to_json(), "running": line.running.to_json()}
            for line in made.lines
        ],
        "next_cursor": made.next_cursor,
    }


@blueprint.get("/entries/<uuid:owner_id>/<uuid:entry_id>")
@requires(*READERS)
def get_entry(owner_id: UUID, entry_id: UUID) -> dict[str, Any]:
    """Return an entry's lines."""
    with services().database.read() as tx:
        rows = reverse.get_entry(tx, owner_id, entry_id)
    return {"lines": [row_document(row) for row in rows]}


@blueprint.get("/entries/<uuid:owner_id>/<uuid:entry_id>/proof")
@requires(*READERS)
def get_proof(owner_id: UUID, entry_id: UUID) -> dict[str, Any]:
    """Return what proves offline that an entry stands in its sealed day (docs/how-to-audit-us.md)."""
    with services().database.read() as tx:
        proofs = close_period.include(tx, owner_id, entry_id)
    return {"proofs": [inclusion_document(proof) for proof in proofs]}


@blueprint.get("/trial-balance")
@requires(*READERS)
@blueprint.input(ThroughQuery, location="query", arg_name="query")
def get_trial_balance(query: ThroughQuery) -> dict[str, Any]:
    """Return debits and credits by kind of account; they sum to the same in each currency."""
    with services().database.read() as tx:
        lines = statement.trial_balance(tx, through=query.through)
    return {
        "through": query.through.isoformat() if query.through else None,
        "lines": [
            {
                "kind": line.kind,
                "type": line.type.value,
                "debits": line.debits.to_json(),
                "credits": line.credits.to_json(),
                "net": line.net.to_json(),
            }
            for line in lines
        ],
    }


@blueprint.get("/seals")
@requires(*READERS)
@blueprint.input(SealsQuery, location="query", arg_name="query")
def list_seals(query: SealsQuery) -> dict[str, Any]:
    """Return the seals of closed book days, in chain order."""
    with services().database.read() as tx:
        seals = close_period.list_seals(tx, first=query.first, last=query.last)
    return {"seals": [seal_document(seal) for seal in seals]}


def account_document(account: Account) -> dict[str, Any]:
    """Return an account as JSON has it."""
    spec = account.spec
    return {
        "account_id": str(spec.account_id),
        "kind": spec.kind,
        "type": spec.type.value,
        "currency": spec.currency.code,
        "owner_kind": spec.owner_kind.value,
        "owner_id": str(spec.owner_id),
        "owner_name": spec.owner_name,
        "guarded": spec.guarded,
        "limit_minor": spec.limit_minor,
        "state": account.state.value,
        "opened_at": account.opened_at.isoformat(),
    }


def balance_document(balance: Balance) -> dict[str, Any]:
    """Return a balance as JSON has it."""
    return {
        "posted": balance.posted.to_json(),
        "pending": balance.pending.to_json(),
        "available": balance.available.to_json(),
        "version": balance.version,
    }


def row_document(row: Row) -> dict[str, Any]:
    """Return a stored line, column by column."""
    return {name: _plain(getattr(row, name)) for name in COLUMNS}


def _plain(value: object) -> object:
    match value:
        case None | int() | str():
            return value
        case UUID():
            return str(value)
        case date():
            return value.isoformat()
        case _:
            raise TypeError(f"{type(value).__name__} is no column of a line")


def seal_document(seal: Seal) -> dict[str, Any]:
    """Return a seal; `message` is what was signed, after the context "lienthong/ledger-head/1" and a zero byte."""
    return {
        "book_day": seal.book_day.isoformat(),
        "position": seal.position,
        "leaf_count": seal.leaf_count,
        "root": seal.root.hex(),
        "previous_head": seal.previous_head.hex(),
        "head": seal.head.hex(),
        "key_id": seal.key_id.hex(),
        "signature": seal.signature.hex(),
        "sealed_at": seal.sealed_at.isoformat(),
        "message": message_of(seal).hex(),
    }


def inclusion_document(proof: Inclusion) -> dict[str, Any]:
    """Return an inclusion proof; `sealed` is the line's bytes that the leaf is hashed from."""
    return {
        "line": row_document(proof.row),
        "sealed": sealed_bytes(proof.row).hex(),
        "index": proof.index,
        "path": [step.hex() for step in proof.path],
        "seal": seal_document(proof.seal),
    }
