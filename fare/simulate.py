"""Replay stored rides under a draft tariff, on all cores: revenue, subsidy, who gains and loses, exploit patterns."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from multiprocessing import get_context
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access.taps import list_taps
from fare.bill import fare_tap, is_fare_tap
from fare.gtfs.load import load_tariff
from fare.held import read_dated
from fare.rules.facts import FareTap
from fare.rules.simulation import History, Tally, replay
from fare.rules.tariff import TariffBook
from fare.store import simulation
from kernel.clock import from_micros, micros
from kernel.ids import CardId, FareAccountId, OperatorId, TapId
from kernel.service_day import day_window
from kernel.wire.tap import ClockState, Phase, Purpose

ACCOUNTS_AT_ONCE: Final = 500
_AHEAD: Final = 3  # batches waiting for each process: enough that none idles, few enough to hold in memory
_FROM_PURPOSE: Final = {int(one): one for one in Purpose}
_FROM_PHASE: Final = {int(one): one for one in Phase}
_FROM_CLOCK: Final = {int(one): one for one in ClockState}

_books: list[tuple[TariffBook, TariffBook]] = []


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a simulation is; `tally` is set on the last one."""

    accounts: int
    of: int
    taps: int
    tally: Tally | None = None


def list_accounts(
    tx: Connection, first: date, last: date, *, percent: int = 100
) -> tuple[FareAccountId, ...]:
    """Return the accounts with a bill on these service days, or that many per cent of them, the same every time."""
    found = simulation.list_accounts(tx, first, last)
    return tuple(account for account in found if account.int % 100 < percent)


def read_histories(
    tx: Connection, accounts: Sequence[FareAccountId], first: date, last: date, book: TariffBook
) -> Iterator[History]:
    """Yield what these accounts did on the service days from `first` to `last`, both inclusive."""
    since = day_window(first, book.day_starts, book.zone).start
    until = day_window(last + timedelta(days=1), book.day_starts, book.zone).start
    taps: dict[FareAccountId, list[FareTap]] = {}
    for tap in list_taps(tx, accounts, since=since, until=until):
        if is_fare_tap(tap):
            taps.setdefault(tap.fare_account_id, []).append(fare_tap(tap))
    known = read_dated(tx, accounts, book, first_day=first)
    for account in sorted(taps):
        yield History(
            account,
            tuple(taps[account]),
            known.passes.get(account, ()),
            known.entitlements.get(account, ()),
            known.corrections.get(account, ()),
            known.parked.get(account, ()),
        )


def simulate(
    histories: Iterable[History], tariffs: tuple[bytes, bytes], *, of: int, processes: int
) -> Iterator[Progress]:
    """Replay histories under two tariffs (bundles: the current one, the draft), telling progress on the way.

    `of` is how many histories there are at most. The work goes to `processes` processes of their own; the last
    Progress has the tally, which does not depend on how the work was cut.
    """
    total, accounts = Tally(), 0
    batches = _batches(histories)
    if processes < 2:
        books = load_tariff(tariffs[0]), load_tariff(tariffs[1])
        for batch in batches:
            total.add(replay(batch, books))
            accounts += len(batch)
            yield Progress(accounts, of, total.taps)
        yield Progress(accounts, of, total.taps, total)
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), _begin, tariffs) as pool:
        waiting: dict[Future[Tally], int] = {}
        for batch in islice(batches, _AHEAD * processes):
            waiting[pool.submit(_replay, _packed(batch))] = len(batch)
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                accounts += waiting.pop(future)
                total.add(future.result())
                more = next(batches, None)
                if more is not None:
                    waiting[pool.submit(_replay, _packed(more))] = len(more)
            yield Progress(accounts, of, total.taps)
    yield Progress(accounts, of, total.taps, total)


def _batches(histories: Iterable[History]) -> Iterator[tuple[History, ...]]:
    left = iter(histories)
    while batch := tuple(islice(left, ACCOUNTS_AT_ONCE)):
        yield batch


_Packed = tuple[object, ...]


def _begin(current: bytes, draft: bytes) -> None:
    _books.append((load_tariff(current), load_tariff(draft)))


def _replay(packed: Sequence[_Packed]) -> Tally:
    return replay(map(_unpacked, packed), _books[0])


def _packed(histories: Iterable[History]) -> list[_Packed]:
    """Return histories as plain tuples, which cross to another process several times faster than objects."""
    return [
        (
            one.account.int,
            [
                (
                    tap.tap_id.int, tap.card_id.int, tap.counter, micros(tap.tapped_at), int(tap.purpose), int(tap.phase),
                    tap.operator_id, tap.stop_id, tap.route_id, tap.trip_id, tap.place, tap.direction, int(tap.concession),
                    int(tap.clock_state), tap.proven_torn, tap.medium,
                )
                for tap in one.taps
            ],
            (one.passes, one.entitlements, one.corrections, one.parked),
        )
        for one in histories
    ]  # fmt: skip


def _unpacked(packed: _Packed) -> History:
    account, taps, facts = packed
    assert isinstance(account, int), "an account is packed as its number"
    assert isinstance(taps, list), "taps are packed as a list"
    assert isinstance(facts, tuple), "the other facts are a tuple"
    return History(
        FareAccountId(UUID(int=account)),
        tuple(
            FareTap(
                TapId(UUID(int=tap)), CardId(UUID(int=card)), counter, from_micros(at), _FROM_PURPOSE[purpose],
                _FROM_PHASE[phase], OperatorId(operator), stop, route, trip, place, direction, concession,
                _FROM_CLOCK[clock], torn, medium,
            )
            for tap, card, counter, at, purpose, phase, operator, stop, route, trip, place, direction, concession,
                clock, torn, medium in taps
        ),
        *facts,
    )  # fmt: skip
