"""Write down, from inside a request, that somebody other than its rider saw an account's data."""

from sqlalchemy import Connection

from kernel.ids import FareAccountId
from service import riders
from service.auth import acting_for, principal
from service.problems import request_id
from service.services import services


def by_another(tx: Connection, account: FareAccountId, *, what: str, purpose: str) -> None:
    """Note who looks at what, and why, in the rider's access log; riders at their own account leave no line."""
    if acting_for() is None:
        riders.looked_at(
            tx,
            account,
            by=principal().actor,
            what=what,
            purpose=purpose,
            now=services().clock.now(),
            request_id=request_id(),
        )
