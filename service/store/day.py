"""Sums of one service day's bills and stays, for the page that shows it. Reads only."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, text


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
