"""The books as JSON: what each read endpoint of the ledger answers, as the API's description shows it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from kernel.money import Money
from ledger.rules.account import Account, AccountState, AccountType, Balance, OwnerKind
from ledger.rules.row import Row
from ledger.rules.statement import Statement, StatementLine
from ledger.statement import TrialLine


class MoneyBody(BaseModel):
    """An amount in minor units; VND has none, so 8595 is 8,595 đồng."""

    minor: int
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]


class BalanceBody(BaseModel):
    """On the account's normal side; `available` = posted - pending - floor is what may still leave."""

    posted: MoneyBody
    pending: MoneyBody
    available: MoneyBody


class AccountBody(BaseModel):
    """An account of the chart; a guarded one never falls below -limit_minor."""

    account_id: UUID
    kind: str
    type: AccountType
    currency: str
    owner_kind: OwnerKind
    owner_id: UUID
    owner_name: str
    guarded: bool
    limit_minor: int
    state: AccountState
    opened_at: AwareDatetime


class AccountsBody(BaseModel):
    """One page in id order; `next` continues it and is null on the last."""

    accounts: list[AccountBody]
    next: UUID | None


class AccountBalanceBody(AccountBody):
    """An account and what it stands at now."""

    balance: BalanceBody


class PastBalanceBody(BaseModel):
    """A posted balance of the past, on the account's normal side, and what it was asked for."""

    account_id: UUID
    balance: MoneyBody
    book_day: date | None
    effective_until: AwareDatetime | None
    posted_until: AwareDatetime | None
    service_day: date | None


class LineBody(BaseModel):
    """One stored line, column by column; `amount` moved from the debit to the credit account."""

    owner_id: UUID
    entry_id: UUID
    debit_id: UUID
    credit_id: UUID
    amount: int
    effective_at: AwareDatetime
    posted_at: AwareDatetime
    book_day: date
    service_day: date
    line_no: int
    line_count: int
    currency: str
    kind: str
    cause: str
    narrative: str
    metadata: str
    corrects: UUID | None


class StatementLineBody(LineBody):
    """A line as the account sees it."""

    change: MoneyBody
    running: MoneyBody


class StatementBody(BaseModel):
    """One page; opening and closing are of the whole span. `next_cursor` is null on the last page."""

    account: AccountBody
    first: date
    last: date
    opening: MoneyBody
    closing: MoneyBody
    lines: list[StatementLineBody]
    next_cursor: str | None


class EntryBody(BaseModel):
    """An entry's lines in order."""

    lines: list[LineBody]


class TrialLineBody(BaseModel):
    """Gross debits and credits of one kind of account, and what they leave, debit positive."""

    kind: str
    type: AccountType
    debits: MoneyBody
    credits: MoneyBody
    net: MoneyBody


class TrialBalanceBody(BaseModel):
    """In each currency the nets sum to zero."""

    through: date | None
    lines: list[TrialLineBody]


def account_document(account: Account) -> dict[str, Any]:
    """Return an AccountBody."""
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
    """Return a BalanceBody."""
    return {name: getattr(balance, name).to_json() for name in BalanceBody.model_fields}


def past_balance_document(account_id: UUID, balance: Money, **asked: date | None) -> dict[str, Any]:
    """Return a PastBalanceBody."""
    said = {name: None if value is None else value.isoformat() for name, value in asked.items()}
    return {"account_id": str(account_id), "balance": balance.to_json(), **said}


def row_document(row: Row) -> dict[str, Any]:
    """Return a LineBody."""
    return {name: _plain(getattr(row, name)) for name in LineBody.model_fields}


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


def statement_document(made: Statement) -> dict[str, Any]:
    """Return a StatementBody."""
    return {
        "account": account_document(made.account),
        "first": made.first.isoformat(),
        "last": made.last.isoformat(),
        "opening": made.opening.to_json(),
        "closing": made.closing.to_json(),
        "lines": [_statement_line(line) for line in made.lines],
        "next_cursor": made.next_cursor,
    }


def _statement_line(line: StatementLine) -> dict[str, Any]:
    return {**row_document(line.row), "change": line.change.to_json(), "running": line.running.to_json()}


def trial_document(line: TrialLine) -> dict[str, Any]:
    """Return a TrialLineBody."""
    amounts = {name: getattr(line, name).to_json() for name in ("debits", "credits", "net")}
    return {"kind": line.kind, "type": line.type.value, **amounts}
