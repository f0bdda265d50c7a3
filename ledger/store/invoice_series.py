"""SQL of invoice series. Takes `tx`, decides nothing, commits nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, text

from kernel.ids import OperatorId
from ledger.rules.invoice import Series, TaxRate

_SERIES: Final = "operator_id, symbol, house, template, tax_rate, seller_name, seller_tax_code, seller_address, next_number"


def insert(tx: Connection, series: Series, *, by: str, now: datetime) -> bool:
    """Open a series; False, and nothing written, where it is open already."""
    done = tx.execute(
        text(
            f"INSERT INTO ledger_invoice_series ({_SERIES}, opened_at, opened_by) VALUES (:operator_id, :symbol,"
            " :house, :template, :tax_rate, :seller_name, :seller_tax_code, :seller_address, :next_number, :now, :by)"
            " ON CONFLICT ON CONSTRAINT ledger_invoice_series_pk DO NOTHING"
        ),
        {
            **{name: getattr(series, name) for name in _SERIES.split(", ") if name != "tax_rate"},
            "tax_rate": series.tax_rate.value,
            "now": now,
            "by": by,
        },
    )
    return done.rowcount == 1


def list_series(
    tx: Connection, operators: Iterable[str] | None = None, *, lock: bool = False
) -> tuple[Series, ...]:
    """Return the series of some operators, or of all, oldest first; locked in one order if asked."""
    rows = tx.execute(
        text(
            f"SELECT {_SERIES} FROM ledger_invoice_series"
            " WHERE CAST(:operators AS text[]) IS NULL OR operator_id = ANY(CAST(:operators AS text[]))"
            " ORDER BY operator_id, opened_at, symbol" + (" FOR UPDATE" if lock else "")
        ),
        {"operators": None if operators is None else sorted(set(operators))},
    )
    return tuple(
        Series(
            operator_id=OperatorId(row[0]),
            symbol=row[1],
            house=row[2],
            template=row[3],
            tax_rate=TaxRate(row[4]),
            seller_name=row[5],
            seller_tax_code=row[6],
            seller_address=row[7],
            next_number=row[8],
        )
        for row in rows
    )


def move(tx: Connection, operator: str, symbol: str, next_number: int) -> None:
    """Set the next number of a series that is locked."""
    tx.execute(
        text(
            "UPDATE ledger_invoice_series SET next_number = :next WHERE operator_id = :operator AND symbol = :symbol"
        ),
        {"operator": operator, "symbol": symbol, "next": next_number},
    )


def stream_gaps(tx: Connection) -> Iterator[tuple[str, str, int]]:
    """Yield operator, symbol and number of every number given and not there: always none."""
    rows = tx.execute(
        text(
            "SELECT s.operator_id, s.symbol, n FROM ledger_invoice_series s"
            " CROSS JOIN LATERAL generate_series(1, s.next_number - 1) AS n"
            " LEFT JOIN ledger_invoice i ON (i.operator_id, i.symbol, i.number) = (s.operator_id, s.symbol, n)"
            " WHERE i.number IS NULL ORDER BY 1, 2, 3"
        )
    )
    for row in rows:
        yield row[0], row[1], int(row[2])
