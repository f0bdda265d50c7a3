"""A rider mends a ride that lacks its tap-off: a dated fact, once a ride, and the day is billed again."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from access.issue import lock_accounts
from fare import bill as billing
from fare.bill import Books
from fare.rules.bill import Closed, Component, Ride
from fare.rules.correction import NoCorrection, check_correction, open_until, rule_of
from fare.store import bills, corrections
from fare.store.bills import Header
from fare.store.corrections import Said
from kernel.errors import DomainError
from kernel.ids import FareAccountId
from kernel.money import Currency, Money
from kernel.service_day import service_day
from ledger import post

_LOOK_BACK: Final = timedelta(days=billing.MAX_LATE_DAYS)


class UnknownRideError(DomainError):
    """The account has no billed ride that began with this tap."""

    detail = "This account has no ride that began with tap {tap_id}."


class RideNotMendedError(DomainError):
    """The ride may not be mended; `reason` is a code."""

    detail = "The ride of tap {tap_id} is not mended ({reason}): {says}."


class CorrectionIdReusedError(DomainError):
    """The id was used before, to say something else."""

    detail = "Correction {correction_id} was made before, and said something else."


@dataclass(frozen=True, slots=True)
class Mended:
    """What a ride cost before and costs now; `again` when the same was said before."""

    said: Said
    before: Money
    after: Money
    again: bool = False


@dataclass(frozen=True, slots=True)
class Mendable:
    """A ride without its tap-off that the rider may still mend, until `until`."""

    ride: Ride
    charged: Money
    until: datetime
    rule_status: str = ""


def correct(
    tx: Connection,
    account: FareAccountId,
    *,
    correction_id: UUID,
    tap_id: UUID,
    stop_id: str,
    left_at: datetime,
    books: Books,
    by: str,
    now: datetime,
) -> Mended:
    """Say where and when the ride of a tap-on ended, and bill its day again.

    Raises UnknownRideError, RideNotMendedError (then the caller rolls back: nothing is kept) and
    CorrectionIdReusedError. Saying the same again under the same id changes nothing and answers what the ride costs now.
    """
    _, header = _find(tx, account, tap_id, now)
    post.book_day(tx, header.service_day, now)
    lock_accounts(tx, (account,))
    ride, header = _find(tx, account, tap_id, now)
    tariff = books.version(header.tariff_version)
    for known in corrections.find(tx, account, tap_id=tap_id, correction_id=correction_id):
        if known.correction_id != correction_id:
            raise _not_mended(tap_id, NoCorrection.ALREADY)
        if (known.tap_id, known.stop_id, known.left_at) != (tap_id, stop_id, left_at):
            raise CorrectionIdReusedError(correction_id=str(correction_id))
        charged = _charged(tx, account, header.service_day, tap_id, tariff.currency)
        return Mended(known, charged, charged, again=True)
    day = service_day(ride.started_at, tariff.day_starts, tariff.zone)
    month = day.replace(day=1)
    why = check_correction(
        ride,
        [one for one, _ in _rides(tx, account, now)],
        stop_id=stop_id,
        left_at=left_at,
        made_before=corrections.count(tx, account, month, _month_end(month)),
        tariff=tariff,
        now=now,
    )
    if why is not None:
        raise _not_mended(tap_id, why)
    said = Said(account, tap_id, correction_id, day, stop_id, left_at, by, now)
    before = _charged(tx, account, header.service_day, tap_id, tariff.currency)
    corrections.insert(tx, said)
    done = billing.bill(tx, [(account, header.service_day)], books=books, now=now)
    if any(one.tap_id == str(tap_id) for one in done.exceptions):
        raise _not_mended(tap_id, NoCorrection.STOP)
    return Mended(said, before, _charged(tx, account, header.service_day, tap_id, tariff.currency))


def _not_mended(tap_id: UUID, why: NoCorrection) -> RideNotMendedError:
    return RideNotMendedError(tap_id=str(tap_id), reason=why.value, says=why.says)


def list_mendable(
    tx: Connection, account: FareAccountId, *, books: Books, now: datetime
) -> tuple[Mendable, ...]:
    """Return the account's rides without a tap-off that may still be mended, oldest first."""
    found = []
    for ride, header in _rides(tx, account, now):
        tariff = books.version(header.tariff_version)
        rule = None if ride.companion else rule_of(ride, tariff)
        if ride.closed is Closed.MISSING_OFF and rule and now < open_until(ride, rule, tariff):
            charged = _charged(tx, account, header.service_day, ride.tap_id, tariff.currency)
            found.append(Mendable(ride, charged, open_until(ride, rule, tariff), rule.status))
    return tuple(found)


def _find(tx: Connection, account: FareAccountId, tap_id: UUID, now: datetime) -> tuple[Ride, Header]:
    for ride, header in _rides(tx, account, now):
        if ride.tap_id == tap_id and ride.closed is not Closed.OPEN:
            return ride, header
    raise UnknownRideError(tap_id=str(tap_id))


def _rides(tx: Connection, account: FareAccountId, now: datetime) -> Iterator[tuple[Ride, Header]]:
    """Yield the rides of the newest revisions of the days that may still be billed, oldest first."""
    for header in bills.list_headers_from(tx, {account: now.date() - _LOOK_BACK}):
        for ride in json.loads(header.rides):
            yield Ride.from_json(ride), header


def _charged(tx: Connection, account: FareAccountId, day: date, tap_id: UUID, unit: Currency) -> Money:
    booked = bills.list_booked_lines(tx, {account: day}).get((account, day), {})
    return Money(
        sum(
            line.amount_minor
            for key, line in booked.items()
            if key.tap_id == tap_id and key.component == Component.CHARGED.value
        ),
        unit,
    )


def _month_end(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)
