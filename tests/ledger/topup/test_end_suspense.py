"""Suspense ends by two people: credited, sent back or dismissed, once."""

import pytest

from ledger import end_suspense, suspense
from ledger.end_suspense import SuspenseEnd, SuspenseEndError, SuspenseNotProposedError, UnknownSuspenseError
from ledger.rules import chart
from ledger.rules.reconcile import SamePersonError
from tests.ledger.topup.conftest import Desk


def waiting(desk: Desk, minor: int = 49_000):
    desk.take(desk.notice(desk.intent(50_000), minor))
    (row,) = suspense.list_suspense(desk.tx, now=desk.now)
    return row.suspense_id


def propose(desk: Desk, suspense_id, resolution=SuspenseEnd.CREDITED, rider=None) -> None:
    end_suspense.propose(
        desk.tx,
        suspense_id,
        resolution,
        fare_account_id=rider,
        note="typing error",
        actor="anna",
        now=desk.now,
    )


def approve(desk: Desk, suspense_id, actor: str = "binh") -> end_suspense.Ended:
    return end_suspense.approve(
        desk.tx,
        suspense_id,
        actor=actor,
        now=desk.now,
        lock_rider=lambda _tx, rider: desk.locked.append(rider),
    )


def test_a_credit_takes_two_people_and_happens_once(desk: Desk) -> None:
    row = waiting(desk)
    with pytest.raises(SuspenseNotProposedError):
        approve(desk, row)
    propose(desk, row, rider=desk.rider)
    assert desk.loaded() == 0, "a proposal books nothing"
    with pytest.raises(SamePersonError):
        approve(desk, row, actor="anna")
    assert approve(desk, row).amount.minor == 49_000
    assert (desk.loaded(), desk.suspended("underpaid"), desk.queue()) == (49_000, 0, [])
    assert desk.locked == [desk.rider]
    with pytest.raises(UnknownSuspenseError):
        approve(desk, row)


def test_money_is_sent_back(desk: Desk) -> None:
    row = waiting(desk)
    propose(desk, row, SuspenseEnd.SENT_BACK)
    approve(desk, row)
    assert (desk.suspended("underpaid"), desk.minor(chart.refund_payable())) == (0, 49_000)


@pytest.mark.parametrize(
    ("resolution", "named"),
    [(SuspenseEnd.CREDITED, False), (SuspenseEnd.SENT_BACK, True), (SuspenseEnd.DISMISSED, False)],
)
def test_what_cannot_be_proposed(desk: Desk, resolution: SuspenseEnd, named: bool) -> None:
    row = waiting(desk)
    with pytest.raises(SuspenseEndError):
        propose(desk, row, resolution, desk.rider if named else None)


def test_what_the_books_do_not_hold_is_dismissed(desk: Desk) -> None:
    desk.take(desk.notice(None, 1_000, accountNumber="NOT-OURS"))
    (row,) = suspense.list_suspense(desk.tx, now=desk.now)
    with pytest.raises(SuspenseEndError):
        propose(desk, row.suspense_id, SuspenseEnd.SENT_BACK)
    propose(desk, row.suspense_id, SuspenseEnd.DISMISSED)
    entries = desk.entries()
    approve(desk, row.suspense_id)
    assert (desk.queue(), desk.entries()) == ([], entries)


def test_a_row_has_an_owner(desk: Desk) -> None:
    row = waiting(desk)
    end_suspense.assign(desk.tx, row, "anna")
    assert [one.assigned_to for one in suspense.list_suspense(desk.tx, now=desk.now)] == ["anna"]
