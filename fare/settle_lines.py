"""What a book day's fares came to per operator, mode and route: the lines a settlement is made of."""

from collections import defaultdict
from datetime import date

from sqlalchemy import Connection

from fare.bill import Books
from fare.rules.bill import Component
from fare.rules.tariff import TariffBook
from fare.store import bills
from kernel.ids import OperatorId
from kernel.money import Money
from ledger.rules.settlement import SettleLine

HOUSE = "fare"


def settle_lines(tx: Connection, book_day: date, *, books: Books) -> tuple[SettleLine, ...]:
    """Return a line for each operator and route with anything booked on `book_day`, in that order.

    Amounts are the differences booked that day: corrections of earlier service days are in them. Charges and refunds are counted apart.
    """
    tariff = books.current()
    zero = Money.zero(tariff.currency)
    sums: dict[tuple[str, str], dict[str, Money]] = defaultdict(lambda: defaultdict(lambda: zero))
    trips: dict[tuple[str, str], int] = defaultdict(int)
    for row in bills.list_book_day_totals(tx, book_day):
        place = (row.operator_id, row.route_id)
        trips[place] += row.trips
        total = sums[place]
        if row.component == Component.CHARGED.value:
            total["collected"] += Money(row.raised, tariff.currency)
            total["refunded"] += Money(row.lowered, tariff.currency)
        else:
            total[row.component] += Money(row.raised - row.lowered, tariff.currency)
    return tuple(
        _line(
            operator,
            _mode(tariff, book_day, route),
            route,
            trips[operator, route],
            sums[operator, route],
            zero,
        )
        for operator, route in sorted(sums)
    )


def _mode(tariff: TariffBook, day: date, route_id: str) -> str:
    route = tariff.on(day).routes.get(route_id)
    return route.mode if route else "unknown"


def _line(
    operator: str, mode: str, route: str, trips: int, total: dict[str, Money], zero: Money
) -> SettleLine:
    parts = {
        name: total.get(name, zero)
        for name in ("waived", "discounted", "pass_covered", "cap_covered", "collected", "refunded")
    }
    refunded = parts["refunded"]
    face = sum((part for name, part in parts.items() if name != "refunded"), zero) - refunded
    return SettleLine(
        house=HOUSE,
        operator_id=OperatorId(operator),
        mode=mode,
        route_id=route,
        trips=trips,
        face_value=face,
        **parts,
    )
