"""A month with every fault of bank and provider: everything matched or queued for the right reason, nothing unexplained."""

import os
import random
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from demo.bank_statements import camt, mt940, provider_csv
from ledger import export, reconcile
from ledger.rules.books import Format
from tests.ledger.reconcile.conftest import House
from tests.programs import program

FULL = os.environ.get("LIENTHONG_TEST_FAULTS") == "full"
FAULTS = ("none",) * 12 + (
    "unnotified", "misread", "missing", "twice", "folded", "split", "charged_back", "stray", "fee", "bank_late",
    "told_late", "told_often", "told_wrong",
)  # fmt: skip


class Month:
    """Plays days and keeps count of what the queue must say in the end."""

    def __init__(self, house: House, seed: int) -> None:
        self.house = house
        self.dice = random.Random(seed)
        self.expected: Counter[str] = Counter()
        self.tomorrows: list[dict[str, Any]] = []
        self.untold: list[bytes] = []
        self.contradictions: list[bytes] = []

    def payment(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return what the bank books and what the provider lists of one payment."""
        house, dice = self.house, self.dice
        fault = dice.choice(FAULTS)
        minor = dice.randrange(10, 500) * 1_000
        if fault == "stray":
            self.expected["unknown_credit"] += 1
            return [house.movement(minor + 1, "tien nha thang", house.desk.now)], []
        if fault == "fee":
            self.expected["unknown_debit"] += 1
            return [house.movement(-minor - 1, "PHI QUAN LY", house.desk.now)], []
        told = not fault.startswith(("unnotified", "told"))
        paid = house.pay(minor, notified=told)
        match fault:
            case "told_late":  # delayed, and mixed with others: the bank's statement is here first
                self.untold.append(house.notice(paid))
            case "told_often":
                taken = [house.desk.take(house.notice(paid)) for _ in range(3)]
                assert [(one.outcome, one.repeated) for one in taken] == [
                    ("credited", False), ("credited", True), ("credited", True),
                ]  # fmt: skip
            case "told_wrong":  # a second notification of the same payment says more than the first
                assert house.desk.take(house.notice(paid)).outcome == "credited"
                assert house.desk.take(house.notice(paid, minor + 5)).outcome == "contradiction"
            case "unnotified":
                self.expected["missing_notification"] += 1
                self.expected["not_booked"] += 1
            case "misread":
                self.expected["wrong_amount"] += 2
                return [paid | {"amount": minor + 9}], [paid]
            case "missing":
                self.expected["missing_at_bank"] += 1
                return [], [paid]
            case "twice":
                self.expected["repeated_line"] += 1
                return [paid, paid], [paid]
            case "folded":
                words = "".join(letter for letter in paid["description"].upper() if letter.isalnum())
                split = " ".join(words[at : at + 10] for at in range(0, len(words), 10))
                return [paid | {"reference": f"BK{house.numbers}", "description": split}], [paid]
            case "split":
                half = minor // 2
                parts = ((half, "A"), (minor - half, "B"))
                return [paid | {"amount": one, "reference": f"{paid['reference']}{x}"} for one, x in parts], [
                    paid
                ]
            case "charged_back":
                self.expected["chargeback"] += 1
                self.tomorrows.append(paid | {"amount": -minor, "reversal": True})
            case "bank_late":
                self.tomorrows.append(paid)
                return [], [paid]
            case _:
                pass
        return [paid], [paid]

    def day(self, payments: int) -> list[bytes]:
        """Return the files of one day, in the order they come."""
        self.dice.shuffle(self.untold)
        while self.untold:
            assert self.house.desk.take(self.untold.pop()).outcome == "credited"
        booked, listed = self.tomorrows, list[dict[str, Any]]()
        booked = [one | {"paid_at": self.house.desk.now.isoformat()} for one in booked]
        self.tomorrows = []
        for _ in range(payments):
            at_bank, at_provider = self.payment()
            booked += at_bank
            listed += at_provider
        self.dice.shuffle(booked)
        statement = self.house.statement(booked, self.house.today)
        version = self.dice.choice(("02", "04", "08", ""))
        written = camt([statement], version=version) if version else mt940([statement])
        if (
            booked and self.dice.random() < 0.1
        ):  # the bank says something else of the same day, and it balances
            told = [booked[0] | {"amount": booked[0]["amount"] + 9_000}, *booked[1:]]
            self.contradictions.append(camt([statement | {"movements": told}]))
        return [written, provider_csv(listed)]


def play(house: House, seed: int, days: int, payments: int) -> Month:
    month, late = Month(house, seed), list[bytes]()
    for _ in range(days):
        files = month.day(payments)
        files += [files[0]] if month.dice.random() < 0.2 else []  # delivered twice
        if month.dice.random() < 0.2:
            late += files  # comes days later
        else:
            for raw in files:
                assert house.take(raw).file.status == "accepted"
        for work in reconcile.steps():
            work(house.tx, house.desk.now, house.told.append)
            if month.dice.random() < 0.05:  # killed here: the next run goes on from what is there
                break
        house.tomorrow()
    for raw in month.dice.sample(late, len(late)):
        house.take(raw)
    for raw in (*month.day(0), *month.day(0)):
        house.take(raw)
        house.tomorrow()
    house.bank()
    for raw in month.contradictions:
        assert house.take(raw).file.reason == "contradicts"
    return month


@pytest.mark.parametrize("seed", range(20 if FULL else 2))
@pytest.mark.faults
def test_a_month_of_faults_leaves_nothing_unexplained(house: House, seed: int, tmp_path: Path) -> None:
    month = play(house, seed, days=30 if FULL else 8, payments=30 if FULL else 12)
    found = house.run()
    assert found.unexplained == 0
    assert found.chain_gaps == 0
    queue = Counter(reason for reason, _ in house.queue())
    assert queue == month.expected
    assert found.matched + found.queued == found.movements
    queued_at_bank = house.tx.exec_driver_sql(
        "SELECT coalesce(sum(amount), 0) FROM ledger_recon_exception x WHERE side = 'bank' AND NOT EXISTS "
        "(SELECT FROM ledger_recon_exception_end e WHERE e.exception_id = x.exception_id)"
    ).scalar_one()
    assert house.guaranteed() + queued_at_bank == house.balance, "books and queue explain the bank's balance"
    entries = house.desk.entries()
    assert house.run() == found
    assert house.desk.entries() == entries
    assert found.quarantined_files == len(month.contradictions)
    books = tmp_path / "books.journal"
    books.write_text("".join(export.export(house.tx, Format.HLEDGER)), encoding="utf-8")
    check = subprocess.run(
        [program("hledger"), "-f", books, "check", "--strict"], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stderr
