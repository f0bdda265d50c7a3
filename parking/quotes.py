"""Quotes with an id: what was asked for is kept, so that the same price and proof can be shown for ever."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from kernel.errors import DomainError
from parking.publish_rates import Rates
from parking.rules.quote import Quote, quote_between
from parking.sessions import book_at
from parking.store import quotes as store
from parking.store.quotes import QuoteRow


class UnknownQuoteError(DomainError):
    """No quote of this id."""

    detail = "There is no quote {quote_id}."


class QuoteIdReusedError(DomainError):
    """The caller asked for something else under the same id and version."""

    detail = "Quote request {request_id} was made before with another {field}."


@dataclass(frozen=True, slots=True)
class KeptQuote:
    """A quote as it was asked for and answered; `again` says that it was there before."""

    row: QuoteRow
    quote: Quote
    again: bool = False


def keep_quote(tx: Connection, new: QuoteRow) -> KeptQuote:
    """Price a stay and keep what was asked for. The same request again gets the first answer.

    QuoteIdReusedError; UnknownPlaceError, UnknownVehicleClassError, NoRateError, UncoveredTimeError,
    ImpossibleTimesError before anything is written.
    """
    known = store.find_quote(tx, new.quote_id)
    if known is not None:
        return _again(tx, known, new)
    priced = price_kept(tx, new)
    if not store.insert_quote(tx, new):
        known = store.find_quote(tx, new.quote_id)
        assert known is not None, "its id is taken"
        return _again(tx, known, new)
    return KeptQuote(new, priced)


def find_quote(tx: Connection, quote_id: UUID) -> KeptQuote:
    """Return a kept quote, priced by the rates it was asked under; UnknownQuoteError."""
    known = store.find_quote(tx, quote_id)
    if known is None:
        raise UnknownQuoteError(quote_id=str(quote_id))
    return KeptQuote(known, price_kept(tx, known), again=True)


def price_kept(tx: Connection, row: QuoteRow) -> Quote:
    """Return the price of a stay as it was asked for, by the rates in force when it was answered."""
    book = book_at(Rates(tx), row.place_id, row.answered_at)
    table = book.table_for(row.place_id, row.vehicle_class, row.starts_at, user=row.user_kind)
    return quote_between(table, row.starts_at, row.ends_at, asked_at=row.answered_at)


def _again(tx: Connection, known: QuoteRow, new: QuoteRow) -> KeptQuote:
    for field in (
        "spec_id",
        "place_id",
        "vehicle_class",
        "user_kind",
        "starts_at",
        "ends_at",
        "requested_at",
    ):
        if getattr(known, field) != getattr(new, field):
            raise QuoteIdReusedError(request_id=known.request_id, field=field)
    return KeptQuote(known, price_kept(tx, known), again=True)
