"""Money from rider to rider, and out to a rider who hands the card in."""

from datetime import timedelta
from uuid import uuid4

import pytest

from kernel.ids import FareAccountId
from ledger import accounts, move, post, refund, reserve
from ledger.rules import chart
from ledger.rules.entry import Line
from ledger.rules.hold import Hold
from ledger.statement import trial_balance

from .conftest import NOW, TODAY, vnd


@pytest.fixture
def riders(tx, books):
    accounts.open_accounts(tx, books.specs(), NOW)
    post.post(tx, [books.topup(0, 50_000), books.topup(1, 5_000)], NOW)
    return [FareAccountId(rider) for rider in books.riders]


def owe(tx, books, rider, minor):
    debt = chart.rider_receivable(books.riders[rider]).account_id
    post.post(tx, [books.entry(rider, Line(debt, books.alpha, vnd(minor)))], NOW)


def balances(tx, rider):
    stored, owed = chart.rider_stored_value(rider), chart.rider_receivable(rider)
    found = accounts.read_balances(tx, (stored.account_id, owed.account_id), NOW)
    return found[stored.account_id].posted.minor, found[owed.account_id].posted.minor


def transfer_left(tx):
    return accounts.read_balances(tx, (chart.rider_transfer().account_id,), NOW)[
        chart.rider_transfer().account_id
    ].posted.minor


@pytest.mark.parametrize(
    ("debt", "limit", "moved", "cleared", "giver", "taker"),
    [
        (0, None, 50_000, 0, 0, (55_000, 0)),
        (0, 20_000, 20_000, 0, 30_000, (25_000, 0)),
        (0, 90_000, 50_000, 0, 0, (55_000, 0)),
        (7_000, None, 50_000, 7_000, 0, (48_000, 0)),
        (7_000, 7_000, 7_000, 7_000, 43_000, (5_000, 0)),
        (70_000, None, 50_000, 50_000, 0, (5_000, 20_000)),
        (7_000, 3_000, 3_000, 3_000, 47_000, (5_000, 4_000)),
    ],
)
def test_a_debt_is_paid_before_the_balance_rises(
    tx, books, riders, debt, limit, moved, cleared, giver, taker
):
    if debt:
        owe(tx, books, 1, debt)
    done = move.move(
        tx,
        riders[0],
        riders[1],
        move_id=uuid4(),
        kind="link",
        now=NOW,
        limit=None if limit is None else vnd(limit),
    )
    assert (done.amount, done.cleared) == (vnd(moved), vnd(cleared))
    assert balances(tx, riders[0]) == (giver, 0)
    assert balances(tx, riders[1]) == taker
    assert done.owed.minor == taker[1]
    assert transfer_left(tx) == 0


def test_nothing_to_move_books_nothing(tx, riders):
    before = trial_balance(tx)
    assert not move.move(tx, riders[2], riders[1], move_id=uuid4(), kind="link", now=NOW).amount
    assert not move.move(tx, riders[0], riders[1], move_id=uuid4(), kind="link", now=NOW, limit=vnd(0)).amount
    assert [line for line in trial_balance(tx) if line.debits or line.credits] == list(before)


def test_held_money_stays(tx, books, riders):
    held = Hold(
        hold_id=uuid4(),
        owner_id=books.riders[0],
        kind="test.hold",
        debit=books.purse(0),
        credit=books.alpha,
        amount=vnd(45_000),
        expires_at=NOW + timedelta(minutes=5),
        service_day=TODAY,
    )
    reserve.hold(tx, held, NOW)
    assert move.move(tx, riders[0], riders[1], move_id=uuid4(), kind="link", now=NOW).amount == vnd(5_000)
    with pytest.raises(refund.HeldValueError):
        refund.quote_refund(tx, riders[0], now=NOW)


def test_a_refund_pays_out_what_was_confirmed_once(tx, riders):
    assert refund.quote_refund(tx, riders[0], now=NOW) == vnd(50_000)
    one = uuid4()
    for _ in range(2):
        assert refund.refund_stored(tx, riders[0], refund_id=one, confirmed=vnd(50_000), now=NOW) == vnd(
            50_000
        )
    assert balances(tx, riders[0]) == (0, 0)
    payable = chart.refund_payable().account_id
    assert accounts.read_balances(tx, (payable,), NOW)[payable].posted == vnd(50_000)
    with pytest.raises(refund.RefundAmountError):
        refund.refund_stored(tx, riders[0], refund_id=one, confirmed=vnd(1), now=NOW)


@pytest.mark.parametrize("confirmed", [0, 49_999, 50_001])
def test_another_amount_than_confirmed_is_never_paid_out(tx, riders, confirmed):
    with pytest.raises(refund.RefundAmountError):
        refund.refund_stored(tx, riders[0], refund_id=uuid4(), confirmed=vnd(confirmed), now=NOW)
    assert balances(tx, riders[0]) == (50_000, 0)


def test_who_owes_is_paid_nothing_out(tx, books, riders):
    owe(tx, books, 1, 1)
    with pytest.raises(refund.OpenReceivableError) as refused:
        refund.refund_stored(tx, riders[1], refund_id=uuid4(), confirmed=vnd(5_000), now=NOW)
    assert refused.value.fields["owed"] == vnd(1)


def test_an_account_without_money_has_nothing_to_pay_out(tx, riders):
    stranger = FareAccountId(uuid4())
    assert refund.quote_refund(tx, stranger, now=NOW) == vnd(0)
    assert refund.refund_stored(tx, riders[2], refund_id=uuid4(), confirmed=vnd(0), now=NOW) == vnd(0)
