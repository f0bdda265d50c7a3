"""A family wallet: one account pays what another one's balance does not, up to a limit a month.

The payer sees amounts, never places: the rides stay on the member's own bills. Who pays is a dated fact; the newest
recorded one holds, and one without a payer ends it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from access.store import families
from access.store.families import WalletRow
from kernel.errors import DomainError
from kernel.ids import FareAccountId


class FamilyChainError(DomainError):
    """Who is paid for cannot pay for others, and nobody pays for themselves: one payer, directly."""

    detail = "Account {payer} cannot pay for {member}: {why}."


class WalletIdReusedError(DomainError):
    """The wallet's id was used before for something else."""

    detail = "Wallet {wallet_id} was recorded before, as something else."


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays for a member, and up to how much in a calendar month, in minor units."""

    account: FareAccountId
    month_limit: int


def record(
    tx: Connection,
    *,
    wallet_id: UUID,
    member: FareAccountId,
    payer: FareAccountId | None,
    month_limit: int,
    actor: str,
    now: datetime,
) -> bool:
    """Record who pays for a member from now on (None: nobody); return False when this id did so before.

    Both fare accounts are locked by the caller. WalletIdReusedError, FamilyChainError.
    """
    known = families.find_wallet(tx, member, wallet_id)
    if known is not None:
        if (known.payer_account_id, known.month_limit) != (payer, month_limit):
            raise WalletIdReusedError(wallet_id=str(wallet_id))
        return False
    if payer is not None:
        why = _unfit(tx, member, payer)
        if why:
            raise FamilyChainError(payer=str(payer), member=str(member), why=why)
    before = families.list_current(tx, (member,))
    number = 1 + max((row.wallet_no for row in before), default=0)
    families.insert_wallet(tx, WalletRow(member, number, wallet_id, payer, month_limit, actor, now))
    return True


def payers(tx: Connection, members: Iterable[FareAccountId]) -> dict[FareAccountId, Payer]:
    """Return who pays for each of these now; who pays for themselves is absent."""
    return {
        FareAccountId(row.fare_account_id): Payer(FareAccountId(row.payer_account_id), row.month_limit)
        for row in families.list_current(tx, members)
        if row.payer_account_id is not None
    }


def members(tx: Connection, payer: FareAccountId) -> dict[FareAccountId, Payer]:
    """Return for whom an account pays now, in the order in which that was agreed."""
    return {
        FareAccountId(row.fare_account_id): Payer(payer, row.month_limit)
        for row in families.list_members(tx, payer)
    }


def _unfit(tx: Connection, member: FareAccountId, payer: FareAccountId) -> str:
    if payer == member:
        return "it is the same account"
    if payers(tx, (payer,)):
        return "somebody pays for it"
    if families.list_members(tx, member):
        return "the member pays for others"
    return ""
