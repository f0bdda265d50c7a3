"""A ride without its tap-off mended on its rider's word: billed again, debts looked at, on the audit trail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from fare import correct
from fare.correct import Mended
from fare.publish import Books
from kernel.ids import FareAccountId
from service import audit, purses
from service.audit import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """Where and when a ride ended, as its rider says."""

    correction_id: UUID
    tap_id: UUID
    stop_id: str
    left_at: datetime


class PreviewError(Exception):
    """Not a refusal: what the ride would cost, raised so that nothing of it is kept."""

    def __init__(self, mended: Mended) -> None:
        super().__init__()
        self.mended = mended


def mend_ride(
    tx: Connection,
    account: FareAccountId,
    word: Word,
    *,
    books: Books,
    by: Actor,
    now: datetime,
    preview: bool = False,
    request_id: str = "",
) -> Mended:
    """Return what the ride cost before and costs now; with `preview` that comes as PreviewError.

    As `correct.correct` refuses.
    """
    mended = correct.correct(
        tx,
        account,
        correction_id=word.correction_id,
        tap_id=word.tap_id,
        stop_id=word.stop_id,
        left_at=word.left_at,
        books=books,
        by=f"{by.kind.value}:{by.actor_id}",
        now=now,
    )
    if preview:
        raise PreviewError(mended)
    if not mended.again:
        purses.changed(tx, (account,), cause=f"correction:{word.correction_id}", now=now)
        audit.record(
            tx,
            actor=by,
            action="ride.corrected",
            subject_kind="tap",
            subject_id=str(word.tap_id),
            now=now,
            request_id=request_id,
            detail={"stop": word.stop_id, "before": mended.before.minor, "after": mended.after.minor},
        )
    return mended
