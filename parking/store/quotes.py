"""SQL of quotes that were given an id. Takes `tx`, decides nothing, commits nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteRow:
    """What was asked for and when; the price follows from it for ever. The fields are the columns, in their order."""

    quote_id: UUID
    request_id: str
    request_version: int
    asker: str
    spec_id: str
    place_id: str
    operator_id: str
    vehicle_class: str
    user_kind: str
    starts_at: datetime
    ends_at: datetime
    requested_at: datetime
    answered_at: datetime


_NAMES = tuple(each.name for each in fields(QuoteRow))
_COLUMNS = ", ".join(_NAMES)


def insert_quote(tx: Connection, new: QuoteRow) -> bool:
    """Write a quote; False when its id is taken."""
    values = ", ".join(f":{name}" for name in _NAMES)
    written = tx.execute(
        text(
            f"INSERT INTO parking_quote ({_COLUMNS}) VALUES ({values}) ON CONFLICT DO NOTHING RETURNING quote_id"
        ),
        dict(zip(_NAMES, astuple(new), strict=True)),
    ).first()
    return written is not None


def find_quote(tx: Connection, quote_id: UUID) -> QuoteRow | None:
    """Return a quote by its id."""
    row = tx.execute(
        text(f"SELECT {_COLUMNS} FROM parking_quote WHERE quote_id = :id"), {"id": quote_id}
    ).first()
    return QuoteRow(**dict(zip(_NAMES, row, strict=True))) if row else None


def list_quotes(
    tx: Connection, operators: Iterable[str] | None, *, since: datetime, offset: int, limit: int
) -> tuple[tuple[QuoteRow, ...], int]:
    """Return a page of the quotes for places of operators (None: all) answered since, newest first, and their number."""
    asked = {"operators": None if operators is None else list(operators), "since": since}
    where = (
        " FROM parking_quote WHERE answered_at >= :since"
        " AND (CAST(:operators AS text[]) IS NULL OR operator_id = ANY (CAST(:operators AS text[])))"
    )
    total = tx.execute(text(f"SELECT count(*){where}"), asked).scalar_one()
    rows = tx.execute(
        text(f"SELECT {_COLUMNS}{where} ORDER BY answered_at DESC, quote_id LIMIT :limit OFFSET :offset"),
        {**asked, "limit": limit, "offset": offset},
    )
    return tuple(QuoteRow(**dict(zip(_NAMES, row, strict=True))) for row in rows), int(total)
