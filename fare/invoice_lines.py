"""What a book day's rides ask of the e-invoices: one draft a ride and operator, with its route and plate."""

from collections.abc import Iterator
from datetime import date
from typing import Final

from sqlalchemy import Connection

from fare.bill import Books
from fare.rules.terms import Settled
from fare.settle_lines import HOUSE
from fare.store.invoice_rides import ChargedRide, stream_charged_rides
from kernel.ids import OperatorId
from kernel.money import Money, currency
from ledger.rules.invoice import Draft

TITLE: Final = "Vận chuyển hành khách, tuyến {route}"


def invoice_drafts(tx: Connection, book_day: date, *, books: Books) -> Iterator[Draft]:
    """Yield a draft for each ride and operator whose charge changed on `book_day`, in the order of their taps.

    The subject is the tap that began the ride. A ride in a vehicle names its plate: the place that the validator
    was enrolled at. A ride between stations has none.
    """
    tariff = books.current()
    for row in stream_charged_rides(tx, book_day):
        route = tariff.on(row.service_day).routes.get(row.route_id)
        at_station = route is not None and route.rule.settled is Settled.RIDE
        yield Draft(
            operator_id=OperatorId(row.operator_id),
            house=HOUSE,
            subject_id=row.tap_id,
            happened_at=row.started_at,
            total=Money(row.charged_minor, currency(row.currency)),
            title=TITLE.format(route=row.route_id),
            plate=None if at_station else row.place or None,
            facts=_facts(row),
        )


def _facts(row: ChargedRide) -> dict[str, str]:
    told = {"route": row.route_id, "from": row.from_stop_id, "to": row.to_stop_id}
    return {name: value for name, value in told.items() if value}
