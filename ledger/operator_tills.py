"""Tills of car parks' operators: whose each is. Their shifts are the car park's; no name is two tills'."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from ledger.rules.till import TillTakenError, UnknownTillError
from ledger.store import tills as store


def found_till(tx: Connection, name: str, *, operator_id: str, actor: str, now: datetime) -> None:
    """Write down that a till is an operator's; its own again changes nothing.

    TillTakenError where the name is another operator's till, or a conductor's, a kiosk's or a station's.
    """
    store.lock(tx, name)
    if store.find_till(tx, name) is not None:
        raise TillTakenError(till=name)
    owner = store.find_owner(tx, name)
    if owner is None:
        store.insert_operator_till(tx, name, operator_id=operator_id, actor=actor, now=now)
    elif owner != operator_id:
        raise TillTakenError(till=name)


def check_till(tx: Connection, name: str, *, operator_id: str) -> None:
    """Refuse with UnknownTillError a till that is not this operator's, whether it is somebody's or not."""
    if store.find_owner(tx, name) != operator_id:
        raise UnknownTillError(till=name)
