"""Seals and the proof: any stored column that changes is found, and the row is named."""
# longer than a room: one tampered column or row a case, over one set of books

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from kernel.crypto.ed25519 import SigningKey
from kernel.ids import EntryId, uuid7, uuid8
from ledger import close_period, post, prove, reserve, reverse
from ledger.rules import seal as rules
from ledger.rules.entry import Posted
from ledger.rules.errors import DayNotClosedError, DayNotOverError
from ledger.rules.hold import Hold
from ledger.rules.proof import Fault, FaultKind
from ledger.rules.row import COLUMNS, leaf_hash
from ledger.store import seals as seal_store

from .conftest import NOW, TODAY, Books, faults_within, vnd

SIGNER = SigningKey.generate()
DAY = timedelta(days=1)


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 9162 §2.1.1, as written there."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def hashes(count: int) -> list[bytes]:
    return [sha256(n.to_bytes(4, "big")).digest() for n in range(count)]


@given(st.integers(0, 300))
def test_root_is_the_standards(count: int) -> None:
    assert rules.root_of(hashes(count)) == naive_root(hashes(count))


@given(st.integers(1, 200), st.data())
def test_a_path_leads_from_its_leaf_to_the_root_and_no_other_does(count: int, data: st.DataObject) -> None:
    leaves = hashes(count)
    index = data.draw(st.integers(0, count - 1))
    path = rules.path_of(leaves, index)
    assert rules.root_from_path(leaves[index], index, count, path) == naive_root(leaves)
    assert rules.root_from_path(leaves[index - 1], index, count, path) != naive_root(leaves) or count == 1
    assert rules.root_from_path(leaves[index], index, count, [*path, b"\0" * 32]) is None
    assert rules.root_from_path(leaves[index], count, count, path) is None


@given(st.integers(1, 5_000), st.randoms())
def test_chunks_are_subtrees_of_the_days_tree(count: int, chance: Random) -> None:
    leaves = [number.to_bytes(34, "big") + leaf for number, leaf in enumerate(hashes(count))]
    pieces = [leaves[at : at + 1_024] for at in range(0, count, 1_024)]
    for piece in pieces:
        chance.shuffle(piece)
    chunks = [rules.chunk_of(number, b"".join(piece)) for number, piece in enumerate(pieces)]
    assert rules.root_of([chunk.root for chunk in chunks]) == rules.root_of([leaf[34:] for leaf in leaves])
    assert b"".join(chunk.leaves for chunk in chunks) == b"".join(leaves)


def a_closed_and_an_open_day(tx: Connection) -> Books:
    """Two sealed days and an open one, with every kind of row in them."""
    books = Books()
    books.open(tx)
    for back in (2, 1, 0):
        at = NOW - back * DAY
        entries = [
            books.topup(rider, 10_000, entry_id=books.new_id(at), effective_at=at) for rider in range(4)
        ]
        entries += [
            books.fare(
                rider, 100 + n, entry_id=EntryId(uuid8("fare", back, rider, n)), metadata={"n": str(n)}
            )
            for rider in range(4)
            for n in range(3)
        ]
        books.posted(tx, *entries, now=at)
        if back:
            close_period.close(tx, TODAY - back * DAY, NOW, signer=SIGNER)
    reverse.reverse(tx, entries[-1].owner_id, entries[-1].entry_id, NOW)
    for minor in (5, 7):
        hold = Hold(
            uuid7(NOW), books.riders[0], books.purse(0), books.alpha, vnd(minor), NOW + DAY, "hold", TODAY
        )
        reserve.hold(tx, hold, NOW)
    reserve.post(tx, hold.owner_id, hold.hold_id, NOW)
    return books


TABLES = (
    "ledger_line",
    "ledger_line_default",
    "ledger_derived",
    "ledger_closing",
    "ledger_seal",
    "ledger_seal_chunk",
    "ledger_hold",
)


@pytest.fixture
def sealed(owner_tx: Connection) -> tuple[Books, Connection]:
    """Books in a transaction of the owner, whose hand no trigger stays."""
    books = a_closed_and_an_open_day(owner_tx)
    for table in TABLES:
        owner_tx.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
    return books, owner_tx


@pytest.fixture
def committed(database) -> Callable[[], Connection]:
    """A way to open transactions on committed books."""
    with database.engine.begin() as tx:
        a_closed_and_an_open_day(tx)
    return database.engine.begin


def faults_in(open_tx: Callable[[], Connection], **options: object) -> list[Fault]:
    return [fault for step in prove.prove(open_tx, **options) for fault in step.faults]


def tamper(owner: Connection, statement: str, **values: object) -> list[Fault]:
    """Change one row and return what the proof finds."""
    assert owner.execute(text(statement), values).rowcount == 1, statement
    return faults_within(owner, SIGNER.public)


@pytest.mark.parametrize("workers", [1, 2])
def test_prove_finds_nothing_in_honest_books_and_counts_its_steps(committed, workers: int) -> None:
    steps = list(prove.prove(committed, workers=workers, trusted=[SIGNER.public]))
    assert [step.done for step in steps] == list(range(1, steps[0].total + 1))
    assert not [fault for step in steps for fault in step.faults]
    assert sum(step.rows for step in steps if step.name.startswith("lines of")) == 32


OTHER_VALUES = {
    "owner_id": "gen_random_uuid()",
    "entry_id": "gen_random_uuid()",
    "debit_id": "gen_random_uuid()",
    "credit_id": "gen_random_uuid()",
    "amount": "amount + 1",
    "effective_at": "effective_at + interval '1 microsecond'",
    "posted_at": "posted_at + interval '1 microsecond'",
    "book_day": "book_day - 300",
    "service_day": "service_day + 1",
    "line_no": "line_no + 1, line_count = line_count + 1",
    "line_count": "line_count + 1",
    "currency": "'EUR'",
    "kind": "kind || 'x'",
    "cause": "cause || ' '",
    "narrative": "'x'",
    "metadata": "metadata || ' '",
    "corrects": "gen_random_uuid()",
}


@pytest.mark.parametrize("column", COLUMNS)
def test_prove_names_a_sealed_line_whose_column_changed(sealed, column: str) -> None:
    _, owner = sealed
    entry = EntryId(uuid8("fare", 2, 1, 1))
    change = f"UPDATE ledger_line SET {column} = {OTHER_VALUES[column]} WHERE entry_id = :entry"
    assert any(str(entry) in fault.where for fault in tamper(owner, change, entry=entry))


def test_prove_names_a_deleted_and_an_inserted_line(sealed) -> None:
    _, owner = sealed
    entry, copy = EntryId(uuid8("fare", 1, 2, 0)), uuid7(NOW)
    columns = ", ".join(COLUMNS)
    faults = tamper(
        owner,
        f"INSERT INTO ledger_line ({columns}) SELECT {columns.replace('entry_id', ':copy')} "
        "FROM ledger_line WHERE entry_id = :entry",
        entry=entry,
        copy=copy,
    )
    assert any(fault.kind is FaultKind.LINE_ADDED and str(copy) in fault.where for fault in faults)
    faults = tamper(owner, "DELETE FROM ledger_line WHERE entry_id = :entry", entry=entry)
    assert any(fault.kind is FaultKind.LINE_MISSING and str(entry) in fault.where for fault in faults)


def test_prove_names_a_sealed_line_that_stands_twice_once_nobody_keeps_it_from(sealed) -> None:
    """Two fares of one rider to one operator: a copy of one in the other's place leaves every sum as it was."""
    _, owner = sealed
    kept, gone = EntryId(uuid8("fare", 2, 1, 1)), EntryId(uuid8("fare", 2, 1, 2))
    owner.execute(text("ALTER TABLE ledger_line DROP CONSTRAINT ledger_line_pk"))
    columns = ", ".join(COLUMNS)
    copied = f"INSERT INTO ledger_line ({columns}) SELECT {columns} FROM ledger_line WHERE entry_id = :kept"
    faults = tamper(owner, copied, kept=kept)
    assert any(fault.kind is FaultKind.LINE_ADDED and str(kept) in fault.where for fault in faults)
    faults = tamper(owner, "DELETE FROM ledger_line WHERE entry_id = :gone", gone=gone)
    assert any(fault.kind is FaultKind.LINE_ADDED and str(kept) in fault.where for fault in faults)
    assert any(fault.kind is FaultKind.LINE_MISSING and str(gone) in fault.where for fault in faults)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE ledger_balance SET posted = posted + 1 WHERE account_id = :purse", "{purse}"),
        ("UPDATE ledger_balance SET pending = pending + 1 WHERE account_id = :purse", "{purse}"),
        ("UPDATE ledger_balance SET floor = floor - 1 WHERE account_id = :purse", "{purse}"),
        ("UPDATE ledger_balance SET open = NOT open WHERE account_id = :purse", "{purse}"),
        ("UPDATE ledger_balance SET kind = 'x' WHERE account_id = :purse", "{purse}"),
        ("UPDATE ledger_balance SET currency = 'EUR' WHERE account_id = :purse", "{purse}"),
        ("DELETE FROM ledger_balance WHERE account_id = :purse", "{purse}"),
        (
            "UPDATE ledger_rollup SET debits = debits + 1 WHERE account_id = :alpha AND book_day = :today",
            "{alpha} booked 2026-11-18",
        ),
        (
            "UPDATE ledger_rollup SET credits = credits + 1 WHERE account_id = :alpha AND book_day = :today",
            "{alpha} booked 2026-11-18",
        ),
        (
            "UPDATE ledger_rollup SET service_day = service_day - 1 WHERE account_id = :alpha AND book_day = :today",
            "{alpha} booked 2026-11-18",
        ),
        ("DELETE FROM ledger_rollup WHERE account_id = :alpha AND book_day = :today", "{alpha}"),
        (
            "UPDATE ledger_rollup SET owner_id = account_id WHERE account_id = :alpha AND book_day = :today",
            "{alpha}",
        ),
        ("UPDATE ledger_control SET credits = credits + 1 WHERE book_day = :today", "rider_stored_value VND"),
        ("DELETE FROM ledger_control WHERE book_day = :today", "rider_stored_value VND"),
        (
            "UPDATE ledger_closing SET credits = credits + 1 WHERE account_id = :alpha AND book_day = :today - 1",
            "{alpha} 2026-11-17",
        ),
        (
            "DELETE FROM ledger_closing WHERE account_id = :alpha AND book_day = :today - 1",
            "{alpha} 2026-11-17",
        ),
        ("UPDATE ledger_derived SET book_day = book_day + 1 WHERE entry_id = :derived", "{derived}"),
        ("DELETE FROM ledger_derived WHERE entry_id = :derived", "{derived}"),
        ("UPDATE ledger_hold SET posted_minor = 1 WHERE state = 'posted'", "/"),
        ("UPDATE ledger_seal SET root = sha256(root) WHERE book_day = :today - 1", "2026-11-17"),
        ("UPDATE ledger_seal SET head = sha256(head) WHERE book_day = :today - 1", "2026-11-17"),
        ("UPDATE ledger_seal SET previous_head = sha256(head) WHERE book_day = :today - 1", "2026-11-17"),
        ("UPDATE ledger_seal SET leaf_count = leaf_count + 1 WHERE book_day = :today - 1", "2026-11-17"),
        ("UPDATE ledger_seal SET position = position + 5 WHERE book_day = :today - 1", "2026-11-17"),
        (
            "UPDATE ledger_seal SET sealed_at = sealed_at + interval '1 s' WHERE book_day = :today - 1",
            "2026-11-17",
        ),
        (
            "UPDATE ledger_seal SET signature = sha256(signature) || sha256(head) WHERE book_day = :today - 1",
            "2026-11-17",
        ),
        (
            "UPDATE ledger_seal_chunk SET root = sha256(root) WHERE book_day = :today - 1",
            "2026-11-17 chunk 0",
        ),
        (
            "UPDATE ledger_seal_chunk SET leaves = set_byte(leaves, 40, 255 - get_byte(leaves, 40)) WHERE book_day = :today - 1",
            "2026-11-17 chunk 0",
        ),
        ("DELETE FROM ledger_seal_chunk WHERE book_day = :today - 1", "2026-11-17"),
    ],
)
def test_prove_names_a_changed_balance_roll_up_or_seal(sealed, statement: str, expected: str) -> None:
    books, owner = sealed
    values = {
        "purse": books.purse(0),
        "alpha": books.alpha,
        "derived": uuid8("fare", 0, 1, 1),
        "today": TODAY,
    }
    bound = {name: value for name, value in values.items() if f":{name}" in statement}
    faults = tamper(owner, statement.replace(":today", "CAST(:today AS date)"), **bound)
    assert any(expected.format(**values) in fault.where for fault in faults), faults


def test_prove_finds_a_forged_chain_under_trusted_keys_only(committed) -> None:
    """Whoever can write everything can also sign everything anew, but not with the published key."""
    assert faults_in(committed, trusted=[SigningKey.generate().public])
    assert not faults_in(committed, trusted=[SIGNER.public])
    assert not faults_in(committed)


def test_prove_finds_a_line_slipped_into_a_closed_day_without_entries(sealed) -> None:
    _, owner = sealed
    entry = EntryId(uuid8("fare", 2, 1, 1))
    faults = tamper(
        owner, "UPDATE ledger_line SET book_day = '2026-10-01' WHERE entry_id = :entry", entry=entry
    )
    assert any("nothing was sealed" in fault.expected for fault in faults)


def test_every_sealed_line_has_a_proof_and_open_ones_have_none(tx: Connection) -> None:
    books = a_closed_and_an_open_day(tx)
    entry = EntryId(uuid8("fare", 1, 2, 0))
    (proof,) = close_period.include(tx, books.riders[2], entry)
    assert rules.verify_inclusion(proof, SIGNER.public)
    assert not rules.verify_inclusion(proof, SigningKey.generate().public)
    assert not rules.verify_inclusion(replace(proof, row=replace(proof.row, amount=1)), SIGNER.public)
    assert not rules.verify_inclusion(replace(proof, index=proof.index ^ 1), SIGNER.public)
    with pytest.raises(DayNotClosedError):
        close_period.include(tx, books.riders[2], EntryId(uuid8("fare", 0, 2, 0)))


def test_the_server_hashes_what_python_hashes(tx: Connection) -> None:
    books = a_closed_and_an_open_day(tx)
    entry = EntryId(uuid8("fare", 1, 2, 0))
    (row,) = reverse.get_entry(tx, books.riders[2], entry)
    assert row.metadata
    taken_back = reverse.reversal_id(books.riders[3], EntryId(uuid8("fare", 0, 3, 2)))
    for sample in (row, *reverse.get_entry(tx, books.riders[3], taken_back)):
        leaves = {leaf[:34]: leaf[34:] for leaf in seal_store.leaves(tx, sample.book_day)}
        key = sample.owner_id.bytes + sample.entry_id.bytes + b"\x00\x01"
        assert leaves[key] == leaf_hash(sample)


def test_close_chains_seals_and_answers_again(tx: Connection) -> None:
    a_closed_and_an_open_day(tx)
    seals = close_period.list_seals(tx)
    assert [seal.position for seal in seals] == [1, 2]
    assert seals[0].previous_head == rules.GENESIS
    assert all(later.previous_head == earlier.head for earlier, later in pairwise(seals))
    assert rules.verify_chain(seals, [SIGNER.public])
    assert not rules.verify_chain(seals[::-1], [SIGNER.public])
    assert close_period.close(tx, seals[0].book_day, NOW + DAY, signer=SigningKey.generate()) == seals[0]


def test_close_of_a_day_ahead_is_refused_and_of_today_is_not(tx: Connection, books: Books) -> None:
    with pytest.raises(DayNotOverError):
        close_period.close(tx, TODAY + DAY, NOW, signer=SIGNER)
    seal = close_period.close(tx, TODAY, NOW, signer=SIGNER)
    assert (seal.leaf_count, seal.root) == (0, rules.EMPTY_ROOT)


def test_close_takes_the_open_days_before_it_along_and_keys_may_change(tx: Connection, books: Books) -> None:
    for back in (3, 1):
        at = NOW - back * DAY
        books.posted(tx, books.topup(0, 5, entry_id=books.new_id(at)), now=at)
    close_period.close(tx, TODAY - 3 * DAY, NOW, signer=SIGNER)
    rotated = SigningKey.generate()
    close_period.close(tx, TODAY, NOW, signer=rotated)
    days = [seal.book_day for seal in close_period.list_seals(tx)]
    assert days == [TODAY - 3 * DAY, TODAY - DAY, TODAY]
    assert close_period.find_seal(tx, TODAY - 2 * DAY).book_day == TODAY - DAY
    assert rules.verify_chain(close_period.list_seals(tx), [SIGNER.public, rotated.public])
    late = books.topup(0, 5, entry_id=books.new_id(NOW - 2 * DAY))
    outcome = post.post(tx, [late], NOW)[0]
    assert isinstance(outcome, Posted)
    assert outcome.book_day == date(2026, 11, 19)
