"""SQL of the dated facts that pricing reads besides taps: passes bought and entitlements proven."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from fare.rules.facts import Correction, Entitlement, HeldPass
from kernel.ids import FareAccountId, TapId
from kernel.money import Money
from kernel.wire.cardinfo import Concession


def list_passes(
    tx: Connection, accounts: Sequence[FareAccountId]
) -> dict[FareAccountId, tuple[HeldPass, ...]]:
    """All passes of the accounts, in order of validity; accounts without one are absent."""
    rows = tx.execute(
        text(
            """
            SELECT fare_account_id, pass_id, product_id, scope, valid_from, valid_until, ended_at
            FROM fare_pass LEFT JOIN fare_pass_end USING (fare_account_id, pass_id)
            WHERE fare_account_id = ANY(CAST(:accounts AS uuid[]))
            ORDER BY fare_account_id, valid_from, pass_id
            """
        ),
        {"accounts": list(accounts)},
    )
    held: dict[FareAccountId, tuple[HeldPass, ...]] = {}
    for row in rows:
        account = FareAccountId(row[0])
        held[account] = (*held.get(account, ()), HeldPass(*row[1:7]))
    return held


def list_entitlements(
    tx: Connection, accounts: Sequence[FareAccountId]
) -> dict[FareAccountId, tuple[Entitlement, ...]]:
    """All entitlements of the accounts, each up to where it was ended, in order of validity; without one: absent."""
    rows = tx.execute(
        text(
            """
            SELECT e.fare_account_id, e.concession, e.valid_from, least(e.valid_to, x.last_day)
            FROM fare_entitlement e LEFT JOIN LATERAL (
                SELECT last_day FROM fare_entitlement_end n
                WHERE n.fare_account_id = e.fare_account_id AND n.entitlement_id = e.entitlement_id
                ORDER BY end_no DESC LIMIT 1) x ON true
            WHERE e.fare_account_id = ANY(CAST(:accounts AS uuid[]))
              AND coalesce(x.last_day >= e.valid_from, true)
            ORDER BY e.fare_account_id, e.valid_from, e.entitlement_id
            """
        ),
        {"accounts": list(accounts)},
    )
    proven: dict[FareAccountId, tuple[Entitlement, ...]] = {}
    for row in rows:
        account = FareAccountId(row[0])
        fact = Entitlement(Concession(row[1]), row[2], row[3])
        proven[account] = (*proven.get(account, ()), fact)
    return proven


def list_corrections(
    tx: Connection, accounts: Sequence[FareAccountId]
) -> dict[FareAccountId, tuple[Correction, ...]]:
    """Return all that the accounts' riders said of rides without a tap-off; accounts without are absent."""
    rows = tx.execute(
        text(
            """
            SELECT fare_account_id, tap_id, stop_id, left_at FROM fare_correction
            WHERE fare_account_id = ANY(CAST(:accounts AS uuid[])) ORDER BY fare_account_id, left_at, tap_id
            """
        ),
        {"accounts": list(accounts)},
    )
    said: dict[FareAccountId, tuple[Correction, ...]] = {}
    for row in rows:
        account = FareAccountId(row[0])
        said[account] = (*said.get(account, ()), Correction(TapId(row[1]), row[2], row[3]))
    return said


def find_pass(tx: Connection, account: FareAccountId, pass_id: UUID) -> HeldPass | None:
    """The pass of this id, or None."""
    return next(
        (held for held in list_passes(tx, [account]).get(account, ()) if held.pass_id == pass_id), None
    )


def insert_pass(
    tx: Connection,
    account: FareAccountId,
    held: HeldPass,
    *,
    price: Money,
    purchased_at: datetime,
    entry_id: UUID | None,
) -> None:
    """Write one purchase."""
    tx.execute(
        text(
            """
            INSERT INTO fare_pass (fare_account_id, pass_id, product_id, scope, valid_from, valid_until,
                                   price_minor, currency, purchased_at, entry_id)
            VALUES (:account, :pass_id, :product, :scope, :valid_from, :valid_until,
                    :minor, :currency, :purchased_at, :entry_id)
            """
        ),
        {
            "account": account,
            "pass_id": held.pass_id,
            "product": held.product_id,
            "scope": held.scope,
            "valid_from": held.valid_from,
            "valid_until": held.valid_until,
            "minor": price.minor,
            "currency": price.currency.code,
            "purchased_at": purchased_at,
            "entry_id": entry_id,
        },
    )
