"""Erase a person, composed from the houses: money settled, keys destroyed, sign-ins ended, the deed in the trail."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from access import issue, link
from access.erase import erase
from access.issue import UnknownCardError
from kernel.errors import DomainError
from kernel.ids import FareAccountId
from ledger.refund import quote_refund
from service import audit, riders
from service.audit import Actor


class AccountNotSettledError(DomainError):
    """The account still holds money; pay it out first."""

    detail = "The account still holds {stored}: pay it out first."


def erase_person(
    tx: Connection, account: FareAccountId, *, reason: str, by: Actor, now: datetime, request_id: str = ""
) -> int:
    """Return how many data keys were destroyed: this account's and those of accounts that count to it; 0 for a repeat.

    UnknownCardError; StillInUseError, AccountNotSettledError, OpenReceivableError, HeldValueError: nothing is erased.
    """
    if not issue.list_versions(tx, (account,)):
        raise UnknownCardError
    counting = link.lock_counted(tx, (account,))
    everyone = {home for home in counting.homes_of((account,)) if counting.account(home, now) == account}
    everyone |= {account}
    issue.raise_versions(tx, everyone)
    for one in sorted(everyone):
        stored = quote_refund(tx, one, now=now)
        if stored:
            raise AccountNotSettledError(stored=stored)
    destroyed = erase(tx, everyone, now=now)
    for one in sorted(everyone):
        riders.end_sign_ins(tx, one, by=by, now=now)
    if destroyed:
        audit.record(
            tx,
            actor=by,
            action="access.account.erased",
            subject_kind="fare_account",
            subject_id=str(account),
            now=now,
            request_id=request_id,
            detail={"cause": reason, "keys": destroyed},
        )
    return destroyed
