"""Prove the books: recompute hashes, sums, balances, roll-ups and seals, and name every row that is wrong.

All parts read one snapshot, so that a ledger in use proves as cleanly as one at rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from kernel.crypto.ed25519 import VerifyKey
from kernel.ids import uuid7
from ledger.rules import seal as rules
from ledger.rules.chain import chain_faults
from ledger.rules.proof import Fault, FaultKind, Step
from ledger.rules.seal import KEY_SIZE, Seal
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
    held: Sequence[bytes] = (),
    since: date | None = None,
    workers: int = 1,
) -> Iterator[Step]:
    """Check the whole ledger and yield a step as each part ends; no faults in any step is the proof.

    `open_tx` gives a fresh transaction each time; `workers` of them run side by side. Signatures are checked
    against `trusted` keys and those that they introduced, or when None against the keys stored with the seals
    (which then prove only that one holder signed them all). `held` are heads that somebody kept.
    With `since`, what was closed before that day is taken as proven: only lines booked from then on are read
    again, on top of the closings before, and every balance row once.
    """
    with open_tx() as lead:
        name = store.snapshot(lead)
        seals = seal_store.list_seals(lead)
        after = _proven_day(seals, since)
        parts = _parts(lead, seals, trusted, held, after)
        if workers == 1:
            for done, part in enumerate(parts, 1):
                rows, faults = part.run(lead)
                yield Step(part.name, rows, faults, done, len(parts))
            return
        yield from _side_by_side(open_tx, name, parts, workers)


def last_proven(tx: Connection) -> date | None:
    """Return the farthest day that a recorded proof reached; None before one, or when that day's seal is another."""
    found = store.last(tx)
    if found is None:
        return None
    through, head = found
    seals = seal_store.list_seals(tx, first=through, last=through)
    return through if seals and seals[0].head == head else None


def record(tx: Connection, reached: Seal, lines: int, now: datetime, *, since: date | None = None) -> bool:
    """Write down that everything up to a seal proved; False when a gap to the last proof was left out.

    `reached` is a seal that stood before the proof began, `since` what the proof was given.
    """
    if since is not None:
        proven = last_proven(tx)
        if proven is None or since > proven + timedelta(days=1):
            return False
    store.insert(
        tx, uuid7(now), since=since, through=reached.book_day, head=reached.head, lines=lines, now=now
    )
    return True


def _proven_day(seals: Sequence[Seal], since: date | None) -> date | None:
    """Return the last day taken as proven: closed, and before `since`. Closings are whole only up to a seal."""
    if since is None or not seals or since <= seals[0].book_day:
        return None
    return min(since - timedelta(days=1), seals[-1].book_day)


def _parts(
    tx: Connection,
    seals: Sequence[Seal],
    trusted: Sequence[VerifyKey] | None,
    held: Sequence[bytes],
    after: date | None,
) -> list[_Part]:
    # What takes longest begins first: the server hashes lines while another worker's Python builds trees.
    days = sorted(
        (seal for seal in seals if after is None or seal.book_day > after), key=lambda seal: -seal.leaf_count
    )
    return [
        _chain_part(tx, seals, trusted, held),
        *(_Part(f"lines of {seal.book_day}", _line_check(seal)) for seal in days),
        *(_Part(f"tree of {seal.book_day}", _tree_check(seal)) for seal in days),
        *(_Part(check[0], _sum_check(number, after)) for number, check in enumerate(store.CHECKS)),
    ]


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


def _chain_part(
    tx: Connection, seals: Sequence[Seal], trusted: Sequence[VerifyKey] | None, held: Sequence[bytes]
) -> _Part:
    stored = seal_store.list_keys(tx)
    # A key that was introduced is valid from there on, and because it was.
    own = (one.key for one in stored if one.introduced_by is None)
    keys: Mapping[bytes, VerifyKey] = {key.key_id: key for key in (own if trusted is None else trusted)}
    return _Part("chain of seals", lambda _: (len(seals), chain_faults(seals, keys, stored, held=held)))


def _sum_check(number: int, after: date | None) -> Callable[[Connection], tuple[int, tuple[Fault, ...]]]:
    return lambda tx: (0, store.run(tx, number, after))


def _tree_check(seal: Seal) -> Callable[[Connection], tuple[int, tuple[Fault, ...]]]:
    return lambda tx: _tree_faults(tx, seal)


def _line_check(seal: Seal) -> Callable[[Connection], tuple[int, tuple[Fault, ...]]]:
    return lambda tx: _line_faults(tx, seal)


def _tree_faults(tx: Connection, seal: Seal) -> tuple[int, tuple[Fault, ...]]:
    """Build a sealed day's tree anew from its chunks' leaves, and compare it with their roots and the seal."""
    faults: list[Fault] = []
    roots: list[bytes] = []
    numbers: list[int] = []
    count = 0
    for chunk in seal_store.chunks(tx, seal.book_day):
        hashes = rules.leaf_hashes(chunk.leaves)
        root = rules.root_of(hashes)
        if root != chunk.root:
            where = f"{seal.book_day} chunk {chunk.number}"
            faults.append(Fault(FaultKind.CHUNK, where, root.hex(), chunk.root.hex()))
        roots.append(root)
        numbers.append(chunk.number)
        count += len(hashes)
    if rules.root_of(roots) != seal.root or count != seal.leaf_count or numbers != list(range(len(numbers))):
        expected = f"{seal.leaf_count} lines, root {seal.root.hex()}"
        found = f"{count} lines, root {rules.root_of(roots).hex()}"
        faults.append(Fault(FaultKind.SEAL, f"{seal.book_day} chunks", expected, found))
    return 0, tuple(faults)


def _line_faults(tx: Connection, seal: Seal) -> tuple[int, tuple[Fault, ...]]:
    """Compare a sealed day's lines, hashed anew by the server, with the leaves of its chunks."""
    lines, alike = seal_store.compare_leaves(tx, seal.book_day)
    if alike:
        return lines, ()
    sealed = [
        leaf for chunk in seal_store.chunks(tx, seal.book_day) for leaf in rules.split_leaves(chunk.leaves)
    ]
    return lines, tuple(_name_lines(seal.book_day, list(seal_store.leaves(tx, seal.book_day)), sealed))


def _name_lines(day: date, fresh: Sequence[bytes], sealed: Sequence[bytes]) -> list[Fault]:
    now = {leaf[:KEY_SIZE]: leaf[KEY_SIZE:] for leaf in fresh}
    then = {leaf[:KEY_SIZE]: leaf[KEY_SIZE:] for leaf in sealed}
    # A hash covers its line's key: where the same hash stands under two, the chunk's copy of the key is wrong.
    at = {value: key for key, value in now.items() if key not in then}
    faults: list[Fault] = []
    for key in sorted(then.keys() - now.keys()):
        if (rightly := at.get(then[key])) is not None:
            place = sealed.index(key + then[key]) // rules.CHUNK
            where = f"{day} chunk {place}"
            faults.append(Fault(FaultKind.CHUNK, where, rules.key_text(rightly), rules.key_text(key)))
            del now[rightly], then[key]
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
    # Only without its primary key can the table hold a line twice.
    twice = (key for key, times in Counter(leaf[:KEY_SIZE] for leaf in fresh).items() if times > 1)
    faults += [
        Fault(FaultKind.LINE_ADDED, rules.key_text(key), "one line", "the same again") for key in twice
    ]
    return faults
