"""Sell and give rights to park: passes and permits by account or plate, coupons on one stay, company pools.

A right is a dated fact; stays read it when they are billed. Its price is booked to the operator when it is sold, and
what is given back for unused days is booked against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from kernel.errors import DomainError
from kernel.ids import FareAccountId, uuid8
from kernel.money import Money, Rounding, currency
from kernel.service_day import local_date
from ledger.operator_tills import check_till
from ledger.post import book_day
from parking.book_right import book_right
from parking.park_ride import tell_right
from parking.places import HANOI
from parking.publish_rates import Rates
from parking.rules.book import RateBook
from parking.rules.right import RightKind, RightSpecification
from parking.sessions import UnknownSessionError, bill, book_at, lock_parker, lock_session
from parking.store import rights as store
from parking.store.rights import Ended, RightRow
from parking.store.stays import StayRow

LONGEST_RIGHT: Final = timedelta(days=400)
_SECOND: Final = timedelta(seconds=1)


class UnknownRightError(DomainError):
    """No right, product or pool of this id."""

    detail = "There is no {what} {id} on sale or held here."


class RightIdReusedError(DomainError):
    """The id was used for another right or pool."""

    detail = "{id} was used before with another {field}."


class RightTimesError(DomainError):
    """A right begins now or later and lasts for a time."""

    detail = "A right cannot hold from {valid_from} to {valid_to}: {reason}."


class RightHolderError(DomainError):
    """A coupon is given to a stay, every other right to an account, a plate or a ticket."""

    detail = "{spec_id} ({kind}) cannot be held so: {reason}."


class RightEndedError(DomainError):
    """The right has ended, early or by its time."""

    detail = "Right {right_id} ended at {ended_at}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigning:
    """What is asked for: a product for an account, for a `subject` (plate, ticket), or a coupon for a `stay_id`.

    Paid from the account's balance, or with `till` in cash. `pool_id` shares a company's spaces.
    """

    right_id: UUID
    spec_id: str
    place_id: str
    valid_from: datetime
    valid_to: datetime
    account: FareAccountId | None = None
    subject: UUID | None = None
    stay_id: UUID | None = None
    pool_id: UUID | None = None
    till: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A right as it stands."""

    row: RightRow
    ended: Ended | None
    again: bool = False


def assign(tx: Connection, asked: Assigning, *, actor: str, now: datetime) -> Held:
    """Sell or give a right, book its price, and bill the stay of a coupon again.

    RightIdReusedError (checked first), UnknownRightError, RightHolderError, RightTimesError, BalanceTooLowError,
    UnknownPlaceError, UnknownSessionError, UnknownTillError.
    """
    known = store.find_right(tx, asked.right_id)
    if known is not None:
        return _again(tx, known, asked)
    rates = Rates(tx)
    book = book_at(rates, asked.place_id, now)
    place = book.place(asked.place_id)
    spec = book.right(asked.spec_id, local_date(now, place.zone))
    if spec is None or not book.is_within(asked.place_id, spec.place_id):
        raise UnknownRightError(what="product", id=asked.spec_id)
    _check(asked, spec, now)
    if asked.till:
        check_till(tx, asked.till, operator_id=place.operator_id)
    if asked.pool_id is not None and _pool_operator(tx, asked.pool_id) != place.operator_id:
        raise UnknownRightError(what="pool", id=str(asked.pool_id))
    book_day(tx, now.astimezone(HANOI).date(), now)
    account = _lock_holder(tx, asked, spec, book, now)
    known = store.find_right(tx, asked.right_id)
    if known is not None:
        return _again(tx, known, asked)
    row = RightRow(
        fare_account_id=account,
        right_id=asked.right_id,
        spec_id=asked.spec_id,
        rates_version=book.version,
        place_id=asked.place_id,
        operator_id=place.operator_id,
        subject=asked.subject,
        stay_id=asked.stay_id,
        pool_id=asked.pool_id,
        valid_from=asked.valid_from,
        valid_to=asked.valid_to,
        price_minor=0 if asked.stay_id is not None else spec.price.minor,
        currency=spec.price.currency.code,
        till=asked.till,
        assigned_at=now,
        actor=actor,
    )
    store.insert_right(tx, row)
    book_right(tx, row, row.price_minor, now)
    tell_right(tx, row, None, rates, now=now)
    if asked.stay_id is not None:
        stay = lock_session(tx, asked.stay_id, now)
        bill(tx, stay.fare_account_id, stay.first_at, stay.stay_id, guest=stay.guest, now=now)
    return Held(row, None)


def end(tx: Connection, right_id: UUID, *, note: str, actor: str, now: datetime) -> Held:
    """End a right now and give back the price of the time that is left, by the second, rounded down.

    UnknownRightError; RightEndedError where its time is over. Ending it again is the first answer again.
    """
    row = get_right(tx, right_id).row
    book_day(tx, now.astimezone(HANOI).date(), now)
    lock_parker(tx, row.fare_account_id, guest=row.subject is not None, now=now)
    known = store.find_end(tx, row)
    if known is not None:
        return Held(row, known, again=True)
    if now >= row.valid_to:
        raise RightEndedError(right_id=str(right_id), ended_at=row.valid_to.isoformat())
    left, whole = row.valid_to - max(now, row.valid_from), row.valid_to - row.valid_from
    price = Money(row.price_minor, currency(row.currency))
    refund = price.share(left // _SECOND, max(whole // _SECOND, 1), Rounding.DOWN)
    store.insert_end(
        tx, row, ended_at=now, refund_minor=refund.minor, note=note, recorded_at=now, actor=actor
    )
    book_right(tx, row, -refund.minor, now)
    held = get_right(tx, right_id)
    tell_right(tx, row, held.ended, Rates(tx), now=now)
    return held


def get_right(tx: Connection, right_id: UUID) -> Held:
    """Return a right as it stands; UnknownRightError."""
    row = store.find_right(tx, right_id)
    if row is None:
        raise UnknownRightError(what="right", id=str(right_id))
    return Held(row, store.find_end(tx, row))


def _check(asked: Assigning, spec: RightSpecification, now: datetime) -> None:
    coupon = spec.kind is RightKind.COUPON
    holders = sum(each is not None for each in (asked.account, asked.subject, asked.stay_id))
    reason = ""
    if spec.kind is RightKind.PARK_AND_RIDE:
        reason = "a ride on the same service day earns it, nobody gives it"
    elif coupon != (asked.stay_id is not None):
        reason = (
            "a coupon is given to one stay" if coupon else "it is held by an account, a plate or a ticket"
        )
    elif holders != 1:
        reason = "it has one holder"
    elif asked.subject is not None and not asked.till and spec.price:
        reason = "a plate or a ticket has no balance: take cash at a till"
    elif asked.pool_id is not None and asked.account is None:
        reason = "a pool's cards have accounts"
    if reason:
        raise RightHolderError(spec_id=spec.spec_id, kind=spec.kind.value, reason=reason)
    if asked.valid_to <= asked.valid_from:
        reason = "it would end before it begins"
    elif asked.valid_to - asked.valid_from > LONGEST_RIGHT:
        reason = f"it lasts for {LONGEST_RIGHT.days} days at most"
    elif asked.valid_from < now and not coupon:
        reason = "it would begin in the past"
    if reason:
        raise RightTimesError(
            valid_from=asked.valid_from.astimezone(HANOI).isoformat(),
            valid_to=asked.valid_to.astimezone(HANOI).isoformat(),
            reason=reason,
        )


def _pool_operator(tx: Connection, pool_id: UUID) -> str | None:
    return next((each.operator_id for each in store.list_pools(tx, [pool_id])), None)


def _check_stay(stay: StayRow, asked: Assigning, spec: RightSpecification, book: RateBook) -> None:
    """A coupon is given to a stay of the operator who gives it, where it holds and for a class it holds for."""
    reason = ""
    if stay.operator_id != book.place(asked.place_id).operator_id:
        raise UnknownSessionError(session_id=str(stay.stay_id))
    if not book.is_within(stay.place_id, spec.place_id):
        reason = f"it holds at {spec.place_id}, the stay is at {stay.place_id}"
    elif spec.vehicle_class and stay.vehicle_class and spec.vehicle_class != stay.vehicle_class:
        reason = f"it is for {spec.vehicle_class}, the stay is of {stay.vehicle_class}"
    if reason:
        raise RightHolderError(spec_id=spec.spec_id, kind=spec.kind.value, reason=reason)


def _lock_holder(
    tx: Connection, asked: Assigning, spec: RightSpecification, book: RateBook, now: datetime
) -> FareAccountId:
    if asked.stay_id is not None:
        stay = lock_session(tx, asked.stay_id, now)
        _check_stay(stay, asked, spec, book)
        return stay.fare_account_id
    if asked.account is not None:
        lock_parker(tx, asked.account, guest=False, now=now)
        return asked.account
    assert asked.subject is not None, "one holder"
    account = FareAccountId(uuid8("parking holder", asked.subject))
    lock_parker(tx, account, guest=True, now=now)
    return account


def _again(tx: Connection, known: RightRow, asked: Assigning) -> Held:
    fields = {
        "spec_id": asked.spec_id,
        "place_id": asked.place_id,
        "subject": asked.subject,
        "stay_id": asked.stay_id,
        "pool_id": asked.pool_id,
        "valid_from": asked.valid_from,
        "valid_to": asked.valid_to,
        "till": asked.till,
    }
    if asked.account is not None:
        fields["fare_account_id"] = asked.account
    for field, value in fields.items():
        if getattr(known, field) != value:
            raise RightIdReusedError(id=str(asked.right_id), field=field)
    return Held(known, store.find_end(tx, known), again=True)
