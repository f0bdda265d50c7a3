"""Close a book day: posting to it stops, its lines are sealed; later corrections land in the open day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection

from kernel.crypto.ed25519 import SigningKey
from kernel.service_day import local_date
from ledger.reverse import get_entry
from ledger.rules import book_day as days
from ledger.rules import seal as rules
from ledger.rules.chain import SealKey, introduce
from ledger.rules.errors import DayNotClosedError, DayNotOverError, UnknownSealError
from ledger.rules.extension import Extension, TakeOver
from ledger.rules.history import Frontier, leaf
from ledger.rules.seal import Inclusion, Seal
from ledger.store import closings
from ledger.store import lines as line_store
from ledger.store import seals as store


def share(tx: Connection, instants: Iterable[datetime]) -> date:
    """Hold the book days of these instants open until the transaction ends (§8.5: before any account lock).

    Returns the last closed day: what was minted on or before it will be booked on the day after it.
    """
    return line_store.share_days(tx, {local_date(at, days.ZONE) for at in instants})


def close(
    tx: Connection, book_day: date, now: datetime, *, signer: SigningKey, earlier: Sequence[SigningKey] = ()
) -> Seal:
    """Close all open book days up to and including one, seal each, and return that day's seal.

    Waits for posters of those days and keeps new ones off until the transaction ends; they then land in the
    day after. Closing a closed day answers its seal again (for a day without entries that was closed along
    with a later one: that later one's). When the last seal was signed by one of the `earlier` keys, that one
    introduces the new signer, from this seal on. DayNotOverError for a day that has not begun where the books are kept.
    """
    open_days = take_open(tx, book_day, now)
    if open_days:
        _know(tx, signer, earlier, now)
    for day in open_days:
        _seal(tx, day, now, signer)
    return find_seal(tx, book_day)


def take_open(tx: Connection, book_day: date, now: datetime) -> tuple[date, ...]:
    """Take the open book days up to and including one for this transaction alone, and return those with entries, and it.

    What this transaction still books on them is sealed by the close that follows; nobody else books on them any
    more. Empty when the day is closed. DayNotOverError.
    """
    today = local_date(now, days.ZONE)
    if book_day > today:
        raise DayNotOverError(book_day=book_day.isoformat(), today=today.isoformat())
    closed_through = line_store.share_days(tx, ())
    if book_day <= closed_through:
        return ()
    store.take_days_alone(tx, closed_through, book_day)
    # Another closer may have been before us: what we read above is old once we hold the days.
    closed_through = line_store.share_days(tx, ())
    if book_day <= closed_through:
        return ()
    return tuple(sorted({*store.list_active_days(tx, closed_through, book_day), book_day}))


def _know(tx: Connection, signer: SigningKey, earlier: Sequence[SigningKey], now: datetime) -> None:
    last = store.last_seal(tx)
    outgoing = [key for key in earlier if last is not None and key.public.key_id == last.key_id]
    if last is None or not outgoing or last.key_id == signer.public.key_id:
        store.insert_key(tx, SealKey(signer.public), now)
    else:
        store.insert_key(tx, introduce(signer.public, outgoing[0], last.position + 1, last.head), now)


def _seal(tx: Connection, day: date, now: datetime, signer: SigningKey) -> None:
    with ThreadPoolExecutor(1) as aside:
        # The tree is hashed here while the server hands out the leaves, and then while it adds up.
        made = [aside.submit(rules.chunk_of, *each) for each in enumerate(store.pieces(tx, day))]
        closings.insert(tx, day)
        chunks = [each.result() for each in made]
    previous = store.last_seal(tx)
    position = 1 if previous is None else previous.position + 1
    previous_head = rules.GENESIS if previous is None else previous.head
    root = rules.root_of([chunk.root for chunk in chunks])
    count = sum(len(chunk.leaves) // rules.LEAF_SIZE for chunk in chunks)
    history = Frontier(store.list_heads(tx)).root()
    unsigned = Seal(day, position, count, root, previous_head, b"", b"", b"", now, history)
    seal = rules.sign(unsigned, signer)
    store.insert_seal(tx, seal, chunks)


def find_seal(tx: Connection, book_day: date) -> Seal:
    """Return the seal that closed a day; DayNotClosedError when it is open."""
    found = store.list_seals(tx, first=book_day)
    if not found:
        raise DayNotClosedError(book_day=book_day.isoformat())
    return found[0]


def last_seal(tx: Connection) -> Seal | None:
    """Return the newest seal; None before the first close."""
    return store.last_seal(tx)


def list_keys(tx: Connection) -> tuple[SealKey, ...]:
    """Return the public keys that seals were signed with, and which key introduced each, oldest first."""
    return tuple(store.list_keys(tx))


def list_seals(tx: Connection, *, first: date | None = None, last: date | None = None) -> tuple[Seal, ...]:
    """Return the seals of closed days in chain order."""
    return tuple(store.list_seals(tx, first=first, last=last))


def include(tx: Connection, owner_id: UUID, entry_id: UUID) -> tuple[Inclusion, ...]:
    """Return, for each line of an entry, the proof that it stands in its sealed day.

    Reads one chunk a line and the roots of the day's other chunks. UnknownEntryError; DayNotClosedError
    while its book day is open.
    """
    proofs: list[Inclusion] = []
    for row in get_entry(tx, owner_id, entry_id):
        seals = store.list_seals(tx, first=row.book_day, last=row.book_day)
        if not seals:
            raise DayNotClosedError(book_day=row.book_day.isoformat())
        key = row.owner_id.bytes + row.entry_id.bytes + row.line_no.to_bytes(2, "big")
        chunk = store.find_chunk_of(tx, row.book_day, key)
        leaves = [] if chunk is None else rules.split_leaves(chunk.leaves)
        place = next((i for i, leaf in enumerate(leaves) if leaf.startswith(key)), None)
        if chunk is None or place is None:
            # Written past the ledger after the day was sealed: there is nothing that could prove it.
            raise DayNotClosedError(book_day=row.book_day.isoformat())
        roots = store.list_chunk_roots(tx, row.book_day)
        path = rules.path_of([leaf[rules.KEY_SIZE :] for leaf in leaves], place)
        path += rules.path_of(roots, chunk.number)
        proofs.append(Inclusion(row, chunk.number * rules.CHUNK + place, tuple(path), seals[0]))
    return tuple(proofs)


def extend(tx: Connection, head: bytes, *, last: date | None = None) -> Extension:
    """Return the proof that the seal of a day (None: the newest) extends the seal whose head somebody holds.

    DayNotClosedError while there is no such seal; UnknownSealError when it extends no seal with that head.
    """
    later = store.last_seal(tx) if last is None else find_seal(tx, last)
    if later is None:
        raise DayNotClosedError(book_day="last")
    earlier = store.find_by_head(tx, head)
    if earlier is None or earlier.position >= later.position or later.history is None:
        why = (
            "no seal has it"
            if earlier is None
            else "that seal is not older"
            if earlier.position >= later.position
            else "seals of that time did not sign their history; those in between show it"
        )
        raise UnknownSealError(book_day=later.book_day.isoformat(), head=head.hex(), why=why)
    heads = store.list_heads(tx, before=later.position)
    leaves = [leaf(one) for one in heads]
    took_over = {
        one.from_position: one
        for one in store.list_keys(tx)
        if one.from_position is not None and earlier.position < one.from_position <= later.position
    }
    keys = tuple(TakeOver(took_over[at], heads[at - 2]) for at in sorted(took_over))
    path = rules.path_of(leaves, earlier.position - 1)
    return Extension(earlier, later, tuple(path), keys)
