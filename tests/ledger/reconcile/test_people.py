"""What people do with movements: match them by hand, take matches apart, end exceptions two by two."""

from uuid import uuid4

import pytest

from ledger import recon_queue
from ledger.rules import chart
from ledger.rules.reconcile import (
    NothingProposedError,
    Resolution,
    SamePersonError,
    UnbalancedMatchError,
    UnknownExceptionError,
    UnmatchableError,
)
from tests.ledger.reconcile.conftest import House


class TestByHand:
    def test_match_and_take_apart(self, house: House) -> None:
        house.pay(50_000)
        house.bank(house.movement(50_000, "khong ro", house.desk.now))
        house.run()
        items = [row.item_id for row in recon_queue.list_exceptions(house.tx, now=house.desk.now)]
        minted = uuid4()
        for _ in range(2):
            recon_queue.match_by_hand(
                house.tx, minted, items, note="asked the bank", actor="anna", now=house.desk.now
            )
        assert house.run().queued == 0
        assert (house.guaranteed(), house.desk.clearing()) == (50_000, 0)
        for _ in range(2):
            recon_queue.undo_match(house.tx, minted, note="not the same", actor="anna", now=house.desk.now)
        assert house.run().queued == 2
        assert (house.guaranteed(), house.desk.clearing()) == (0, 50_000), "taken back by a linked entry"
        for item in items:
            (told,) = recon_queue.list_matches(house.tx, item)
            assert (told.match_id, told.rule.value, told.live) == (minted, "by_hand", False)
            assert told.item_id in items
            assert told.item_id != item
            assert [(act, who, why) for act, who, _, why in told.acts] == [
                ("matched", "anna", "asked the bank"), ("undone", "anna", "not the same"),
            ]  # fmt: skip

    def test_a_match_by_rule_that_was_taken_apart_stays_apart(self, house: House) -> None:
        house.bank(house.pay())
        house.run()
        (paid,) = house.tx.exec_driver_sql(
            "SELECT item_id FROM ledger_recon_item WHERE side = 'ledger'"
        ).scalars()
        recon_queue.undo_match(house.tx, paid, note="wrong", actor="anna", now=house.desk.now)
        assert house.run().queued == 2
        assert house.guaranteed() == 0

    @pytest.mark.parametrize("payout", [False, True])
    def test_the_list_of_matches_names_what_undoing_takes(self, house: House, payout: bool) -> None:
        paid = [house.pay(100_000, fee=1_100) for _ in range(2)]
        if payout:
            house.provider(*(one | {"payout": "PO-2026-11"} for one in paid))
            house.bank(house.movement(197_800, "THANH TOAN PO 2026 11", house.desk.now))
        else:
            house.bank(*paid)
        assert house.run().queued == 0
        items = (
            house.tx.exec_driver_sql("SELECT item_id FROM ledger_recon_item WHERE side = 'bank'")
            .scalars()
            .all()
        )
        found = recon_queue.list_matches(house.tx, items[0])
        assert len(found) == (2 if payout else 1)
        (match_id,) = {one.match_id for one in found}
        undone = recon_queue.undo_match(house.tx, match_id, note="wrong", actor="anna", now=house.desk.now)
        assert undone == len(found)
        assert not any(one.live for one in recon_queue.list_matches(house.tx, items[0]))
        assert house.run().unexplained == 0
        with pytest.raises(UnmatchableError), house.tx.begin_nested():
            recon_queue.list_matches(house.tx, uuid4())

    def test_sums_must_agree_and_sides_be_two(self, house: House) -> None:
        house.pay(50_000)
        house.bank(house.movement(49_000, "x", house.desk.now))
        house.run()
        items = [row.item_id for row in recon_queue.list_exceptions(house.tx, now=house.desk.now)]
        with pytest.raises(UnbalancedMatchError), house.tx.begin_nested():
            recon_queue.match_by_hand(house.tx, uuid4(), items, note="x", actor="anna", now=house.desk.now)
        for wrong in (items[:1], [*items, uuid4()]):
            with pytest.raises(UnmatchableError), house.tx.begin_nested():
                recon_queue.match_by_hand(
                    house.tx, uuid4(), wrong, note="x", actor="anna", now=house.desk.now
                )
        with pytest.raises(UnmatchableError), house.tx.begin_nested():
            recon_queue.undo_match(house.tx, uuid4(), note="x", actor="anna", now=house.desk.now)


class TestFourEyes:
    def left(self, house: House, minor: int = -5_500):
        house.bank(house.movement(minor, "PHI", house.desk.now))
        house.run()
        return house.ids()

    def test_a_write_off_takes_two_people(self, house: House) -> None:
        ids = self.left(house)
        with pytest.raises(NothingProposedError):
            recon_queue.approve(house.tx, ids, actor="binh", now=house.desk.now)
        recon_queue.propose(
            house.tx, ids, Resolution.WRITTEN_OFF, note="fee", actor="anna", now=house.desk.now
        )
        with pytest.raises(SamePersonError):
            recon_queue.approve(house.tx, ids, actor="anna", now=house.desk.now)
        recon_queue.approve(house.tx, ids, actor="binh", now=house.desk.now)
        found = house.run()
        assert (found.queued, found.unexplained, house.queue()) == (0, 0, [])
        assert (house.guaranteed(), house.desk.minor(chart.recon_difference())) == (-5_500, 5_500)
        with pytest.raises(UnknownExceptionError):
            recon_queue.approve(house.tx, ids, actor="binh", now=house.desk.now)

    def test_unknown_money_waits_in_suspense(self, house: House) -> None:
        ids = self.left(house, 14_000)
        recon_queue.propose(
            house.tx, ids, Resolution.TO_SUSPENSE, note="who?", actor="anna", now=house.desk.now
        )
        recon_queue.approve(house.tx, ids, actor="binh", now=house.desk.now)
        assert house.run().unexplained == 0
        assert (house.guaranteed(), house.desk.suspended("unknown_credit")) == (14_000, 14_000)

    def test_what_we_booked_and_the_bank_never_had(self, house: House) -> None:
        house.pay(9_000)
        house.run()
        ids = house.ids()
        with pytest.raises(UnmatchableError), house.tx.begin_nested():
            recon_queue.propose(
                house.tx, ids, Resolution.TO_SUSPENSE, note="x", actor="anna", now=house.desk.now
            )
        recon_queue.propose(house.tx, ids, Resolution.WRITTEN_OFF, note="x", actor="anna", now=house.desk.now)
        recon_queue.approve(house.tx, ids, actor="binh", now=house.desk.now)
        assert (house.desk.clearing(), house.desk.minor(chart.recon_difference())) == (0, 9_000)

    def test_many_at_once_have_an_owner(self, house: House) -> None:
        house.bank(*(house.movement(1_000 + n, f"tien nha {n}", house.desk.now) for n in range(20)))
        house.run()
        ids = house.ids()
        assert recon_queue.assign(house.tx, ids, "anna") == 20
        assert {row.assigned_to for row in recon_queue.list_exceptions(house.tx, now=house.desk.now)} == {
            "anna"
        }
        with pytest.raises(UnknownExceptionError):
            recon_queue.assign(house.tx, [*ids, uuid4()], "anna")
