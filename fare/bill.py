"""Bill account-days: re-price them from their evidence and book only the difference (DESIGN §2.2, §8).

The caller holds nothing; this verb locks the touched fare accounts in id order, one lock for all their
days, re-folds forward where a day hands something else to the next, and posts line by line.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final, Protocol

from sqlalchemy import Connection

from access import link
from access.issue import lock_accounts
from access.rules.link import Counting
from access.rules.medium import MediumKind
from access.rules.tap import Tap
from access.taps import list_taps
from fare import book
from fare.engine import may_go_on
from fare.held import CHARGES, money_of, read_dated
from fare.park_ride import tell_rides
from fare.rules.bill import Bill, Closed
from fare.rules.carried import EMPTY, Carried
from fare.rules.difference import differences, wanted_lines
from fare.rules.facts import CARD_MEDIUM, FareTap
from fare.rules.price import price_day
from fare.rules.tariff import TariffBook
from fare.store import bills
from kernel.ids import CardId, FareAccountId, OperatorId, TapId
from kernel.service_day import day_window, service_day
from kernel.wire.tap import Phase, Purpose
from ledger import dated_money, post

MAX_LATE_DAYS: Final = 45  # later than this a person looks first (§8.6); a setting of the service
MEDIA: Final = {
    MediumKind.QR: "qr",
    MediumKind.CITIZEN: "chip_id",
    MediumKind.BANK: "bank",
    MediumKind.FELICA: "felica",
}
"""The `fare_media_id` of what is shown instead of a card; cards and phones with the card's application are `card`."""
RIDING: Final = frozenset({Purpose.BOARD, Purpose.ALIGHT, Purpose.AUTO})
_NOTHING: Final = bills.canonical(EMPTY.to_json())


class Books(Protocol):
    """The published tariffs: the one in force for new days, and any booked one by its version (§8.7)."""

    def current(self) -> TariffBook: ...
    def version(self, version: str) -> TariffBook: ...


@dataclass(frozen=True, slots=True)
class NotBilled:
    """An account-day, or one tap of it, that a person must look at; `reason` is a code."""

    fare_account_id: FareAccountId
    service_day: date
    reason: str
    tap_id: str = ""


@dataclass(frozen=True, slots=True)
class Billed:
    """What one run did: revisions written, entries posted, exceptions, and accounts that now owe."""

    revisions: int
    entries: int
    exceptions: tuple[NotBilled, ...]
    owing: frozenset[FareAccountId]


@dataclass(slots=True)
class _Fold:
    """One account on its way through its days."""

    account: FareAccountId
    touched: set[date]
    headers: dict[date, bills.Header] = field(default_factory=dict)
    before: bills.Header | None = None
    taps: dict[date, list[FareTap]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Again:
    """An announced run (§8.7): the days `[first_day, last_day]` are priced by this tariff and today's engine."""

    tariff_version: str
    first_day: date
    last_day: date

    def holds(self, day: date) -> bool:
        return self.first_day <= day <= self.last_day


def bill(
    tx: Connection,
    touched: Iterable[tuple[FareAccountId, date]],
    *,
    books: Books,
    now: datetime,
    close_rides: bool = False,
    max_late_days: int = MAX_LATE_DAYS,
    again: Again | None = None,
) -> Billed:
    """Bring the bills of these account-days, and of the days they hand on to, up to their evidence.

    `close_rides` closes rides that are still open by the tariff's rule (the end of the day); otherwise a
    ride that may still be tapped off at `now` stays open. Repeating a call changes nothing. What cannot
    be priced is returned as an exception and stays counted; money never makes it refuse (§8.8).
    Booked days keep the tariff and engine that they were booked with, except those of `again`; today's engine goes on
    with a day that it prices as booked (`fare.engine`).
    """
    current = books.current()
    today = service_day(now, current.day_starts, current.zone)
    exceptions: list[NotBilled] = []
    folds: dict[FareAccountId, _Fold] = {}
    for account, day in touched:
        if today - day > timedelta(days=max_late_days):
            exceptions.append(NotBilled(account, day, "too-late"))
        else:
            folds.setdefault(account, _Fold(account, set())).touched.add(day)
    if not folds:
        return Billed(0, 0, tuple(exceptions), frozenset())
    accounts = sorted(folds)
    # Book days before accounts (§8.5); a day that a re-fold reaches later only shares one more.
    for day in sorted({day for fold in folds.values() for day in fold.touched}):
        post.book_day(tx, day, now)
    lock_accounts(tx, accounts)
    first_days = {account: min(folds[account].touched) for account in accounts}
    _read_headers(tx, folds, first_days)
    counting = link.counting(tx, accounts)
    _read_taps(tx, folds, first_days, current, counting)
    known = read_dated(
        tx, accounts, current, first_day=min(first_days.values()), purses=money_of(current), counting=counting
    )
    booked = bills.list_booked_lines(tx, first_days)
    revisions: list[book.Revision] = []
    made: list[tuple[Bill, Mapping[TapId, CardId]]] = []
    for account in accounts:
        fold = folds[account]
        carried_text, carried = _carried_in(fold)
        days = fold.touched | fold.headers.keys()
        while days:
            day = min(days)
            days = days - {day}
            header = fold.headers.get(day)
            if header and day not in fold.touched and header.carried_in == carried_text:
                carried_text, carried = _carried_out(header)
                continue
            announced = again is not None and again.holds(day)
            if again is not None and announced:
                tariff = books.version(again.tariff_version)
            else:
                tariff = books.version(header.tariff_version) if header else current
            facts = known.facts(account, day, tuple(fold.taps.get(day, ())), None if close_rides else now)
            stands = booked.get((account, day), {})
            if header and not announced and not may_go_on(header, facts, stands, tariff):
                exceptions.append(NotBilled(account, day, "engine-retired"))
                carried_text, carried = _carried_out(header)
                continue
            priced = price_day(facts, tariff, carried)
            if account in known.parked:
                made.append((priced, {tap.tap_id: tap.card_id for tap in fold.taps.get(day, ())}))
            exceptions += [NotBilled(account, day, one.reason, str(one.tap_id)) for one in priced.unpriced]
            new_header = _header(priced, header, carried_text)
            found = differences(wanted_lines(priced), stands)
            if found or header is None or _changed(new_header, header):
                revisions.append(book.Revision(new_header, found, priced.parts, tariff.currency))
            carried_text, carried = new_header.carried_out, priced.carried_out
            if carried.must_bill_next and day < today:
                days = days | {day + timedelta(days=1)}
                fold.touched.add(day + timedelta(days=1))
    posted = book.post_revisions(tx, revisions, now=now)
    tell_rides(tx, made, known.parked, book=current, now=now)
    return Billed(len(revisions), posted.entries, tuple(exceptions), posted.owing)


def close_day(tx: Connection, day: date, *, books: Books, now: datetime) -> Billed:
    """Close every ride that is still open on service days up to `day`, by the tariff's rule.

    Where the tariff withholds transfers from who is in debt, accounts whose money moved that day are billed again:
    what was withheld is given back where the debt was cleared in time.
    """
    touched = {*bills.list_open_rides(tx, day), *_money_moved(tx, day, books.current(), now)}
    return bill(tx, touched, books=books, now=now, close_rides=True)


def _money_moved(
    tx: Connection, day: date, book: TariffBook, now: datetime
) -> tuple[tuple[FareAccountId, date], ...]:
    unit = money_of(book)
    if unit is None:
        return ()
    since = day_window(day, book.day_starts, book.zone).start
    booked = day - timedelta(days=1)
    moved = dated_money.list_moved(
        tx, since=since, until=now, from_book_day=booked, without=CHARGES, unit=unit
    )
    billed = bills.list_headers_from(tx, dict.fromkeys(moved, day)) if moved else ()
    return tuple((one.fare_account_id, one.service_day) for one in billed if one.service_day == day)


def fare_tap(tap: Tap) -> FareTap:
    """A tap of the evidence as fares read it."""
    return FareTap(
        tap_id=tap.tap_id,
        card_id=tap.card_id,
        counter=tap.counter,
        tapped_at=tap.tapped_at,
        purpose=tap.purpose,
        phase=tap.phase,
        operator_id=OperatorId(tap.operator_id),
        stop_id=tap.stop_id,
        route_id=tap.route_id,
        trip_id=tap.trip_id,
        place=tap.place,
        direction=tap.direction,
        concession=tap.concession,
        clock_state=tap.clock_state,
        proven_torn=tap.proven_torn,
        medium=MEDIA.get(tap.kind, CARD_MEDIUM),
    )


def is_fare_tap(tap: Tap) -> bool:
    """True for a tap that may enter a bill: proven by the card itself, or torn and so explained at 0."""
    return tap.purpose in RIDING and tap.phase is not Phase.REFUSED and (tap.mac_valid or tap.proven_torn)


def _read_headers(
    tx: Connection, folds: Mapping[FareAccountId, _Fold], first_days: Mapping[FareAccountId, date]
) -> None:
    for header in bills.list_headers_from(tx, first_days):
        folds[header.fare_account_id].headers[header.service_day] = header
    for account, header in bills.find_headers_before(tx, first_days).items():
        folds[account].before = header


def _read_taps(
    tx: Connection,
    folds: Mapping[FareAccountId, _Fold],
    first_days: Mapping[FareAccountId, date],
    tariff: TariffBook,
    counting: Counting,
) -> None:
    """Taps of all accounts, over the days any of them may need, sorted into service days."""
    last = max(max(fold.touched | fold.headers.keys()) for fold in folds.values())
    since = day_window(min(first_days.values()), tariff.day_starts, tariff.zone).start
    until = day_window(last, tariff.day_starts, tariff.zone).end
    for tap in list_taps(tx, list(folds), since=since, until=until, counting=counting):
        if is_fare_tap(tap):
            day = service_day(tap.tapped_at, tariff.day_starts, tariff.zone)
            folds[tap.fare_account_id].taps.setdefault(day, []).append(fare_tap(tap))


def _carried_in(fold: _Fold) -> tuple[str, Carried]:
    return _carried_out(fold.before) if fold.before else (_NOTHING, EMPTY)


def _carried_out(header: bills.Header) -> tuple[str, Carried]:
    text = header.carried_out
    return (text, EMPTY) if text == _NOTHING else (text, Carried.from_json(bills.parsed(text)))


def _header(priced: Bill, booked: bills.Header | None, carried_in: str) -> bills.Header:
    return bills.Header(
        fare_account_id=priced.fare_account_id,
        service_day=priced.service_day,
        revision=booked.revision + 1 if booked else 1,
        tariff_version=priced.tariff_version,
        engine_version=priced.engine_version,
        carried_in=carried_in,
        carried_out=_NOTHING
        if priced.carried_out is EMPTY
        else bills.canonical(priced.carried_out.to_json()),
        rides=bills.canonical([ride.to_json() for ride in priced.rides]),
        unpriced=bills.canonical([one.to_json() for one in priced.unpriced]),
        has_open_ride=any(ride.closed is Closed.OPEN for ride in priced.rides),
    )


def _changed(new: bills.Header, old: bills.Header) -> bool:
    return _compared(new) != _compared(old)


def _compared(one: bills.Header) -> tuple[str, ...]:
    return (
        one.carried_in,
        one.carried_out,
        one.rides,
        one.unpriced,
        one.tariff_version,
        one.engine_version,
    )
