"""Three-way matching: every rule, every reason, and that nothing is left unexplained."""

from datetime import timedelta
from uuid import uuid4

import pytest

from demo.bank_statements import camt, mt940
from ledger import recon_queue
from ledger.rules import chart
from ledger.rules.reconcile import (
    UnbalancedMatchError,
)
from tests.ledger.reconcile.conftest import House


def test_three_sides_agree(house: House) -> None:
    paid = [house.pay(10_000 + n) for n in range(5)]
    house.bank(*paid)
    house.provider(*paid)
    found = house.run()
    assert (found.movements, found.matched, found.queued, found.unexplained) == (15, 15, 0, 0)
    assert (found.matched_permille, found.moved.minor) == (1000, 3 * 50_010)
    assert house.rules() == {"ledger-provider provider_id": 5, "ledger-bank bank_reference": 5}
    assert house.guaranteed() == house.balance == 50_010
    assert house.desk.clearing() == 0
    assert found.bank_closing[0][1].minor == house.balance


def test_running_again_changes_nothing(house: House) -> None:
    house.bank(house.pay(), house.pay(7_000, asked=8_000))
    first, entries = house.run(), house.desk.entries()
    assert house.run() == first
    assert house.desk.entries() == entries


@pytest.mark.parametrize("write", [camt, mt940])
def test_qr_reference_is_found_in_folded_text(house: House, write) -> None:
    paid = house.pay()
    folded = paid["description"].upper().replace("LT", "L T", 1)
    house.bank(paid | {"reference": "BANKOWN1", "description": f"MBVCB.1.{folded}.CT"}, write=write)
    assert house.run().queued == 0
    assert house.rules() == {"ledger-bank qr_reference": 1}


def test_provider_reference_inside_the_text_with_amount_and_time(house: House) -> None:
    paid = house.pay(33_000)
    house.bank(paid | {"reference": "", "description": f"GD {paid['reference']} tu MB"})
    assert house.run().queued == 0
    assert house.rules() == {"ledger-bank amount_time_text": 1}
    later = house.pay(44_000)
    house.tomorrow(10)
    house.bank(house.movement(44_000, f"GD {later['reference']}", house.desk.now, reference=""))
    assert house.run().queued == 2, "ten days apart is not near"


def test_a_payout_bundles_payments_less_fees(house: House) -> None:
    paid = [house.pay(100_000, fee=1_100) for _ in range(3)]
    house.provider(*(one | {"payout": "PO-2026-11"} for one in paid))
    assert [why for why, _ in house.queue()] == []
    assert house.run().queued == 6, "the payments and their rows wait for the payout"
    assert {why for why, _ in house.queue()} == {"payout_awaited"}
    house.bank(house.movement(296_700, "THANH TOAN PO 2026 11", house.desk.now))
    found = house.run()
    assert (found.queued, found.unexplained) == (0, 0)
    assert house.rules()["provider-bank payout"] == 3
    assert (house.guaranteed(), house.desk.minor(chart.provider_fees("payos"))) == (296_700, 3_300)
    assert house.desk.clearing() == 0


def test_a_batched_entry_is_matched_payment_by_payment(house: House) -> None:
    paid = [house.pay(10_000), house.pay(20_000)]
    both = house.movement(30_000, "batch", house.desk.now, parts=paid)
    house.bank(both)
    assert house.run().queued == 0
    assert house.rules() == {"ledger-bank bank_reference": 2}


def test_one_payment_booked_in_two_credits(house: House) -> None:
    paid = house.pay(50_000)
    house.bank(*(paid | {"amount": minor, "reference": f"PART{minor}"} for minor in (20_000, 30_000)))
    assert house.run().queued == 0
    assert house.rules() == {"ledger-bank split": 2}
    assert (house.guaranteed(), house.desk.clearing()) == (50_000, 0)


def test_reasons(house: House) -> None:
    wrong = house.pay(54_000)
    lost = house.pay(11_000, notified=False)
    twice = house.pay(12_000)
    missing = house.pay(13_000)
    stray = house.movement(14_000, "tien nha", house.desk.now)
    debit = house.movement(-5_500, "PHI DICH VU", house.desk.now)
    house.bank(wrong | {"amount": 45_000}, lost, twice, twice, stray, debit)
    found = house.run()
    assert found.unexplained == 0
    assert house.queue() == sorted(
        [
            ("wrong_amount", 54_000),
            ("wrong_amount", 45_000),
            ("missing_notification", 11_000),
            ("repeated_line", 12_000),
            ("statement_awaited", 13_000),
            ("unknown_credit", 14_000),
            ("unknown_debit", -5_500),
        ]
    )
    assert {reason: count for reason, count, _ in found.by_reason}["wrong_amount"] == 2
    house.tomorrow()
    house.bank()
    house.run()
    assert ("missing_at_bank", missing["amount"]) in house.queue(), (
        "the next day's statement does not have it"
    )
    assert house.guaranteed() == 12_000, "only what is matched is booked at the bank"


@pytest.mark.parametrize(
    ("booked", "hint"),
    [
        (45_000, "it is divisible by 9: two digits may be swapped"),
        (53_999, ""),
        (54_009, "it is divisible by 9: two digits may be swapped"),
    ],
)
def test_a_difference_that_nine_divides_hints_at_swapped_digits(house: House, booked: int, hint: str) -> None:
    house.bank(house.pay(54_000) | {"amount": booked})
    found = house.run()
    rows = recon_queue.list_exceptions(house.tx, now=house.desk.now)
    assert {(row.why.value, row.hint) for row in rows} == {("wrong_amount", hint)}
    (day,) = found.differences
    assert (day.on, day.amount.minor, day.hint) == (house.today, booked - 54_000, hint)
    with pytest.raises(UnbalancedMatchError) as wrong, house.tx.begin_nested():
        recon_queue.match_by_hand(
            house.tx, uuid4(), [row.item_id for row in rows], note="x", actor="anna", now=house.desk.now
        )
    assert wrong.value.fields["hint"] == (hint or "they must agree")


def test_without_a_shared_reference_the_day_tells_the_difference(house: House) -> None:
    house.pay(54_000)
    house.bank(house.movement(45_000, "khong ro", house.desk.now))
    found = house.run()
    assert [(one.amount.minor, bool(one.hint)) for one in found.differences] == [(-9_000, True)]


def test_a_chargeback_names_the_payment_it_takes_back(house: House) -> None:
    paid = house.pay()
    house.bank(paid)
    house.run()
    house.tomorrow()
    house.bank(paid | {"amount": -50_000, "reversal": True, "paid_at": house.desk.now.isoformat()})
    house.run()
    assert house.queue() == [("chargeback", -50_000)]


def test_what_the_provider_lists_and_nobody_booked(house: House) -> None:
    known, unknown = house.pay(), house.pay(20_000, notified=False)
    house.provider(known, unknown)
    house.run()
    assert house.queue() == [("not_booked", 20_000), ("statement_awaited", 50_000)]


def test_what_the_provider_forgot(house: House) -> None:
    listed, forgotten = house.pay(), house.pay(20_000)
    house.bank(listed, forgotten)
    house.provider(listed)
    house.tomorrow()
    more = house.pay(30_000)
    house.bank(more)
    house.provider(more)
    house.run()
    assert house.queue() == [("missing_at_provider", 20_000)]


def test_a_late_notification_ends_its_exception(house: House) -> None:
    intent = house.desk.intent(60_000)
    paid = house.movement(60_000, intent.reference, house.desk.now)
    house.bank(paid)
    house.run()
    assert house.queue() == [("missing_notification", 60_000)]
    house.tomorrow()
    notice = house.desk.notice(
        intent,
        60_000,
        reference=paid["reference"],
        transactionDateTime=house.desk.hanoi(house.desk.now - timedelta(days=1)),
    )
    assert house.desk.take(notice).outcome == "credited"
    assert house.run().queued == 0
    assert (house.desk.loaded(), house.guaranteed()) == (60_000, 60_000)


def test_the_age_of_an_exception_survives_a_new_reason(house: House) -> None:
    house.pay()
    house.bank()
    house.run()
    house.tomorrow(3)
    house.bank()
    assert house.run().oldest == house.desk.now - timedelta(days=3)
    assert house.queue() == [("missing_at_bank", 50_000)]
