"""Post entries: the ledger's only way in.

The fast path books a whole batch optimistically in a savepoint; whatever stands in its way rolls back to the
slow path, which judges each entry (DESIGN §8.12). Both answer alike. Runs under READ COMMITTED, in the lock
order of DESIGN §8.5: book days (shared), then ledger accounts by id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.service_day import local_date
from ledger.rules import batch
from ledger.rules.book_day import ZONE, booked_day, carries_time, home_days
from ledger.rules.entry import Entry, Outcome, Posted, Reason, Refused
from ledger.rules.errors import BadEntryError
from ledger.rules.judge import Booked, EntryKey, judge
from ledger.store import accounts as account_store
from ledger.store import holds as hold_store
from ledger.store import lines as store
from ledger.store.connection import Driver, as_sqlalchemy, driver

MAX_ENTRIES: Final = 20_000
# Another poster may book one of our ids between our look and our write; each time it does, we see it next time.
_ATTEMPTS: Final = 5
# Up to so many lines are inserted with the statement before instead of copied after it.
_FEW: Final = 8
# From more on, the server's reading of lines is long enough to hide this side's work behind it.
_MANY: Final = 2_000


class _InTheWayError(Exception):
    """The optimistic batch met something that has to be judged."""


def post(tx: Connection, entries: Sequence[Entry], now: datetime) -> tuple[Outcome, ...]:
    """Book entries, each for itself, and return what became of each, in order.

    `Posted`; `Duplicate` when the same id with the same body was booked before (the first answer again);
    `Refused` (account frozen or closed, or a guarded balance would pass its floor), with nothing booked.
    An entry's identity is (owner_id, entry_id). Judged one after the other: an earlier entry of the batch may
    pay for a later one. Raises IdReusedError, UnknownAccountError, WrongCurrencyError or WrongOwnerError with
    nothing of the batch booked. The work of one call is bounded: at most MAX_ENTRIES.
    """
    with as_sqlalchemy():
        return _post(tx, entries, now, together=False)


def post_together(tx: Connection, entries: Sequence[Entry], now: datetime) -> tuple[Outcome, ...]:
    """Book all entries or none.

    When one is refused, it answers its own `Refused`, all others Refused(IN_SET) that name its account, and
    nothing is booked. Otherwise as `post`.
    """
    with as_sqlalchemy():
        return _post(tx, entries, now, together=True)


def _post(tx: Connection, entries: Sequence[Entry], now: datetime, *, together: bool) -> tuple[Outcome, ...]:
    assert now.tzinfo is not None, "now is aware"
    assert len(entries) <= MAX_ENTRIES, "a batch is bounded"
    if not entries:
        return ()
    homes, earliest = home_days(entries, now)
    if len(set(homes)) == 1:
        with suppress(_InTheWayError):
            return _book(driver(tx), entries, homes, now, judged=False)
    days, closed_through = _book_days(tx, homes)
    # The key of its own day finds an id that carries its time; one moved on by a close is looked up first.
    if days is not homes and (earliest is None or earliest > closed_through):
        with suppress(_InTheWayError):
            return _book(driver(tx), entries, days, now, judged=False)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _judge_and_book(tx, entries, homes, days, now, together=together)
        except _InTheWayError as in_the_way:
            if attempt == _ATTEMPTS:
                raise in_the_way.__cause__ or in_the_way from None
    raise AssertionError("the last attempt returns or raises")


def book_day(tx: Connection, service_day: date, now: datetime) -> date:
    """Return the day on which a derived entry about `service_day` is booked now, held open until the end.

    Call it before any account lock (DESIGN §8.5): closing that day then waits for this transaction.
    """
    (day,), _ = _book_days(tx, [min(service_day, local_date(now, ZONE))])
    return day


def _book_days(tx: Connection, homes: Sequence[date]) -> tuple[Sequence[date], date]:
    """Share the book day of every entry; return the days, aligned with `homes`, and the last closed day."""
    distinct = set(homes)
    wanted = set(distinct)
    held: set[date] = set()
    while True:
        closed_through = store.share_days(tx, wanted - held)
        held |= wanted
        booked = {home: booked_day(home, closed_through) for home in distinct}
        wanted = set(booked.values())
        if wanted <= held:
            same = all(home == day for home, day in booked.items())
            return (homes if same else [booked[home] for home in homes]), closed_through


def _book(
    connection: Driver, entries: Sequence[Entry], days: Sequence[date], now: datetime, *, judged: bool
) -> tuple[Posted, ...]:
    """Write entries as one step; _InTheWayError with nothing written when any of them cannot be."""
    groups = _groups(entries, days)
    # Several groups would lock balances group by group: the slow path has them all locked in order.
    if len(groups) > 1 and not judged:
        raise _InTheWayError
    # What stops a later group undoes the earlier ones too.
    with store.all_or_nothing(connection) if len(groups) > 1 else nullcontext():
        outcomes = [_book_group(connection, group, now, judged=judged) for group in groups]
    if len(groups) == 1:
        return outcomes[0]
    return tuple(Posted(entry.entry_id, day, now) for entry, day in zip(entries, days, strict=True))


@dataclass(frozen=True, slots=True)
class _Group:
    """Entries in a row of one book day and currency."""

    day: date
    currency: str
    entries: Sequence[Entry]


def _groups(entries: Sequence[Entry], days: Sequence[date]) -> list[_Group]:
    unit = entries[0].lines[0].amount.currency
    # An identity test is cheaper than a hash, and a currency is one object.
    if len(set(days)) == 1 and all(entry.lines[0].amount.currency is unit for entry in entries):
        return [_Group(days[0], unit.code, entries)]
    # Runs, not classes: after each run every balance is one that the judge has seen, so no floor is passed
    # on the way by an entry whose cover stands in a later part.
    runs = groupby(
        zip(entries, days, strict=True), key=lambda pair: (pair[1], pair[0].lines[0].amount.currency.code)
    )
    return [_Group(day, code, [entry for entry, _ in pairs]) for (day, code), pairs in runs]


def _book_group(connection: Driver, group: _Group, now: datetime, *, judged: bool) -> tuple[Posted, ...]:
    try:
        return _write_group(connection, group, now, judged=judged)
    except (_InTheWayError, *store.RETRYABLE) as error:
        store.undo(connection)
        raise _InTheWayError from error
    except BadEntryError:
        store.undo(connection)
        raise


def _write_group(connection: Driver, group: _Group, now: datetime, *, judged: bool) -> tuple[Posted, ...]:
    write = _write_then_move if len(group.entries) > _MANY else _move_then_write
    sums, append_only, outcomes = write(connection, group, now, judged=judged)
    if sums.service_day is None:
        deltas = batch.rollup_deltas(group.entries, append_only.keys())
        store.roll_up(connection, deltas, append_only, book_day=group.day)
    store.keep(connection)
    return outcomes


_Written = tuple[batch.Sums, dict[int, UUID], tuple[Posted, ...]]


def _move_then_write(connection: Driver, group: _Group, now: datetime, *, judged: bool) -> _Written:
    """Write a group in the fewest round trips: while the server moves balances, this side encodes."""
    entries, day = group.entries, group.day
    sums = batch.sums_of(entries)
    move = store.move_of(sums, currency=group.currency, book_day=day, judged=judged)
    pieces: list[bytes] = []
    derived = None
    with store.moving(connection, move) as rest:
        if len(entries) <= _FEW and sum(len(entry.lines) for entry in entries) <= _FEW:
            lines = [line for entry in entries for line in batch.rows_of(entry, day, now)]
            store.insert_few(connection, batch.derived_keys(entries, day), lines)
        else:
            ordered = batch.in_key_order(entries)
            derived = batch.copy_derived(ordered, day)
            pieces = list(batch.copy_lines(ordered, day, now))
        outcomes = _posted(entries, day, now)
    append_only = _append_only(rest(), sums, group.currency)
    _copy(connection, derived, pieces)
    return sums, append_only, outcomes


def _write_then_move(connection: Driver, group: _Group, now: datetime, *, judged: bool) -> _Written:
    """Write a large group: the server reads lines from the beginning, while this side encodes the rest and sums."""
    entries, day = group.entries, group.day
    with store.beginning(connection, day) as day_is_open:
        ordered = batch.in_key_order(entries)
        pieces = batch.copy_lines(ordered, day, now)
        first = next(pieces)
    if not day_is_open():
        raise _InTheWayError
    with store.copying_lines(connection) as write:
        write(first)
        for piece in pieces:
            write(piece)
        sums = batch.sums_of(entries)
        move = store.move_of(sums, currency=group.currency, book_day=day, judged=judged)
        derived = batch.copy_derived(ordered, day)
    _copy(connection, derived, ())
    with store.moving(connection, move, begun=True) as rest:
        outcomes = _posted(entries, day, now)
    return sums, _append_only(rest(), sums, group.currency), outcomes


def _append_only(rest: Sequence[store.RestAccount], sums: batch.Sums, currency: str) -> dict[int, UUID]:
    """Return the owners of the accounts that are not guarded; _InTheWayError when one of them may not be posted to."""
    owners: dict[int, UUID] = {}
    for account in rest:
        if account.state != "open" or account.guarded or account.currency != currency:
            raise _InTheWayError
        assert account.owner_id is not None
        misowned = (
            account.account in sums.shared or sums.moved[account.account][batch.OWNER] != account.owner_id.int
        )
        if account.owner_kind == "rider" and misowned:
            raise _InTheWayError
        owners[account.account] = account.owner_id
    return owners


def _copy(connection: Driver, derived: bytes | None, pieces: Sequence[bytes]) -> None:
    if derived is not None:
        store.copy_derived(connection, derived)
    if pieces:
        with store.copying_lines(connection) as write:
            for piece in pieces:
                write(piece)


def _posted(entries: Sequence[Entry], day: date, now: datetime) -> tuple[Posted, ...]:
    return tuple([Posted(entry.entry_id, day, now) for entry in entries])


def _judge_and_book(
    tx: Connection,
    entries: Sequence[Entry],
    homes: Sequence[date],
    days: Sequence[date],
    now: datetime,
    *,
    together: bool,
) -> tuple[Outcome, ...]:
    named = {account for entry in entries for line in entry.lines for account in (line.debit, line.credit)}
    locked = account_store.lock_balances(tx, named)
    hold_store.expire_of(tx, [(b.owner_id, b.account_id) for b in locked], now)
    outcomes = judge(
        entries,
        days,
        now,
        booked=_find_booked(tx, entries, homes, days),
        accounts=account_store.list_facts(tx, named),
    )
    first_refused = next((outcome for outcome in outcomes if isinstance(outcome, Refused)), None)
    if together and first_refused is not None:
        return tuple(
            outcome
            if outcome is first_refused
            else Refused(outcome.entry_id, Reason.IN_SET, first_refused.line_no, first_refused.account_id)
            for outcome in outcomes
        )
    accepted = [i for i, outcome in enumerate(outcomes) if isinstance(outcome, Posted)]
    if accepted:
        _book(driver(tx), [entries[i] for i in accepted], [days[i] for i in accepted], now, judged=True)
    return outcomes


def _find_booked(
    tx: Connection, entries: Iterable[Entry], homes: Iterable[date], days: Iterable[date]
) -> dict[EntryKey, Booked]:
    derived = {(e.owner_id, e.entry_id) for e in entries if not carries_time(e.entry_id)}
    ranges = {(*key, day, day) for key, day in store.find_derived_days(tx, derived).items()}
    for entry, home, day in zip(entries, homes, days, strict=True):
        if carries_time(entry.entry_id):
            ranges.add((entry.owner_id, entry.entry_id, home, day))
    return {key: Booked(tuple(rows)) for key, rows in store.find_lines(tx, ranges).items()}
