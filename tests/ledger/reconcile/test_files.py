"""Files in: once by content, quarantined with reasons, statements that repeat or contradict, late ones."""

from dataclasses import replace

import pytest

from demo.bank_statements import camt, mt940, provider_csv
from tests.ledger.reconcile.conftest import House


def test_the_same_bytes_are_the_same_file(house: House) -> None:
    raw = camt([house.statement([house.pay()], house.today)])
    first, again = house.take(raw), house.take(raw, name="another name", source="folder")
    assert (first.repeated, first.movements) == (False, 1)
    assert (again.repeated, again.movements, again.file.file_id) == (True, 0, first.file.file_id)
    assert house.run().movements == 2


def test_the_same_statement_in_another_format_is_repeated(house: House) -> None:
    statement = house.statement([house.pay()], house.today)
    assert house.take(camt([statement])).statements[0].status == "accepted"
    again = house.take(mt940([statement]))
    assert (again.statements[0].status, again.movements, again.file.status) == ("repeated", 0, "accepted")
    assert house.run().movements == 2


def test_a_statement_that_contradicts_one_we_have_is_quarantined(house: House) -> None:
    paid = house.pay()
    statement = house.statement([paid], house.today)
    house.take(camt([statement]))
    other = house.take(camt([statement | {"movements": [paid | {"amount": 49_000}]}]))
    assert (other.file.status, other.file.reason, other.movements) == ("quarantined", "contradicts", 0)
    found = house.run()
    assert (found.matched, found.quarantined_files) == (2, 1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"closing": 1}, "does-not-balance"),
        ({"account": "9999"}, "foreign-account"),
        ({"currency": ""}, "missing-currency"),
    ],
)
def test_statements_that_are_not_used(house: House, change, reason: str) -> None:
    statement = house.statement([house.pay()], house.today)
    taken = house.take(camt([statement | change]))
    assert (taken.file.status, taken.file.reason, taken.movements) == ("quarantined", reason, 0)
    found = house.run()
    assert (found.movements, found.queued, found.quarantined_files) == (1, 1, 1)


def test_good_statements_of_a_file_are_used_beside_a_bad_one(house: House) -> None:
    good = house.statement([house.pay()], house.today)
    bad = house.statement([house.pay()], house.today, closing=5)
    taken = house.take(camt([good, bad]))
    assert [one.status for one in taken.statements] == ["accepted", "quarantined"]
    assert (taken.file.status, taken.movements) == ("quarantined", 1)


def test_a_hostile_file_leaves_its_reason_and_nothing_else(house: House) -> None:
    raw = camt([house.statement([house.pay()], house.today)]).replace(
        b"<Document", b"<!DOCTYPE x><Document", 1
    )
    taken = house.take(raw)
    assert (taken.file.reason, taken.statements, taken.movements) == ("forbidden-xml", (), 0)


def test_a_broken_file_keeps_its_whole_statements(house: House) -> None:
    first = house.statement([house.pay()], house.today)
    second = house.statement([house.pay()], house.today)
    raw = camt([first, second])
    taken = house.take(raw[: raw.rindex(b"<Ntry>") + 40])
    assert [one.status for one in taken.statements] == ["accepted", "quarantined"]
    assert (taken.file.reason, taken.movements) == ("unreadable-xml", 1)


def test_a_late_statement_closes_the_gap(house: House) -> None:
    house.bank(house.pay())
    house.tomorrow()
    late = house.statement([house.pay()], house.today)
    house.tomorrow()
    house.bank(house.pay())
    found = house.run()
    assert (found.chain_gaps, house.queue()) == (1, [("missing_at_bank", 50_000)])
    house.take(camt([late]))
    found = house.run()
    assert (found.chain_gaps, found.queued, found.unexplained) == (0, 0, 0)


def test_a_notification_of_the_bank_moves_nothing(house: House) -> None:
    statement = house.statement([house.pay()], house.today)
    taken = house.take(camt([statement], message="054"))
    assert (taken.file.format, taken.file.status, taken.movements) == ("camt.054", "accepted", 0)


def test_a_provider_that_contradicts_itself_is_quarantined(house: House) -> None:
    paid = house.pay()
    assert house.take(provider_csv([paid])).movements == 1
    assert house.take(provider_csv([paid], total=False)).movements == 0, "known already"
    other = house.take(provider_csv([paid | {"amount": 49_000}]))
    assert (other.file.reason, other.movements) == ("contradicts", 0)
    assert house.take(provider_csv([paid]), provider="casso").repeated


def test_limits_are_settings(house: House) -> None:
    raw = camt([house.statement([house.pay()], house.today)])
    assert house.take(raw, max_bytes=len(raw) - 1).file.reason == "too-large"


def test_accounts_of_ours_are_told_by_the_caller(house: House) -> None:
    statement = house.statement([house.pay()], house.today, account="V001")
    taken = house.take(camt([statement]), accounts=frozenset({"V001"}))
    assert taken.file.status == "accepted"
    assert replace(taken.file, name="x").source == "upload"
