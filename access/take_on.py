"""Open fare accounts for holders of an outgoing scheme: they have no card of ours yet, and get one on that account."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from access.keyring import Keyring
from access.store import cards
from kernel.ids import FareAccountId, uuid8


def legacy_account(keyring: Keyring, scheme: str, number: str) -> FareAccountId:
    """Return the account of a card number of an outgoing scheme: it follows from the number's keyed hash alone."""
    return FareAccountId(
        uuid8("legacy", scheme, keyring.lookup(b"legacy number", f"{scheme}:{number}".encode()))
    )


def open_holders(
    tx: Connection, accounts: Sequence[FareAccountId], *, keyring: Keyring, now: datetime
) -> None:
    """Open the accounts with the keys that their evidence is sealed under; those that are open stay as they are."""
    for account in sorted(accounts):
        cards.insert_guest(tx, account, at=now)
    cards.insert_data_keys(tx, {account: keyring.new_data_key(account)[1] for account in accounts}, at=now)
