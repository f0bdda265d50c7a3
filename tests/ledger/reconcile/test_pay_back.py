"""Money goes back by two people and one file, and is booked when the bank says that it left."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from lxml import etree

from demo.bank_statements import mt940
from kernel.ids import EntryId, uuid7
from kernel.money import VND, Money
from ledger import end_suspense, pay_back, suspense
from ledger.accounts import open_accounts
from ledger.end_suspense import SuspenseEnd
from ledger.post import post
from ledger.rails.pain001 import Party, Version
from ledger.rules import chart
from ledger.rules.entry import Entry, Line, Refused
from ledger.rules.errors import IdReusedError
from ledger.rules.pay_back import (
    TRANSITIONS,
    NotOwedError,
    Order,
    OrderEvent,
    OrderState,
    PayBackRefusedError,
    PayBackStateError,
    Payee,
    PayerUnknownError,
    UnknownPayBackError,
    step,
)
from ledger.rules.reconcile import SamePersonError
from tests.ledger.reconcile.conftest import House

PAYEE = Payee("Nguyen Van A", "0123456789", "BFTVVNVX")
OURS = Party(name="LIEN THONG", account="0011001234567")


def vnd(minor: int) -> Money:
    return Money(minor, VND)


def owe(house: House, minor: int = 49_000) -> None:
    """Somebody paid another amount than was asked; two people send it back."""
    desk = house.desk
    desk.take(desk.notice(desk.intent(50_000), minor))
    (row,) = suspense.list_suspense(desk.tx, now=desk.now)
    end_suspense.propose(
        desk.tx,
        row.suspense_id,
        SuspenseEnd.SENT_BACK,
        fare_account_id=None,
        note="x",
        actor="anna",
        now=desk.now,
    )
    end_suspense.approve(
        desk.tx, row.suspense_id, actor="binh", now=desk.now, lock_rider=lambda _tx, _rider: None
    )


def ask(house: House, minor: int, payee: Payee | None = PAYEE, payment=None, order_id=None) -> Order:
    return pay_back.ask(
        house.tx, order_id or uuid4(), amount=vnd(minor), payee=payee, payment_id=payment, cause="asked by phone",
        actor="anna", now=house.desk.now,
    )  # fmt: skip


def approve(house: House, order: Order, actor: str = "binh") -> Order:
    return pay_back.approve(house.tx, order.order_id, actor=actor, now=house.desk.now)


def send(house: House, batch_id=None) -> tuple[bytes, int]:
    return pay_back.send(
        house.tx, batch_id or uuid4(), debtor=OURS, version=Version.V09, actor="chi",
        now=house.desk.now,
    )  # fmt: skip


def owed(house: House) -> int:
    return pay_back.read_owed(house.tx, VND, house.desk.now).minor


def payable(house: House) -> int:
    return house.desk.minor(chart.refund_payable())


def left(house: House, order: Order, minor: int | None = None):
    """What the bank books when it has paid."""
    return house.movement(
        -order.amount.minor if minor is None else minor,
        "HOAN TIEN",
        house.desk.now,
        end_to_end=order.end_to_end,
    )


@pytest.mark.parametrize("state", OrderState)
@pytest.mark.parametrize("event", OrderEvent)
def test_only_what_the_table_has(house: House, state: OrderState, event: OrderEvent) -> None:
    owe(house)
    order = ask(house, 1)
    standing = replace(order, state=state)
    if event in TRANSITIONS[state]:
        assert step(standing, event) is TRANSITIONS[state][event]
    else:
        with pytest.raises(PayBackStateError):
            step(standing, event)


def test_from_asking_to_the_banks_line(house: House) -> None:
    owe(house)
    order = ask(house, 49_000)
    assert (owed(house), send(house)) == (0, (b"", 0)), "nothing leaves before another person agrees"
    with pytest.raises(SamePersonError):
        approve(house, order, "anna")
    approve(house, order)
    file, count = send(house)
    assert count == 1
    text = etree.fromstring(file)
    assert text.xpath("string(//*[local-name()='CtrlSum'])") == "49000"
    assert text.xpath("string(//*[local-name()='EndToEndId'])") == order.end_to_end
    assert payable(house) == 49_000, "a file is no payment"
    house.bank(left(house, order), write=mt940)
    found = house.run()
    assert found.unexplained == 0
    assert (payable(house), owed(house)) == (0, 0)
    assert pay_back.get(house.tx, order.order_id).paid_on == house.today
    assert ("wrong_amount", -49_000) not in house.queue()


def test_never_more_than_is_owed(house: House) -> None:
    owe(house)
    for minor in (49_001, 0, -1):
        with pytest.raises(NotOwedError):
            ask(house, minor)
    first = ask(house, 40_000)
    with pytest.raises(NotOwedError):
        ask(house, 9_001)
    pay_back.reject(house.tx, first.order_id, note="wrong account", actor="anna", now=house.desk.now)
    ask(house, 49_000)


def test_repeating_changes_nothing(house: House) -> None:
    owe(house)
    minted, file_id = uuid4(), uuid4()
    order = ask(house, 49_000, order_id=minted)
    assert ask(house, 49_000, order_id=minted) == order
    with pytest.raises(IdReusedError):
        ask(house, 48_000, order_id=minted)
    assert approve(house, order) == approve(house, order)
    first = send(house, file_id)
    house.desk.now += timedelta(hours=3)
    assert send(house, file_id) == first, "a file that was lost comes again, byte for byte"
    assert send(house) == (b"", 0), "each order is in one file"
    with pytest.raises(PayBackStateError):
        approve(house, order)


def test_what_the_bank_returns_is_owed_again(house: House) -> None:
    owe(house)
    order = ask(house, 49_000)
    approve(house, order)
    send(house)
    house.bank(left(house, order))
    house.run()
    pay_back.take_return(house.tx, order.order_id, note="account closed", actor="anna", now=house.desk.now)
    house.tomorrow()
    house.bank(left(house, order, 49_000))
    found = house.run()
    assert found.unexplained == 0
    assert (payable(house), owed(house)) == (49_000, 49_000)
    ask(house, 49_000)


class TestToTheSource:
    def paid(self, house: House, **told) -> tuple[object, int]:
        desk = house.desk
        applied = desk.take(desk.notice(desk.intent(50_000), 50_000, **told))
        return applied.payment_id, desk.loaded()

    def test_a_top_up_goes_back_to_who_paid_it(self, house: House) -> None:
        payment, _ = self.paid(house, counterAccountNumber="99", counterAccountName="TRAN B")
        order = ask(house, 50_000, None, payment)
        assert order.payee == Payee("TRAN B", "99")
        assert (house.desk.loaded(), owed(house)) == (50_000, 0), "asking books nothing"
        approve(house, order)
        approve(house, order)
        assert (house.desk.loaded(), payable(house), owed(house)) == (0, 50_000, 0)
        with pytest.raises(NotOwedError):
            ask(house, 1, None, payment)

    def test_refusals(self, house: House) -> None:
        payment, _ = self.paid(house)
        with pytest.raises(PayerUnknownError):
            ask(house, 50_000, None, payment)
        with pytest.raises(NotOwedError):
            ask(house, 50_001, PAYEE, payment)
        with pytest.raises(NotOwedError):
            ask(house, 1, PAYEE, uuid4())
        with pytest.raises(UnknownPayBackError):
            pay_back.get(house.tx, uuid4())

    def test_what_the_rider_has_spent_does_not_go_back(self, house: House) -> None:
        payment, _ = self.paid(house)
        order = ask(house, 50_000, PAYEE, payment)
        spend(house, 1)
        with pytest.raises(PayBackRefusedError), house.tx.begin_nested():
            approve(house, order)
        assert pay_back.get(house.tx, order.order_id).state is OrderState.ASKED
        assert (house.desk.loaded(), payable(house)) == (49_999, 0)

    def test_in_parts_up_to_what_was_paid(self, house: House) -> None:
        payment, _ = self.paid(house)
        self.paid(house)
        for _ in range(2):
            approve(house, ask(house, 25_000, PAYEE, payment))
        assert (house.desk.loaded(), payable(house)) == (50_000, 50_000)
        with pytest.raises(NotOwedError):
            ask(house, 1, PAYEE, payment)


def spend(house: House, minor: int) -> None:
    desk = house.desk
    purse, operator = chart.rider_stored_value(desk.rider), chart.operator_payable("bus")
    open_accounts(desk.tx, (operator,), desk.now)
    entry = Entry(
        EntryId(uuid7(desk.now)), "ride", (Line(purse.account_id, operator.account_id, vnd(minor)),), desk.rider,
        house.today, desk.now,
    )  # fmt: skip
    assert not isinstance(post(desk.tx, (entry,), desk.now)[0], Refused)
