"""What a book day's fares came to per operator, mode, route and service day, and what funders owe for them."""

from collections import defaultdict
from datetime import date

from sqlalchemy import Connection

from fare.bill import Books
from fare.rules.bill import Component
from fare.rules.tariff import TariffBook
from fare.store import book_day as store
from fare.store import earnings
from kernel.ids import OperatorId
from kernel.money import Money
from ledger.rules.settlement import Claim, HouseDay, SettleLine

HOUSE = "fare"


def settle_lines(tx: Connection, book_day: date, *, books: Books) -> HouseDay:
    """Return a line for each operator, route and service day with anything booked on `book_day`, and the claims.

    Amounts are the differences booked that day: corrections of earlier service days stand on lines of their own.
    Charges and refunds are counted apart. What passes earned that day stands on the routes that earned it.
    """
    tariff = books.current()
    zero = Money.zero(tariff.currency)
    sums: dict[tuple[str, str, date], dict[str, Money]] = defaultdict(lambda: defaultdict(lambda: zero))
    trips: dict[tuple[str, str, date], int] = defaultdict(int)
    for row in store.list_totals(tx, book_day):
        place = (row.operator_id, row.route_id, row.service_day)
        trips[place] += row.trips
        total = sums[place]
        if row.component == Component.CHARGED.value:
            total["collected"] += Money(row.raised, tariff.currency)
            total["refunded"] += Money(row.lowered, tariff.currency)
        else:
            total[row.component] += Money(row.raised - row.lowered, tariff.currency)
    for part in earnings.list_route_parts(tx, book_day):
        sums[part.operator_id, part.route_id, book_day]["pass_revenue"] += Money(part.minor, tariff.currency)
    claims = tuple(
        Claim(
            house=HOUSE,
            operator_id=OperatorId(row.operator_id),
            route_id=row.route_id,
            service_day=row.service_day,
            funder=row.funder,
            component=row.component,
            rule=row.rule,
            rides=row.rides,
            amount=Money(row.minor, tariff.currency),
        )
        for row in store.list_claims(tx, book_day)
    )
    lines = tuple(_line(tariff, place, trips[place], sums[place], zero) for place in sorted(sums))
    return HouseDay(lines, claims)


def _line(
    tariff: TariffBook, place: tuple[str, str, date], trips: int, total: dict[str, Money], zero: Money
) -> SettleLine:
    operator, route_id, service_day = place
    route = tariff.on(service_day).routes.get(route_id)
    parts = {
        name: total.get(name, zero)
        for name in ("waived", "discounted", "pass_covered", "cap_covered", "collected", "refunded")
    }
    refunded = parts["refunded"]
    face = sum((part for name, part in parts.items() if name != "refunded"), zero) - refunded
    return SettleLine(
        house=HOUSE,
        operator_id=OperatorId(operator),
        mode=route.mode if route else "unknown",
        route_id=route_id,
        service_day=service_day,
        trips=trips,
        face_value=face,
        **parts,
        pass_revenue=total.get("pass_revenue", zero),
        shared=zero,
        fees=zero,
    )
