"""Earn the money of passes: deferred revenue becomes the operators', a book day at a time, once."""

from collections.abc import Iterator
from datetime import date, datetime

from sqlalchemy import Connection

from fare.rules.distance import metres_between
from fare.rules.earn import PassMoney, Route, earned_in_all, share_out
from fare.rules.facts import HeldPass
from fare.rules.sale import service_days
from fare.rules.sales import EarnedBy, SharedBy
from fare.rules.tariff import TariffBook
from fare.store import earnings
from fare.store.earnings import Earned, RoutePart, list_earned
from kernel.ids import EntryId, uuid8
from kernel.money import Money
from kernel.service_day import day_window
from ledger import post
from ledger.accounts import open_accounts
from ledger.rules import chart
from ledger.rules.entry import Entry, Line, Refused

__all__ = ["Earned", "earn_day", "list_earned"]


def earn_day(tx: Connection, book_day: date, *, tariff: TariffBook, now: datetime) -> tuple[Earned, ...]:
    """Book what passes have earned through a book day, before it is closed; return what is new, by product.

    What is earned in all follows from the passes alone and only the difference to what is booked is posted,
    so a day that was missed, or a pass sold late, is caught up by the next run. Repeating it changes nothing.
    """
    done = []
    for product in earnings.list_products(tx, tariff.currency.code):
        before, last = earnings.earned_before(tx, product)
        if last is not None and last >= book_day:
            continue
        earned = Money(_through(tx, product, book_day, tariff) - before, tariff.currency)
        made = _book(tx, product, book_day, earned, tariff, now)
        if made is not None:
            done.append(made)
    return tuple(done)


def _through(tx: Connection, product: str, day: date, tariff: TariffBook) -> int:
    """Return what all passes of a product have earned through a service day, in minor units."""
    code, over = tariff.currency.code, day_window(day, tariff.day_starts, tariff.zone).end
    by_rides = any(one.earned_by is EarnedBy.RIDES for one in tariff.sales.terms.get(product, ()))

    def living() -> Iterator[PassMoney]:
        for one in earnings.stream_living(tx, product, code, day, over, by_rides=by_rides):
            held = HeldPass(_NOBODY, product, "", one.valid_from, one.valid_until)
            terms = tariff.sales.terms_of(product, tariff.local_date(one.purchased_at))
            yield PassMoney(
                one.price_minor,
                *service_days(held, tariff),
                terms.earned_by if terms else EarnedBy.TIME,
                one.covered_minor,
            )

    return earnings.finished_minor(tx, product, code, day, over) + earned_in_all(living(), day)


_NOBODY = uuid8("pass", "of nobody")


def _carried(
    tx: Connection, product: str, day: date, basis: SharedBy, tariff: TariffBook
) -> dict[Route, int]:
    """Return what each route carried of a product's holders on a day, by the tariff's basis."""
    if basis is SharedBy.FACE_VALUE:
        return earnings.carried_minor(tx, product, day)
    found: dict[Route, int] = {}
    for operator, route_id, origin, destination, rides in earnings.carried_rides(tx, product, day):
        each = 1
        if basis is SharedBy.KILOMETRES:
            each = _metres(tariff, day, route_id, origin, destination)
        found[operator, route_id] = found.get((operator, route_id), 0) + rides * each
    return found


def _metres(tariff: TariffBook, day: date, route_id: str, origin: str, destination: str) -> int:
    known = tariff.on(day)
    route = known.routes.get(route_id)
    networks = route.networks if route else frozenset[str]()
    metres = metres_between(known, networks, route_id, origin, destination)
    return metres or tariff.sales.route_metres.get(route_id, 1)


def _book(
    tx: Connection, product: str, day: date, earned: Money, tariff: TariffBook, now: datetime
) -> Earned | None:
    terms = tariff.sales.terms_of(product, day)
    basis = terms.shared_by if terms else SharedBy.FACE_VALUE
    shares = share_out(earned, _carried(tx, product, day, basis, tariff))
    parts = shares.by_operator
    deferred = chart.deferred_pass(product, earned.currency)
    unridden = chart.pass_unridden(product, earned.currency)
    operators = {name: chart.operator_pass(name, earned.currency) for name in parts}
    lines = [Line(deferred.account_id, operators[name].account_id, part) for name, part in parts.items()]
    if shares.unridden.minor > 0:
        lines.append(Line(deferred.account_id, unridden.account_id, shares.unridden))
    elif shares.unridden.minor < 0:
        lines.append(Line(unridden.account_id, deferred.account_id, -shares.unridden))
    entry_id = EntryId(uuid8("pass earned", product, day)) if lines else None
    made = Earned(
        product,
        day,
        earned.currency.code,
        earned.minor,
        shares.unridden.minor,
        entry_id,
        {name: part.minor for name, part in parts.items()},
    )
    if not earnings.insert(tx, made, now):
        return None  # another run was first
    earnings.insert_route_parts(
        tx,
        day,
        [
            RoutePart(product, operator, route, basis.value, weight, part.minor)
            for (operator, route), weight, part in shares.parts
        ],
    )
    if entry_id is not None:
        open_accounts(tx, (deferred, unridden, *operators.values()), now)
        entry = Entry(
            entry_id=entry_id,
            kind="fare.pass_earned",
            lines=tuple(lines),
            owner_id=deferred.owner_id,
            service_day=day,
            effective_at=now,
            cause=f"pass-product:{product}",
            narrative="fare.pass_earned",
        )
        (outcome,) = post.post(tx, [entry], now)
        assert not isinstance(outcome, Refused), "these accounts have no floor"
    return made
