"""The cash office: what tills handed in, what agents make good, and what is carried to the bank and drawn from it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from kernel.ids import EntryId, uuid8
from kernel.money import Currency, Money
from kernel.service_day import local_date
from ledger.accounts import open_accounts, read_balances
from ledger.post import post
from ledger.reverse import find_entry
from ledger.rules import chart
from ledger.rules.account import AccountSpec
from ledger.rules.book_day import ZONE
from ledger.rules.entry import Entry, Line, Refused
from ledger.rules.errors import IdReusedError
from ledger.rules.till import check_there
from ledger.store import tills as store
from ledger.store.lines import share_days

Move = tuple[AccountSpec, AccountSpec, Money]


def make_good(tx: Connection, event_id: UUID, *, agent: str, amount: Money, now: datetime) -> Money:
    """Take cash from an agent for what counts lacked; return what is still lacking. TillShortError beyond it.

    The same id again changes nothing; with another agent or amount it is IdReusedError.
    """
    store.lock(tx, agent)
    unit = amount.currency
    short = chart.agent_shortage(agent, unit)
    entry_id = EntryId(uuid8("till", event_id))
    owed = read(tx, short, now)
    known = find_entry(tx, chart.cash_office(unit).owner_id, entry_id)
    for row in known:
        for field, value in (("credit_id", short.account_id), ("amount", amount.minor)):
            if getattr(row, field) != value:
                raise IdReusedError(id=str(event_id), field="agent" if field == "credit_id" else field)
    if not known:
        check_there(amount, owed)
        book(tx, event_id, "till.made_good", ((chart.cash_office(unit), short, amount),), agent, now)
        owed -= amount
    return owed


def carry(tx: Connection, deposit_id: UUID, amount: Money, *, reference: str, now: datetime) -> None:
    """Note cash taken from the office to the bank (negative: drawn for floats), under the bank's slip number.

    Reconciliation books it when the statement has it. The same id again changes nothing. IdReusedError,
    TillShortError.
    """
    store.lock(tx, store.POOL)
    there = read_office(tx, amount.currency, now)
    known = store.insert_deposit(tx, deposit_id, amount, reference, now)
    if known is not None:
        for field, value in (("amount", amount.minor), ("reference", reference)):
            if getattr(known, field) != value:
                raise IdReusedError(id=str(deposit_id), field=field)
    elif amount.minor > 0:
        check_there(amount, there)


def read_office(tx: Connection, unit: Currency, now: datetime) -> Money:
    """Return what should lie in the cash office: handed in and not carried to the bank."""
    return read(tx, chart.cash_office(unit), now) - Money(store.sum_deposits(tx, unit.code), unit)


def read(tx: Connection, spec: AccountSpec, now: datetime) -> Money:
    """Return what an account of ours holds."""
    open_accounts(tx, (spec,), now)
    return read_balances(tx, (spec.account_id,), now)[spec.account_id].posted


def book(
    tx: Connection,
    event_id: UUID,
    kind: str,
    moves: tuple[Move, ...],
    cause: str,
    now: datetime,
) -> None:
    """Post moves of (debit, credit, amount) among our own accounts; none is no entry."""
    if not moves:
        return
    today = local_date(now, ZONE)
    share_days(tx, {today})
    open_accounts(tx, tuple({spec.account_id: spec for move in moves for spec in move[:2]}.values()), now)
    entry = Entry(
        entry_id=EntryId(uuid8("till", event_id)),
        kind=kind,
        lines=tuple(Line(debit.account_id, credit.account_id, amount) for debit, credit, amount in moves),
        owner_id=moves[0][0].owner_id,
        service_day=today,
        effective_at=now,
        cause=f"till:{cause}",
        narrative=kind,
    )
    outcome = post(tx, (entry,), now)[0]
    assert not isinstance(outcome, Refused), "our own accounts are never shut and have no floor"
