"""Ask funders for what they owe operators: a statement of claims by two people, paid by a transfer that names it.

Nothing is booked here: the claims' money stands in `funder_receivable` and `operator_subsidy` since the rides were
billed. Reconciliation books what comes (Dr `bank_guarantee`, Cr `funder_receivable`), and the next payout passes it on
to operators in their net (Dr `operator_subsidy`, Cr `operator_clearing`).
"""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection

from kernel.money import VND, Currency, Money
from ledger.rails.fold import reference_of
from ledger.rules.errors import IdReusedError
from ledger.rules.subsidy import (
    Subsidy,
    SubsidyAmountError,
    SubsidyEvent,
    SubsidyState,
    SubsidyStep,
    UnknownSubsidyError,
    step,
    total_of,
)
from ledger.store import subsidies as store


def prepare(
    tx: Connection,
    subsidy_id: UUID,
    *,
    funder: str,
    through_on: date,
    by: str,
    now: datetime,
    unit: Currency = VND,
) -> Subsidy:
    """Put every claim on a funder up to a book day that it was not asked for into a statement, as its maker.

    The same id again answers the first time. IdReusedError; NothingToClaimError when they come to nothing or less:
    what corrections took back stays for the next statement.
    """
    store.lock(tx)
    known = store.find(tx, subsidy_id)
    if known is not None:
        for field, value in (("funder", funder), ("through_on", through_on)):
            if getattr(known, field) != value:
                raise IdReusedError(id=str(subsidy_id), field=field)
        return known
    found = store.list_unclaimed(tx, funder, through_on, unit)
    made = Subsidy(
        subsidy_id=subsidy_id,
        funder=funder,
        through_on=through_on,
        reference=reference_of(subsidy_id),
        total=total_of(funder, (claim for _, claim in found), unit),
        state=SubsidyState.PREPARED,
        prepared_by=by,
        prepared_at=now,
        received_on=None,
        paid_by=None,
        claims=tuple(claim for _, claim in found),
        steps=(),
    )
    store.insert(tx, made, [key for key, _ in found])
    return get(tx, subsidy_id)


def decide(
    tx: Connection,
    subsidy_id: UUID,
    event: SubsidyEvent,
    *,
    by: str,
    now: datetime,
    note: str = "",
    confirmed: Money | None = None,
) -> Subsidy:
    """Take a statement one step on, as the second person; approving needs the total confirmed.

    The same step by the same person again answers the first time. UnknownSubsidyError, SubsidyStateError,
    SubsidyOnePersonError, SubsidyAmountError; SubsidySeenError once the bank has shown its money.
    """
    store.lock(tx)
    found = get(tx, subsidy_id)
    if found.steps and (found.steps[-1].event, found.steps[-1].actor) == (event, by):
        return found
    state = step(found, event, seen=store.is_seen(tx, subsidy_id), by=by)
    if event is SubsidyEvent.APPROVED and confirmed != found.total:
        raise SubsidyAmountError(total=str(found.total), confirmed=str(confirmed))
    store.insert_step(tx, subsidy_id, SubsidyStep(len(found.steps) + 1, event, state, by, now, note))
    return get(tx, subsidy_id)


def get(tx: Connection, subsidy_id: UUID) -> Subsidy:
    """Return a statement as it stands; UnknownSubsidyError."""
    found = store.find(tx, subsidy_id)
    if found is None:
        raise UnknownSubsidyError(subsidy=str(subsidy_id))
    return found


def list_subsidies(tx: Connection) -> tuple[Subsidy, ...]:
    """Return the newest statements, newest first."""
    return store.list_subsidies(tx)


def list_unclaimed(
    tx: Connection, through_on: date, unit: Currency = VND
) -> tuple[tuple[str, int, Money], ...]:
    """Return funder, number of claims and their sum of everything that nobody was asked for yet."""
    return tuple(
        (funder, claims, Money(minor, unit))
        for funder, claims, minor in store.sum_unclaimed(tx, through_on, unit)
    )
