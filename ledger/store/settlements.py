"""Settlement rows, and what the settlement reads from the books."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, text

from kernel.ids import OperatorId
from kernel.money import Currency, Money
from ledger.rules.settlement import AMOUNTS, Claim, Coverage, OperatorSums, SettleLine, Settlement
from ledger.store.payouts import PAID_OUT

_AMOUNTS: Final = ", ".join(AMOUNTS)
_CLAIM: Final = (
    "house", "operator_id", "route_id", "service_day", "funder", "component", "rule", "rides",
)  # fmt: skip
_BOUND: Final = ", ".join(f":{name}" for name in AMOUNTS)


@dataclass(frozen=True, slots=True)
class StoredDay:
    """The settled day's own row."""

    digest: bytes
    coverage: Coverage
    settled_at: datetime


def insert_day(tx: Connection, coverage: Coverage, digest: bytes, now: datetime, *, sealed_on: date) -> bool:
    """Store the day's row; False when the day is settled already (a settling under way is waited for)."""
    found = tx.execute(
        text(
            "INSERT INTO ledger_settlement_day (book_day, currency, digest, stored_value, guarantee, clearing, "
            "receivable, settled_at, sealed_on) VALUES (:book_day, :currency, :digest, :stored_value, :guarantee, :clearing, "
            ":receivable, :now, :sealed_on) ON CONFLICT (book_day, currency) DO NOTHING"
        ),
        {
            "book_day": coverage.book_day,
            "currency": coverage.stored_value.currency.code,
            "digest": digest,
            "stored_value": coverage.stored_value.minor,
            "guarantee": coverage.guarantee.minor,
            "clearing": coverage.clearing.minor,
            "receivable": coverage.receivable.minor,
            "now": now,
            "sealed_on": sealed_on,
        },
    )
    return found.rowcount == 1


def find_day(tx: Connection, book_day: date, unit: Currency) -> StoredDay | None:
    """Return the settled day's row; None when it is not settled."""
    found = tx.execute(
        text(
            "SELECT digest, stored_value, guarantee, clearing, receivable, settled_at FROM ledger_settlement_day "
            "WHERE book_day = :book_day AND currency = :currency"
        ),
        {"book_day": book_day, "currency": unit.code},
    ).one_or_none()
    if found is None:
        return None
    amounts = (Money(int(value), unit) for value in found[1:5])
    return StoredDay(bytes(found.digest), Coverage(book_day, *amounts), found.settled_at)


def insert(
    tx: Connection, settlements: Sequence[Settlement], lines: Sequence[SettleLine], claims: Sequence[Claim]
) -> None:
    """Store a day's settlements, the lines they were made from, and the claims."""
    if settlements:
        tx.execute(
            text(
                f"INSERT INTO ledger_settlement (book_day, currency, operator_id, trips, {_AMOUNTS}, "
                f"cash_kept, ledger_net, ledger_subsidy) VALUES (:book_day, :currency, :operator_id, :trips, {_BOUND}, "
                ":cash_kept, :ledger_net, :ledger_subsidy)"
            ),
            [
                {
                    "book_day": one.book_day,
                    "currency": one.face_value.currency.code,
                    "operator_id": one.operator_id,
                    "trips": one.trips,
                    "cash_kept": one.cash_kept.minor,
                    "ledger_net": one.ledger_net.minor,
                    "ledger_subsidy": one.ledger_subsidy.minor,
                    **{name: getattr(one, name).minor for name in AMOUNTS},
                }
                for one in settlements
            ],
        )
    if lines:
        tx.execute(
            text(
                f"INSERT INTO ledger_settlement_line (book_day, currency, operator_id, line_no, house, mode, route_id, "
                f"service_day, trips, {_AMOUNTS}) VALUES (:book_day, :currency, :operator_id, :line_no, :house, :mode, "
                f":route_id, :service_day, :trips, {_BOUND})"
            ),
            [
                {
                    "book_day": settlements[0].book_day,
                    "currency": line.face_value.currency.code,
                    "operator_id": line.operator_id,
                    "line_no": number,
                    "house": line.house,
                    "mode": line.mode,
                    "route_id": line.route_id,
                    "service_day": line.service_day,
                    "trips": line.trips,
                    **{name: getattr(line, name).minor for name in AMOUNTS},
                }
                for number, line in enumerate(lines, 1)
            ],
        )
    if claims:
        tx.execute(
            text(
                "INSERT INTO ledger_settlement_claim (book_day, currency, operator_id, claim_no, house, route_id, "
                "service_day, funder, component, rule, rides, minor) VALUES (:book_day, :currency, :operator_id, "
                ":claim_no, :house, :route_id, :service_day, :funder, :component, :rule, :rides, :minor)"
            ),
            [
                {
                    "book_day": settlements[0].book_day,
                    "currency": one.amount.currency.code,
                    "claim_no": number,
                    "minor": one.amount.minor,
                    **{name: getattr(one, name) for name in _CLAIM},
                }
                for number, one in enumerate(claims, 1)
            ],
        )


def _amounts(found: Row[Any], unit: Currency) -> dict[str, Money]:
    return {name: Money(getattr(found, name), unit) for name in AMOUNTS}


def list_settlements(
    tx: Connection, book_day: date, unit: Currency, settled_at: datetime
) -> list[Settlement]:
    """Return a settled day's settlements, in operator order."""
    rows = tx.execute(
        text(
            f"SELECT operator_id, trips, {_AMOUNTS}, cash_kept, ledger_net, ledger_subsidy FROM ledger_settlement "
            'WHERE book_day = :book_day AND currency = :currency ORDER BY operator_id COLLATE "C"'
        ),
        {"book_day": book_day, "currency": unit.code},
    )
    return [
        Settlement(
            book_day,
            OperatorId(found.operator_id),
            found.trips,
            **_amounts(found, unit),
            cash_kept=Money(found.cash_kept, unit),
            ledger_net=Money(found.ledger_net, unit),
            ledger_subsidy=Money(found.ledger_subsidy, unit),
            settled_at=settled_at,
        )
        for found in rows
    ]


def list_lines(tx: Connection, book_day: date, unit: Currency) -> list[SettleLine]:
    """Return a settled day's lines, in the order they were stored."""
    rows = tx.execute(
        text(
            f"SELECT operator_id, house, mode, route_id, coalesce(service_day, book_day) AS service_day, trips, {_AMOUNTS} FROM ledger_settlement_line "
            "WHERE book_day = :book_day AND currency = :currency ORDER BY line_no"
        ),
        {"book_day": book_day, "currency": unit.code},
    )
    return [
        SettleLine(
            house=found.house,
            operator_id=OperatorId(found.operator_id),
            mode=found.mode,
            route_id=found.route_id,
            service_day=found.service_day,
            trips=found.trips,
            **_amounts(found, unit),
        )
        for found in rows
    ]


def list_claims(tx: Connection, book_day: date, unit: Currency) -> list[Claim]:
    """Return a settled day's claims, in the order they were stored."""
    rows = tx.execute(
        text(
            f"SELECT minor, {', '.join(_CLAIM)} FROM ledger_settlement_claim "
            "WHERE book_day = :book_day AND currency = :currency ORDER BY claim_no"
        ),
        {"book_day": book_day, "currency": unit.code},
    )
    return [claim_of(found, unit) for found in rows]


def claim_of(row: Row[Any], unit: Currency) -> Claim:
    """Return a claim from a row of `ledger_settlement_claim`."""
    return Claim(
        house=row.house,
        operator_id=OperatorId(row.operator_id),
        route_id=row.route_id,
        service_day=row.service_day,
        funder=row.funder,
        component=row.component,
        rule=row.rule,
        rides=row.rides,
        amount=Money(row.minor, unit),
    )


def list_days(tx: Connection, unit: Currency, *, limit: int) -> list[date]:
    """Return the settled days, newest first."""
    rows = tx.execute(
        text(
            "SELECT book_day FROM ledger_settlement_day WHERE currency = :currency ORDER BY book_day DESC LIMIT :limit"
        ),
        {"currency": unit.code, "limit": limit},
    )
    return list(rows.scalars())


def operator_sums(
    tx: Connection,
    book_day: date,
    unit: Currency,
    *,
    net_kinds: Sequence[str],
    subsidy_kinds: Sequence[str],
    cash_kinds: Sequence[str],
) -> dict[OperatorId, OperatorSums]:
    """Return by operator what its accounts of these kinds moved by on a book day, each on its normal side.

    What payouts of other days moved on it is left out; an operator that was only paid has no row.
    """
    rows = tx.execute(
        text(
            f"WITH paid AS ({PAID_OUT}), moved AS ("
            "SELECT a.owner_name, a.kind, sum(r.credits - r.debits) - coalesce(max(p.net), 0) AS net, "
            "max(p.net) IS NOT NULL AS paid "
            "FROM ledger_rollup r JOIN ledger_account a USING (owner_id, account_id) "
            "LEFT JOIN paid p USING (account_id) WHERE r.book_day = :book_day AND a.currency = :currency "
            "AND a.kind = ANY(CAST(:net_kinds AS text[]) || CAST(:subsidy_kinds AS text[]) || CAST(:cash_kinds AS text[])) "
            "GROUP BY a.owner_name, a.kind, a.account_id) "
            "SELECT owner_name, coalesce(sum(net) FILTER (WHERE kind = ANY(:net_kinds)), 0) AS net, "
            "coalesce(sum(net) FILTER (WHERE kind = ANY(:subsidy_kinds)), 0) AS subsidy, "
            "coalesce(-sum(net) FILTER (WHERE kind = ANY(:cash_kinds)), 0) AS cash FROM moved "
            "WHERE NOT (paid AND net = 0) GROUP BY owner_name"
        ),
        {
            "book_day": book_day,
            "currency": unit.code,
            "net_kinds": list(net_kinds),
            "subsidy_kinds": list(subsidy_kinds),
            "cash_kinds": list(cash_kinds),
        },
    )
    return {
        OperatorId(found.owner_name): OperatorSums(int(found.net), int(found.subsidy), int(found.cash))
        for found in rows
    }


def first_booked(tx: Connection) -> date | None:
    """Return the first book day that any account moved on."""
    found: date | None = tx.execute(text("SELECT min(book_day) FROM ledger_rollup")).scalar_one()
    return found
