"""SQL of pass money: what was sold, what is earned. Takes `tx`, decides nothing, commits nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class LivingPass:
    """A pass whose earning is not over by a day."""

    price_minor: int
    purchased_at: datetime
    valid_from: datetime
    valid_until: datetime
    covered_minor: int


@dataclass(frozen=True, slots=True)
class Earned:
    """What one product earned on a book day; `parts` by operator, in minor units."""

    product_id: str
    book_day: date
    currency: str
    earned_minor: int
    unridden_minor: int
    entry_id: UUID | None
    parts: Mapping[str, int]


_SOLD = """
FROM fare_pass AS p LEFT JOIN fare_pass_sale AS s USING (fare_account_id, pass_id)
LEFT JOIN fare_pass_end AS e ON e.fare_account_id = p.fare_account_id AND e.pass_id = p.pass_id AND e.book_day <= :day
WHERE p.product_id = :product AND p.currency = :currency AND coalesce(s.book_day <= :day, p.purchased_at < :over)
"""


def list_products(tx: Connection, currency: str) -> tuple[str, ...]:
    """Return every product of which a pass was ever sold."""
    rows = tx.execute(
        text("SELECT DISTINCT product_id FROM fare_pass WHERE currency = :currency ORDER BY product_id"),
        {"currency": currency},
    )
    return tuple(rows.scalars())


def finished_minor(tx: Connection, product: str, currency: str, day: date, over: datetime) -> int:
    """Return what was kept of all passes of a product that ended, or were given back, by the end of a day."""
    found = tx.execute(
        text(
            "SELECT coalesce(sum(p.price_minor - coalesce(e.refunded_minor, 0)), 0)::bigint"
            f" {_SOLD} AND (p.valid_until <= :over OR e.ended_at IS NOT NULL)"
        ),
        {"product": product, "currency": currency, "day": day, "over": over},
    )
    return int(found.scalar_one())


def stream_living(
    tx: Connection, product: str, currency: str, day: date, over: datetime, *, by_rides: bool
) -> Iterator[LivingPass]:
    """Yield the passes of a product that go on after a day; what they cover is counted only if asked."""
    covered = (
        "(SELECT coalesce(sum(l.delta_minor), 0)::bigint FROM fare_bill_line AS l"
        " WHERE l.fare_account_id = p.fare_account_id AND l.component = 'pass_covered'"
        " AND l.rule = 'passes:' || p.product_id AND l.book_day <= :day AND l.service_day >= p.valid_from::date)"
        if by_rides
        else "0"
    )
    rows = tx.execute(
        text(
            f"SELECT p.price_minor, p.purchased_at, p.valid_from, p.valid_until, {covered} AS covered"
            f" {_SOLD} AND p.valid_until > :over AND e.ended_at IS NULL"
        ),
        {"product": product, "currency": currency, "day": day, "over": over},
        execution_options={"yield_per": 5_000},
    )
    for row in rows:
        yield LivingPass(*row)


def earned_before(tx: Connection, product: str) -> tuple[int, date | None]:
    """Return what a product has earned so far, and the last book day it was counted for."""
    row = tx.execute(
        text(
            "SELECT coalesce(sum(earned_minor), 0)::bigint, max(book_day) FROM fare_pass_earned"
            " WHERE product_id = :product"
        ),
        {"product": product},
    ).one()
    return int(row[0]), row[1]


def carried_minor(tx: Connection, product: str, day: date) -> dict[tuple[str, str], int]:
    """Return the face value that a product covered of the rides booked on a day, by operator and route."""
    rows = tx.execute(
        text(
            "SELECT operator_id, route_id, sum(delta_minor)::bigint FROM fare_bill_line WHERE book_day = :day"
            " AND component = 'pass_covered' AND rule = :rule GROUP BY operator_id, route_id"
        ),
        {"day": day, "rule": f"passes:{product}"},
    )
    return {(row[0], row[1]): int(row[2]) for row in rows}


def carried_rides(tx: Connection, product: str, day: date) -> tuple[tuple[str, str, str, str, int], ...]:
    """Return operator, route, first and last stop of the rides that a product covered, and how many they were.

    Rides that a correction took from the pass count less than nothing. A stop is empty where no bill names it.
    """
    rows = tx.execute(
        text(
            """
            WITH covered AS MATERIALIZED (
                SELECT fare_account_id, service_day, tap_id, operator_id, route_id, sign(sum(delta_minor)) AS rides
                FROM fare_bill_line
                WHERE book_day = :day AND component = 'pass_covered' AND rule = :rule
                GROUP BY fare_account_id, service_day, tap_id, operator_id, route_id),
            ride AS (
                SELECT DISTINCT ON (b.fare_account_id, b.service_day, CAST(one->>'tap_id' AS uuid))
                       b.fare_account_id, b.service_day, CAST(one->>'tap_id' AS uuid) AS tap_id,
                       one->>'from_stop_id' AS origin, one->>'to_stop_id' AS destination
                FROM fare_bill b CROSS JOIN LATERAL json_array_elements(b.rides) AS one
                WHERE (b.fare_account_id, b.service_day) IN (SELECT fare_account_id, service_day FROM covered)
                ORDER BY b.fare_account_id, b.service_day, CAST(one->>'tap_id' AS uuid), b.revision DESC)
            SELECT c.operator_id, c.route_id, coalesce(r.origin, ''), coalesce(r.destination, ''),
                   sum(c.rides)::bigint
            FROM covered c LEFT JOIN ride r USING (fare_account_id, service_day, tap_id)
            GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
            """
        ),
        {"day": day, "rule": f"passes:{product}"},
    )
    return tuple((row[0], row[1], row[2], row[3], int(row[4])) for row in rows)


@dataclass(frozen=True, slots=True)
class RoutePart:
    """What a route earned of a product on a book day, and the weight it was shared by."""

    product_id: str
    operator_id: str
    route_id: str
    basis: str
    weight: int
    minor: int


def insert_route_parts(tx: Connection, book_day: date, parts: Sequence[RoutePart]) -> None:
    """Write what routes earned of a product."""
    if parts:
        tx.execute(
            text(
                "INSERT INTO fare_pass_earned_route (product_id, book_day, operator_id, route_id, basis, weight, minor)"
                " VALUES (:product_id, :day, :operator_id, :route_id, :basis, :weight, :minor)"
            ),
            [{"day": book_day, **asdict(part)} for part in parts],
        )


def list_route_parts(tx: Connection, book_day: date) -> tuple[RoutePart, ...]:
    """Return what routes earned of passes on a book day; route "" for what was earned before routes were kept."""
    rows = tx.execute(
        text(
            "SELECT p.product_id, p.operator_id, coalesce(r.route_id, ''), coalesce(r.basis, 'face_value'),"
            " coalesce(r.weight, 1), coalesce(r.minor, p.minor) FROM fare_pass_earned_part p"
            " LEFT JOIN fare_pass_earned_route r USING (product_id, book_day, operator_id)"
            " WHERE p.book_day = :day ORDER BY 1, 2, 3"
        ),
        {"day": book_day},
    )
    return tuple(RoutePart(*row) for row in rows)


def insert(tx: Connection, earned: Earned, now: datetime) -> bool:
    """Write a product's day; False, and nothing written, where it stands already."""
    done = tx.execute(
        text(
            "INSERT INTO fare_pass_earned (product_id, book_day, currency, earned_minor, unridden_minor,"
            " entry_id, earned_at) VALUES (:product, :day, :currency, :earned, :unridden, :entry, :now)"
            " ON CONFLICT ON CONSTRAINT fare_pass_earned_pk DO NOTHING"
        ),
        {
            "product": earned.product_id,
            "day": earned.book_day,
            "currency": earned.currency,
            "earned": earned.earned_minor,
            "unridden": earned.unridden_minor,
            "entry": earned.entry_id,
            "now": now,
        },
    )
    if done.rowcount == 1 and earned.parts:
        tx.execute(
            text(
                "INSERT INTO fare_pass_earned_part (product_id, book_day, operator_id, minor)"
                " VALUES (:product, :day, :operator, :minor)"
            ),
            [
                {
                    "product": earned.product_id,
                    "day": earned.book_day,
                    "operator": operator,
                    "minor": minor,
                }
                for operator, minor in earned.parts.items()
            ],
        )
    return done.rowcount == 1


def list_earned(tx: Connection, book_day: date) -> Sequence[Earned]:
    """Return what every product earned on a book day, by product."""
    rows = tx.execute(
        text(
            "SELECT e.product_id, e.book_day, e.currency, e.earned_minor, e.unridden_minor, e.entry_id,"
            " coalesce(jsonb_object_agg(p.operator_id, p.minor) FILTER (WHERE p.operator_id IS NOT NULL), '{}')"
            " FROM fare_pass_earned AS e LEFT JOIN fare_pass_earned_part AS p USING (product_id, book_day)"
            " WHERE e.book_day = :day GROUP BY e.product_id, e.book_day ORDER BY e.product_id"
        ),
        {"day": book_day},
    )
    return [Earned(*row) for row in rows]
