"""Prove the books: recompute hashes, sums, balances, roll-ups and seals, and name every row that is wrong.

All parts read one snapshot, so that a ledger in use proves as cleanly as one at rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from itertools import zip_longest

from sqlalchemy import Connection

from kernel.crypto.ed25519 import VerifyKey
from ledger.rules import seal as rules
from ledger.rules.proof import Fault, FaultKind, Step
from ledger.rules.seal import GENESIS, KEY_SIZE, Seal
from ledger.store import proofs as store
from ledger.store import seals as seal_store

OpenTx = Callable[[], AbstractContextManager[Connection]]


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    run: Callable[[Connection], tuple[int, tuple[Fault, ...]]]


def prove(
    open_tx: OpenTx,
    *,
    trusted: Sequence[VerifyKey] | None = None,
    since: date | None = None,
    workers: int = 1,
) -> Iterator[Step]:
    """Check the whole ledger and yield a step as each part ends; no faults in any step is the proof.

    `open_tx` gives a fresh transaction each time; `workers` of them run side by side. Signatures are checked
    against `trusted` keys, or when None against the keys stored with the seals (which then prove only that
    one holder signed them all). With `since`, only days from then on are hashed again; sums are always whole.
    """
    with open_tx() as lead:
        name = store.snapshot(lead)
        seals = seal_store.list_seals(lead)
        keys = _keys(lead, trusted)
        parts = [_Part("chain of seals", lambda _: (len(seals), _chain_faults(seals, keys)))]
        parts += [
            _Part(f"lines of {seal.book_day}", _day_check(seal))
            for seal in seals
            if since is None or seal.book_day >= since
        ]
        parts += [_Part(check[0], _sum_check(number)) for number, check in enumerate(store.CHECKS)]
        if workers == 1:
            for done, part in enumerate(parts, 1):
                rows, faults = part.run(lead)
                yield Step(part.name, rows, faults, done, len(parts))
            return
        yield from _side_by_side(open_tx, name, parts, workers)


def _side_by_side(open_tx: OpenTx, snapshot: str, parts: Sequence[_Part], workers: int) -> Iterator[Step]:
    def work(part: _Part) -> tuple[int, tuple[Fault, ...]]:
        with open_tx() as tx:
            store.adopt(tx, snapshot)
            return part.run(tx)

    with ThreadPoolExecutor(workers, thread_name_prefix="prove") as pool:
        running: dict[Future[tuple[int, tuple[Fault, ...]]], _Part] = {
            pool.submit(work, part): part for part in parts
        }
        for done, future in enumerate(as_completed(running), 1):
            rows, faults = future.result()
            yield Step(running[future].name, rows, faults, done, len(parts))


def _keys(tx: Connection, trusted: Sequence[VerifyKey] | None) -> Mapping[bytes, VerifyKey]:
    if trusted is not None:
        return {key.key_id: key for key in trusted}
    return {key_id: VerifyKey(public) for key_id, public in seal_store.list_keys(tx).items()}


def _sum_check(number: int) -> Callable[[Connection], tuple[int, tuple[Fault, ...]]]:
    return lambda tx: (0, store.run(tx, number))


def _chain_faults(seals: Sequence[Seal], keys: Mapping[bytes, VerifyKey]) -> tuple[Fault, ...]:
    faults: list[Fault] = []
    previous, position, day = GENESIS, 0, date.min
    for seal in seals:
        where = f"{seal.book_day} (position {seal.position})"
        if seal.position != position + 1 or seal.book_day <= day:
            faults.append(Fault(FaultKind.SEAL_CHAIN, where, f"position {position + 1}", str(seal.position)))
        if seal.previous_head != previous:
            faults.append(Fault(FaultKind.SEAL_CHAIN, where, previous.hex(), seal.previous_head.hex()))
        message = rules.message_of(seal)
        if (head := rules.head_hash(message)) != seal.head:
            faults.append(Fault(FaultKind.SEAL, where, head.hex(), seal.head.hex()))
        key = keys.get(seal.key_id)
        if key is None or not key.verify(rules.CONTEXT, message, seal.signature):
            found = "unknown key" if key is None else "invalid"
            faults.append(Fault(FaultKind.SIGNATURE, where, f"valid under {seal.key_id.hex()}", found))
        previous, position, day = seal.head, seal.position, seal.book_day
    return tuple(faults)


def _day_check(seal: Seal) -> Callable[[Connection], tuple[int, tuple[Fault, ...]]]:
    return lambda tx: _day_faults(tx, seal)


def _day_faults(tx: Connection, seal: Seal) -> tuple[int, tuple[Fault, ...]]:
    """Compare a sealed day's lines, hashed anew, with its chunks, and the chunks with its seal."""
    faults: list[Fault] = []
    stored = list(seal_store.chunks(tx, seal.book_day))
    roots: list[bytes] = []
    for chunk in stored:
        root = rules.root_of([leaf[KEY_SIZE:] for leaf in rules.split_leaves(chunk.leaves)])
        if root != chunk.root:
            where = f"{seal.book_day} chunk {chunk.number}"
            faults.append(Fault(FaultKind.CHUNK, where, root.hex(), chunk.root.hex()))
        roots.append(root)
    numbers = [chunk.number for chunk in stored]
    count = sum(len(chunk.leaves) // rules.LEAF_SIZE for chunk in stored)
    if rules.root_of(roots) != seal.root or count != seal.leaf_count or numbers != list(range(len(stored))):
        expected = f"{seal.leaf_count} lines, root {seal.root.hex()}"
        found = f"{count} lines, root {rules.root_of(roots).hex()}"
        faults.append(Fault(FaultKind.SEAL, f"{seal.book_day} chunks", expected, found))
    lines = 0
    same = True
    fresh: list[bytes] = []
    leaves = seal_store.leaves(tx, seal.book_day)
    sealed = (leaf for chunk in stored for leaf in rules.split_leaves(chunk.leaves))
    for now, then in zip_longest(leaves, sealed):
        lines += now is not None
        if same and now != then:
            same = False
        if now is not None:
            fresh.append(now)
    if not same:
        faults += _name_lines(fresh, [leaf for chunk in stored for leaf in rules.split_leaves(chunk.leaves)])
    return lines, tuple(faults)


def _name_lines(fresh: Sequence[bytes], sealed: Sequence[bytes]) -> list[Fault]:
    now = {leaf[:KEY_SIZE]: leaf[KEY_SIZE:] for leaf in fresh}
    then = {leaf[:KEY_SIZE]: leaf[KEY_SIZE:] for leaf in sealed}
    faults: list[Fault] = []
    for key in sorted(now.keys() | then.keys()):
        before, after = then.get(key), now.get(key)
        if before == after:
            continue
        kind = (
            FaultKind.LINE_ADDED
            if before is None
            else FaultKind.LINE_MISSING
            if after is None
            else FaultKind.LINE_CHANGED
        )
        faults.append(
            Fault(
                kind,
                rules.key_text(key),
                "nothing" if before is None else before.hex(),
                "nothing" if after is None else after.hex(),
            )
        )
    return faults
