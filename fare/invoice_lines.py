"""What a book day asks of the e-invoices: a draft a ride and operator, with its route and plate, and one a pass sold."""

from collections.abc import Iterator
from datetime import date
from typing import Final

from sqlalchemy import Connection

from fare.bill import Books
from fare.rules.adjust import product_on
from fare.rules.terms import Settled
from fare.settle_lines import HOUSE
from fare.store.invoice_passes import stream_sold_passes
from fare.store.invoice_rides import ChargedRide, stream_charged_rides
from kernel.ids import OperatorId
from kernel.money import Money, currency
from ledger.rules.invoice import LONGEST, Draft
from ledger.rules.payout import CENTRE

TITLE: Final = "Vận chuyển hành khách, tuyến {route}"
SOLD_TITLE: Final = "Vé đi lại nhiều lần: {name}"


def invoice_drafts(tx: Connection, book_day: date, *, books: Books) -> Iterator[Draft]:
    """Yield a draft for each ride and operator whose charge changed on `book_day`, then one for each pass.

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
    yield from _passes(tx, book_day, books)


def _passes(tx: Connection, book_day: date, books: Books) -> Iterator[Draft]:
    """Yield a draft for each pass that was sold, or given back, on a day: what was kept of its price by the day's end.

    The subject is the ledger entry that paid for it. The seller is who the tariff of the sale names, else the
    centre, whose deferred revenue the price is: a pass is good at many operators, and what they earn of it later is
    between them and the centre.
    """
    for sold in stream_sold_passes(tx, book_day):
        tariff = books.version(sold.tariff_version)
        bought_on = tariff.local_date(sold.purchased_at)
        terms = tariff.sales.terms_of(sold.product_id, bought_on)
        product = product_on(tariff.passes.get(sold.product_id, ()), bought_on)
        told = {
            "product": sold.product_id,
            "scope": sold.scope,
            "valid_from": sold.valid_from.astimezone(tariff.zone).isoformat(timespec="minutes"),
            "valid_to": sold.valid_to.astimezone(tariff.zone).isoformat(timespec="minutes"),
        }
        yield Draft(
            operator_id=OperatorId((terms.seller if terms else "") or CENTRE),
            house=HOUSE,
            subject_id=sold.entry_id,
            happened_at=sold.purchased_at,
            total=Money(sold.kept_minor, currency(sold.currency)),
            title=SOLD_TITLE.format(name=product.name if product else sold.product_id)[:LONGEST],
            plate=None,
            facts={name: value for name, value in told.items() if value},
        )


def _facts(row: ChargedRide) -> dict[str, str]:
    told = {"route": row.route_id, "from": row.from_stop_id, "to": row.to_stop_id}
    return {name: value for name, value in told.items() if value}
