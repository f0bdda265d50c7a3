"""The books for finance and auditors: accounts, statements, entries, trial balance, seals and proofs. Read only."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, Final, Self, TypeVar
from uuid import UUID

from apiflask import APIBlueprint
from flask import request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Connection

from kernel.ids import FareAccountId
from ledger import accounts, close_period, reverse, statement
from ledger.rules.account import Account, OwnerKind
from ledger.rules.errors import UnknownSealError
from service import riders
from service.api import ledger_documents as shown
from service.api import seal_documents as sealed
from service.api.bodies import refusals
from service.auth import principal, requires
from service.problems import request_id
from service.services import services
from service.staff import Role

View = TypeVar("View", bound=Callable[..., object])

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


class BalanceQuery(_Query):
    """As of when: one book day, one service day, or instants of effect and of posting (both may be given)."""

    book_day: date | None = Field(default=None, description="At the end of this book day")
    effective_until: AwareDatetime | None = Field(
        default=None, description="Of what was effective at this instant, with its zone"
    )
    posted_until: AwareDatetime | None = Field(
        default=None, description="Of what was posted at this instant, with its zone"
    )
    service_day: date | None = Field(
        default=None, description="What this service day changed, whenever it was booked"
    )

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        instants = self.effective_until is not None or self.posted_until is not None
        if sum((self.book_day is not None, self.service_day is not None, instants)) != 1:
            raise ValueError("give book_day, or service_day, or effective_until and posted_until")
        return self


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


class ExtensionQuery(_Query):
    """Which seal is to extend the one that is held."""

    last: date | None = Field(default=None, description="The later seal's book day; the newest without one")


def _refuses(*problems: str) -> Callable[[View], View]:
    """Write the problems that a route may answer with into the API's description."""
    described: Callable[[View], View] = blueprint.doc(responses=refusals(*problems))
    return described


@blueprint.get("/accounts")
@requires(*READERS)
@blueprint.input(AccountsQuery, location="query", arg_name="query")
@blueprint.output(shown.AccountsBody)
@_refuses("malformed-request")
def list_accounts(query: AccountsQuery) -> dict[str, Any]:
    """Return accounts in id order; `next` continues the list."""
    with services().database.read() as tx:
        found = accounts.list_accounts(
            tx, kind=query.kind, owner_id=query.owner_id, after=query.after, limit=query.limit
        )
    full = len(found) == query.limit
    return {
        "accounts": [shown.account_document(account) for account in found],
        "next": str(found[-1].spec.account_id) if full else None,
    }


@blueprint.get("/accounts/<uuid:account_id>")
@requires(*READERS)
@blueprint.output(shown.AccountBalanceBody)
@_refuses("unknown-account")
def get_account(account_id: UUID) -> dict[str, Any]:
    """Return an account with its balance as of now; holds past their time do not count."""
    with services().database.begin() as tx:
        account = accounts.get_account(tx, account_id)
        _noted(tx, account, "balance")
        known = account.spec.account_id
        balance = accounts.read_balances(tx, [known], services().clock.now())[known]
    return {**shown.account_document(account), "balance": shown.balance_document(balance)}


@blueprint.get("/accounts/<uuid:account_id>/balance")
@requires(*READERS)
@blueprint.input(BalanceQuery, location="query", arg_name="query")
@blueprint.output(shown.PastBalanceBody)
@_refuses("unknown-account", "malformed-request")
def get_balance(account_id: UUID, query: BalanceQuery) -> dict[str, Any]:
    """Return an account's posted balance at a past book day or instant, or what one service day changed."""
    with services().database.read() as tx:
        if query.book_day is not None:
            balance = statement.balance_on(tx, account_id, query.book_day)
        elif query.service_day is not None:
            balance = statement.moved_on(tx, account_id, query.service_day)
        else:
            balance = statement.balance_at(
                tx, account_id, effective_until=query.effective_until, posted_until=query.posted_until
            )
    return shown.past_balance_document(account_id, balance, **query.model_dump())


@blueprint.get("/accounts/<uuid:account_id>/statement")
@requires(*READERS)
@blueprint.input(StatementQuery, location="query", arg_name="query")
@blueprint.output(shown.StatementBody)
@_refuses("unknown-account", "bad-cursor", "malformed-request")
def get_statement(account_id: UUID, query: StatementQuery) -> dict[str, Any]:
    """Return a page of an account's statement: opening, lines with a running balance, closing."""
    with services().database.begin() as tx:
        made = statement.statement(
            tx, account_id, first=query.first, last=query.last, cursor=query.cursor, limit=query.limit
        )
        _noted(tx, made.account, "statement")
    return shown.statement_document(made)


def _noted(tx: Connection, account: Account, what: str) -> None:
    """Write down, for the rider, that somebody read the rider's account; `X-Purpose` may say what for."""
    if account.spec.owner_kind is OwnerKind.RIDER:
        running = services()
        riders.looked_at(
            tx,
            FareAccountId(account.spec.owner_id),
            by=principal().actor,
            what=what,
            purpose=request.headers.get("X-Purpose", "")[:200] or "books",
            now=running.clock.now(),
            request_id=request_id(),
        )


@blueprint.get("/entries/<uuid:owner_id>/<uuid:entry_id>")
@requires(*READERS)
@blueprint.output(shown.EntryBody)
@_refuses("unknown-entry")
def get_entry(owner_id: UUID, entry_id: UUID) -> dict[str, Any]:
    """Return an entry's lines."""
    with services().database.read() as tx:
        rows = reverse.get_entry(tx, owner_id, entry_id)
    return {"lines": [shown.row_document(row) for row in rows]}


@blueprint.get("/entries/<uuid:owner_id>/<uuid:entry_id>/proof")
@requires(*READERS)
@blueprint.output(sealed.ProofsBody)
@_refuses("unknown-entry", "day-not-closed")
def get_proof(owner_id: UUID, entry_id: UUID) -> dict[str, Any]:
    """Return what proves offline that an entry stands in its sealed day (docs/how-to-audit-us.md)."""
    with services().database.read() as tx:
        proofs = close_period.include(tx, owner_id, entry_id)
    return {"proofs": [sealed.inclusion_document(proof) for proof in proofs]}


@blueprint.get("/trial-balance")
@requires(*READERS)
@blueprint.input(ThroughQuery, location="query", arg_name="query")
@blueprint.output(shown.TrialBalanceBody)
@_refuses("malformed-request")
def get_trial_balance(query: ThroughQuery) -> dict[str, Any]:
    """Return debits and credits by kind of account; they sum to the same in each currency."""
    with services().database.read() as tx:
        lines = statement.trial_balance(tx, through=query.through)
    return {
        "through": query.through.isoformat() if query.through else None,
        "lines": [shown.trial_document(line) for line in lines],
    }


@blueprint.get("/seals")
@requires(*READERS)
@blueprint.input(SealsQuery, location="query", arg_name="query")
@blueprint.output(sealed.SealsBody)
@_refuses("malformed-request")
def list_seals(query: SealsQuery) -> dict[str, Any]:
    """Return the seals of closed book days in chain order, and the keys they were signed with.

    The seals from one day to another prove that the later extends the earlier; without those in between,
    `/v1/ledger/seals/{head}/extension` does (docs/how-to-audit-us.md).
    """
    with services().database.read() as tx:
        seals = close_period.list_seals(tx, first=query.first, last=query.last)
        keys = close_period.list_keys(tx)
    return {
        "seals": [sealed.seal_document(seal) for seal in seals],
        "keys": [sealed.key_document(key) for key in keys],
    }


@blueprint.get("/seals/<head>/extension")
@requires(*READERS)
@blueprint.input(ExtensionQuery, location="query", arg_name="query")
@blueprint.output(sealed.ExtensionBody)
@_refuses("unknown-seal", "day-not-closed", "malformed-request")
def get_extension(head: str, query: ExtensionQuery) -> dict[str, Any]:
    """Return what proves offline that a later seal extends the one whose head you hold (docs/how-to-audit-us.md).

    Of a size that grows with the logarithm of the days in between.
    """
    with services().database.read() as tx:
        proof = close_period.extend(tx, _head(head), last=query.last)
    return sealed.extension_document(proof)


def _head(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise UnknownSealError(book_day="any day", head=text, why="it is no hexadecimal number") from None
