"""A proof that goes on from a seal reads what was booked since, and still finds what is wrong there."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from kernel.crypto.ed25519 import SigningKey
from ledger import close_period, prove
from ledger.rules.chain import SealKey, chain_faults, introduce
from ledger.rules.proof import FaultKind
from ledger.store import proofs

from .conftest import NOW, TODAY, Books, faults_within
from .test_prove import SIGNER, TABLES, a_closed_and_an_open_day

DAY = timedelta(days=1)
YESTERDAY = TODAY - DAY


@pytest.fixture
def books_of_the_owner(owner_tx: Connection) -> tuple[Books, Connection]:
    books = a_closed_and_an_open_day(owner_tx)
    for table in TABLES:
        owner_tx.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
    return books, owner_tx


def found_since(owner: Connection, after) -> list[str]:
    return [str(fault) for n in range(len(proofs.CHECKS)) for fault in proofs.run(owner, n, after)]


@pytest.mark.parametrize("after", [None, TODAY - 2 * DAY, YESTERDAY])
def test_honest_books_prove_from_any_seal_on(books_of_the_owner, after) -> None:
    _, owner = books_of_the_owner
    assert found_since(owner, after) == []


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE ledger_balance SET posted = posted + 1 WHERE account_id = '{purse}'", "{purse}"),
        ("UPDATE ledger_balance SET pending = pending + 1 WHERE account_id = '{purse}'", "{purse}"),
        (
            "UPDATE ledger_rollup SET debits = debits + 1 WHERE account_id = '{alpha}' AND book_day = '{today}'",
            "{alpha} booked {today}",
        ),
        ("UPDATE ledger_control SET credits = credits + 1 WHERE book_day = '{today}'", "{today}"),
        (("UPDATE ledger_line SET amount = amount + 1 WHERE ctid = (SELECT min(ctid) FROM ledger_line "
         "WHERE book_day = '{today}' AND credit_id = '{alpha}')"), "{alpha} booked {today}"),
    ],
)  # fmt: skip
def test_what_was_tampered_with_since_is_named(books_of_the_owner, statement: str, named: str) -> None:
    books, owner = books_of_the_owner
    names = {"purse": books.purse(2), "alpha": books.alpha, "today": TODAY}
    assert owner.execute(text(statement.format(**names))).rowcount == 1
    assert any(named.format(**names) in fault for fault in found_since(owner, YESTERDAY))


def test_lines_before_are_not_read_again(books_of_the_owner) -> None:
    """What the whole proof names, one that begins later does not look at; a moved balance it does."""
    _, owner = books_of_the_owner
    owner.execute(text("UPDATE ledger_line SET metadata = 'x' WHERE book_day = :day"), {"day": YESTERDAY})
    owner.execute(
        text("UPDATE ledger_rollup SET debits = debits + 1 WHERE book_day = :day"), {"day": YESTERDAY}
    )
    assert found_since(owner, YESTERDAY) == []
    assert faults_within(owner, SIGNER.public)


def test_steps_of_a_later_proof_hash_only_later_days(database) -> None:
    with database.engine.begin() as tx:
        a_closed_and_an_open_day(tx)
        reached = close_period.last_seal(tx)
    names = [step.name for step in prove.prove(database.engine.begin, since=YESTERDAY)]
    assert [name for name in names if name.startswith("lines of")] == [f"lines of {YESTERDAY}"]
    ahead = list(prove.prove(database.engine.begin, since=TODAY + 90 * DAY))
    assert not [step for step in ahead if step.name.startswith("lines of") or step.faults]
    assert reached is not None
    with database.engine.begin() as tx:
        assert prove.last_proven(tx) is None
        assert not prove.record(tx, reached, 0, NOW, since=YESTERDAY)
        assert prove.record(tx, reached, 32, NOW)
        assert prove.last_proven(tx) == YESTERDAY
        assert not prove.record(tx, reached, 0, NOW, since=TODAY + DAY)
        assert prove.record(tx, reached, 0, NOW, since=TODAY)


def test_a_key_is_introduced_from_its_position_on_and_the_old_one_signs_no_more(
    tx: Connection, books: Books
) -> None:
    old, new, stranger = (SigningKey.generate() for _ in range(3))
    for back, signer, earlier in ((4, old, []), (3, new, [old]), (2, new, [old])):
        at = NOW - back * DAY
        books.posted(tx, books.topup(0, 5, entry_id=books.new_id(at)), now=at)
        close_period.close(tx, TODAY - back * DAY, NOW, signer=signer, earlier=earlier)
    seals, keys = close_period.list_seals(tx), close_period.list_keys(tx)
    trusted = {old.public.key_id: old.public}
    assert chain_faults(seals, trusted, keys) == ()
    assert {fault.kind for fault in chain_faults(seals, trusted)} == {FaultKind.SIGNATURE}
    forged = [SealKey(old.public), introduce(new.public, stranger, 2, seals[0].head)]
    assert FaultKind.SEAL_KEY in {fault.kind for fault in chain_faults(seals, trusted, forged)}
    elsewhere = [SealKey(old.public), introduce(new.public, old, 2, seals[1].head)]
    assert FaultKind.SEAL_KEY in {fault.kind for fault in chain_faults(seals, trusted, elsewhere)}
    close_period.close(tx, YESTERDAY, NOW, signer=old)
    late = chain_faults(close_period.list_seals(tx), trusted, keys)
    assert [(fault.kind, fault.found) for fault in late] == [(FaultKind.SIGNATURE, "unknown key")]
