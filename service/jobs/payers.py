"""A family's payer: recorded, on the audit trail, and what the member owes paid at once."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from access import family, issue, link
from access.issue import UnknownCardError
from kernel.ids import FareAccountId
from service import audit
from service.audit import Actor
from service.jobs.debts import settle_debts


def set_payer(
    tx: Connection,
    member: FareAccountId,
    payer: FareAccountId | None,
    *,
    wallet_id: UUID,
    month_limit_minor: int,
    by: Actor,
    now: datetime,
    request_id: str = "",
) -> bool:
    """Record who pays for an account from now on, None for nobody; False when that was recorded before.

    UnknownCardError where one of the two accounts is none; as `family.record` refuses.
    """
    both = {member} | ({payer} if payer else set())
    if issue.list_versions(tx, both).keys() != both:
        raise UnknownCardError
    issue.raise_versions(tx, both | link.lock_counted(tx, both).accounts)
    made = family.record(
        tx,
        wallet_id=wallet_id,
        member=member,
        payer=payer,
        month_limit=month_limit_minor,
        actor=by.actor_id,
        now=now,
    )
    if made:
        audit.record(
            tx,
            actor=by,
            action="access.account.payer",
            subject_kind="fare_account",
            subject_id=str(member),
            now=now,
            request_id=request_id,
            detail={"payer": str(payer), "limit": month_limit_minor},
        )
        settle_debts(tx, (member,), cause=f"wallet:{wallet_id}", now=now)
    return made
