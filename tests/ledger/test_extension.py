"""One seal extends another: the tree over the chain of seals, its paths, and what a stranger takes for proof."""

from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from kernel.crypto.ed25519 import SigningKey
from ledger import close_period
from ledger.rules import chain, history
from ledger.rules import extension as rules
from ledger.rules import seal as seal_rules
from ledger.rules.errors import DayNotClosedError, UnknownSealError
from ledger.rules.proof import FaultKind
from ledger.rules.seal import EMPTY_ROOT, Seal
from ledger.store import seals as store

from .conftest import NOW, TODAY, Books, faults_within
from .test_prove import SIGNER, hashes, naive_root

DAY = timedelta(days=1)


def naive(heads: list[bytes]) -> bytes:
    return naive_root([sha256(b"\x00" + head).digest() for head in heads])


@given(st.integers(0, 300))
def test_a_frontier_knows_the_standards_root_at_every_size(count: int) -> None:
    assert history.Frontier(hashes(count)).root() == naive(hashes(count))


@given(st.integers(1, 200), st.data())
def test_one_path_proves_the_place_of_a_head_and_all_that_came_before_it(
    count: int, data: st.DataObject
) -> None:
    heads = hashes(count)
    index = data.draw(st.integers(0, count - 1))
    path = seal_rules.path_of([history.leaf(head) for head in heads], index)
    assert len(path) <= (count - 1).bit_length()
    before = naive(heads[:index]) if index else EMPTY_ROOT
    assert history.walk(heads[index], index, count, path) == (naive(heads), before)
    assert history.walk(heads[index], index, count, [*path, bytes(32)]) is None
    assert not path or history.walk(heads[index], index, count, path[:-1]) is None
    another = data.draw(st.integers(0, count - 1))
    if another != index:
        # The head of another day, or another place: never this root, or not what came before.
        assert history.walk(heads[another], index, count, path) != (naive(heads), before)
        assert history.walk(heads[index], another, count, path) != (naive(heads), before)


def closed_days(tx: Connection, count: int, *, signers: dict[int, SigningKey] | None = None) -> list[Seal]:
    """Close so many days, with a top-up on each; from the given numbers on another key signs."""
    books = Books()
    books.open(tx)
    signer, earlier = SIGNER, []
    for number in range(count):
        day = TODAY - (count - number) * DAY
        at = NOW - (count - number) * DAY
        if signers and number in signers:
            earlier.append(signer)
            signer = signers[number]
        books.posted(tx, books.topup(0, 5, entry_id=books.new_id(at)), now=at)
        close_period.close(tx, day, NOW, signer=signer, earlier=earlier)
    return list(close_period.list_seals(tx))


def test_every_seal_signs_the_heads_before_it(tx: Connection) -> None:
    seals = closed_days(tx, 6)
    assert [seal.history for seal in seals] == [
        naive([earlier.head for earlier in seals[:number]]) if number else EMPTY_ROOT for number in range(6)
    ]


def test_each_seal_is_shown_to_extend_each_one_before_it(tx: Connection) -> None:
    seals = closed_days(tx, 6)
    for earlier in seals[:-1]:
        for later in seals[earlier.position :]:
            proof = close_period.extend(tx, earlier.head, last=later.book_day)
            assert (proof.earlier, proof.later) == (earlier, later)
            assert rules.verify_extension(proof, SIGNER.public)
            assert not rules.verify_extension(proof, SigningKey.generate().public)
    assert close_period.extend(tx, seals[0].head).later == seals[-1]


def test_keys_that_took_over_come_along_and_each_is_vouched_for(tx: Connection) -> None:
    second, third = SigningKey.generate(), SigningKey.generate()
    seals = closed_days(tx, 6, signers={2: second, 4: third})
    whole = close_period.extend(tx, seals[0].head)
    assert [one.key.from_position for one in whole.keys] == [3, 5]
    assert rules.verify_extension(whole, SIGNER.public)
    assert rules.verify_extension(close_period.extend(tx, seals[2].head), second.public)
    assert not rules.verify_extension(whole, second.public)
    for keys in ((), whole.keys[:1], whole.keys[1:], whole.keys[::-1]):
        assert not rules.verify_extension(replace(whole, keys=keys), SIGNER.public)
    moved = replace(whole.keys[0], previous_head=seals[0].head)
    assert not rules.verify_extension(replace(whole, keys=(moved, whole.keys[1])), SIGNER.public)
    early = close_period.extend(tx, seals[0].head, last=seals[1].book_day)
    assert early.keys == ()
    assert rules.verify_extension(early, SIGNER.public)


def forged(seal: Seal, signer: SigningKey, **changed: object) -> Seal:
    """The seal with something else in it, signed by whoever holds the key."""
    return seal_rules.sign(replace(seal, **changed), signer)


def test_whoever_holds_the_key_can_not_show_another_past(tx: Connection) -> None:
    """The owner of the key signs what he likes; what he signed before and somebody kept binds him."""
    seals = closed_days(tx, 6)
    proof = close_period.extend(tx, seals[2].head)
    other = [
        forged(seal, SIGNER, root=sha256(b"x").digest()) if n == 1 else seal for n, seal in enumerate(seals)
    ]
    heads = [seal.head for seal in other[:-1]]
    later = forged(seals[-1], SIGNER, history=naive(heads))
    path = seal_rules.path_of([history.leaf(head) for head in heads], 2)
    # Day 2 is another, the head that is held still stands: its place is proven, its past is not.
    again = replace(proof, later=later, path=tuple(path))
    assert history.walk(seals[2].head, 2, 5, path)[0] == later.history
    assert not rules.verify_extension(again, SIGNER.public)
    # Nor is a seal without a history, or one that is not later, taken for a later one.
    assert not rules.verify_extension(
        replace(proof, later=forged(later, SIGNER, history=None)), SIGNER.public
    )
    assert not rules.verify_extension(replace(proof, later=seals[2]), SIGNER.public)
    assert not rules.verify_extension(replace(proof, later=seals[1]), SIGNER.public)
    for place in range(len(proof.path)):
        wrong = [*proof.path]
        wrong[place] = bytes(32)
        assert not rules.verify_extension(replace(proof, path=tuple(wrong)), SIGNER.public)


@pytest.mark.parametrize(
    ("head", "last", "why"),
    [
        (bytes(32), None, "no seal has it"),
        (b"", None, "no seal has it"),
        (3, None, "is not older"),
        (2, TODAY - 3 * DAY, "is not older"),
    ],
)
def test_what_no_seal_extends_is_refused(
    tx: Connection, head: bytes | int, last: date | None, why: str
) -> None:
    seals = closed_days(tx, 4)
    with pytest.raises(UnknownSealError, match=why):
        close_period.extend(tx, seals[head].head if isinstance(head, int) else head, last=last)


def test_a_day_that_is_not_closed_extends_nothing(tx: Connection) -> None:
    with pytest.raises(DayNotClosedError):
        close_period.extend(tx, bytes(32))
    seals = closed_days(tx, 2)
    with pytest.raises(DayNotClosedError):
        close_period.extend(tx, seals[0].head, last=TODAY)


def sealed_before_histories(tx: Connection, count: int) -> list[Seal]:
    """Seals as they were signed before there were histories, written as they stand in an older database."""
    store.insert_key(tx, chain.SealKey(SIGNER.public), NOW)
    previous = seal_rules.GENESIS
    for position in range(1, count + 1):
        day = TODAY - (20 - position) * DAY
        plain = Seal(day, position, 0, EMPTY_ROOT, previous, b"", SIGNER.public.key_id, b"", NOW, None)
        message = seal_rules.message_of(plain)
        assert len(message) == 88
        signature = SIGNER.sign(seal_rules.CONTEXT_1, message)
        seal = replace(plain, head=seal_rules.head_hash(message), signature=signature)
        store.insert_seal(tx, seal, ())
        previous = seal.head
    return store.list_seals(tx)


def test_seals_from_before_histories_hold_and_later_ones_extend_them(tx: Connection) -> None:
    old = sealed_before_histories(tx, 3)
    assert not faults_within(tx, SIGNER.public)
    with pytest.raises(UnknownSealError, match="did not sign their history"):
        close_period.extend(tx, old[0].head)
    seals = closed_days(tx, 2)
    assert [seal.history is None for seal in seals] == [True] * 3 + [False] * 2
    assert not faults_within(tx, SIGNER.public)
    for seal in seals[:-1]:
        assert rules.verify_extension(close_period.extend(tx, seal.head), SIGNER.public)


@pytest.mark.parametrize("value", ["NULL", "sha256(history)"])
def test_prove_names_a_seal_whose_history_changed(owner_tx: Connection, value: str) -> None:
    closed_days(owner_tx, 3)
    owner_tx.execute(text("ALTER TABLE ledger_seal DISABLE TRIGGER USER"))
    owner_tx.execute(text(f"UPDATE ledger_seal SET history = {value} WHERE position = 2"))
    found = [fault for fault in faults_within(owner_tx, SIGNER.public) if "position 2" in fault.where]
    assert {fault.kind for fault in found} == {FaultKind.SEAL_CHAIN, FaultKind.SEAL, FaultKind.SIGNATURE}


def test_a_chain_that_was_signed_anew_with_another_history_is_found() -> None:
    """Even who holds the key cannot leave a history out, or sign one that is not the chain's."""
    first = forged(Seal(TODAY, 1, 0, EMPTY_ROOT, seal_rules.GENESIS, b"", b"", b"", NOW, EMPTY_ROOT), SIGNER)
    keys = {SIGNER.public.key_id: SIGNER.public}
    right = history.Frontier([first.head]).root()
    for told, holds in ((right, True), (EMPTY_ROOT, False), (None, False)):
        second = forged(
            replace(first, book_day=TODAY + DAY, position=2, previous_head=first.head, history=told),
            SIGNER,
        )
        if told is None:
            signature = SIGNER.sign(seal_rules.CONTEXT_1, seal_rules.message_of(second))
            second = replace(second, signature=signature)
        kinds = [fault.kind for fault in chain.chain_faults([first, second], keys)]
        assert kinds == ([] if holds else [FaultKind.SEAL_CHAIN]), told
