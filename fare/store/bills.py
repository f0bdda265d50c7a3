"""SQL of bills: headers by revision, lines as differences. Takes `tx`, decides nothing, commits nothing."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, text

from fare.rules.bill import Parts
from fare.rules.difference import BookedLine, LineKey
from kernel.ids import FareAccountId


@dataclass(frozen=True, slots=True)
class Header:
    """The newest revision of one account-day."""

    fare_account_id: FareAccountId
    service_day: date
    revision: int
    tariff_version: str
    engine_version: str
    carried_in: str
    carried_out: str
    rides: str
    unpriced: str
    has_open_ride: bool


@dataclass(frozen=True, slots=True)
class NewBill:
    """One revision as it is written; the JSON columns are canonical text."""

    header: Header
    billed_at: datetime
    currency: str
    parts: Parts


@dataclass(frozen=True, slots=True)
class NewLine:
    """One difference as it is written."""

    fare_account_id: FareAccountId
    service_day: date
    revision: int
    line_no: int
    key: LineKey
    rule: str
    currency: str
    delta_minor: int
    trips_delta: int
    book_day: date
    entry_id: UUID | None


# Made once: json.dumps makes an encoder a call when it is given options.
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
COLUMNS = """fare_account_id, service_day, revision, tariff_version, engine_version,
    carried_in::text, carried_out::text, rides::text, unpriced::text, has_open_ride"""


def canonical(value: object) -> str:
    """One text for one JSON value, so that two summaries can be compared as text."""
    return _ENCODER.encode(value)


def parsed(canonical_text: str) -> dict[str, Any]:
    """The JSON object that `canonical` wrote."""
    value = json.loads(canonical_text)
    assert isinstance(value, dict)
    return value


def parsed_list(canonical_text: str) -> list[dict[str, Any]]:
    """The JSON array of objects that `canonical` wrote."""
    value = json.loads(canonical_text)
    assert isinstance(value, list)
    return value


def header_of(row: Sequence[Any]) -> Header:
    """The header in a row that begins with COLUMNS."""
    return Header(FareAccountId(row[0]), *row[1:10])


def _day_arrays(first_days: Mapping[FareAccountId, date]) -> dict[str, object]:
    return {"accounts": list(first_days), "days": list(first_days.values())}


def list_headers_from(tx: Connection, first_days: Mapping[FareAccountId, date]) -> tuple[Header, ...]:
    """Newest header of every billed day on or after each account's first day, in day order."""
    rows = tx.execute(
        text(
            f"""
            SELECT newest.*
            FROM unnest(CAST(:accounts AS uuid[]), CAST(:days AS date[])) AS asked(account, first_day)
            CROSS JOIN LATERAL (
                SELECT DISTINCT ON (service_day) {COLUMNS} FROM fare_bill
                WHERE fare_account_id = account AND service_day >= first_day
                ORDER BY service_day, revision DESC
            ) AS newest
            ORDER BY fare_account_id, service_day
            """
        ),
        _day_arrays(first_days),
    )
    return tuple(header_of(row) for row in rows)


def find_headers_before(
    tx: Connection, first_days: Mapping[FareAccountId, date]
) -> dict[FareAccountId, Header]:
    """Newest header of each account's last billed day before its first day; accounts without one are absent."""
    rows = tx.execute(
        text(
            f"""
            SELECT {COLUMNS.replace("fare_account_id", "last.fare_account_id", 1)}
            FROM unnest(CAST(:accounts AS uuid[]), CAST(:days AS date[])) AS asked(account, first_day)
            CROSS JOIN LATERAL (
                SELECT * FROM fare_bill
                WHERE fare_account_id = account AND service_day < first_day
                ORDER BY service_day DESC, revision DESC LIMIT 1
            ) AS last
            """
        ),
        _day_arrays(first_days),
    )
    return {header.fare_account_id: header for header in map(header_of, rows)}


def list_booked_lines(
    tx: Connection, first_days: Mapping[FareAccountId, date]
) -> dict[tuple[FareAccountId, date], dict[LineKey, BookedLine]]:
    """Per account-day on or after each account's first day: the booked sum of every line."""
    rows = tx.execute(
        text(
            """
            SELECT fare_account_id, service_day, tap_id, component, operator_id, funder, route_id,
                   sum(delta_minor), sum(trips_delta),
                   (array_agg(rule ORDER BY revision DESC))[1],
                   (array_agg(entry_id ORDER BY revision DESC) FILTER (WHERE entry_id IS NOT NULL))[1]
            FROM unnest(CAST(:accounts AS uuid[]), CAST(:days AS date[])) AS asked(account, first_day)
            CROSS JOIN LATERAL (
                -- OFFSET 0: account by account, never everybody's lines hashed to find these accounts'.
                SELECT * FROM fare_bill_line
                WHERE fare_account_id = account AND service_day >= first_day OFFSET 0
            ) AS line
            GROUP BY fare_account_id, service_day, tap_id, component, operator_id, funder, route_id
            """
        ),
        _day_arrays(first_days),
    )
    booked: dict[tuple[FareAccountId, date], dict[LineKey, BookedLine]] = {}
    for row in rows:
        lines = booked.setdefault((FareAccountId(row[0]), row[1]), {})
        lines[LineKey(*row[2:7])] = BookedLine(int(row[7]), int(row[8]), row[9], row[10])
    return booked


def insert_bills(tx: Connection, bills: Iterable[NewBill]) -> None:
    """Write revisions; a revision that stands already is a programmer error (the account was locked)."""
    rows = [
        (
            str(bill.header.fare_account_id),
            bill.header.service_day,
            bill.header.revision,
            bill.header.tariff_version,
            bill.header.engine_version,
            bill.billed_at,
            bill.header.carried_in,
            bill.header.carried_out,
            bill.header.rides,
            bill.header.unpriced,
            bill.header.has_open_ride,
            bill.currency,
            bill.parts.face,
            bill.parts.waived,
            bill.parts.discounted,
            bill.parts.pass_covered,
            bill.parts.cap_covered,
            bill.parts.charged,
        )
        for bill in bills
    ]
    _copy(
        tx,
        """COPY fare_bill (fare_account_id, service_day, revision, tariff_version, engine_version, billed_at,
           carried_in, carried_out, rides, unpriced, has_open_ride, currency, face_minor, waived_minor,
           discounted_minor, pass_covered_minor, cap_covered_minor, charged_minor) FROM STDIN""",
        rows,
    )


def insert_lines(tx: Connection, lines: Iterable[NewLine]) -> None:
    """Write differences, in one COPY."""
    rows = [
        (
            line.fare_account_id,
            line.service_day,
            line.revision,
            line.line_no,
            *line.key,
            line.rule,
            line.currency,
            line.delta_minor,
            line.trips_delta,
            line.book_day,
            line.entry_id,
        )
        for line in lines
    ]
    _copy(
        tx,
        """COPY fare_bill_line (fare_account_id, service_day, revision, line_no, tap_id, component, operator_id,
           funder, route_id, rule, currency, delta_minor, trips_delta, book_day, entry_id) FROM STDIN""",
        rows,
    )


def _copy(tx: Connection, statement: str, rows: Sequence[Sequence[object]]) -> None:
    if not rows:
        return
    driver = tx.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def list_open_rides(tx: Connection, until: date) -> tuple[tuple[FareAccountId, date], ...]:
    """Account-days up to and including `until` whose newest revision still holds an open ride."""
    rows = tx.execute(
        text(
            """
            SELECT fare_account_id, service_day FROM fare_bill AS newest
            WHERE has_open_ride AND service_day <= :until AND NOT EXISTS (
                SELECT FROM fare_bill AS later
                WHERE later.fare_account_id = newest.fare_account_id
                  AND later.service_day = newest.service_day AND later.revision > newest.revision)
            ORDER BY fare_account_id, service_day
            """
        ),
        {"until": until},
    )
    return tuple((FareAccountId(row[0]), row[1]) for row in rows)
