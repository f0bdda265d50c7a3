"""Top-ups by VietQR at the bank, which is another program: told often and out of order, credited once."""

import pytest

from .town import Purse, bank_asked

pytestmark = pytest.mark.walk
ASKED = 50_000


def waiting(town):
    return {row["suspense_id"]: row for row in town.ask("GET", "/v1/suspense")["suspense"]}


def test_five_shuffled_notifications_credit_once_and_what_is_wrong_waits(town):
    good, folded, nameless, under, over, forged = cards = town.cards(6)
    asked = {card: town.topup(card, ASKED) for card in cards}
    before, told = waiting(town), len(bank_asked(town.bank, "/deliveries")["deliveries"])
    qr = {card: one["qr"]["payload"] for card, one in asked.items()}
    town.pay(
        {
            "payments": [
                {"qr": qr[good]},
                {"qr": qr[folded], "fold": True},
                {"qr": qr[nameless], "fold": True, "order_code": None},
                {"qr": qr[under], "amount": ASKED - 1_000},
                {"qr": qr[over], "amount": ASKED + 1_000},
                {"qr": qr[forged], "forge": True},
                {"amount": 7_000, "description": "tra tien an trua"},
            ],
            "times": 5,
            "shuffle": True,
            "seed": 20261118,
        }
    )
    answers = [one["status"] for one in bank_asked(town.bank, "/deliveries")["deliveries"][told:]]
    assert sorted(answers) == [200] * 30 + [401] * 5
    for card in (good, folded, nameless):
        assert town.purse(card.account) == Purse(ASKED, 0)
    for card in (under, over, forged):
        assert town.purse(card.account) == Purse(0, 0)
    states = {card: town.ask("GET", f"/v1/topups/{one['topup_id']}")["state"] for card, one in asked.items()}
    assert [states[card] for card in (good, folded, nameless)] == ["credited"] * 3
    assert "credited" not in {states[card] for card in (under, over, forged)}
    new = [row for key, row in waiting(town).items() if key not in before]
    assert sorted((row["reason"], row["amount"]["minor"], row["topup_id"]) for row in new) == [
        ("overpaid", ASKED + 1_000, asked[over]["topup_id"]),
        ("underpaid", ASKED - 1_000, asked[under]["topup_id"]),
        ("unknown", 7_000, None),
    ]
    town.proven()
