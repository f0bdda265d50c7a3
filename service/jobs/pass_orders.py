"""Passes that a payment was asked for are bought when it comes, in the transaction that credits it."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from fare import order_pass
from fare.order_pass import Bought
from fare.publish import Shelf
from kernel.ids import FareAccountId
from service import audit
from service.audit import Actor, ActorKind

Shelves = Callable[[], Shelf]
"""Compiled tariffs when they are needed: most payments buy no pass."""
_JOB = Actor(ActorKind.COMMAND, "pass_orders")


def buy(
    tx: Connection, account: FareAccountId, intent_id: UUID, *, shelf: Shelves, now: datetime
) -> tuple[Bought, ...]:
    """Buy what was ordered with this payment and return what became of each; the account is locked.

    What cannot be bought any more leaves the money on the balance and the order with the reason.
    """
    if not order_pass.waits(tx, account, intent_id):
        return ()
    books = shelf().books(tx)
    done = order_pass.buy_ordered(tx, account, intent_id, books=books, now=now)
    for one in done:
        audit.record(
            tx,
            actor=_JOB,
            action=f"pass.{'bought' if one.sold else 'not_bought'}",
            subject_kind="pass",
            subject_id=str(one.order.pass_id),
            now=now,
            detail={"intent": str(intent_id), "why": one.why},
        )
    return done
