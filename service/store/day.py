"""Counts of one service day over all houses, for the page that shows it. Reads only."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date

from sqlalchemy import Connection, text

from kernel.service_day import Window


@dataclass(frozen=True, slots=True)
class TapCount:
    """One operator's taps of a day: all that were stored, and of those the torn and the unusable."""

    operator_id: str
    stored: int
    torn: int
    unproven: int
    late: int


@dataclass(frozen=True, slots=True)
class BillSum:
    """One operator's bill lines of a day: trips, and minor units by component."""

    operator_id: str
    currency: str
    trips: int
    charged: int
    waived: int
    discounted: int
    covered: int

    @property
    def face_value(self) -> int:
        """The components of a tap sum to its face value, so those of an operator do."""
        return self.charged + self.waived + self.discounted + self.covered


@dataclass(frozen=True, slots=True)
class StaySum:
    """One operator's parking stays that began on a day: how many, how many run, and minor units by component."""

    operator_id: str
    currency: str
    stays: int
    running: int
    charged: int
    discounted: int
    covered: int

    @property
    def face_value(self) -> int:
        """The components of a stay sum to its price."""
        return self.charged + self.discounted + self.covered


def latest_day(tx: Connection) -> date | None:
    """Return the newest service day that has a bill or a stay, or None."""
    day: date | None = tx.execute(
        text(
            "SELECT greatest((SELECT max(service_day) FROM fare_bill), (SELECT max(stay_day) FROM parking_stay))"
        )
    ).scalar_one()
    return day


def count_taps(tx: Connection, window: Window, operators: Collection[str] | None) -> tuple[TapCount, ...]:
    """Return counts by operator of the taps made inside `window`; `operators` None means all."""
    rows = tx.execute(
        text(
            "SELECT operator_id, count(*) AS stored, count(*) FILTER (WHERE phase = 2) AS torn,"
            " count(*) FILTER (WHERE NOT mac_valid AND phase <> 2) AS unproven,"
            " count(*) FILTER (WHERE received_at > tapped_at + interval '1 hour') AS late"
            " FROM tap WHERE tapped_at >= :start AND tapped_at < :end"
            # The partition is the UTC date of the tap.
            " AND tap_day BETWEEN CAST(:first AS date) AND CAST(:last AS date)"
            " AND (CAST(:all AS boolean) OR operator_id = ANY(:operators))"
            " GROUP BY operator_id ORDER BY operator_id"
        ),
        {
            "start": window.start,
            "end": window.end,
            "first": window.start.astimezone(UTC).date(),
            "last": window.end.astimezone(UTC).date(),
            "all": operators is None,
            "operators": list(operators or ()),
        },
    )
    return tuple(TapCount(*row) for row in rows)


def sum_bills(tx: Connection, service_day: date, operators: Collection[str] | None) -> tuple[BillSum, ...]:
    """Return bill sums by operator and currency; `operators` None means all."""
    rows = tx.execute(
        text(
            "SELECT operator_id, currency, sum(trips_delta),"
            " coalesce(sum(delta_minor) FILTER (WHERE component = 'charged'), 0),"
            " coalesce(sum(delta_minor) FILTER (WHERE component = 'waived'), 0),"
            " coalesce(sum(delta_minor) FILTER (WHERE component = 'discounted'), 0),"
            " coalesce(sum(delta_minor) FILTER (WHERE component IN ('pass_covered', 'cap_covered')), 0)"
            " FROM fare_bill_line"
            " WHERE service_day = :day AND (CAST(:all AS boolean) OR operator_id = ANY(:operators))"
            " GROUP BY operator_id, currency ORDER BY operator_id, currency"
        ),
        {"day": service_day, "all": operators is None, "operators": list(operators or ())},
    )
    return tuple(BillSum(row[0], row[1].strip(), *(int(number) for number in row[2:])) for row in rows)


def sum_stays(tx: Connection, stay_day: date, operators: Collection[str] | None) -> tuple[StaySum, ...]:
    """Return parking sums by operator and currency; `operators` None means all."""
    rows = tx.execute(
        text(
            "WITH bill AS (SELECT operator_id, currency,"
            " coalesce(sum(delta_minor) FILTER (WHERE component = 'charged'), 0) AS charged,"
            " coalesce(sum(delta_minor) FILTER (WHERE component = 'discounted'), 0) AS discounted,"
            " coalesce(sum(delta_minor) FILTER (WHERE component = 'pass_covered'), 0) AS covered"
            " FROM parking_bill_line WHERE stay_day = :day GROUP BY operator_id, currency),"
            " stay AS (SELECT operator_id, currency, count(*) AS stays, count(*) FILTER (WHERE running) AS running"
            " FROM parking_stay WHERE stay_day = :day GROUP BY operator_id, currency)"
            " SELECT operator_id, currency, stays, running, coalesce(charged, 0), coalesce(discounted, 0),"
            " coalesce(covered, 0) FROM stay LEFT JOIN bill USING (operator_id, currency)"
            " WHERE CAST(:all AS boolean) OR operator_id = ANY(:operators) ORDER BY operator_id, currency"
        ),
        {"day": stay_day, "all": operators is None, "operators": list(operators or ())},
    )
    return tuple(StaySum(row[0], row[1].strip(), *(int(number) for number in row[2:])) for row in rows)


def count_accounts(tx: Connection, service_day: date) -> int:
    """Return how many fare accounts have a bill on this day."""
    return int(
        tx.execute(
            text("SELECT count(DISTINCT fare_account_id) FROM fare_bill WHERE service_day = :day"),
            {"day": service_day},
        ).scalar_one()
    )


def count_exceptions(tx: Connection) -> tuple[tuple[str, str, int], ...]:
    """Return (house, reason, count) of what waits in the exception queue."""
    rows = tx.execute(
        text(
            "SELECT house, reason, count(*) FROM exception_queue WHERE resolved_at IS NULL"
            " GROUP BY house, reason ORDER BY house, reason"
        )
    )
    return tuple((row[0], row[1], int(row[2])) for row in rows)
